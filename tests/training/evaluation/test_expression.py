"""From a model file to its report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from engine.backends.contract import read_contract
from engine.backends.model_file import model_path
from engine.types import Float32, UInt8
from tests.training.fakes.expression import fake_faces
from training.evaluation import expression as command
from training.evaluation.estimates import Estimates, estimates_of
from training.evaluation.expression import before_calibration, evaluate_expression, mirrored
from training.expression.landmark_maps import LANDMARK_POINTS


def test_mirrored_face_has_left_and_right_exchanged() -> None:
    faces = fake_faces(2)
    crops, landmarks = mirrored(faces.crops, faces.landmarks)
    assert np.array_equal(crops[:, :, 0], faces.crops[:, :, -1])
    right_corner, left_corner = 61, 291  # of the mouth
    expected = faces.landmarks[:, left_corner] * [-1, 1] + [1, 0]
    assert landmarks[:, right_corner] == pytest.approx(expected, abs=1e-6)


def test_face_mirrored_twice_is_unchanged() -> None:
    faces = fake_faces(2)
    crops, landmarks = mirrored(*mirrored(faces.crops, faces.landmarks))
    read = list(LANDMARK_POINTS)
    assert np.array_equal(crops, faces.crops)
    assert landmarks[:, read] == pytest.approx(faces.landmarks[:, read], abs=1e-6)


def test_temperature_is_undone() -> None:
    logits = np.random.default_rng(0).normal(0, 4, (20, 3, 8)).astype(np.float32)
    found = before_calibration(estimates_of(logits, 2.5), 2.5)
    expected = estimates_of(logits, 1.0)
    assert found is not None
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert found.epistemic == pytest.approx(expected.epistemic, abs=1e-5)


def test_probabilities_before_calibration_need_members() -> None:
    judged = dataclasses.replace(estimates_of(np.zeros((2, 1, 8), np.float32), 1.0), members=None)
    assert before_calibration(judged, 2.0) is None


def test_report_names_the_model_split_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = read_contract(model_path("expression"))
    calls: list[tuple[object, ...]] = []

    def estimate(crops: UInt8, landmarks: Float32) -> Estimates:
        """Depends on the left half of the image, so the mirrored image gives another estimate."""
        scores = crops[:, :8, :24].mean(axis=2).astype(np.float32)[:, None] / 20
        return estimates_of(scores, contract.calibration.temperature)

    monkeypatch.setattr(command, "file_estimator", lambda model: (estimate, contract, contract.calibration))
    monkeypatch.setattr(command, "read_faces", lambda *args: calls.append(args) or fake_faces(40))
    report = evaluate_expression(Path("model.onnx"), Path("fer"), Path("cache"), "PublicTest")
    assert calls == [(Path("fer"), "PublicTest", Path("cache"), contract.crop.side_px)]
    assert (report.split, report.faces) == ("PublicTest", 40)
    assert (report.model.name, report.model.sha256) == (contract.name, contract.sha256)
    assert report.model.epistemic_limit == contract.calibration.epistemic_limit
    assert report.flip.nll_votes.value != report.raters.after.nll.value
    assert report.raters.before is not None
