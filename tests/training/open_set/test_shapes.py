"""Units as shapes of the face model: the README's table, sides, and sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.facs import OPEN_UNITS
from tests.training.fakes.head import SHAPES
from training.open_set.face_model import FaceModel
from training.open_set.shapes import DISTRACTIONS, UNIT_SHAPES, shape_weights

#: Units of the README's table that we take over as they are; its AU45 (blink) is our AU43.
README = {
    1: "browInnerUp",
    2: "browOuterUp",
    4: "browDown",
    5: "eyeWide",
    6: "cheekSquint",
    7: "eyeSquint",
    9: "noseSneer",
    12: "mouthSmile",
    14: "mouthDimple",
    15: "mouthFrown",
    17: "mouthShrugLower",
    20: "mouthStretch",
    24: "mouthPress",
    43: "eyeBlink",
}


def test_every_unit_of_the_open_set_uses_shapes_of_the_model() -> None:
    assert tuple(sorted(UNIT_SHAPES)) == OPEN_UNITS
    for shape in UNIT_SHAPES.values():
        assert shape.sided or shape.whole
        assert {name + side for name in shape.sided for side in ("_L", "_R")} <= set(SHAPES)
        assert set(shape.whole) <= set(SHAPES)


def test_units_use_the_shapes_documented_by_the_face_model() -> None:
    for unit, name in README.items():
        assert {**UNIT_SHAPES[unit].sided, **UNIT_SHAPES[unit].whole}[name] > 0


def test_documented_table_matches_the_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "open_au_set.md").read_text(encoding="utf-8")
    for unit, shape in UNIT_SHAPES.items():
        shapes = {**shape.sided, **shape.whole}
        assert f"| AU{unit} | {', '.join(f'{name} {weight:g}' for name, weight in shapes.items())} |" in page


def test_distractor_shapes_are_in_the_model_and_never_a_unit_by_themselves() -> None:
    for name, greatest in DISTRACTIONS.items():
        assert name in SHAPES or {name + "_L", name + "_R"} <= set(SHAPES)
        assert 0 < greatest <= 1
        assert not any({*shape.sided, *shape.whole} == {name} for shape in UNIT_SHAPES.values())


@pytest.mark.parametrize("unit", OPEN_UNITS)
def test_one_side_moves_that_side_only(model: FaceModel, unit: int) -> None:
    left, right = shape_weights(model, {unit: 0.6}, {}), shape_weights(model, {}, {unit: 0.6})
    for name, full in UNIT_SHAPES[unit].sided.items():
        assert left[SHAPES.index(name + "_L")] == right[SHAPES.index(name + "_R")] == pytest.approx(0.6 * full)
        assert left[SHAPES.index(name + "_R")] == right[SHAPES.index(name + "_L")] == 0
    for name, full in UNIT_SHAPES[unit].whole.items():
        assert left[SHAPES.index(name)] == right[SHAPES.index(name)] == pytest.approx(0.6 * full)
    assert np.count_nonzero(left) == len(UNIT_SHAPES[unit].sided) + len(UNIT_SHAPES[unit].whole)


def test_shapes_without_sides_use_the_stronger_side_and_units_add_up(model: FaceModel) -> None:
    weights = shape_weights(model, {17: 0.2, 24: 0.5, 12: 1.0}, {17: 0.8, 24: 0.1})
    shrug = 0.8 * UNIT_SHAPES[17].whole["mouthShrugLower"] + 0.5 * UNIT_SHAPES[24].whole["mouthShrugLower"]
    press = UNIT_SHAPES[24].sided["mouthPress"]
    assert weights[SHAPES.index("mouthShrugLower")] == pytest.approx(shrug)
    assert weights[SHAPES.index("mouthPress_L")] == pytest.approx(0.5 * press)
    assert weights[SHAPES.index("mouthPress_R")] == pytest.approx(0.1 * press)
    smile = UNIT_SHAPES[12].sided["mouthSmile"]
    assert weights[[SHAPES.index("mouthSmile_L"), SHAPES.index("mouthSmile_R")]].tolist() == pytest.approx([smile, 0])


def test_brow_lowerer_does_not_lower_a_raised_inner_brow(model: FaceModel) -> None:
    down, up = UNIT_SHAPES[4].sided["browInnerUp"], UNIT_SHAPES[1].sided["browInnerUp"]
    weights = shape_weights(model, {1: 1.0, 4: 0.6}, {1: 0.25, 4: 0.6})
    assert weights[SHAPES.index("browInnerUp_L")] == pytest.approx(up)
    assert weights[SHAPES.index("browInnerUp_R")] == pytest.approx(0.25 * up + 0.6 * (1 - 0.25) * down)


def test_no_units_give_no_movement(model: FaceModel) -> None:
    assert not shape_weights(model, {}, {}).any()
