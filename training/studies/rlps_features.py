"""``mien-train study rlps``: RLPS against natural label noise, on the features of a pretrained trunk (SPEC 5.3).

FER2013's labels are the noisy set, the FERPlus majority is the truth, which measures only. The classifiers read
features that are computed once, of one of two networks:

- dlib: the pretrained face network as it comes, which never saw an expression label;
- student: the trunk of a student's run, whose training knew the raters' votes for the same images.

Both read images of the student's side. There are no convolutions here, hence no poolings between them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from engine.files import atomic_write
from engine.types import Float32, Int64
from training.data.fer2013 import MEAN, STD, FerFaces, majority_labels, read_faces
from training.expression.fit import load_members
from training.layers.face_trunk import FaceTrunk, load_trunk
from training.layers.face_trunk_weights import read_trunk
from training.loop.checkpoint import code_version
from training.loop.trainer import channels_last
from training.rlps.features import FeatureClassifiers, FeatureSet
from training.rlps.fit import RlpsConfig, choose_images
from training.rlps.images import image_set
from training.rlps.noise import random_removal
from training.studies.members import OverSeeds, over_seeds
from training.studies.rlps_trials import LABEL_ARM, LABEL_POLICIES, clean_set, parts_of, removal

#: Policies: RLPS-X as it does best on labels, the two readings of the paper with its ReLU, and the authors' program.
METHODS: Final[dict[str, dict[str, Any]]] = {
    "x": LABEL_POLICIES[LABEL_ARM],
    "paper": {"method": "paper", "relu": True},
    "paper-y1": {"method": "paper-y1", "relu": True},
    "code": {"method": "code"},
}
_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """One method on the features of one network, over seeds; accuracies are on clean PublicTest faces."""

    features: str
    method: str
    kept_share: OverSeeds
    precision: OverSeeds  # wrong labels among the removed images; 0 where nothing is removed
    recall: OverSeeds  # removed among the wrong labels
    auroc_keep_probability: OverSeeds  # wrong labels against right ones
    accuracy_all: OverSeeds
    accuracy_cleaned: OverSeeds | None  # None: the lists of all seeds keep less than a batch
    accuracy_random: OverSeeds | None  # as many images of each class removed at random
    cleaned_minus_all: OverSeeds | None
    keep_all_wins: int  # seeds in which validation prefers all images, so that the list would remove nothing
    collapsed: int  # seeds whose list keeps less than a batch; the accuracies after cleaning leave them out


@dataclass(frozen=True, slots=True)
class FeatureNoiseReport:
    """All methods on all features."""

    settings: dict[str, Any]
    code: str
    seeds: tuple[int, ...]
    images: int
    validation_images: int
    test_images: int  # PublicTest, FERPlus majority among FER2013's classes
    wrong_share: float  # labels that differ from the FERPlus majority
    methods: tuple[MethodFigures, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Features of both splits."""

    name: str
    train: FeatureSet
    test: FeatureSet


def study_rlps(
    config: RlpsConfig,
    data: Path,
    trunk: Path,
    student: Path,
    run: Path,
    cache: Path,
    seeds: Sequence[int] = (0, 1, 2),
    report: Callable[[str], None] = print,
) -> FeatureNoiseReport:
    """Clean FER2013's labels by every method on both features and compare with the FERPlus majority.

    Args:
        config: settings with targets "labels"; the policy's method is replaced by each of `METHODS`.
        data: folder with fer2013.csv and fer2013new.csv.
        trunk: weights file of ``mien-train fetch-trunk``.
        student: finished run of ``mien-train fit student``.
        run: folder that keeps the features.
        cache: folder of the images' meshes.
        seeds: of the images drawn, folds, classifiers and policy.
        report: receives progress lines.

    Raises:
        FileNotFoundError, ModelError: the run has not finished, or the weights are missing.
    """
    training, sources = _sources(data, trunk, student, run, cache, report)
    methods = []
    for source in sources:
        for method, changes in METHODS.items():
            tried = replace(config, policy=replace(config.policy, **changes))
            found = []
            for seed in seeds:
                report(f"{source.name}, {method}, seed {seed}")
                found.append(_trial(replace(tried, trainer=replace(tried.trainer, seed=seed)), source, training.votes))
                report(", ".join(f"{name} {value:.4f}" for name, value in found[-1].items()))
            methods.append(_over(source.name, method, found))
    chosen, validation = parts_of(sources[0].train.faces, config)
    truth = majority_labels(training.votes[np.searchsorted(training.rows, chosen.rows)])
    wrong = (truth != chosen.targets.argmax(1))[truth >= 0]
    return FeatureNoiseReport(
        settings=asdict(config),
        code=code_version(),
        seeds=tuple(seeds),
        images=len(chosen.rows),
        validation_images=len(validation.rows),
        test_images=len(sources[0].test.faces.rows),
        wrong_share=float(wrong.mean()),
        methods=tuple(methods),
    )


def _sources(
    data: Path, trunk: Path, student: Path, run: Path, cache: Path, report: Callable[[str], None]
) -> tuple[FerFaces, list[_Source]]:
    """Training faces, and the features of both networks."""
    (network,), settings = load_members(student)
    run.mkdir(parents=True, exist_ok=True)
    side = settings.model.input_side_px
    training, public = (read_faces(data, split, cache, side) for split in ("Training", "PublicTest"))
    sources = []
    for name, model in (("dlib", _dlib(trunk)), ("student", LastMap(network.trunk))):
        train = FeatureSet(image_set(training, "labels"), _features(model, training, run / f"{name}_training.npz"))
        every = FeatureSet(image_set(public, "labels"), _features(model, public, run / f"{name}_public.npz"))
        clean = clean_set(public, train.faces.names)
        sources.append(_Source(name, train, FeatureSet(clean, every.at(clean.rows))))
        report(f"{name}: {train.features.shape[-1]} features of {len(training.rows)} and {len(public.rows)} images")
    return training, sources


class LastMap(nn.Module):
    """The mean over places of a student trunk's last map."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, image: Tensor) -> Tensor:
        """Normalised grey (N, 1, S, S) to features (N, F)."""
        last: Tensor = self.trunk(image)[-1]
        return last.mean((2, 3))


def _dlib(path: Path) -> nn.Module:
    trunk = FaceTrunk()
    load_trunk(trunk, read_trunk(path), MEAN, STD)
    return trunk


@torch.no_grad()
def _features(model: nn.Module, faces: FerFaces, path: Path) -> Float32:
    """Features (N, F) of images; they are computed once for a network and these images, and kept in a file."""
    digest = _digest(model, faces)
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            if "sha256" in stored and str(stored["sha256"]) == digest:
                return np.asarray(stored["features"], np.float32)
    model = channels_last(model).eval()
    found = []
    for part in torch.split(torch.from_numpy(faces.crops), _BATCH):
        images = ((part[:, None].float() / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            found.append(model(images).float())
    features = np.asarray(torch.cat(found).numpy(), np.float32)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, sha256=digest, features=features)
    return features


def _digest(model: nn.Module, faces: FerFaces) -> str:
    """Hash of the weights and the images, on which stored features depend."""
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(value.cpu().contiguous().numpy().tobytes())
    found.update(np.ascontiguousarray(faces.crops).tobytes())
    return found.hexdigest()


def _trial(config: RlpsConfig, source: _Source, votes: Int64) -> dict[str, float]:
    """Figures of one policy with one seed; ``votes`` (N, 10) are those of the training images."""
    chosen, validation = parts_of(source.train.faces, config)
    train = FeatureSet(chosen, source.train.at(chosen.rows))
    networks = FeatureClassifiers(config, train, FeatureSet(validation, source.train.at(validation.rows)))
    found = choose_images(config, chosen, networks, _silent)
    kept, everything = found.keep_list.keep, np.ones(len(chosen.rows), bool)
    against = removal(found, chosen, votes[np.searchsorted(source.train.faces.rows, chosen.rows)])
    accuracies = {"accuracy_all": networks.accuracy(everything, source.test)}
    wins = True
    if kept.sum() >= config.trainer.batch_size:
        control = random_removal(kept, chosen.targets.argmax(1), config.trainer.seed)
        cleaned, random = (networks.accuracy(mask, source.test) for mask in (kept, control))
        accuracies |= {"accuracy_cleaned": cleaned, "accuracy_random": random}
        accuracies["cleaned_minus_all"] = cleaned - accuracies["accuracy_all"]
        wins = (found.history[found.chosen - 1].validation_nll or 0.0) >= networks.judge("all", everything)["nll"]
    return {
        "kept_share": float(kept.mean()),
        "precision": against["precision"] or 0.0,
        "recall": against["recall"],
        "auroc_keep_probability": against["auroc_keep_probability"],
        **accuracies,
        "keep_all_wins": float(wins),
    }


def _over(features: str, method: str, trials: Sequence[dict[str, float]]) -> MethodFigures:
    trained = [trial for trial in trials if "accuracy_cleaned" in trial]
    always = ("kept_share", "precision", "recall", "auroc_keep_probability", "accuracy_all")
    cleaned, random, gain = (
        over_seeds([trial[name] for trial in trained]) if trained else None
        for name in ("accuracy_cleaned", "accuracy_random", "cleaned_minus_all")
    )
    return MethodFigures(
        features,
        method,
        **{name: over_seeds([trial[name] for trial in trials]) for name in always},
        accuracy_cleaned=cleaned,
        accuracy_random=random,
        cleaned_minus_all=gain,
        keep_all_wins=int(sum(trial["keep_all_wins"] for trial in trials)),
        collapsed=len(trials) - len(trained),
    )


def _silent(line: str) -> None:
    """Drop the lines of the loop: a trial reports its figures."""
