"""Fitting temperature and routing limits, and the errors for input that cannot be fitted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.uncertainty import ood_score
from training.expression.calibration import (
    MAX_TEMPERATURE,
    epistemic_quantiles,
    fit_aleatoric_limit,
    fit_epistemic_limit,
    fit_logit_adjustment,
    fit_temperature,
)

VALUES = hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(0.0, 2.0))


def _softmax(logits):
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_temperature_that_generated_the_votes_is_recovered(temperature):
    logits = np.random.default_rng(0).normal(0, 2, (300, 1, 8))
    votes = _softmax(logits[:, 0] / temperature)
    assert fit_temperature(logits, votes) == pytest.approx(temperature, rel=1e-4)


def test_temperature_of_an_ensemble_fits_the_mean_of_its_members():
    logits = np.random.default_rng(1).normal(0, 2, (300, 5, 8))
    votes = _softmax(logits / 1.7).mean(1)
    assert fit_temperature(logits, votes) == pytest.approx(1.7, rel=1e-4)


def test_only_the_proportions_of_votes_count():
    random = np.random.default_rng(2)
    logits, votes = random.normal(0, 2, (50, 3, 8)), random.integers(0, 5, (50, 8)) + 1
    assert fit_temperature(logits, votes) == pytest.approx(fit_temperature(logits, votes * 7.0), rel=1e-9)


def test_logits_unrelated_to_the_votes_get_the_highest_temperature():
    logits = np.random.default_rng(3).normal(0, 2, (20, 2, 8))
    assert fit_temperature(logits, np.ones((20, 8))) == pytest.approx(MAX_TEMPERATURE, rel=1e-6)


def test_huge_logits_do_not_overflow():
    logits = np.random.default_rng(4).normal(0, 1e4, (20, 2, 8))
    assert math.isfinite(fit_temperature(logits, np.ones((20, 8))))


def test_epistemic_limit_of_a_hundred_faces_leaves_five_above_it():
    limit = fit_epistemic_limit(np.arange(100) / 100)
    assert limit == 94 / 100
    assert int((np.arange(100) / 100 > limit).sum()) == 5


@given(VALUES, st.floats(0.01, 0.99))
def test_no_more_faces_than_allowed_lie_above_epistemic_limit(values, share):
    limit = fit_epistemic_limit(values, share)
    assert (values > limit).sum() <= share * values.size + 1e-9
    lower = values[values < limit]
    if lower.size:  # the next lower value would reject more than allowed
        assert (values > lower.max()).sum() >= share * values.size - 1e-9


def test_aleatoric_limit_separates_what_can_be_separated():
    limit = fit_aleatoric_limit(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert limit == pytest.approx((0.2 + 0.8) / 2)


@given(VALUES, st.data())
def test_no_midpoint_has_a_better_f1(values, data):
    truth = data.draw(hnp.arrays(np.bool_, values.size))
    distinct = np.unique(values)
    if distinct.size < 2 or truth.all() or not truth.any():
        with pytest.raises(ValueError, match="face"):
            fit_aleatoric_limit(values, truth)
        return

    def f1(limit):
        above = values > limit
        return 2 * (above & truth).sum() / (above.sum() + truth.sum())

    best = max(f1(limit) for limit in (distinct[:-1] + distinct[1:]) / 2)
    assert f1(fit_aleatoric_limit(values, truth)) == pytest.approx(best)


def test_a_rare_class_that_is_underrated_is_raised_and_a_sound_model_is_left_alone():
    random = np.random.default_rng(0)
    labels = np.where(random.random(600) < 0.05, 1, 0)
    votes = np.eye(2)[labels] * 9 + np.eye(2)[random.integers(0, 2, 600)]
    sound = np.log(votes / votes.sum(1, keepdims=True) + 1e-3)[:, None]
    assert fit_logit_adjustment(sound, votes, labels).max() == 0.0
    underrated = sound.copy()
    underrated[..., 1] -= 2.5
    raised = fit_logit_adjustment(underrated, votes, labels)
    assert raised[1] > 0.2
    assert raised.min() == raised[0] == 0.0


def test_quantiles_run_from_the_smallest_to_the_largest():
    quantiles = epistemic_quantiles(np.array([0.4, 0.0, 0.2]), count=5)
    assert quantiles == pytest.approx((0.0, 0.1, 0.2, 0.3, 0.4))


@given(VALUES)
def test_a_face_above_epistemic_limit_has_an_ood_score_near_the_top(values):
    quantiles = epistemic_quantiles(values)
    limit = fit_epistemic_limit(values, 0.05)
    assert ood_score(np.nextafter(limit, 9.0), quantiles) >= 0.95 - 1 / values.size - 0.01


NOTHING = np.zeros((0,))
BROKEN = np.array([0.1, np.nan])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_temperature(np.zeros((0, 5, 8)), np.zeros((0, 8))), r"logits .* not shape \(0, 5, 8\)"),
        (lambda: fit_temperature(np.full((2, 5, 8), np.nan), np.ones((2, 8))), "80 values that are not finite"),
        (lambda: fit_temperature(np.zeros((2, 5, 8)), np.ones((2, 7))), r"votes must be of shape \(2, 8\)"),
        (lambda: fit_temperature(np.zeros((2, 5, 2)), np.array([[1, 0], [0, 0]])), "1 of 2 faces have no votes"),
        (lambda: fit_epistemic_limit(NOTHING), "epistemic must have 1 axes"),
        (lambda: fit_epistemic_limit(BROKEN), "1 values that are not finite"),
        (lambda: fit_epistemic_limit(np.ones(3), 1.0), "not 1.0"),
        (lambda: fit_aleatoric_limit(NOTHING, np.zeros(0, bool)), "aleatoric must have 1 axes"),
        (lambda: fit_aleatoric_limit(BROKEN, np.array([True, False])), "not finite"),
        (lambda: fit_aleatoric_limit(np.ones(2), np.array([True])), r"shape \(2,\), not \(1,\)"),
        (lambda: fit_aleatoric_limit(np.arange(2.0), np.array([True, True])), "2 of 2 faces are ambiguous"),
        (lambda: fit_aleatoric_limit(np.ones(2), np.array([True, False])), "all 2 faces have aleatoric 1.0"),
        (lambda: epistemic_quantiles(NOTHING), "epistemic must have 1 axes"),
        (lambda: epistemic_quantiles(np.ones(3), 1), "not 1"),
    ],
)
def test_input_that_cannot_be_fitted_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
