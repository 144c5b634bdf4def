"""Scores and calibration errors against cases worked out by hand, torchmetrics and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassCalibrationError
from torchmetrics.regression import KLDivergence

from engine.types import Float64
from training.metrics.calibration import (
    adaptive_calibration_error,
    brier,
    calibration_error,
    classwise_calibration_error,
    expected_calibration_error,
    kl_divergence,
    log_loss,
    one_hot,
    reliability,
    top_agreement,
    total_variation,
)

#: Four faces of two classes; confidences 0.6, 0.7, 0.8, 0.9, the second and the fourth prediction is wrong.
PROBABILITIES = np.array([[0.6, 0.4], [0.3, 0.7], [0.8, 0.2], [0.1, 0.9]])
LABELS = np.array([0, 0, 0, 0])


def fake_predictions(seed: int, count: int = 200, classes: int = 8) -> tuple[Float64, Float64]:
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(classes, 0.4), count), random.dirichlet(np.full(classes, 0.3), count)


def test_expected_calibration_error_agrees_with_torchmetrics() -> None:
    probabilities, targets = fake_predictions(0)
    labels = targets.argmax(1)
    oracle = MulticlassCalibrationError(num_classes=8, n_bins=15, norm="l1")
    expected = float(oracle(torch.from_numpy(probabilities), torch.from_numpy(labels)))
    assert expected_calibration_error(probabilities, one_hot(labels, 8)) == pytest.approx(expected, abs=1e-6)


def test_calibration_error_is_zero_when_raters_agree_as_often_as_expected():
    probabilities = np.array([[0.7, 0.3], [0.7, 0.3]])
    votes = np.array([[0.8, 0.2], [0.6, 0.4]])  # mean share of the predicted class: (0.8 + 0.6) / 2
    assert expected_calibration_error(probabilities, votes) == pytest.approx(0.0)
    assert expected_calibration_error(probabilities, one_hot(votes.argmax(1), 2)) == pytest.approx(1.0 - 0.7)


def test_calibration_error_weights_bins_by_their_faces():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    votes = np.array([[1, 0], [1, 0], [0, 1], [1, 0]])
    expected = 3 / 4 * abs(2 / 3 - 0.9) + 1 / 4 * abs(0 - 0.6)
    assert expected_calibration_error(probabilities, votes) == pytest.approx(expected)
    one_bin = abs((0.9 * 3 + 0.6) / 4 - 2 / 4)
    assert expected_calibration_error(probabilities, votes, bins=1) == pytest.approx(one_bin)


def test_calibration_error_of_a_binary_label() -> None:
    labels = np.array([True, False, True, True])
    probabilities = np.array([0.1, 0.3, 0.6, 1.0])
    # two bins: (0.1, 0.3) against a rate of 1/2, (0.6, 1.0) against 1
    expected = 0.5 * abs(0.5 - 0.2) + 0.5 * abs(1.0 - 0.8)
    assert calibration_error(probabilities, labels, bins=2) == pytest.approx(expected)


def test_divergence_agrees_with_torchmetrics() -> None:
    probabilities, targets = fake_predictions(1)
    expected = float(KLDivergence()(torch.from_numpy(targets), torch.from_numpy(probabilities)))
    assert kl_divergence(probabilities, targets).mean() == pytest.approx(expected, rel=1e-5)


def test_log_loss_and_brier_agree_with_scikit_learn() -> None:
    probabilities, targets = fake_predictions(2)
    labels = targets.argmax(1)
    hard = one_hot(labels, 8)
    assert log_loss(probabilities, hard).mean() == pytest.approx(sklearn.metrics.log_loss(labels, probabilities))
    expected = sklearn.metrics.brier_score_loss(labels, probabilities, labels=range(8), scale_by_half=False)
    assert brier(probabilities, hard).mean() == pytest.approx(expected)


def test_scores_of_one_face_against_votes() -> None:
    probabilities, votes = np.array([[0.5, 0.5, 0.0]]), np.array([[0.8, 0.0, 0.2]])
    assert brier(probabilities, votes)[0] == pytest.approx(0.3**2 + 0.5**2 + 0.2**2)
    assert total_variation(probabilities, votes)[0] == pytest.approx((0.3 + 0.5 + 0.2) / 2)
    assert log_loss(probabilities, votes)[0] == pytest.approx(-0.8 * np.log(0.5) - 0.2 * np.log(1e-12))


@given(st.integers(0, 1000))
def test_distances_are_zero_from_itself_and_never_negative(seed: int) -> None:
    probabilities, targets = fake_predictions(seed, count=5)
    assert np.abs(kl_divergence(targets, targets)).max() < 1e-9
    assert np.abs(total_variation(targets, targets)).max() == 0
    assert (kl_divergence(probabilities, targets) >= -1e-12).all()
    assert (total_variation(probabilities, targets) <= 1 + 1e-12).all()


def test_agreement_is_the_votes_share_of_what_was_predicted() -> None:
    votes = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])
    assert top_agreement(PROBABILITIES, votes).tolist() == [0.9, 0.1, 0.5, 1.0]


def test_bins_of_equally_many_faces() -> None:
    low = abs((0.6 - 1) + (0.7 - 0))
    high = abs((0.8 - 1) + (0.9 - 0))
    found = adaptive_calibration_error(PROBABILITIES, one_hot(LABELS, 2), bins=2)
    assert found == pytest.approx((low + high) / 4)
    mixed = np.array([2, 0, 3, 1])
    assert adaptive_calibration_error(PROBABILITIES[mixed], one_hot(LABELS, 2), bins=2) == pytest.approx(found)


def test_error_of_each_class_over_two_bins() -> None:
    first = abs((0.3 - 1) + (0.1 - 1)) + abs((0.6 - 1) + (0.8 - 1))  # bins below and above one half, all are class 0
    second = abs(0.4 + 0.2) + abs(0.7 + 0.9)
    found = classwise_calibration_error(PROBABILITIES, one_hot(LABELS, 2), bins=2)
    assert found == pytest.approx((first / 4 + second / 4) / 2)


def test_the_diagram_shows_what_the_error_sums() -> None:
    probabilities, targets = fake_predictions(3)
    bins = reliability(probabilities, targets)
    assert sum(part.n for part in bins) == 200
    error = sum(part.n * abs(part.confidence - part.agreement) for part in bins) / 200
    assert error == pytest.approx(expected_calibration_error(probabilities, targets))


def test_a_bin_of_one_face_has_no_spread() -> None:
    alone = reliability(PROBABILITIES[:1], one_hot(LABELS[:1], 2))
    assert [(part.n, part.standard_error, part.agreement) for part in alone] == [(1, 0.0, 1.0)]


def test_perfect_probabilities_have_no_error() -> None:
    _, targets = fake_predictions(4)
    assert adaptive_calibration_error(targets, targets) == pytest.approx(0)
    assert classwise_calibration_error(targets, targets) == pytest.approx(0)
