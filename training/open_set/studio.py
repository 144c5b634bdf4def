"""Rendering of a labelled image from a photograph of a resting face and a draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.facs import OPEN_UNITS
from engine.tracking.mesh import FaceMesh, roi_from_mesh
from engine.types import Float32, UInt8
from training.open_set.correspondence import bind_mesh
from training.open_set.draws import UnitDraw
from training.open_set.face_model import read_face_model
from training.open_set.fitting import Fit, Fitter
from training.open_set.portrait import Movement, Portrait
from training.open_set.shapes import shape_weights
from training.open_set.wrinkles import Skin

#: Upper and lower inner lip, middle and halves.
_LIPS: Final = ((13, 14), (82, 87), (312, 317))
#: Lips this far apart (cm, beyond the resting face) are AU25 at full intensity: it is labelled from the visible
#: movement, because other units part the lips too.
_PARTED_CM: Final = 1.0
_OPEN_CM: Final = 0.1
#: Inner end and middle of both brows, lower and upper edge. Brows this much lower (cm) than at rest are AU4 at full
#: intensity, as with its own shapes. AU9's shape lowers them by a third of that; labelling AU4 from the shape alone
#: would teach that a wrinkled nose rules out a lowered brow.
_BROWS: Final = ((55, 107, 65, 105), (285, 336, 295, 334))
_LOWERED_CM: Final = 0.71
#: Largest darkness of a skin line, in natural logarithms of the grey level.
_DARKEST_LINE: Final = 0.5
#: Height of folds and bulges where lines are not dark at all; at their middle darkness it is 1.
_SMOOTHEST: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A rendered image and its labels."""

    image: UInt8  # (128, 128) grey
    intensities: Float32  # (18,) 0-1 in the order of OPEN_UNITS
    points_px: Float32  # (468, 2) face mesh, read from the image by the engine's network
    presence: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Visible effect of a deformation relative to the resting face, whichever units cause it."""

    parted_cm: float  # between the lips
    lowered_cm: float  # brows, of the lower side


class Studio:
    """The face model and its mesh binding; one per process."""

    def __init__(self, model_folder: Path) -> None:
        """Read the model and find the mesh points on it; takes two seconds."""
        self._network = FaceMesh(threads=1)
        self.model = read_face_model(model_folder)
        self._binding = bind_mesh(self.model, self._network)
        self._fitter = Fitter(self.model, self._binding)
        self._skin = Skin(self.model, self._binding)

    def sit(self, image: UInt8, points_px: Float32, native_px: int) -> Sitting:
        """Fit the model to a photograph (128, 128) with its mesh (468, 2), enlarged from a side of ``native_px``."""
        fit = self._fitter.fit(points_px)
        return Sitting(self, fit, Portrait(image, fit, self.model), native_px)

    def movement(self, draw: UnitDraw) -> tuple[Movement, Seen]:
        """Deformation for a draw, and its visible effect."""
        weights = shape_weights(self.model, draw.left, draw.right)
        for name, weight in draw.distractions.items():
            rows = [row for row, known in enumerate(self.model.names) if known in (name, name + "_L", name + "_R")]
            weights[rows] += weight
        active = np.flatnonzero(weights)
        moved = self._binding.points(np.tensordot(weights[active], self.model.expression[active], 1))[:, 1]  # y, cm
        seen = Seen(
            parted_cm=float(np.mean([moved[upper] - moved[lower] for upper, lower in _LIPS])),
            lowered_cm=max(-float(moved[list(side)].mean()) for side in _BROWS),
        )
        dark, height = self._skin.folded(draw.left, draw.right, draw.skin)
        lines, relief = _DARKEST_LINE * draw.lines * dark, (_SMOOTHEST + draw.lines) * height
        turn = cv2.Rodrigues(np.deg2rad(np.array(draw.turn_deg, np.float64)))[0].astype(np.float32)
        opened = seen.parted_cm > _OPEN_CM
        return Movement(weights, turn, lines, opened, draw.crease, draw.teeth, relief), seen

    def read(self, image: UInt8, near: Float32) -> tuple[Float32, float]:
        """Mesh (468, 2) and presence of a rendered face whose points are near ``near`` (468, 3)."""
        colour = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
        mesh, presence = self._network.locate(colour, roi_from_mesh(near))
        return mesh[:, :2], presence

    def points(self, placed: Float32) -> Float32:
        """Mesh points (468, 3) of placed vertices (V, 3)."""
        return self._binding.points(placed)


class Sitting:
    """A fitted photograph that can be rendered repeatedly."""

    def __init__(self, studio: Studio, fit: Fit, portrait: Portrait, native_px: int) -> None:
        self._studio, self._fit, self._portrait, self._native_px = studio, fit, portrait, native_px

    def shoot(self, draw: UnitDraw) -> Shot:
        """Render the face for a draw."""
        movement, seen = self._studio.movement(draw)
        image = as_soft_as(self._portrait.draw(movement), self._native_px)
        placed = self._fit.place(self._portrait.moved_shape(movement), movement.turn @ self._fit.turn)
        points, presence = self._studio.read(image, self._studio.points(placed))
        return Shot(image, shown(draw, seen), points, presence)


def as_soft_as(image: UInt8, native_px: int) -> UInt8:
    """The image (S, S) with the detail of one of this side: drawn parts must not be sharper than the photograph."""
    side = image.shape[0]
    if native_px >= side:
        return image
    small = cv2.resize(image, (native_px, native_px), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def shown(draw: UnitDraw, seen: Seen) -> Float32:
    """Intensities (18,) in the order of OPEN_UNITS: as drawn, except AU25 and AU4, which are measured."""
    intensities = np.array([draw.intensity(unit) for unit in OPEN_UNITS], np.float32)
    lips, brows = OPEN_UNITS.index(25), OPEN_UNITS.index(4)
    intensities[lips] = np.clip(seen.parted_cm / _PARTED_CM, 0.0, 1.0)
    intensities[brows] = max(float(intensities[brows]), min(seen.lowered_cm / _LOWERED_CM, 1.0))
    return intensities
