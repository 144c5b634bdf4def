"""Networks fine-tuned on FER2013's own labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.fakes.expression import fake_faces, quiet
from training.data.augment import AugmentConfig
from training.data.fer2013 import FerFaces
from training.expression import fit_fer2013 as fit_module
from training.expression.fit_fer2013 import fit_fer2013, label_shares
from training.expression.fit_teacher import TeacherRunConfig
from training.expression.teacher import Teacher, TeacherConfig
from training.loop.trainer import TrainerConfig
from training.studies import fer2013_labels as module
from training.studies.fer2013_labels import evaluate_fer2013

SIDE = 72
PLAIN = AugmentConfig(
    rotation_deg=0, shift=0, scale=0, contrast=0, brightness=0, erase_share=0, soften_share=0, landmark_noise=0
)
SETTINGS = TeacherRunConfig(
    mixup_alpha=0.0,
    augment=PLAIN,
    trainer=TrainerConfig(epochs=14, batch_size=14, learning_rate=2e-3, average_decay=0.8, warmup_epochs=1.0),
)


def bright_faces(count: int = 70) -> FerFaces:
    """Faces of one grey level that tells FER2013's label."""
    labels = np.arange(count) % 7
    crops = np.broadcast_to((30 * labels + 10).astype(np.uint8)[:, None, None], (count, SIDE, SIDE)).copy()
    return replace(fake_faces(count), crops=crops, labels=labels)


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """One untrained teacher with the number 3; the list fills with the splits that are read."""
    read: list[tuple[str, bool]] = []

    def faces(_: Path, split: str, *__: object, without_votes: bool) -> FerFaces:
        read.append((split, without_votes))
        return bright_faces()

    teacher = Teacher(TeacherConfig(input_side_px=SIDE)).eval()
    monkeypatch.setattr(fit_module, "read_faces", faces)
    monkeypatch.setattr(module, "read_faces", faces)
    monkeypatch.setattr(fit_module, "finished_members", lambda _: (3,))
    monkeypatch.setattr(fit_module, "load_teachers", lambda *_: [teacher])
    return read


def test_a_teacher_learns_the_seven_labels(splits: list[tuple[str, bool]], tmp_path: Path) -> None:
    fit_fer2013(SETTINGS, Path(), Path("teachers"), tmp_path, report=quiet)
    assert {split for split, _ in splits} == {"Training", "PublicTest"}, "PrivateTest is not for training"
    report = evaluate_fer2013(tmp_path, Path(), Path(), "PublicTest", quiet)
    assert all(without_votes for _, without_votes in splits)
    assert report.members == (3,)
    assert report.faces == 70
    assert report.ensemble.accuracy.value > 0.5  # chance is 1/7
    assert report.single.each == (report.ensemble.accuracy.value,)


def test_a_run_of_teachers_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "finished_members", lambda _: (0,))
    monkeypatch.setattr(module, "load_teachers", lambda *_: [Teacher(TeacherConfig(input_side_px=SIDE)).eval()])
    with pytest.raises(ValueError, match="8 classes: give a run of mien-train fit fer2013"):
        evaluate_fer2013(tmp_path, Path(), Path(), "PublicTest", quiet)


def test_smoothed_labels_are_distributions() -> None:
    shares = label_shares(np.array([0, 6]), 0.1)
    assert shares.sum(1) == pytest.approx([1, 1])
    assert shares[1, 6] == pytest.approx(0.9 + 0.1 / 7)
    assert label_shares(np.array([2]), 0.0).tolist() == [[0, 0, 1, 0, 0, 0, 0]]
