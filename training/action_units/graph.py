"""UGN training, stage 2: the uncertain graph head on frozen features.

The features are frozen, so those of a few augmented copies of each face are computed once and kept in memory
(float16: views x faces x units x width x 2 bytes, 0.2 GB for 10,000 faces at edge size).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from engine.action_units import noise_bank
from training.action_units.features import (
    ActionUnitsConfig,
    TrainingFaces,
    features_of,
    network_input,
    unit_means,
)
from training.action_units.loss import (
    adaptive_loss,
    adaptive_weights,
    intensity_loss,
    label_terms,
    marginal_terms,
    mask_divergence,
)
from training.action_units.model import UGN, GraphOutput, UncertainGraphHead, Variant, decompose
from training.data.action_unit_faces import UnitSplit
from training.loop.trainer import channels_last

#: Noise bank of validation during training; the contract's own seed is set at export.
_VALIDATION_SEED: Final = 0
_VALIDATION_SAMPLES: Final = 20
_BATCH: Final = 128


class GraphTask:
    """Stage 2 of a variant: the graph head, faces weighted by their epistemic uncertainty for UGN-B.

    Targets are occurrences, as in the paper, so the probabilities are of occurrence; weak labels are shares already.
    """

    def __init__(
        self,
        split: UnitSplit,
        config: ActionUnitsConfig,
        model: UGN,
        device: torch.device,
        features: Tensor | None = None,
        validation_features: Tensor | None = None,
    ) -> None:
        """Train the head of ``model``.

        ``features`` are those of `view_features` and ``validation_features`` (N, K, D) those of the validation faces as
        they are; both are computed here by default.
        """
        channels_last(model.to(device)).eval()
        self.model: UncertainGraphHead = model.head
        self._config, self._device = config, device
        self._variant = Variant(config.variant)
        train = TrainingFaces(split.training, config.augment, device)
        self.samples = train.samples
        self._occurs, self._known = train.occurs.to(device), train.known.to(device)
        weak = torch.from_numpy(split.training.probable())  # (N, K)
        self._targets = torch.where(weak, train.targets, train.occurs.float()).to(device)
        self._graded = expected_intensities(train.graded.to(device), self._targets, self._known)
        self._features = view_features(model, train, config, device) if features is None else features
        if config.model.centred:
            self.model.set_rest(resting_features(self._features, self._known & ~self._occurs))
        self._validation = split.validation
        if validation_features is None:
            validation_features = features_of(model, network_input(split.validation.crops), device)
        self._validation_features = validation_features
        bank = noise_bank(_VALIDATION_SAMPLES, config.model.units, _VALIDATION_SEED)
        self._bank = torch.from_numpy(bank).to(device)

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """The variant's loss of the training faces with these row numbers (B,), and the prior on the masks."""
        views = torch.randint(len(self._features), rows.shape, generator=generator)
        features = self._features[views, rows].float()
        targets, known = self._targets[rows], self._known[rows]
        samples = max(1, self._config.marginal_samples)
        with torch.autocast(self._device.type, enabled=False):  # the head is small and its differences are fine-grained
            output = self.model(features, self._noise(len(rows), samples, generator))
            if self._config.marginal_samples > 0:
                terms = marginal_terms(output.logits, targets, known)
            else:
                terms = label_terms(output.logits[:, 0], targets, known)
            loss = adaptive_loss(terms, self._weights(features, generator)) + self._prior(output)
            if output.intensity is None:
                return loss
            return loss + intensity_loss(output.intensity, self._graded[rows])

    def _weights(self, features: Tensor, generator: torch.Generator) -> Tensor:
        config = self._config
        if self._variant is not Variant.UGN_B:
            return torch.ones(len(features), device=self._device)
        with torch.no_grad():
            sampled = self.model(features, self._noise(len(features), config.weighting_samples, generator))
            epistemic = decompose(sampled.logits).epistemic
        return adaptive_weights(epistemic, config.weighting_group, config.weighting_temperature)

    def _prior(self, output: GraphOutput) -> Tensor:
        if self._variant is Variant.GN_D:
            return torch.zeros((), device=self._device)  # a fixed mask has no spread to regularise
        return self._config.mask_prior * sum(
            (mask_divergence(layer.mu, layer.sigma) for layer in output.layers), torch.zeros((), device=self._device)
        )

    def _noise(self, faces: int, samples: int, generator: torch.Generator) -> Tensor:
        units = self._config.model.units
        return torch.randn(faces, samples, 2, units, units, generator=generator).to(self._device)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Validation figures of the mean over the fixed bank, and the mean epistemic part in nats."""
        with torch.no_grad():
            parts = [model(features, self._bank).logits for features in torch.split(self._validation_features, _BATCH)]
        uncertainty = decompose(torch.cat(parts))
        means = unit_means(self._validation, uncertainty.occurrence)
        return means | {"epistemic": float(uncertainty.epistemic.mean())}


def expected_intensities(graded: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Intensities 0-1 (N, K) where faces have them, expected ones where only occurrence (N, K) 0-1 is known, else NaN.

    The expected one is the probability of the unit times its mean intensity over the graded faces that show it. Graded
    faces are rendered: without the others a regression on them falls on photographs where the unit rises.
    """
    shows = targets * ~graded.isnan()  # (N, K)
    mean = (graded.nan_to_num() * shows).sum(0) / shows.sum(0)  # (K,), NaN for a unit that no graded face shows
    return torch.where(graded.isnan() & known, targets * mean, graded)


@torch.no_grad()
def view_features(model: UGN, train: TrainingFaces, config: ActionUnitsConfig, device: torch.device) -> Tensor:
    """Features (V, N, K, D) float16 of augmented copies of all training faces; determined by the seed."""
    generator = torch.Generator().manual_seed(config.stage2.seed)
    views = []
    for _ in range(config.views):
        with torch.autocast(device.type, torch.bfloat16, enabled=config.stage2.bf16):
            batches = torch.split(torch.arange(train.samples), _BATCH)
            features = [model.features(train.changed(rows, generator)).half() for rows in batches]
        views.append(torch.cat(features))  # autocast cannot concatenate float16 on a CPU
    return torch.stack(views)


def resting_features(features: Tensor, absent: Tensor) -> Tensor:
    """Mean feature (K, D) of each unit over the faces known not to show it; over all faces if there is none.

    Features are (V, N, K, D), ``absent`` (N, K) bool.
    """
    counted = torch.where(absent.any(0), absent, True).float()  # (N, K)
    total = torch.zeros(features.shape[2:], device=features.device)  # (K, D)
    for view in features:
        for part, weight in zip(torch.split(view, _BATCH), torch.split(counted, _BATCH), strict=True):
            total += torch.einsum("nkd,nk->kd", part.float(), weight)
    return total / (counted.sum(0)[:, None] * len(features))
