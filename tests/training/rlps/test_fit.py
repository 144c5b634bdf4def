"""The loop of RLPS on small synthetic images: its files, resuming after a kill, no leaks between folds."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.types import Float32, UInt8
from training import CONFIGS
from training.data.augment import AugmentConfig
from training.data.fer2013 import FerFaces
from training.data.keep_list import read_keep_list
from training.loop.trainer import TrainerConfig
from training.rlps import fit as module
from training.rlps.classifier import ClassifierSettings, ClassifierTask, fold_of, predict
from training.rlps.fit import RlpsConfig, fit_rlps, read_rlps_config, select_faces
from training.rlps.images import ImageSet, image_set, subset
from training.rlps.model import ClassifierConfig
from training.rlps.policy import PolicyConfig

STILL = AugmentConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
SMALL = RlpsConfig(
    folds=2,
    rl_epochs=2,
    finetune_epochs=1,
    policy=PolicyConfig(epochs=4, batch_size=16),
    classifier=ClassifierConfig(input_side_px=16, widths=(4, 4, 8, 8, 8, 8), embedding=16, dropout=0.0),
    augment=STILL,
    trainer=TrainerConfig(epochs=2, batch_size=16, learning_rate=1e-2, average_decay=0.5, bf16=False),
)


def images(count: int, seed: int, side: int = 16) -> tuple[UInt8, Float32]:
    """Images whose bright quarter is their class 0-3, and one-hot targets over eight classes."""
    random = np.random.default_rng(seed)
    label = np.arange(count) % 4
    crops = random.integers(0, 90, (count, side, side), dtype=np.uint8)
    half = side // 2
    for place, each in enumerate(label):
        crops[place, each // 2 * half :, each % 2 * half :][:half, :half] += 120
    return crops, np.eye(8, dtype=np.float32)[label]


def fake_set(count: int, seed: int) -> ImageSet:
    crops, targets = images(count, seed)
    return ImageSet(np.arange(count) * 3, crops, targets, tuple("abcdefgh"))


def quiet(line: str) -> None:
    """Drop a progress line."""


@pytest.fixture
def splits_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Splits that were read; the data are synthetic."""
    asked: list[str] = []

    def read(data: Path, split: str, cache: Path, side_px: int) -> FerFaces:
        asked.append(split)
        crops, shares = images(64, seed=len(asked), side=side_px)
        votes = np.concatenate([shares * 10, np.zeros((64, 2))], 1).astype(np.int64)
        return FerFaces(
            rows=np.arange(64) + 100,
            crops=crops,
            landmarks=np.zeros((64, 468, 2), np.float32),
            vote_shares=shares,
            votes=votes,
            labels=np.arange(64) % 7,
            presence=np.ones(64, np.float32),
            in_other_split=np.zeros(64, bool),
        )

    monkeypatch.setattr(module, "read_faces", read)
    return asked


@pytest.mark.parametrize("name", ["rlps.toml", "rlps_trial.toml"])
def test_the_shipped_settings_are_read(name: str) -> None:
    config = read_rlps_config(CONFIGS / name)
    assert config.policy == PolicyConfig()
    assert config.folds == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[policy]\nmethod = 'other'\n", "method must be one of x, paper, paper-y1, code"),
        ("targets = 'faces'\n", "targets must be votes or labels"),
        ("folds = 1\n", "folds must be at least 2"),
        ("epochs = 3\n", "unknown key 'epochs'"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_rlps_config(tmp_path / "bad.toml")


def test_a_run_writes_list_facts_and_sheet_and_leaves_private_test_alone(
    tmp_path: Path, splits_read: list[str]
) -> None:
    found = fit_rlps(SMALL, tmp_path, tmp_path / "run", report=quiet)
    assert splits_read == ["Training", "PublicTest"]
    mask = read_keep_list(tmp_path / "run" / "keep.csv", np.arange(64) + 100)
    assert np.array_equal(mask, found.keep)
    facts = json.loads((tmp_path / "run" / "keep.json").read_text())
    assert (facts["pictures"], facts["kept"]) == (64, int(mask.sum()))
    assert facts["rl_epochs"][facts["chosen_rl_epoch"] - 1]["validation_nll"] == min(
        turn["validation_nll"] for turn in facts["rl_epochs"]
    )
    assert (tmp_path / "run" / "contact_sheet.png").is_file()
    with (tmp_path / "run" / "keep.csv").open() as handle:
        assert len(list(csv.DictReader(handle))) == 64


@pytest.mark.parametrize("nll", [0.0, 9.0])
def test_keeping_all_images_may_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nll: float) -> None:
    real = module._Networks.judge

    def judge(self: module._Networks, turn: int | str, kept: np.ndarray) -> dict[str, float]:
        found = real(self, turn, kept)
        return {"nll": nll, "accuracy": 0.5} if turn == "all" else found

    monkeypatch.setattr(module._Networks, "judge", judge)
    config = replace(SMALL, rl_epochs=1, keep_all_may_win=True)
    found = select_faces(config, fake_set(96, 0), fake_set(32, 1), tmp_path, report=quiet)
    assert found.all_images is not None
    assert (found.chosen == 0) == (nll == 0.0)
    if nll == 0.0:
        assert found.keep_list.keep.all()
        assert not found.keep_list.floored.any()


def test_a_killed_run_resumes_to_the_same_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, validation = fake_set(96, 0), fake_set(32, 1)
    whole = select_faces(SMALL, train, validation, tmp_path / "whole", report=quiet)
    real, calls = module.train_classifier, []

    def killed(*args: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "train_classifier", killed)
    with pytest.raises(KeyboardInterrupt):
        select_faces(SMALL, train, validation, tmp_path / "again", report=quiet)
    again = select_faces(SMALL, train, validation, tmp_path / "again", report=quiet)
    assert np.array_equal(again.keep_list.keep_probability, whole.keep_list.keep_probability)
    assert np.array_equal(again.keep_list.keep, whole.keep_list.keep)
    assert again.history == whole.history


def test_a_run_with_other_settings_or_data_is_refused(tmp_path: Path) -> None:
    train, validation = fake_set(64, 0), fake_set(32, 1)
    select_faces(replace(SMALL, rl_epochs=1), train, validation, tmp_path, report=quiet)
    with pytest.raises(ValueError, match="another folder with --run"):
        select_faces(SMALL, train, validation, tmp_path, report=quiet)
    with pytest.raises(ValueError, match="another folder with --run"):
        select_faces(replace(SMALL, rl_epochs=1), fake_set(64, 5), validation, tmp_path, report=quiet)


def test_a_run_from_before_a_setting_existed_is_resumed_under_its_default(tmp_path: Path) -> None:
    train, validation = fake_set(64, 0), fake_set(32, 1)
    config = replace(SMALL, rl_epochs=1)
    first = select_faces(config, train, validation, tmp_path, report=quiet)
    settings = json.loads((tmp_path / "settings.json").read_text())
    del settings["config"]["trainer"]["schedule"]
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert select_faces(config, train, validation, tmp_path, report=quiet).history == first.history
    constant = replace(config, trainer=replace(config.trainer, schedule="constant"))
    with pytest.raises(ValueError, match="another folder with --run"):
        select_faces(constant, train, validation, tmp_path, report=quiet)


def test_out_of_fold_classifiers_never_train_on_the_images_they_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = fake_set(64, 0)
    trained: list[np.ndarray] = []
    asked: list[UInt8] = []
    real_task, real_predict = module.ClassifierTask, module.predict

    def task(faces: ImageSet, chosen: np.ndarray, *rest: object) -> ClassifierTask:
        trained.append(chosen)
        return real_task(faces, chosen, *rest)  # type: ignore[arg-type]

    def predicted(model: object, crops: UInt8, device: str) -> object:
        asked.append(crops)
        return real_predict(model, crops, device)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "ClassifierTask", task)
    monkeypatch.setattr(module, "predict", predicted)
    select_faces(replace(SMALL, rl_epochs=1), train, fake_set(32, 1), tmp_path, report=quiet)
    folds = [(seen, judged) for seen, judged in zip(trained, asked, strict=False) if len(judged) < 64]
    assert len(folds) == SMALL.folds
    for seen, judged in folds:
        known = {crop.tobytes() for crop in train.crops[seen]}
        assert not known & {crop.tobytes() for crop in judged}


def test_copies_of_an_image_share_its_fold_and_classes_are_spread_evenly() -> None:
    faces = fake_set(80, 0)
    faces.crops[7] = faces.crops[2]
    fold = fold_of(faces, 4, seed=0)
    assert fold[7] == fold[2]
    others = np.delete(np.arange(80), [2, 7])
    per_class = [np.bincount(fold[others][faces.targets[others].argmax(1) == label]) for label in range(4)]
    assert max(int(counts.max() - counts.min()) for counts in per_class) <= 2


def test_a_policy_that_keeps_nothing_ends_the_run_with_an_empty_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.Selector, "keep_probabilities", lambda *_: np.zeros(64, np.float32))
    config = replace(SMALL, policy=PolicyConfig(method="paper", epochs=1))
    found = select_faces(config, fake_set(64, 0), fake_set(32, 1), tmp_path, report=quiet)
    assert not found.keep_list.keep.any()
    assert found.history == () or found.history[0].validation_nll is None


def test_fewer_images_than_a_batch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="10 images do not fill a batch of 16"):
        select_faces(SMALL, fake_set(10, 0), fake_set(32, 1), tmp_path, report=quiet)


def test_a_subset_keeps_every_class_in_its_share() -> None:
    part = subset(fake_set(80, 0), 20, seed=1)
    assert part.targets.sum(0)[:4].tolist() == [5, 5, 5, 5]
    assert np.all(np.diff(part.rows) > 0)
    assert subset(fake_set(80, 0), 0, seed=1).rows.tolist() == fake_set(80, 0).rows.tolist()


def test_fer_labels_become_one_hot_in_the_order_of_the_expressions() -> None:
    faces = FerFaces(
        np.arange(7), np.zeros((7, 4, 4), np.uint8), np.zeros((7, 468, 2), np.float32), np.zeros((7, 8), np.float32),
        np.zeros((7, 10), np.int64), np.arange(7), np.ones(7, np.float32), np.zeros(7, bool),
    )  # fmt: skip
    found = image_set(faces, "labels")
    named = [found.names[label] for label in found.targets.argmax(1)]
    assert named == ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]


def test_the_balanced_loss_gives_a_blank_classifier_even_classes() -> None:
    faces = fake_set(64, 0)
    settings = ClassifierSettings(SMALL.classifier, STILL, 1.0, "cpu")
    task = ClassifierTask(faces, np.flatnonzero(faces.targets[:, 0] + faces.targets[:, 1] > 0), settings, 64, seed=0)
    for parameter in task.model.head.parameters():
        parameter.data.zero_()
    assert predict(task.model.eval(), faces.crops, "cpu").logits.abs().max() == 0
    # under the shares of the training, half and half of the first two classes, the other six are all but impossible
    shares = np.array([0.5, 0.5] + [1e-3] * 6) / (1 + 6e-3)
    expected = -0.25 * np.log(shares[[0, 1, 2, 3]]).sum()
    assert task.judge(task.model, faces)["nll"] == pytest.approx(expected, rel=1e-5)
