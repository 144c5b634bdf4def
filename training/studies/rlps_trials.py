"""``mien-train evaluate rlps``: what RLPS removes where the noise is known, and accuracy after cleaning (SPEC 5.3).

Three trials on FER2013 Training, each on a class-balanced part of its images with other Training images as validation:

- synthetic noise: half faces and images without a face among full faces, with FERPlus votes as targets;
- natural noise: FER2013 labels, compared with the FERPlus majority;
- accuracy of one classifier on the clean PublicTest, trained for equal steps on all images, on the cleaned set, and on
  as many images drawn at random.

The truth is used for measuring only, never for a choice. PrivateTest is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.facs import EXPRESSIONS
from engine.types import Float32, Int64
from engine.uncertainty import entropy
from training.data.fer2013 import FerFaces, majority_labels, read_faces
from training.data.keep_list import write_keep_list
from training.loop.checkpoint import code_version
from training.metrics.ranking import auroc
from training.rlps.classifier import ClassifierSettings, ClassifierTask, train_classifier
from training.rlps.contact_sheet import write_contact_sheet
from training.rlps.fit import (
    START,
    RlpsConfig,
    Selection,
    classifier_seed,
    select_faces,
    turns_folder,
)
from training.rlps.images import ImageSet, Mask, image_set, subset
from training.rlps.noise import (
    HALF,
    KINDS,
    NONE,
    PAPER_MIX,
    QUARTER_MIX,
    Mix,
    NoisySet,
    faceless_patches,
    random_removal,
    with_noise,
)

_VALIDATION_FACES: Final = 1200
#: Policies tried on wrong labels; the first, SPEC 5.2 with the label in the state, is also measured by accuracy.
LABEL_ARM: Final = "label_in_state_half_class_mean"
LABEL_POLICIES: Final[dict[str, dict[str, Any]]] = {
    LABEL_ARM: {"label_in_state": True, "baseline_share": 0.5},
    "label_in_state": {"label_in_state": True},
    "feature_alone": {},
}
#: Column of the FERPlus votes for "not a face".
_NOT_A_FACE: Final = len(EXPRESSIONS) + 1


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Data and settings shared by all trials."""

    train: FerFaces
    public: FerFaces
    clips: Sequence[Path]
    run: Path
    device: str
    report: Callable[[str], None]


def evaluate_rlps(
    config: RlpsConfig,
    data: Path,
    clips: Sequence[Path],
    run: Path,
    cache: Path,
    seeds: int = 3,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run all trials; ``clips`` are videos without a face. RUN keeps checkpoints, lists and contact sheets.

    The trials with 25 % synthetic noise and the accuracies are repeated with ``seeds`` seeds, which change images,
    noise and networks; the paper's mix and the two published methods run once.
    """
    side = config.classifier.input_side_px
    train, public = read_faces(data, "Training", cache, side), read_faces(data, "PublicTest", cache, side)
    source = _Data(train, public, clips, run, device, report)
    quarter = [_noise_trial(source, _seeded(config, seed), QUARTER_MIX) for seed in range(seeds)]
    return {
        "settings": asdict(config),
        "code": code_version(),
        "clips_without_face": [clip.name for clip in clips],
        "synthetic_noise": {
            "quarter_noise": _repeated(quarter),
            "quarter_noise_each": quarter,
            "published_methods": {
                method: _noise_trial(source, _with_policy(config, method=method), QUARTER_MIX, arms=False)
                for method in ("paper", "code")
            },
            "quarter_noise_label_in_state": _noise_trial(
                source, _with_policy(config, label_in_state=True), QUARTER_MIX, arms=False
            ),
            "paper_mix": _noise_trial(source, _with_policy(config, floor=0.5, class_floor=0.5), PAPER_MIX, arms=False),
        },
        "natural_noise": _label_trial(source, replace(config, targets="labels"), seeds),
    }


def _seeded(config: RlpsConfig, seed: int) -> RlpsConfig:
    return replace(config, trainer=replace(config.trainer, seed=seed))


def _with_policy(config: RlpsConfig, **changes: Any) -> RlpsConfig:
    return replace(config, policy=replace(config.policy, **changes))


def parts_of(faces: ImageSet, config: RlpsConfig) -> tuple[ImageSet, ImageSet]:
    """The images of a trial, and others for its validation."""
    chosen = subset(faces, config.faces, config.trainer.seed)
    rest = faces.at(~np.isin(faces.rows, chosen.rows))
    return chosen, subset(rest, _VALIDATION_FACES, config.trainer.seed)


def _noise_trial(source: _Data, config: RlpsConfig, mix: Mix, arms: bool = True) -> dict[str, Any]:
    seed, side = config.trainer.seed, config.classifier.input_side_px
    chosen, validation = parts_of(image_set(source.train, "votes"), config)
    patches = faceless_patches(source.clips, round(mix.none * len(chosen.rows)), side, seed)
    noisy = with_noise(chosen, patches, mix, seed)
    folder = source.run / f"noise_{round(100 * (1 - mix.full))}" / f"seed_{seed}"
    source.report(f"{folder}  {config.policy.method}")
    found = select_faces(config, noisy.faces, validation, folder, source.device, source.report)
    _write(noisy.faces, found, folder / turns_folder(config.policy))
    figures = {"mix": asdict(mix), "images": len(chosen.rows), **_retention(noisy, found)}
    if arms:
        accuracy = _arms(source, config, noisy.faces, found.keep_list.keep, folder, seed)
        figures |= {f"accuracy_{arm}": value for arm, value in accuracy.items()}
    return figures


def _write(faces: ImageSet, found: Selection, stem: Path) -> None:
    write_keep_list(found.keep_list, faces.names, Path(f"{stem}.csv"))
    write_contact_sheet(faces, found.keep_list, Path(f"{stem}.png"))


def _retention(noisy: NoisySet, found: Selection) -> dict[str, Any]:
    """Kept share per kind of image, and AUROC of the keep probability for full faces against each other kind."""
    listed, kind = found.keep_list, noisy.kind
    figures: dict[str, Any] = {}
    for number, name in enumerate(KINDS):
        figures[f"kept_{name}"] = float(listed.keep[kind == number].mean())
        figures[f"kept_{name}_by_policy"] = float((listed.keep_probability >= 0.5)[kind == number].mean())
    for number, name in ((HALF, "half"), (NONE, "none")):
        pair = (kind == number) | (kind == 0)
        figures[f"auroc_full_over_{name}"] = auroc(kind[pair] == 0, listed.keep_probability[pair])
    full = kind == 0
    figures["kept_full_by_vote_entropy"] = kept_by_entropy(listed.keep[full], noisy.faces.targets[full])
    return figures | {"chosen_rl_epoch": found.chosen, "rl_epochs": found.history}


def kept_by_entropy(kept: Mask, shares: Float32) -> dict[str, float | None]:
    """Kept share of faces with unanimous votes, and with vote entropy below and above the median; None if empty."""
    disagreement = np.asarray(entropy(shares))
    differ = disagreement > 0
    median = float(np.median(disagreement[differ])) if differ.any() else 0.0
    parts = {
        "agreed": ~differ,
        "below_median": differ & (disagreement <= median),
        "above_median": differ & (disagreement > median),
    }
    return {name: float(kept[part].mean()) if part.any() else None for name, part in parts.items()}


def _arms(source: _Data, config: RlpsConfig, faces: ImageSet, kept: Mask, folder: Path, seed: int) -> dict[str, float]:
    """PublicTest accuracy after equal steps on all images, on the kept ones, and on as many drawn at random."""
    test = clean_set(source.public, faces.names)
    control = random_removal(kept, faces.targets.argmax(1), seed)
    settings = ClassifierSettings(config.classifier, config.augment, config.prior_weight, source.device)
    trainer = replace(config.trainer, seed=classifier_seed(config, 0))  # "all" is a training of select_faces
    arms = {"all": np.ones(len(kept), bool), "cleaned": kept, "random": control}
    found = {}
    for arm, mask in arms.items():
        task = ClassifierTask(faces, np.flatnonzero(mask), settings, len(kept), trainer.seed)
        where = folder / START / "main" if arm == "all" else folder / f"arm_{arm}_{seed}"
        found[arm] = task.judge(train_classifier(task, trainer, where, {}, None), test)["accuracy"]
    source.report(f"PublicTest accuracy {found}")
    return found


def clean_set(faces: FerFaces, names: tuple[str, ...]) -> ImageSet:
    """Faces whose FERPlus majority is one of ``names``, with that class as one-hot target."""
    labels = majority_labels(faces.votes)
    clear = (labels >= 0) & (labels < len(names))
    hot = np.eye(len(names), dtype=np.float32)[labels[clear]]
    return ImageSet(faces.rows[clear], faces.crops[clear], hot, names)


def _label_trial(source: _Data, config: RlpsConfig, seeds: int) -> dict[str, Any]:
    """Clean FER2013 labels with and without the label in the state, and compare with FERPlus."""
    chosen, validation = parts_of(image_set(source.train, "labels"), config)
    votes = source.train.votes[np.searchsorted(source.train.rows, chosen.rows)]
    figures: dict[str, Any] = {"images": len(chosen.rows)}
    folder = source.run / "labels" / f"seed_{config.trainer.seed}"
    for name, changes in LABEL_POLICIES.items():
        source.report(f"{folder}  {name}")
        tried = _with_policy(config, **changes)
        found = select_faces(tried, chosen, validation, folder, source.device, source.report)
        _write(chosen, found, folder / name)
        figures[name] = removal(found, chosen, votes)
        if name == LABEL_ARM:
            kept = found.keep_list.keep
            arms = [_arms(source, _seeded(config, 0), chosen, kept, folder, 0)]
            arms += [_arms_again(source, config, chosen, kept, folder, seed) for seed in range(1, seeds)]
            figures["accuracy"] = _repeated([{f"accuracy_{arm}": v for arm, v in each.items()} for each in arms])
    return figures


def _arms_again(
    source: _Data, config: RlpsConfig, faces: ImageSet, kept: Mask, folder: Path, seed: int
) -> dict[str, float]:
    """The same keep list with other initial weights and sample order; the first classifier is retrained too."""
    return _arms(source, _seeded(config, seed), faces, kept, folder / f"again_{seed}", seed)


def removal(found: Selection, chosen: ImageSet, votes: Int64) -> dict[str, Any]:
    """Compare removal with the FERPlus majority: a label that differs from it is wrong."""
    listed = found.keep_list
    truth, label = majority_labels(votes), chosen.targets.argmax(1)
    clear = truth >= 0
    wrong = clear & (truth != label)
    removed, faceless = ~listed.keep, votes[:, _NOT_A_FACE] > 0
    return {
        "wrong_share": float(wrong[clear].mean()),
        "removed_share": float(removed.mean()),
        "removed_share_unclear_majority": float(removed[~clear].mean()) if (~clear).any() else None,
        "precision": float(wrong[clear & removed].mean()) if (clear & removed).any() else None,
        "recall": float(removed[wrong].mean()),
        "auroc_keep_probability": auroc(wrong[clear], -listed.keep_probability[clear]),
        "auroc_reward_alone": auroc(wrong[clear], -listed.reward[clear]),
        "not_a_face_votes_faces": int(faceless.sum()),
        "auroc_not_a_face_votes": auroc(faceless, -listed.keep_probability),
        "chosen_rl_epoch": found.chosen,
        "rl_epochs": found.history,
    }


def _repeated(trials: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean, count and (from two trials on) standard deviation of every float over the trials."""
    numbers = [name for name, value in trials[0].items() if isinstance(value, float)]
    found: dict[str, dict[str, float]] = {}
    for name in numbers:
        values = [trial[name] for trial in trials]
        found[name] = {"mean": float(np.mean(values)), "n": len(values)}
        if len(values) > 1:
            found[name]["sd"] = float(np.std(values, ddof=1))
    return found
