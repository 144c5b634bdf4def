"""Classifiers, rewards and policy in turn, until the validation split improves no more (``fit rlps``; SPEC 5.2).

Each training has a folder of its own (training/loop/trainer.py), so a killed run resumes inside the training that was
interrupted. The steps between trainings take seconds, follow from the seed and are repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from engine.config import read_toml
from engine.errors import ConfigError
from engine.files import write_text
from training.data.augment import AugmentConfig
from training.data.fer2013 import read_faces
from training.data.keep_list import KeepList, write_keep_list
from training.loop.checkpoint import code_version
from training.loop.json_report import write_report
from training.loop.trainer import TrainerConfig
from training.rlps.classifier import (
    ClassifierSettings,
    ClassifierTask,
    fold_of,
    predict,
    train_classifier,
)
from training.rlps.contact_sheet import write_contact_sheet
from training.rlps.images import ImageSet, Mask, image_set, subset
from training.rlps.model import ClassifierConfig, SixConvClassifier
from training.rlps.policy import Evidence, PolicyConfig, Selector, decide
from training.rlps.reward import rewards

#: Folder of the classifiers trained on all images, inside that of a run.
START = "start"


@dataclass(frozen=True, slots=True)
class RlpsConfig:
    """All settings of a run (training/configs/rlps.toml); an unknown key is an error."""

    targets: str = "votes"  # "votes": FERPlus vote shares, 8 classes; "labels": FER2013 labels, 7 classes
    faces: int = 0  # images, drawn evenly within classes; 0 is all
    folds: int = 4  # of the out-of-fold rewards
    rl_epochs: int = 4  # at most
    patience: int = 2  # RL epochs without improvement on validation
    refresh_every: int = 1  # RL epochs between new out-of-fold classifiers
    finetune_epochs: int = 2  # from the initial classifiers, on the images kept
    finetune_learning_rate: float = 5e-4
    keep_all_may_win: bool = False  # keep everything where no RL epoch has a lower validation NLL than all images
    prior_weight: float = 1.0  # of the balanced softmax; 0 is plain cross-entropy
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)

    def __post_init__(self) -> None:
        """Check the settings that would fail only after hours.

        Raises:
            ConfigError: unknown targets, or too few folds or RL epochs.
        """
        if self.targets not in ("votes", "labels"):
            raise ConfigError(f"targets must be votes or labels, not {self.targets!r}")
        if self.folds < 2 or self.rl_epochs < 1 or self.refresh_every < 1:
            raise ConfigError("folds must be at least 2, rl_epochs and refresh_every at least 1")


@dataclass(frozen=True, slots=True)
class RlEpoch:
    """One RL epoch, judged by the classifier trained on the images it keeps."""

    epoch: int
    kept_share: float
    validation_nll: float | None = None  # None: the policy keeps less than a batch
    validation_accuracy: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Decisions of the best RL epoch, and the figures of all."""

    keep_list: KeepList
    chosen: int  # RL epoch; 0: keeping all images won
    history: tuple[RlEpoch, ...]
    all_images: RlEpoch | None = None  # the same training on all images, where keeping them may win


def read_rlps_config(path: Path) -> RlpsConfig:
    """Settings of a TOML file.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    return read_toml(RlpsConfig, path)


def fit_rlps(
    config: RlpsConfig,
    data: Path,
    run: Path,
    device: str = "cpu",
    cache: Path | None = None,
    report: Callable[[str], None] = print,
) -> KeepList:
    """Choose which images of FER2013 Training to keep; PublicTest chooses the RL epoch, PrivateTest is not read.

    Writes RUN/keep.csv, RUN/keep.json (facts) and RUN/contact_sheet.png.

    Raises:
        ValueError: RUN holds a run with other settings or data.
    """
    cache = cache or run / "cache"
    side = config.classifier.input_side_px
    train = subset(
        image_set(read_faces(data, "Training", cache, side), config.targets), config.faces, config.trainer.seed
    )
    validation = image_set(read_faces(data, "PublicTest", cache, side), config.targets)
    found = select_faces(config, train, validation, run, device, report)
    write_keep_list(found.keep_list, train.names, run / "keep.csv")
    write_report(_facts(config, train, found), run / "keep.json")
    write_contact_sheet(train, found.keep_list, run / "contact_sheet.png", seed=config.trainer.seed)
    report(f"{int(found.keep_list.keep.sum())} of {len(train.rows)} images kept; {run / 'keep.csv'}")
    return found.keep_list


def select_faces(
    config: RlpsConfig,
    train: ImageSet,
    validation: ImageSet,
    folder: Path,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> Selection:
    """Run the loop of SPEC 5.2.

    In each RL epoch the policy learns from the current rewards and decides; the classifier is fine-tuned, from its
    initial training, on the kept images; its validation NLL judges the epoch. The best epoch's decisions are returned.

    Raises:
        ValueError: ``folder`` holds a run with other settings or data, or there are fewer images than a batch holds.
    """
    settings = {"config": {**asdict(config), "policy": None}, "data": train.digest()}
    _claim(folder, settings, {"config": asdict(RlpsConfig())})
    turns = folder / turns_folder(config.policy)
    _claim(turns, {"policy": asdict(config.policy)}, {"policy": asdict(PolicyConfig())})
    return choose_images(config, train, _Networks(config, train, validation, folder / START, turns, device), report)


class Classifiers(Protocol):
    """The classifiers of a run, trained on the images that are kept; RL epoch 0 is the initial training."""

    def judge(self, turn: int | str, kept: Mask) -> dict[str, float]:
        """Figures on validation, "nll" and "accuracy", after the training on the kept images of an RL epoch."""

    def evidence(self, epoch: int, kept: Mask) -> Evidence:
        """Features and probabilities of all images, by classifiers trained on the kept ones."""


def choose_images(
    config: RlpsConfig, train: ImageSet, networks: Classifiers, report: Callable[[str], None] = print
) -> Selection:
    """The loop of `select_faces` with any classifiers."""
    selector = Selector(config.policy, config.classifier.embedding, len(train.names), config.trainer.seed)
    kept: Mask = np.ones(len(train.rows), bool)
    evidence = networks.evidence(0, kept)
    found: list[tuple[RlEpoch, KeepList]] = []
    for epoch in range(1, config.rl_epochs + 1):
        selector.train(evidence)
        keep_list = _decisions(config, train, evidence, selector.keep_probabilities(evidence))
        kept = keep_list.keep
        if kept.sum() < config.trainer.batch_size:
            report(f"RL epoch {epoch}: the policy keeps {kept.sum()} images, too few for a batch")
            found = found or [(RlEpoch(epoch, float(kept.mean())), keep_list)]
            break
        judged = networks.judge(epoch, kept)
        found.append((RlEpoch(epoch, float(kept.mean()), judged["nll"], judged["accuracy"]), keep_list))
        report(f"RL epoch {epoch}  kept {kept.mean():.3f}  validation nll {judged['nll']:.4f}")
        best = _best(found)
        if epoch == config.rl_epochs or epoch - best[0].epoch >= config.patience:
            break
        evidence = networks.evidence(epoch, kept)
    best = _best(found)
    history = tuple(turn for turn, _ in found)
    if not config.keep_all_may_win:
        return Selection(best[1], best[0].epoch, history)
    judged = networks.judge("all", np.ones(len(train.rows), bool))
    whole = RlEpoch(0, 1.0, judged["nll"], judged["accuracy"])
    report(f"all images  validation nll {judged['nll']:.4f}")
    if best[0].validation_nll is not None and best[0].validation_nll < judged["nll"]:
        return Selection(best[1], best[0].epoch, history, whole)
    everything = np.ones(len(train.rows), bool)
    return Selection(replace(best[1], keep=everything, floored=~everything), 0, history, whole)


def _best(found: list[tuple[RlEpoch, KeepList]]) -> tuple[RlEpoch, KeepList]:
    judged = [turn for turn in found if turn[0].validation_nll is not None]
    return min(judged or found, key=lambda turn: turn[0].validation_nll or 0.0)


def turns_folder(policy: PolicyConfig) -> str:
    """Folder name of a policy's RL epochs; all policies of a run share its initial classifiers."""
    if policy.method != "x":
        return policy.method
    return f"x{'_label' if policy.label_in_state else ''}_b{policy.baseline_share:g}"


class _Networks:
    """The classifiers of a run: one on all kept images and, in method x, one for each fold without that fold."""

    def __init__(
        self, config: RlpsConfig, train: ImageSet, validation: ImageSet, start: Path, turns: Path, device: str
    ) -> None:
        self._config, self._train, self._validation = config, train, validation
        self._start, self._turns = start, turns
        self._settings = ClassifierSettings(config.classifier, config.augment, config.prior_weight, device)
        self._fold = fold_of(train, config.folds, config.trainer.seed)
        self._out_of_fold: torch.Tensor | None = None

    def judge(self, turn: int | str, kept: Mask) -> dict[str, float]:
        """Validation figures of the classifier trained on the kept images of an RL epoch, or of a turn by name."""
        task, model = self._trained("main", turn, kept, number=0)
        return task.judge(model, self._validation)

    def evidence(self, epoch: int, kept: Mask) -> Evidence:
        """Features and probabilities of classifiers trained on the kept images."""
        _, model = self._trained("main", epoch, kept, number=0)
        main = predict(model, self._train.crops, self._settings.device)
        if self._config.policy.method != "x":
            probabilities = main.logits.softmax(1)
        else:
            if self._out_of_fold is None or epoch % self._config.refresh_every == 0:
                self._out_of_fold = self._predict_folds(epoch, kept)
            probabilities = self._out_of_fold
        return Evidence(main.features, probabilities, torch.from_numpy(self._train.targets))

    def _predict_folds(self, epoch: int, kept: Mask) -> torch.Tensor:
        found = torch.empty(self._train.targets.shape)
        for fold in range(self._config.folds):
            out = np.flatnonzero(self._fold == fold)
            _, model = self._trained(f"fold_{fold}", epoch, kept & (self._fold != fold), number=fold + 1)
            found[out] = predict(model, self._train.crops[out], self._settings.device).logits.softmax(1)
        return found

    def _trained(
        self, name: str, epoch: int | str, chosen: Mask, number: int
    ) -> tuple[ClassifierTask, SixConvClassifier]:
        """A classifier trained on the chosen images: from random weights in epoch 0, later fine-tuned from those."""
        trainer = replace(self._config.trainer, seed=classifier_seed(self._config, number))
        task = ClassifierTask(self._train, np.flatnonzero(chosen), self._settings, int(chosen.sum()), trainer.seed)
        if epoch == 0:
            return task, train_classifier(task, trainer, self._start / name, {}, None)
        trainer = replace(
            trainer, epochs=self._config.finetune_epochs, learning_rate=self._config.finetune_learning_rate
        )
        start = self._start / name / "weights.safetensors"
        return task, train_classifier(task, trainer, self._turns / f"epoch_{epoch}" / name, {}, start)


def classifier_seed(config: RlpsConfig, number: int) -> int:
    """Seed of a classifier; ``number`` is 0 for the one on all images, 1 and up for the folds."""
    return config.trainer.seed * 100 + number


def _decisions(config: RlpsConfig, train: ImageSet, evidence: Evidence, keep_probability: np.ndarray) -> KeepList:
    kept, floored = decide(keep_probability, train.targets.argmax(1), config.policy)
    return KeepList(
        rows=train.rows,
        keep=kept,
        keep_probability=keep_probability,
        reward=rewards(evidence.targets, evidence.probabilities).numpy(),
        probabilities=evidence.probabilities.numpy(),
        targets=train.targets,
        floored=floored,
    )


def _claim(folder: Path, settings: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Store the settings in the folder, or check that they are those of the run in it.

    ``defaults`` fill in settings that are newer than the run.
    """
    wanted = json.loads(json.dumps(settings))  # as a file returns them: tuples are lists
    path = folder / "settings.json"
    if not path.is_file():
        write_text(path, json.dumps(settings, indent=1))
    elif _filled(json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(defaults))) != wanted:
        raise ValueError(f"{folder} holds a run with other settings or data: give another folder with --run")


def _filled(stored: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    parts = {
        name: _filled(value, defaults[name]) if isinstance(value, dict) and name in defaults else value
        for name, value in stored.items()
    }
    return defaults | parts


def _facts(config: RlpsConfig, train: ImageSet, found: Selection) -> dict[str, Any]:
    listed = found.keep_list
    owner = train.targets.argmax(1)
    reasons = listed.reasons()
    return {
        "config": asdict(config),
        "code": code_version(),
        "pictures": len(train.rows),
        "kept": int(listed.keep.sum()),
        "kept_by_a_floor": int(listed.floored.sum()),
        "reasons": {reason: reasons.count(reason) for reason in sorted(set(reasons)) if reason},
        "kept_share_per_class": {
            name: float(listed.keep[owner == label].mean())
            for label, name in enumerate(train.names)
            if (owner == label).any()
        },
        "chosen_rl_epoch": found.chosen,
        "rl_epochs": found.history,
    }
