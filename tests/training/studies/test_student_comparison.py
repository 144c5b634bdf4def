"""The file against its teachers: one table, accuracy of both, processor time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.training.fakes.expression import fake_faces, quiet
from training.corruptions.catalogue import Strength
from training.data.fer2013 import FerFaces
from training.evaluation.estimates import Estimates, estimates_of
from training.evaluation.uncertainty import UncertaintyConfig
from training.expression.teacher import Teacher, TeacherConfig
from training.studies import student_comparison as module
from training.studies.student_comparison import evaluate_student, teacher_logits

SIDE = 72


def faces(_: Path, __: str, ___: Path, side: int) -> FerFaces:
    """Twelve fake faces of any side."""
    small = fake_faces(12)
    crops = np.kron(small.crops, np.ones((2, 2), np.uint8))[:, :side, :side]
    return replace(small, crops=np.ascontiguousarray(crops))


def reads_grey(crops: np.ndarray, landmarks: np.ndarray) -> Estimates:
    """Three members that follow the grey level of the image."""
    grey = crops.reshape(len(crops), -1).mean(1) / 255
    logits = np.stack([np.outer(grey + 0.1 * member, np.arange(8)) for member in range(3)], 1)
    return estimates_of(logits.astype(np.float32), 1.0)


def test_both_are_measured_on_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    teachers = [Teacher(TeacherConfig(input_side_px=side)).eval() for side in (SIDE, 80)]
    contract = SimpleNamespace(crop=SimpleNamespace(side_px=SIDE), sha256="ab")
    monkeypatch.setattr(module, "file_estimator", lambda _: (reads_grey, contract, None))
    monkeypatch.setattr(module, "finished_members", lambda _: (0, 1))
    monkeypatch.setattr(module, "load_teachers", lambda *_: teachers)
    monkeypatch.setattr(module, "read_faces", faces)
    monkeypatch.setattr(module, "_milliseconds", lambda *_: (2.0, 4.0))
    config = UncertaintyConfig((Strength.CIFAR_C,), severe_faces=6, graded_faces=0, resamples=5)
    report = evaluate_student(Path("model.onnx"), Path(), Path(), "PublicTest", config, quiet)
    assert [row.method for row in report.table] == ["teachers", "student"]
    assert (report.faces, report.teachers, report.times_one_teacher) == (12, (0, 1), 0.5)
    assert report.accuracy_student.n == report.accuracy_teachers.n


def test_a_teacher_reads_images_at_its_own_size() -> None:
    torch.manual_seed(0)
    teacher = Teacher(TeacherConfig(input_side_px=SIDE)).eval()
    crops = np.full((2, 96, 96), 100, np.uint8)
    large, own = teacher_logits([teacher], crops), teacher_logits([teacher], crops[:, :SIDE, :SIDE])
    assert large.shape == (2, 1, 8)
    assert large == pytest.approx(own, abs=1e-2)  # a grey square stays one when it is shrunk
