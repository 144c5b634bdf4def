"""Figures of yes-no questions, by hand-made cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from training.metrics.binary import (
    auroc,
    average_precision,
    best_f1_threshold,
    expected_calibration_error,
)

LABELS = np.array([True, True, False, False, False])
SCORES = np.array([0.9, 0.4, 0.4, 0.2, 0.1])


def test_order_by_hand_with_a_tie() -> None:
    # pairs: 0.9 beats 3 negatives; 0.4 ties one and beats two
    assert auroc(LABELS, SCORES) == pytest.approx((3 + 0.5 + 2) / 6)
    # the tie enters at once: precision 1 at recall 1/2, then 2/3 at recall 1
    assert average_precision(LABELS, SCORES) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_figures_without_both_kinds_are_undefined() -> None:
    nothing = np.zeros(3, bool)
    assert math.isnan(auroc(nothing, SCORES[:3]))
    assert math.isnan(average_precision(nothing, SCORES[:3]))


def test_calibration_error_by_hand() -> None:
    labels = np.array([True, False, True, True])
    probabilities = np.array([0.1, 0.3, 0.6, 1.0])
    # two bins: (0.1, 0.3) against a rate of 1/2, (0.6, 1.0) against 1
    expected = 0.5 * abs(0.5 - 0.2) + 0.5 * abs(1.0 - 0.8)
    assert expected_calibration_error(labels, probabilities, bins=2) == pytest.approx(expected)


def test_best_threshold_never_parts_equal_probabilities() -> None:
    labels = np.array([True, False, True, False])
    threshold = best_f1_threshold(labels, np.array([0.7, 0.7, 0.7, 0.2]))
    assert threshold == pytest.approx((0.7 + 0.2) / 2)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=30).filter(
        lambda rows: any(label for label, _ in rows)
    )
)
def test_no_other_threshold_beats_the_best(rows: list[tuple[bool, float]]) -> None:
    labels = np.array([label for label, _ in rows])
    scores = np.array([score for _, score in rows])
    best = f1_score(labels, scores >= best_f1_threshold(labels, scores))
    assert all(f1_score(labels, scores >= score) <= best + 1e-12 for score in scores)
