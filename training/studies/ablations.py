"""``mien-train ablate``: ablations of ARBEx's reliability balancing (SPEC 2.7).

Everything up to the tokens of one finished member is frozen; the rest is retrained for each variant (anchors per class,
losses) and seed. A run is cheap enough for three seeds on a CPU, but does not show the effect of the anchors on the
trunk. Figures are on PublicTest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from training.data.augment import AugmentConfig
from training.data.fer2013 import read_faces
from training.data.labelled import LabelledFaces
from training.expression.faces import FaceSet
from training.expression.fit import load_members
from training.expression.loss import ArbexLossConfig, arbex_loss, class_distribution_loss
from training.expression.model import Arbex, ArbexBranch, ArbexConfig, ArbexOutput
from training.loop.checkpoint import load_weights
from training.loop.trainer import TrainerConfig, fit
from training.studies.members import DISTRIBUTIONS, OverSeeds, distribution_figures

#: Augmented versions of each training face, each passed through the frozen part once.
_VERSIONS: Final = 2
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Variant:
    """A configuration of the reliability balancing."""

    name: str
    anchors: int = 10  # K per class
    loss: ArbexLossConfig = ArbexLossConfig()
    balanced: bool = True  # False: the plain head alone, never fused, so that nothing repairs it


_PARTS: Final = ArbexLossConfig(parts_weight=0.3)  # as the shipped network
VARIANTS: Final = (
    Variant("plain head alone", 1, balanced=False),
    *(Variant(f"K = {count}", count, _PARTS) for count in (1, 3, 10)),
    *(Variant(f"K = {count}, repulsion", count, replace(_PARTS, repulsion_weight=0.1)) for count in (3, 10)),
    Variant("K = 10, loss of the fusion alone"),
    Variant("K = 10, without anchor and centre loss", 10, replace(_PARTS, anchor_weight=0.0, centre_weight=0.0)),
)


@dataclass(frozen=True, slots=True)
class AblationRow:
    """Accuracy and AURC on the majority faces and NLL against the votes, of one distribution of one variant."""

    variant: str
    distribution: str
    accuracy: OverSeeds
    aurc: OverSeeds
    nll_votes: OverSeeds


@dataclass(frozen=True, slots=True)
class AblationReport:
    """All variants, measured on PublicTest."""

    member: int
    trainer: TrainerConfig
    majority_n: int
    votes_n: int
    rows: tuple[AblationRow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Tokens:
    """Outputs of the frozen part, with their targets."""

    tokens: Tensor  # (N, T, width) float16
    votes: Tensor  # (N, C)


class BranchTask:
    """The part after the tokens, as the training loop takes it."""

    def __init__(self, train: _Tokens, validation: _Tokens, config: ArbexConfig, variant: Variant) -> None:
        self.model: ArbexBranch = ArbexBranch(config, train.tokens.shape[1])
        self.samples = len(train.tokens)
        self._train, self._validation, self._variant = train, validation, variant

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """ARBEx's loss, or that of the plain head, for rows (B,) of the tokens, which are already augmented."""
        output = self.model(self._train.tokens[rows].float())
        if not self._variant.balanced:
            return class_distribution_loss(output.primary, self._train.votes[rows])
        anchors = self.model.reliability.unit_anchors()
        return arbex_loss(output, self._train.votes[rows], anchors, progress, self._variant.loss)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """NLL against the votes, of the fused distribution or the plain head's."""
        output = model(self._validation.tokens.float())
        shown = output.fused if self._variant.balanced else output.primary
        return {"nll": float(class_distribution_loss(shown, self._validation.votes))}


def ablate(
    members: Path,
    data: Path,
    run: Path,
    member: int = 0,
    seeds: Sequence[int] = (0, 1, 2),
    trainer: TrainerConfig = TrainerConfig(epochs=3, learning_rate=1e-3, warmup_epochs=0.2),  # noqa: B008  (frozen)
    report: Callable[[str], None] = print,
) -> AblationReport:
    """Train every variant in RUN, resuming what is there, and measure it.

    Raises:
        FileNotFoundError: the member has not finished.
    """
    networks, config = load_members(members)
    cache, side = members / "cache", config.model.input_side_px
    augment = AugmentConfig()
    faces = read_faces(data, "PublicTest", cache, side).labelled()
    training = read_faces(data, "Training", cache, side).labelled()
    validation = _tokens_of(networks[member], FaceSet(faces, augment), augmented=False)
    train = _tokens_of(networks[member], FaceSet(training, augment), augmented=True)
    rows = []
    for number, variant in enumerate(VARIANTS):
        outputs = []
        for seed in seeds:
            report(f"{variant.name}, seed {seed}")
            torch.manual_seed(seed)
            shape = replace(config.model, anchors=variant.anchors, fer2013_head=False)
            task = BranchTask(train, validation, shape, variant)
            weights = fit(task, replace(trainer, seed=seed), run / f"variant_{number}" / f"seed_{seed}", {}, report)
            load_weights(weights, task.model)
            with torch.no_grad():
                outputs.append(task.model.eval()(validation.tokens.float()))
        shown = DISTRIBUTIONS if variant.balanced else ("primary",)
        rows += [_row(variant.name, name, outputs, faces) for name in shown]
    return AblationReport(member, trainer, int((faces.labels >= 0).sum()), len(faces.labels), tuple(rows))


@torch.no_grad()
def _tokens_of(network: Arbex, faces: FaceSet, *, augmented: bool) -> _Tokens:
    parts, votes = [], torch.from_numpy(faces.faces.targets)
    versions = _VERSIONS if augmented else 1
    for version in range(versions):
        generator = torch.Generator().manual_seed(version)
        for start in range(0, faces.samples, _BATCH):
            rows = torch.arange(start, min(start + _BATCH, faces.samples))
            if augmented:
                batch = faces.augmented(rows, generator)
                images, landmarks = batch.images, batch.landmarks
            else:
                images, landmarks = faces.plain(rows)
            with torch.autocast("cpu", torch.bfloat16):
                parts.append(network.features(images, network.maps_of(landmarks)).half())
    return _Tokens(torch.cat(parts), votes.repeat(versions, 1))


def _row(variant: str, name: str, outputs: Sequence[ArbexOutput], faces: LabelledFaces) -> AblationRow:
    figures = distribution_figures(name, outputs, faces.targets, faces.labels)
    return AblationRow(variant, name, figures.accuracy, figures.aurc, figures.nll_votes)
