"""Predictions that the fusion repairs and breaks, on ten faces of two classes."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics.selective import area_under_risk_coverage
from training.studies.fusion_effect import compare_fused

#: Probability of class 0, the label of every face.
PRIMARY = np.array([0.45, 0.52, 0.40, 0.65, 0.70, 0.75, 0.20, 0.85, 0.90, 0.95])
FUSED = np.array([0.55, 0.48, 0.60, 0.66, 0.72, 0.75, 0.30, 0.85, 0.90, 0.95])
LABELS = np.zeros(10, np.int64)


def pairs(first: np.ndarray) -> np.ndarray:
    return np.stack([first, 1 - first], axis=1)


def test_repaired_and_broken_faces_are_counted() -> None:
    found = compare_fused(pairs(PRIMARY), pairs(FUSED), LABELS)
    assert (found.repaired, found.broken) == (2, 1)
    assert found.primary_accuracy.value == 7 / 10
    assert found.fused_accuracy.value == 8 / 10
    assert found.accuracy_gain.value == pytest.approx((2 - 1) / 10)


def test_fifths_are_ordered_by_rising_confidence() -> None:
    found = compare_fused(pairs(PRIMARY), pairs(FUSED), LABELS).quintiles
    assert [part.n for part in found] == [2] * 5
    first = found[0]  # 0.52 and 0.45 are nearest to one half
    assert (first.repaired, first.broken, first.primary_accuracy, first.fused_accuracy) == (1, 1, 1 / 2, 1 / 2)
    assert sum(part.repaired for part in found) == 2
    assert all(low.highest_confidence <= high.lowest_confidence for low, high in zip(found, found[1:], strict=False))


def test_aurc_gain_is_the_difference_of_the_two_aurcs() -> None:
    primary, fused = pairs(PRIMARY), pairs(FUSED)
    found = compare_fused(primary, fused, LABELS)
    areas = [area_under_risk_coverage(p.max(1), (p.argmax(1) == LABELS).astype(float)) for p in (primary, fused)]
    assert (found.primary_aurc.value, found.fused_aurc.value) == pytest.approx(areas)
    assert found.aurc_gain.value == pytest.approx(areas[1] - areas[0])


def test_identical_distributions_have_no_gain() -> None:
    found = compare_fused(pairs(PRIMARY), pairs(PRIMARY), LABELS)
    assert (found.repaired, found.broken) == (0, 0)
    assert (found.accuracy_gain.low, found.accuracy_gain.high) == (0, 0)


def test_distributions_of_different_faces_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"\(10, 2\), fused \(9, 2\)"):
        compare_fused(pairs(PRIMARY), pairs(FUSED)[:9], LABELS)
    with pytest.raises(ValueError, match="at least 5"):
        compare_fused(pairs(PRIMARY)[:4], pairs(FUSED)[:4], LABELS[:4])
