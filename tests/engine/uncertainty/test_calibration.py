"""Fitting temperature and thresholds, and what is said of input that cannot be fitted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.backends.contract import ExpressionCalibration
from engine.types import ExpressionEstimate
from engine.uncertainty.calibration import (
    MAX_TEMPERATURE,
    assess_uncertainty,
    epistemic_quantiles,
    expected_calibration_error,
    fit_max_aleatoric,
    fit_max_epistemic,
    fit_temperature,
    ood_score,
)

VALUES = hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(0.0, 2.0))


def _softmax(logits):
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_temperature_that_made_the_votes_is_found_again(temperature):
    logits = np.random.default_rng(0).normal(0, 2, (300, 1, 8))
    votes = _softmax(logits[:, 0] / temperature)
    assert fit_temperature(logits, votes) == pytest.approx(temperature, rel=1e-4)


def test_temperature_of_an_ensemble_suits_the_mean_of_its_members():
    logits = np.random.default_rng(1).normal(0, 2, (300, 5, 8))
    votes = _softmax(logits / 1.7).mean(1)
    assert fit_temperature(logits, votes) == pytest.approx(1.7, rel=1e-4)


def test_only_the_proportions_of_votes_count():
    random = np.random.default_rng(2)
    logits, votes = random.normal(0, 2, (50, 3, 8)), random.integers(0, 5, (50, 8)) + 1
    assert fit_temperature(logits, votes) == pytest.approx(fit_temperature(logits, votes * 7.0), rel=1e-9)


def test_logits_that_say_nothing_about_the_votes_end_at_the_highest_temperature():
    logits = np.random.default_rng(3).normal(0, 2, (20, 2, 8))
    assert fit_temperature(logits, np.ones((20, 8))) == pytest.approx(MAX_TEMPERATURE, rel=1e-6)


def test_huge_logits_do_not_overflow():
    logits = np.random.default_rng(4).normal(0, 1e4, (20, 2, 8))
    assert math.isfinite(fit_temperature(logits, np.ones((20, 8))))


def test_max_epistemic_of_a_hundred_faces_leaves_five_above_it():
    limit = fit_max_epistemic(np.arange(100) / 100)
    assert limit == 94 / 100
    assert int((np.arange(100) / 100 > limit).sum()) == 5


@given(VALUES, st.floats(0.01, 0.99))
def test_no_more_faces_than_allowed_lie_above_max_epistemic(values, share):
    limit = fit_max_epistemic(values, share)
    assert (values > limit).sum() <= share * values.size + 1e-9
    lower = values[values < limit]
    if lower.size:  # the next lower value would reject more than allowed
        assert (values > lower.max()).sum() >= share * values.size - 1e-9


def test_max_aleatoric_separates_what_can_be_separated():
    limit = fit_max_aleatoric(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert limit == pytest.approx((0.2 + 0.8) / 2)


@given(VALUES, st.data())
def test_no_midpoint_has_a_better_balanced_accuracy(values, data):
    truth = data.draw(hnp.arrays(np.bool_, values.size))
    distinct = np.unique(values)
    if distinct.size < 2 or truth.all() or not truth.any():
        with pytest.raises(ValueError, match="face"):
            fit_max_aleatoric(values, truth)
        return

    def balanced(limit):
        above = values > limit
        return (above[truth].mean() + (~above[~truth]).mean()) / 2

    best = max(balanced(limit) for limit in (distinct[:-1] + distinct[1:]) / 2)
    assert balanced(fit_max_aleatoric(values, truth)) == pytest.approx(best)


def test_quantiles_run_from_the_smallest_to_the_largest():
    quantiles = epistemic_quantiles(np.array([0.4, 0.0, 0.2]), count=5)
    assert quantiles == pytest.approx((0.0, 0.1, 0.2, 0.3, 0.4))


def test_ood_score_is_the_share_of_smaller_faces():
    quantiles = (0.0, 0.1, 0.2, 0.3, 0.4)
    assert ood_score(0.2, quantiles) == 2 / 4
    assert ood_score(0.25, quantiles) == pytest.approx(2.5 / 4)
    assert ood_score(-1.0, quantiles) == 0.0
    assert ood_score(9.0, quantiles) == 1.0


def test_ood_score_does_not_count_equal_faces_as_smaller():
    quantiles = (0.0, 0.0, 0.0, 0.5, 1.0)
    assert ood_score(0.0, quantiles) == 0.0
    assert ood_score(1e-9, quantiles) == pytest.approx(2 / 4)


@given(VALUES, st.floats(0.0, 3.0), st.floats(0.0, 3.0))
def test_ood_score_never_falls_and_stays_between_0_and_1(values, first, second):
    quantiles = epistemic_quantiles(values)
    low, high = sorted((first, second))
    assert 0.0 <= ood_score(low, quantiles) <= ood_score(high, quantiles) <= 1.0


@given(VALUES)
def test_a_face_above_max_epistemic_has_an_ood_score_near_the_top(values):
    quantiles = epistemic_quantiles(values)
    limit = fit_max_epistemic(values, 0.05)
    assert ood_score(np.nextafter(limit, 9.0), quantiles) >= 0.95 - 1 / values.size - 0.01


def test_assessment_joins_the_split_with_its_place_among_validation_faces():
    members = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    calibration = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 2 * math.log(2)), "made up")
    uncertainty = assess_uncertainty(ExpressionEstimate(members, members.mean(0)), calibration)
    assert uncertainty.total == uncertainty.epistemic == pytest.approx(math.log(2))
    assert uncertainty.aleatoric == 0.0
    assert uncertainty.ood_score == pytest.approx(1 / 2)


def test_calibration_error_is_zero_when_raters_agree_as_often_as_expected():
    probabilities = np.array([[0.7, 0.3], [0.7, 0.3]])
    votes = np.array([[8, 2], [6, 4]])  # mean share of the predicted class: (0.8 + 0.6) / 2
    assert expected_calibration_error(probabilities, votes) == pytest.approx(0.0)
    assert expected_calibration_error(probabilities, votes, against="majority") == pytest.approx(1.0 - 0.7)


def test_calibration_error_weighs_bins_by_their_faces():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    votes = np.array([[1, 0], [1, 0], [0, 1], [1, 0]])
    expected = 3 / 4 * abs(2 / 3 - 0.9) + 1 / 4 * abs(0 - 0.6)
    assert expected_calibration_error(probabilities, votes) == pytest.approx(expected)
    one_bin = abs((0.9 * 3 + 0.6) / 4 - 2 / 4)
    assert expected_calibration_error(probabilities, votes, bins=1) == pytest.approx(one_bin)


NOTHING = np.zeros((0,))
BROKEN = np.array([0.1, np.nan])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: fit_temperature(np.zeros((0, 5, 8)), np.zeros((0, 8))), r"logits .* not shape \(0, 5, 8\)"),
        (lambda: fit_temperature(np.full((2, 5, 8), np.nan), np.ones((2, 8))), "80 values that are not finite"),
        (lambda: fit_temperature(np.zeros((2, 5, 8)), np.ones((2, 7))), r"votes must be of shape \(2, 8\)"),
        (lambda: fit_temperature(np.zeros((2, 5, 2)), np.array([[1, 0], [0, 0]])), "1 of 2 faces have no votes"),
        (lambda: fit_max_epistemic(NOTHING), "epistemic must have 1 axes"),
        (lambda: fit_max_epistemic(BROKEN), "1 values that are not finite"),
        (lambda: fit_max_epistemic(np.ones(3), 1.0), "not 1.0"),
        (lambda: fit_max_aleatoric(NOTHING, np.zeros(0, bool)), "aleatoric must have 1 axes"),
        (lambda: fit_max_aleatoric(BROKEN, np.array([True, False])), "not finite"),
        (lambda: fit_max_aleatoric(np.ones(2), np.array([True])), r"shape \(2,\), not \(1,\)"),
        (lambda: fit_max_aleatoric(np.arange(2.0), np.array([True, True])), "2 of 2 faces are ambiguous"),
        (lambda: fit_max_aleatoric(np.ones(2), np.array([True, False])), "all 2 faces have aleatoric 1.0"),
        (lambda: epistemic_quantiles(NOTHING), "epistemic must have 1 axes"),
        (lambda: epistemic_quantiles(np.ones(3), 1), "not 1"),
        (lambda: ood_score(math.nan, (0.0, 1.0)), "epistemic nan"),
        (lambda: ood_score(0.1, (1.0,)), "1 quantiles"),
        (lambda: ood_score(0.1, (1.0, 0.0)), "must rise"),
        (lambda: expected_calibration_error(np.zeros((0, 8)), np.zeros((0, 8))), "probabilities must have 2 axes"),
        (lambda: expected_calibration_error(np.ones((2, 8)) / 8, np.ones((3, 8))), r"shape \(2, 8\), not \(3, 8\)"),
        (lambda: expected_calibration_error(np.ones((2, 8)) / 8, np.ones((2, 8)), bins=0), "not 0"),
    ],
)
def test_input_that_cannot_be_fitted_is_refused_by_name(call, told):
    with pytest.raises(ValueError, match=told):
        call()
