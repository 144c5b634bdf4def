"""Limits that a user changes, and their effect on a calibration."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings.limits import Limits, bold_limits, boldness_of, limits_of, recalibrated
from engine.backends.contract import ExpressionCalibration

QUANTILES = tuple(float(value) for value in np.linspace(0.0, 0.5, 11))
CALIBRATION = ExpressionCalibration(1.0, 1.2, 0.31, 0.05, QUANTILES, "fake")


def test_the_models_own_limits_leave_the_calibration_unchanged():
    assert recalibrated(CALIBRATION, limits_of(CALIBRATION)) is CALIBRATION


def test_changing_one_limit_keeps_the_other_exactly():
    moved = recalibrated(CALIBRATION, Limits(0.7, limits_of(CALIBRATION).ood_limit))
    assert moved == dataclasses.replace(CALIBRATION, aleatoric_limit=0.7)


def test_a_share_becomes_its_quantile():
    moved = recalibrated(CALIBRATION, Limits(1.2, 0.75))
    assert moved.epistemic_limit == pytest.approx(0.75 * 0.5)
    assert limits_of(moved) == Limits(1.2, pytest.approx(0.75))


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_never_rejects_more(a, b):
    low, high = sorted((a, b))
    limits = [recalibrated(CALIBRATION, Limits(1.0, share)).epistemic_limit for share in (low, high)]
    own = limits_of(CALIBRATION).ood_limit
    if own not in (low, high):  # the model's own limit was fitted, not read off the quantiles
        assert limits[0] <= limits[1]


@pytest.mark.parametrize(
    "wrong",
    [
        Limits(-0.1, 0.9),
        Limits(1.0, 1.1),
        Limits(1.0, -0.1),
        Limits(math.nan, 0.9),
        Limits(math.inf, 0.9),
        Limits(1.0, math.nan),
    ],
)
def test_invalid_limits_are_refused(wrong):
    with pytest.raises(ValueError, match="cannot be used"):
        recalibrated(CALIBRATION, wrong)


MODEL = Limits(0.9, 0.95)
MOST_NATS = math.log(8)


@given(st.floats(0, 1), st.floats(0, 1))
def test_bolder_limits_are_never_stricter(a, b):
    careful, bold = (bold_limits(MODEL, boldness, MOST_NATS) for boldness in sorted((a, b)))
    assert careful.aleatoric_limit <= bold.aleatoric_limit + 1e-12
    assert careful.ood_limit <= bold.ood_limit + 1e-12


def test_boldness_has_the_models_own_limits_in_the_middle():
    assert bold_limits(MODEL, 0.5, MOST_NATS) == MODEL
    assert bold_limits(MODEL, 0.0, MOST_NATS) == Limits(0.0, 0.5)
    assert bold_limits(MODEL, 1.0, MOST_NATS) == Limits(MOST_NATS, 1.0)


@given(st.floats(0, 1))
def test_the_boldness_of_limits_on_the_line_is_found_again(boldness):
    assert boldness_of(MODEL, bold_limits(MODEL, boldness, MOST_NATS), MOST_NATS) == pytest.approx(boldness, abs=1e-9)
