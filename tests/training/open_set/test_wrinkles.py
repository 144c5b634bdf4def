"""Lines of the skin are darkest where they run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.facs import OPEN_UNITS
from engine.types import MESH_POINTS
from training.open_set.correspondence import Binding
from training.open_set.face_model import FaceModel
from training.open_set.wrinkles import UNIT_LINES, line_patterns


def test_units_and_points_exist() -> None:
    assert set(UNIT_LINES) <= set(OPEN_UNITS)
    points = {point for lines in UNIT_LINES.values() for line in lines for pair in line for point in pair}
    assert points <= set(range(MESH_POINTS))
    assert all(len(line) >= 2 for lines in UNIT_LINES.values() for line in lines)


def _patterns_at(model: FaceModel, binding: Binding, places: np.ndarray) -> dict[int, np.ndarray]:
    """Patterns at places (P, 3) that take the place of the first vertices; the mesh points stay where they are."""
    points = binding.points(model.neutral)
    fixed = Binding(
        np.arange(len(places), len(places) + MESH_POINTS)[:, np.newaxis], np.ones((MESH_POINTS, 1), np.float32)
    )
    moved = replace(model, neutral=np.concatenate([places, points]).astype(np.float32))
    return {unit: pattern[: len(places)] for unit, pattern in line_patterns(moved, fixed).items()}


@pytest.mark.parametrize("unit", sorted(UNIT_LINES))
def test_line_is_darkest_along_its_course(model: FaceModel, binding: Binding, unit: int) -> None:
    points = binding.points(model.neutral)
    stops = [np.array([(points[a] + points[b]) / 2 for a, b in line]) for line in UNIT_LINES[unit]]
    along = np.concatenate([[line[0], (line[0] + line[1]) / 2, line[-1]] for line in stops])
    far = np.array([[0, -30, 0], [30, 0, 0]], np.float32)
    pattern = _patterns_at(model, binding, np.concatenate([along, far]))[unit]
    assert pattern[:-2] == pytest.approx(np.ones(len(along)), abs=1e-4)
    assert pattern[-2:] == pytest.approx([0, 0], abs=1e-6)


def test_line_fades_over_its_width(model: FaceModel, binding: Binding) -> None:
    points = binding.points(model.neutral)
    (a, b), *_ = ((pair[0], pair[1]) for pair in UNIT_LINES[2][0])
    (c, d) = UNIT_LINES[2][0][1]
    start, end = (points[a] + points[b]) / 2, (points[c] + points[d]) / 2
    across = np.cross(end - start, [0, 0, 1.0])
    across /= np.linalg.norm(across)
    beside = (start + end) / 2 + 0.22 * across
    dark = np.exp(-1 / 2)
    expected = dark - 0.5 * np.exp(-1 / (2 * 2.2**2)) * (1 - dark)
    assert _patterns_at(model, binding, beside[np.newaxis])[2][0] == pytest.approx(expected, abs=1e-3)
