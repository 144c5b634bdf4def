"""Risk and coverage with intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.types import Float64
from training.metrics.ranking import auroc
from training.metrics.selective import (
    area_under_generalised_risk_coverage,
    area_under_risk_coverage,
    coverage_at_risk,
    error_fpr95,
    excess_aurc,
    risk_at_coverage,
    selective_figures,
)

#: Five faces, worked out by hand: errors among the k surest are 0, 0, 1, 1, 2.
CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
CORRECT = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
#: Few distinct values, so that ties are common; at least one right and one wrong face.
ANSWERS = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40).filter(
    lambda faces: len({right for _, right in faces}) == 2
)


def arrays(faces: list[tuple[int, bool]]) -> tuple[Float64, Float64]:
    return np.array([sure for sure, _ in faces], float), np.array([right for _, right in faces], float)


def test_risk_coverage_of_five_faces() -> None:
    assert area_under_risk_coverage(CONFIDENCE, CORRECT) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)


def test_excess_of_five_faces_over_the_order_with_both_errors_last() -> None:
    best = (0 + 0 + 0 + 1 / 4 + 2 / 5) / 5
    assert excess_aurc(CONFIDENCE, CORRECT) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5 - best)
    assert excess_aurc(CORRECT, CORRECT) == 0


def test_generalised_area_of_five_faces() -> None:
    assert area_under_generalised_risk_coverage(CONFIDENCE, CORRECT) == pytest.approx((0 + 0 + 1 + 1 + 2) / 5 / 5)


@given(ANSWERS)
def test_the_generalised_area_follows_from_auroc_and_accuracy(faces: list[tuple[int, bool]]) -> None:
    """Traub et al. 2024: (1 - AUROC) a (1 - a) + (1 - a)^2 / 2; the last term is that of a finite sum."""
    confidence, correct = arrays(faces)
    accuracy, n = correct.mean(), len(correct)
    ranked = auroc(correct == 1, confidence)
    expected = (1 - ranked) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2 + (1 - accuracy) / (2 * n)
    assert area_under_generalised_risk_coverage(confidence, correct) == pytest.approx(expected)


@given(ANSWERS, st.randoms(use_true_random=False))
def test_the_order_of_faces_of_equal_confidence_does_not_matter(faces: list[tuple[int, bool]], random) -> None:
    mixed = random.sample(faces, len(faces))
    for figure in (area_under_risk_coverage, area_under_generalised_risk_coverage, excess_aurc, error_fpr95):
        assert figure(*arrays(faces)) == pytest.approx(figure(*arrays(mixed)))
    assert coverage_at_risk(*arrays(faces), 0.3) == coverage_at_risk(*arrays(mixed), 0.3)


def test_one_of_two_errors_lies_above_the_limit_of_the_right_predictions() -> None:
    assert error_fpr95(CONFIDENCE, CORRECT) == 1 / 2  # 0.6 keeps all three right answers, and the error at 0.7


def test_without_errors_nothing_can_pass() -> None:
    assert math.isnan(error_fpr95(CONFIDENCE, np.ones(5)))


def test_coverage_is_the_largest_at_which_the_risk_is_low_enough() -> None:
    assert coverage_at_risk(CONFIDENCE, CORRECT, 0.05) == 2 / 5
    assert coverage_at_risk(CONFIDENCE, CORRECT, 1 / 4) == 4 / 5  # 1 of 3 is too much, 1 of 4 is not
    assert coverage_at_risk(CONFIDENCE, 1 - CORRECT, 0.05) == 0


def test_no_limit_separates_faces_of_equal_confidence() -> None:
    assert coverage_at_risk(np.array([0.9, 0.5, 0.5]), np.array([1.0, 1.0, 0.0]), 0.05) == 1 / 3


def test_risk_at_a_coverage_counts_whole_faces() -> None:
    assert risk_at_coverage(CONFIDENCE, CORRECT, 0.8) == 1 / 4
    assert risk_at_coverage(CONFIDENCE, CORRECT, 0.5) == 1 / 3  # three faces are the fewest that make up half


def test_the_curve_ends_at_the_error_of_all() -> None:
    random = np.random.default_rng(0)
    confidence = random.random(250)
    correct = (random.random(250) < confidence).astype(float)
    curve = selective_figures(confidence, correct).curve
    assert len(curve.coverage) == len(curve.risk) == len(curve.low) == len(curve.high) == 100
    assert (curve.coverage[0], curve.coverage[-1]) == (3 / 250, 1)  # three faces are the fewest that make up 1 %
    assert curve.risk[-1] == pytest.approx(1 - correct.mean())
    assert np.all(np.array(curve.low) <= np.array(curve.high))


def test_without_an_error_there_is_no_auroc() -> None:
    found = selective_figures(np.linspace(0.3, 0.9, 20), np.ones(20))
    assert (found.error_auroc, found.error_fpr95) == (None, None)
    assert (found.aurc.value, found.augrc.value, found.coverage_at_5_risk.value) == (0, 0, 1)


def test_a_confidence_that_puts_errors_last_is_optimal() -> None:
    correct = np.repeat([1.0, 0.0], 10)
    found = selective_figures(np.linspace(0.9, 0.3, 20), correct)
    assert found.error_auroc is not None
    assert (found.error_auroc.value, found.excess_aurc.value) == (1, 0)
    assert found.coverage_at_5_risk.value == 10 / 20
    assert found.risk_at_80_coverage.value == (16 - 10) / 16
