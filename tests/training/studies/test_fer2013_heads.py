"""Heads for FER2013's own labels on features of teachers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.fakes.expression import fake_faces, quiet
from training.data.fer2013 import FerFaces
from training.expression.teacher import Teacher, TeacherConfig
from training.studies import fer2013_heads as module
from training.studies.fer2013_heads import evaluate_heads, features_of

SIDE = 72


def bright_faces(count: int = 70) -> FerFaces:
    """Faces of one grey level that tells FER2013's label."""
    labels = np.arange(count) % 7
    crops = np.broadcast_to((30 * labels + 10).astype(np.uint8)[:, None, None], (count, SIDE, SIDE)).copy()
    return replace(fake_faces(count), crops=crops, labels=labels)


@pytest.fixture
def teachers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Two untrained teachers; the list fills with the splits that are read."""
    read: list[tuple[str, bool]] = []

    def faces(_: Path, split: str, *__: object, without_votes: bool) -> FerFaces:
        read.append((split, without_votes))
        return bright_faces()

    torch.manual_seed(0)
    found = [Teacher(TeacherConfig(input_side_px=SIDE)).eval() for _ in range(2)]
    monkeypatch.setattr(module, "read_faces", faces)
    monkeypatch.setattr(module, "finished_members", lambda _: (0, 1))
    monkeypatch.setattr(module, "load_teachers", lambda *_: found)
    return read


def test_heads_learn_the_labels_and_choose_on_public_test(teachers: list[tuple[str, bool]]) -> None:
    report = evaluate_heads(Path(), Path(), Path(), "PublicTest", quiet)
    assert report.teachers == (0, 1)
    assert report.faces == 70
    assert min(report.single.each) > 0.9  # a linear head separates grey levels
    assert report.ensemble.accuracy.value > 0.9
    assert {split for split, _ in teachers} == {"Training", "PublicTest"}
    assert all(without_votes for _, without_votes in teachers)


def test_a_mirrored_face_has_the_same_features() -> None:
    torch.manual_seed(1)
    teacher = Teacher(TeacherConfig(input_side_px=SIDE)).eval()
    crops = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    faces = replace(fake_faces(2), crops=crops)
    turned = replace(faces, crops=np.ascontiguousarray(crops[:, :, ::-1]))
    assert features_of(teacher, faces) == pytest.approx(features_of(teacher, turned), abs=1e-5)
