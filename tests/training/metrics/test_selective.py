"""Risk and coverage with intervals."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics.selective import selective_figures


def test_the_curve_ends_at_the_error_of_all() -> None:
    random = np.random.default_rng(0)
    confidence = random.random(250)
    correct = (random.random(250) < confidence).astype(float)
    curve = selective_figures(confidence, correct).curve
    assert len(curve.coverage) == len(curve.risk) == len(curve.low) == len(curve.high) == 100
    assert (curve.coverage[0], curve.coverage[-1]) == (3 / 250, 1)  # three faces are the fewest that make up 1 %
    assert curve.risk[-1] == pytest.approx(1 - correct.mean())
    assert np.all(np.array(curve.low) <= np.array(curve.high))


def test_without_an_error_nothing_can_be_told_apart() -> None:
    found = selective_figures(np.linspace(0.3, 0.9, 20), np.ones(20))
    assert (found.error_auroc, found.error_fpr95) == (None, None)
    assert (found.aurc.value, found.augrc.value, found.coverage_at_5_risk.value) == (0, 0, 1)


def test_a_confidence_that_puts_errors_last_is_as_good_as_can_be() -> None:
    correct = np.repeat([1.0, 0.0], 10)
    found = selective_figures(np.linspace(0.9, 0.3, 20), correct)
    assert found.error_auroc is not None
    assert (found.error_auroc.value, found.excess_aurc.value) == (1, 0)
    assert found.coverage_at_5_risk.value == 10 / 20
    assert found.risk_at_80_coverage.value == (16 - 10) / 16
