"""Placing uncertainty among the validation faces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.backends.contract import ExpressionCalibration
from engine.types import ExpressionEstimate
from engine.uncertainty.calibration import assess_uncertainty, ood_score

VALUES = hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(0.0, 2.0))


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
    quantiles = tuple(np.sort(np.append(values, values[0])))
    low, high = sorted((first, second))
    assert 0.0 <= ood_score(low, quantiles) <= ood_score(high, quantiles) <= 1.0


def test_assessment_joins_the_split_with_its_place_among_validation_faces():
    members = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    calibration = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 2 * math.log(2)), "made up")
    uncertainty = assess_uncertainty(ExpressionEstimate(members, members.mean(0)), calibration)
    assert uncertainty.total == uncertainty.epistemic == pytest.approx(math.log(2))
    assert uncertainty.aleatoric == 0.0
    assert uncertainty.ood_score == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ood_score(math.nan, (0.0, 1.0)), "epistemic nan"),
        (lambda: ood_score(0.1, (1.0,)), "1 quantiles"),
        (lambda: ood_score(0.1, (1.0, 0.0)), "must rise"),
    ],
)
def test_a_value_that_cannot_be_placed_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
