"""The RLPS trials on synthetic images: their figures, reproducibility, and the truth they are compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.fakes.expression import quiet
from training.data.augment import AugmentConfig
from training.data.fer2013 import FerFaces
from training.data.keep_list import KeepList
from training.loop.json_report import write_report
from training.loop.trainer import TrainerConfig
from training.rlps.fit import RlpsConfig, Selection
from training.rlps.images import ImageSet
from training.rlps.model import ClassifierConfig
from training.rlps.policy import PolicyConfig
from training.studies import rlps_trials as module
from training.studies.rlps_trials import clean_set, evaluate_rlps, kept_by_entropy, removal

SMALL = RlpsConfig(
    faces=64,
    folds=2,
    rl_epochs=1,
    finetune_epochs=1,
    policy=PolicyConfig(epochs=1),
    classifier=ClassifierConfig(input_side_px=16, widths=(4, 4, 4, 4, 4, 4), embedding=8, dropout=0.0),
    augment=AugmentConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    trainer=TrainerConfig(epochs=1, batch_size=16, bf16=False),
)


def voted_faces(count: int, first_row: int) -> FerFaces:
    random = np.random.default_rng(first_row)
    label = random.integers(0, 7, count)
    votes = np.zeros((count, 10), np.int64)
    votes[np.arange(count), label] = 8
    votes[:, 0] += 2
    votes[::10, 9] = 1  # one rater sees no face
    fer_label = np.array([6, 3, 5, 4, 0, 1, 2])[label]  # FER2013's number of the same expression
    return FerFaces(
        rows=np.arange(count) + first_row,
        crops=random.integers(0, 255, (count, 16, 16), dtype=np.uint8),
        landmarks=np.zeros((count, 468, 2), np.float32),
        vote_shares=(votes[:, :8] / votes[:, :8].sum(1, keepdims=True)).astype(np.float32),
        votes=votes,
        labels=np.where(np.arange(count) % 3 == 0, 3, fer_label),  # a third of the labels is happy
        presence=np.ones(count, np.float32),
        in_other_split=np.zeros(count, bool),
    )


@pytest.fixture
def splits_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    splits: list[str] = []

    def read(data: Path, split: str, cache: Path, side_px: int) -> FerFaces:
        splits.append(split)
        return voted_faces(150, first_row=1000 * len(splits))

    def patches(clips: object, count: int, side_px: int, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 255, (count, side_px, side_px), dtype=np.uint8)

    monkeypatch.setattr(module, "read_faces", read)
    monkeypatch.setattr(module, "faceless_patches", patches)
    return splits


def test_all_trials_are_reproducible_and_never_read_private_test(tmp_path: Path, splits_read: list[str]) -> None:
    first = evaluate_rlps(SMALL, tmp_path, [Path("clip.mp4")], tmp_path / "run", tmp_path, seeds=1, report=quiet)
    assert splits_read == ["Training", "PublicTest"]
    synthetic = first["synthetic_noise"]
    assert set(synthetic["published_methods"]) == {"paper", "code"}
    assert synthetic["paper_mix"]["mix"] == {"full": 0.5, "half": 0.25, "none": 0.25}
    assert synthetic["quarter_noise"]["kept_none"]["n"] == 1
    assert {"accuracy_all", "accuracy_cleaned", "accuracy_random"} <= set(synthetic["quarter_noise"])
    assert {"accuracy_all", "accuracy_cleaned", "accuracy_random"} <= set(first["natural_noise"]["accuracy"])
    write_report(first, tmp_path / "first.json")
    splits_read.clear()
    again = evaluate_rlps(SMALL, tmp_path, [Path("clip.mp4")], tmp_path / "run", tmp_path, seeds=1, report=quiet)
    write_report(again, tmp_path / "again.json")
    assert (tmp_path / "first.json").read_text() == (tmp_path / "again.json").read_text()


def test_clean_set_has_only_the_majority_label_of_the_given_classes() -> None:
    faces = voted_faces(150, 0)
    clean = clean_set(faces, ("neutral", "happiness", "surprise"))
    assert clean.targets.sum(1).tolist() == [1.0] * len(clean.rows)
    assert np.array_equal(clean.targets.argmax(1), faces.votes[clean.rows, :8].argmax(1))


def test_removal_is_compared_with_the_majority_of_the_raters() -> None:
    votes = np.zeros((4, 10), np.int64)
    votes[:, 1] = 10  # everyone votes for happiness
    votes[3] = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]  # no majority
    chosen = ImageSet(
        np.arange(4), np.zeros((4, 2, 2), np.uint8), np.eye(7, dtype=np.float32)[[1, 0, 0, 1]], ("n",) * 7
    )
    listed = KeepList(
        rows=chosen.rows,
        keep=np.array([False, False, True, True]),
        keep_probability=np.array([0.3, 0.1, 0.9, 0.9], np.float32),
        reward=np.array([0.9, 0.1, 0.2, 0.9], np.float32),
        probabilities=chosen.targets,
        targets=chosen.targets,
        floored=np.zeros(4, bool),
    )
    found = removal(Selection(listed, 1, ()), chosen, votes)
    assert found["wrong_share"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(1 / 2)
    assert found["recall"] == pytest.approx(1 / 2)
    assert found["auroc_keep_probability"] == pytest.approx(1 / 2)  # one of two wrong labels ranks below it
    assert found["auroc_reward_alone"] == 1.0
    assert found["removed_share_unclear_majority"] == 0.0
    nothing = replace(listed, keep=np.ones(4, bool))
    assert removal(Selection(nothing, 1, ()), chosen, votes)["precision"] is None


def test_kept_shares_are_split_by_vote_entropy() -> None:
    shares = np.array([[1, 0], [0.9, 0.1], [0.5, 0.5]], np.float32)
    found = kept_by_entropy(np.array([True, True, False]), shares)
    assert found == {"agreed": 1.0, "below_median": 1.0, "above_median": 0.0}
    assert kept_by_entropy(np.array([True]), shares[:1]) == {"agreed": 1.0, "below_median": None, "above_median": None}
