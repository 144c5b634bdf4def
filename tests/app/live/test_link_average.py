"""Links against their average: what changes with every frame is usual, what leaves its range is not."""

from __future__ import annotations

import numpy as np
import pytest

from app.live.link_average import MIN_FRAMES, LinkAverage, link_strength
from engine.types import AUEstimate


def estimate(mask: float, other: float = 0.5) -> AUEstimate:
    level = np.full(2, 0.5, np.float32)
    masks = np.array([[0.0, mask], [other, 0.0]], np.float32)
    return AUEstimate(
        np.array([4, 12]), level, level, level, level, masks, masks * 0, np.array([[1, 0.5], [0.5, 1]], np.float32)
    )


def test_mean_and_deviation_are_those_of_all_frames() -> None:
    values = np.random.default_rng(3).uniform(0.3, 0.7, 50)
    average = LinkAverage(2)
    for value in values:
        average.add(estimate(float(value)))
    assert average.mean[0, 1] == pytest.approx(0.5 * values.mean(), abs=1e-6)
    assert average.deviation[0, 1] == pytest.approx(0.5 * values.std(ddof=1), abs=1e-6)
    assert average.deviation[1, 0] == pytest.approx(0.0, abs=1e-6)


def test_a_link_that_leaves_its_range_differs_in_its_direction_only() -> None:
    average = LinkAverage(2)
    for turn in range(2 * MIN_FRAMES):
        average.add(estimate(0.5 + 0.05 * (-1) ** turn))
    assert not average.difference(estimate(0.56)).any(), "within two deviations"
    difference = average.difference(estimate(0.9))
    assert difference[0, 1] == pytest.approx(0.2, abs=0.01)
    assert difference[1, 0] == 0.0
    assert average.difference(estimate(0.1))[0, 1] < 0


def test_a_small_change_of_a_link_that_never_changed_is_not_shown_and_nothing_is_before_a_second() -> None:
    average = LinkAverage(2)
    for _ in range(MIN_FRAMES - 1):
        average.add(estimate(0.5))
    assert not average.difference(estimate(0.9)).any()
    average.add(estimate(0.5))
    assert average.difference(estimate(0.9)).any()
    assert not average.difference(estimate(0.51)).any()
    assert link_strength(estimate(0.4))[0, 1] == pytest.approx(0.2)
