"""Patterns of the expressions: distinct without their colours, at the smallest size, and none of them diagonal."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from app.overlay.palette import EXPRESSION_COLOURS, EXPRESSION_COLOURS_ON_LIGHT
from app.overlay.patterns import MIN_PITCH, Marks, expression_marks, shade
from engine.facs import EXPRESSIONS


def marks(label: str, pitch: int = MIN_PITCH, periods: int = 2) -> Marks:
    lines, columns = np.indices((periods * pitch, periods * pitch))
    return expression_marks(label, columns, lines, pitch)


@pytest.mark.parametrize("pitch", [MIN_PITCH, 8, 13])
def test_any_two_differ_wherever_they_begin(pitch: int) -> None:
    for first, second in combinations(EXPRESSIONS, 2):
        one, other = marks(first, pitch), marks(second, pitch)
        shifted = (np.roll(other, (dy, dx), (0, 1)) for dy in range(pitch) for dx in range(pitch))
        nearest = min(float((one != moved).mean()) for moved in shifted)
        assert nearest >= 0.1, (first, second, nearest)


@pytest.mark.parametrize("label", EXPRESSIONS)
def test_they_repeat_and_leave_most_of_the_colour(label: str) -> None:
    tile = marks(label, 8, 1)
    np.testing.assert_array_equal(marks(label, 8, 3), np.tile(tile, (3, 3)))
    assert tile.mean() <= 0.5
    assert tile.any() == (label != "neutral")


def test_none_is_the_diagonal_of_competing_labels() -> None:
    for label in EXPRESSIONS[1:]:
        tile = marks(label, 8, 1)
        assert not np.array_equal(tile, np.roll(tile, (1, -1), (0, 1))), label


def test_an_unknown_label_is_plain() -> None:
    assert not marks("boredom").any()


@pytest.mark.parametrize("colours", [EXPRESSION_COLOURS, EXPRESSION_COLOURS_ON_LIGHT])
def test_the_marks_can_be_seen_on_every_colour(colours: dict[str, tuple[int, int, int]]) -> None:
    def luminance(colour: tuple[int, int, int]) -> float:
        linear = [value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for label, colour in colours.items():
        dark, light = sorted((luminance(colour), luminance(shade(*colour))))
        assert (light + 0.05) / (dark + 0.05) >= 1.5, label
