"""Folds of the skin: where they run, on which side, and how they vary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.facs import OPEN_UNITS
from engine.types import MESH_POINTS, Float32
from training.open_set.correspondence import Binding
from training.open_set.face_model import FaceModel
from training.open_set.wrinkles import UNIT_FOLDS, Fold, Line, Skin

FURROWS = [
    (unit, number) for unit, folds in UNIT_FOLDS.items() for number, fold in enumerate(folds) if fold.depth_cm > 0
]


@pytest.fixture(scope="module")
def points(model: FaceModel, binding: Binding) -> Float32:
    return binding.points(model.neutral)


def _stops(points: Float32, line: Line) -> Float32:
    return np.array([points[a] + (points[b] - points[a]) * share for a, b, share in line], np.float32)


def _skin_at(model: FaceModel, points: Float32, places: np.ndarray) -> Skin:
    """Skin of a model whose first vertices are at places (P, 3); the mesh points stay where they are."""
    fixed = Binding(
        np.arange(len(places), len(places) + MESH_POINTS)[:, np.newaxis], np.ones((MESH_POINTS, 1), np.float32)
    )
    vertices = np.concatenate([places, points]).astype(np.float32)
    triangles = np.arange(len(vertices) // 3 * 3, dtype=np.int32).reshape(-1, 3)
    parts = np.zeros(len(triangles), np.uint8)
    return Skin(replace(model, neutral=vertices, triangles=triangles, parts=parts), fixed)


def _folded(skin: Skin, unit: int, count: int, **sides: float) -> tuple[Float32, Float32]:
    left, right = ({unit: sides.get(side, 0.0)} for side in ("left", "right"))
    dark, height = skin.folded(left, right)
    return dark[:count], height[:count]


def test_units_and_points_exist() -> None:
    assert set(UNIT_FOLDS) <= set(OPEN_UNITS)
    for folds in UNIT_FOLDS.values():
        for fold in folds:
            assert 0 <= fold.dark <= 1
            assert abs(fold.depth_cm) < 0.2
            assert all(len(line) >= 2 for line in fold.lines)
            assert all(
                {a, b} <= set(range(MESH_POINTS)) and 0 <= share <= 1 for line in fold.lines for a, b, share in line
            )


@pytest.mark.parametrize(("unit", "number"), FURROWS)
def test_furrow_is_dark_and_deep_along_its_course(
    model: FaceModel, points: Float32, unit: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold: Fold = UNIT_FOLDS[unit][number]
    monkeypatch.setitem(UNIT_FOLDS, unit, (fold,))  # other folds of the unit may cross it
    along = np.concatenate(
        [[stops[0], (stops[0] + stops[1]) / 2, stops[-1]] for stops in (_stops(points, line) for line in fold.lines)]
    )
    far = np.array([[0, -30, 0], [30, 0, 0], [0, 30, 0]], np.float32)
    skin = _skin_at(model, points, np.concatenate([along, far]))
    dark, height = _folded(skin, unit, len(along) + len(far), left=1.0, right=1.0)
    assert dark == pytest.approx([fold.dark] * len(along) + [0] * len(far), abs=1e-4)
    assert height == pytest.approx([-fold.depth_cm] * len(along) + [0] * len(far), abs=1e-4)


@pytest.mark.parametrize("unit", [unit for unit in (6, 7, 10, 12, 14, 15)])
def test_one_sided_unit_folds_that_side_only(model: FaceModel, points: Float32, unit: int) -> None:
    middles = np.array([_stops(points, line)[:2].mean(0) for line in UNIT_FOLDS[unit][0].lines])
    sides = np.sign(middles[:, 0])
    lateral = middles + np.array([3.0, 0, 0]) * sides[:, np.newaxis]  # away from the middle of the face
    skin = _skin_at(model, points + np.array([3.0, 0, 0]) * np.sign(points[:, :1]), lateral)
    both, left, right = (
        _folded(skin, unit, len(lateral), **shown)[1] for shown in ({"left": 1, "right": 1}, {"left": 1}, {"right": 1})
    )
    assert np.abs(both).min() > 0
    assert left == pytest.approx(np.where(sides > 0, both, 0), abs=1e-5)
    assert right == pytest.approx(np.where(sides < 0, both, 0), abs=1e-5)


def test_weaker_side_is_folded_less(model: FaceModel, binding: Binding) -> None:
    skin = Skin(model, binding)
    strong, uneven = skin.folded({12: 1.0}, {12: 1.0})[0], skin.folded({12: 1.0}, {12: 0.3})[0]
    x = model.neutral[:, 0]
    assert uneven[x >= 1] == pytest.approx(strong[x >= 1])
    assert uneven[x <= -1] == pytest.approx(0.3 * strong[x <= -1], abs=1e-6)


def test_bulges_are_raised_and_not_dark(model: FaceModel, binding: Binding) -> None:
    dark, height = Skin(model, binding).folded({24: 1.0}, {24: 1.0})
    assert height.max() > 0.02
    assert height.min() == 0
    assert not dark.any()


def test_skin_varies_with_its_seed_and_not_with_the_units_shown(model: FaceModel, binding: Binding) -> None:
    skin = Skin(model, binding)
    one = {12: 1.0}
    patterns = [skin.folded(one, one, seed)[1] for seed in range(8)]
    assert np.array_equal(skin.folded(one, one, 3)[1], patterns[3])
    assert all(not np.array_equal(a, b) for a, b in zip(patterns[1:], patterns[2:], strict=False) if a.any() or b.any())
    other = {4: 1.0}
    together = skin.folded(one | other, one | other, 3)[1]
    assert together == pytest.approx(patterns[3] + skin.folded(other, other, 3)[1], abs=1e-6)


def test_some_faces_lack_a_furrow_but_none_a_bulge(model: FaceModel, binding: Binding) -> None:
    skin = Skin(model, binding)
    furrowed = [skin.folded({12: 1.0}, {12: 1.0}, seed)[1].any() for seed in range(1, 60)]
    assert 0.6 < np.mean(furrowed) < 0.95
    assert all(skin.folded({24: 1.0}, {24: 1.0}, seed)[1].any() for seed in range(1, 20))
