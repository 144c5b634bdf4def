"""Action units as shapes of the morphable face: the table of its README, and our departures.

Departures: AU10 is mouthUpperUp (the README assigns that to AU11 and mouthShrugUpper to AU10, but mouthUpperUp is what
lifts the upper lip off the teeth); AU6 adds cheekRaiser; AU4 lowers the inner end of the brow; AU23, AU25 and AU26,
which the README lacks, are composed.
Gains above 1 are for shapes whose full weight is faint on a face of 100 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.types import Float32
from training.open_set.face_model import FaceModel


@dataclass(frozen=True, slots=True)
class UnitShape:
    """Weighted shapes whose sum is a unit at full intensity."""

    sided: Mapping[str, float]  # without _L and _R: both sides have them
    whole: Mapping[str, float]  # without sides


#: browDown lowers the middle of a brow three times as much as its inner end; AU4 lowers both, so the inner end is
#: lowered by the negative of its raise. Where AU1 acts too, it dominates at the inner end (oblique brows).
_INNER_BROW: Final = -0.8
#: FACS number to shapes.
UNIT_SHAPES: Final[Mapping[int, UnitShape]] = {
    1: UnitShape({"browInnerUp": 1.0}, {}),
    2: UnitShape({"browOuterUp": 1.0}, {}),
    4: UnitShape({"browDown": 1.6, "browInnerUp": _INNER_BROW}, {}),
    5: UnitShape({"eyeWide": 1.4}, {}),
    6: UnitShape({"cheekSquint": 1.2, "cheekRaiser": 1.2}, {}),
    7: UnitShape({"eyeSquint": 2.0, "eyeBlink": 0.25}, {}),
    9: UnitShape({"noseSneer": 1.0}, {}),
    10: UnitShape({"mouthUpperUp": 1.0}, {}),
    12: UnitShape({"mouthSmile": 1.0}, {}),
    14: UnitShape({"mouthDimple": 1.1}, {}),
    15: UnitShape({"mouthFrown": 1.4}, {}),
    17: UnitShape({}, {"mouthShrugLower": 1.3}),
    20: UnitShape({"mouthStretch": 1.4}, {}),
    23: UnitShape({"mouthPress": 0.5}, {"mouthRollLower": 0.55, "mouthRollUpper": 0.55, "mouthPucker": 0.3}),
    24: UnitShape({"mouthPress": 1.9}, {"mouthShrugLower": 0.15, "mouthRollUpper": 0.15, "mouthRollLower": 0.15}),
    25: UnitShape({"mouthLowerDown": 0.6, "mouthUpperUp": 0.25}, {"jawOpen": 0.06}),
    26: UnitShape({}, {"jawOpen": 0.8}),
    43: UnitShape({"eyeBlink": 1.1}, {}),
}
#: Movements that belong to no unit, which a network must not mistake for one. Largest weights.
DISTRACTIONS: Final[Mapping[str, float]] = {
    "cheekPuff": 0.6,
    "eyeLookDown": 0.7,
    "eyeLookIn": 0.6,
    "eyeLookOut": 0.6,
    "eyeLookUp": 0.7,
    "jawForward": 0.6,
    "jawLeft": 0.4,
    "jawRight": 0.4,
    "mouthFunnel": 0.5,
    "mouthLeft": 0.3,
    "mouthPucker": 0.7,
    "mouthRight": 0.3,
}


def shape_weights(model: FaceModel, left: Mapping[int, float], right: Mapping[int, float]) -> Float32:
    """Weights (E,) of the model's shapes for units with an intensity 0-1 on each side of the face.

    Shapes without sides take the stronger side.
    """
    weights = np.zeros(len(model.names), np.float32)
    for unit in left.keys() | right.keys():
        sides = {"_L": left.get(unit, 0.0), "_R": right.get(unit, 0.0)}
        for name, full in UNIT_SHAPES[unit].sided.items():
            for side, intensity in sides.items():
                raised = (left if side == "_L" else right).get(1, 0.0) if full < 0 else 0.0
                weights[model.shape_rows((name + side,))[0]] += full * intensity * (1 - raised)
        for name, full in UNIT_SHAPES[unit].whole.items():
            weights[model.shape_rows((name,))[0]] += full * max(sides.values())
    return weights
