"""Another face's landmarks, and what they cost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.training.fakes.expression import fake_faces
from training.data.fer2013 import majority_labels
from training.evaluation import swapped_landmarks as module
from training.evaluation.estimates import Estimates
from training.evaluation.swapped_landmarks import evaluate_landmarks, swapped_landmarks


def test_every_face_gets_the_landmarks_of_another_one() -> None:
    landmarks = np.arange(7, dtype=np.float32)[:, None, None].repeat(468, 1).repeat(2, 2)
    others = swapped_landmarks(landmarks)
    assert sorted(others[:, 0, 0].tolist()) == list(range(7))
    assert (others[:, 0, 0] != landmarks[:, 0, 0]).all()


@pytest.mark.parametrize("reads_landmarks", [True, False])
def test_only_a_model_that_reads_the_landmarks_loses(monkeypatch: pytest.MonkeyPatch, reads_landmarks: bool) -> None:
    faces = fake_faces(40)
    labels = majority_labels(faces.votes)
    faces.landmarks[:, 0, 0] = np.where(labels >= 0, labels, 0) / 10  # the landmarks tell the label

    def estimate(crops: np.ndarray, landmarks: np.ndarray) -> Estimates:
        named = np.rint(landmarks[:, 0, 0] * 10).astype(int) if reads_landmarks else np.zeros(len(crops), int)
        return Estimates(np.eye(8)[named], np.zeros(len(crops)), np.zeros(len(crops)))

    contract = SimpleNamespace(crop=SimpleNamespace(side_px=48), sha256="ab")
    monkeypatch.setattr(module, "file_estimator", lambda _: (estimate, contract, None))
    monkeypatch.setattr(module, "read_faces", lambda *_: faces)
    found = evaluate_landmarks(Path("model.onnx"), Path(), Path(), "PublicTest")
    assert (found.lost_points.value > 0) == (found.largest_change > 0)
    if reads_landmarks:
        assert found.accuracy.value == 1.0
    else:
        assert found.labels_changed.value == 0.0
