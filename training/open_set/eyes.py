"""Eyeballs: where a lid has moved off them, they are painted in tones measured on the photograph's own eyes.

At the upper lid, the topmost pixel or two of an eye show lashes and their shadow. They belong to the lid, not to the
eyeball: when AU5 raises the lid, they move with it, and white and iris appear in their place.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import Float32, Int64, UInt8
from training.open_set.face_model import FaceModel, Part

Bools = npt.NDArray[np.bool_]
_EYEBALL: Final = (Part.SCLERA, Part.IRIS)
#: Height (pixels of the image) of the lashes and their shadow below the lid's edge: certain, and at most.
_LASHES_PX: Final = (1.0, 2.5)
#: The edge this much higher than at rest is a raised lid.
_RAISED_PX: Final = 0.5
_RISEN_PX: Final = 1.0
_LASH_DARKNESS: Final = 0.6
_RIM_DARKNESS: Final = 0.4
_LASH_WIDTH_PX: Final = 0.9
_IRIS_CM: Final = 0.59  # radius
_POLE_CM: Final = 0.05  # the front of an eyeball
_MOST_GLANCE_CM: Final = 0.35  # of an iris to the side, from the model's
#: Quantiles of the levels in an eye that are its white and its iris. A pixel of white always holds some of its dark
#: surroundings, hence the factor; the white is never brighter than this share of the skin.
_WHITE, _DARK = 0.85, 0.1
_WHITER: Final = 1.2
_WHITEST: Final = 1.1
_FEWEST_CELLS: Final = 16


class Eyes:
    """Both eyes of a photograph."""

    def __init__(
        self, shown: UInt8, levels: Float32, rest: Float32, model: FaceModel, scale: float, finer: int
    ) -> None:
        """``shown`` and ``levels`` (F, F) are part and grey level of each cell; ``rest`` (V, 3) in pixels.

        ``scale`` is in pixels per cm, ``finer`` in cells per pixel.
        """
        self._finer = finer
        self._below = below_lid(shown, finer)
        self._above = below_lid(shown[::-1], finer)[::-1]  # distance from the lower lid
        self._radius = _IRIS_CM * scale
        self._centres = _fronts(rest, model)
        skin = float(levels[shown == Part.SKIN].mean())
        self._tones = np.array([[skin, 0.3 * skin]] * 2, np.float32)
        rows, columns = np.nonzero(self._below > _LASHES_PX[1] / 2)
        x = (columns + 0.5) / self._finer - 0.5
        of_right = np.abs(x - self._centres[0, 0]) < np.abs(x - self._centres[1, 0])
        for side, chosen in enumerate((of_right, ~of_right)):
            values = levels[rows[chosen], columns[chosen]]
            if len(values) < _FEWEST_CELLS:
                continue
            white, dark = np.quantile(values, (_WHITE, _DARK))
            self._tones[side] = min(_WHITER * white, _WHITEST * skin), dark
            darkness = np.clip(white - values, 0, None) ** 2
            glance = float((darkness * x[chosen]).sum() / max(float(darkness.sum()), 1e-6)) - self._centres[side, 0]
            self._centres[side, 0] += np.clip(glance, -_MOST_GLANCE_CM * scale, _MOST_GLANCE_CM * scale)

    def levels(self, photographed: Float32, sources: Float32, below: Float32) -> Float32:
        """Grey levels (P,) of eyeballs, from those of the photograph (P,) at ``sources`` (P, 2).

        ``below`` (P,) is the distance from the edge of the upper lid, which has moved.
        """
        column, row = self._cells(sources)
        was_below = self._below[row, column]
        least, most = _LASHES_PX
        lashes = 1 - np.clip((was_below - least) / (most - least), 0, 1)
        raised = np.clip((below - was_below) / _RAISED_PX - 0.5, 0, 1)
        share = np.where(was_below > 0, lashes * raised, 1.0)
        shade = 1 - _LASH_DARKNESS * np.exp(-np.square(below / _LASH_WIDTH_PX))
        return np.asarray(photographed * (1 - share) + self._painted(sources) * shade * share, np.float32)

    def rim_shade(self, shown: UInt8, rays: Int64, sources: Float32) -> Float32:
        """Shade (F, F) of the edge of a lower lid that has risen over the eye: its lashes and rim. Elsewhere 1.

        ``shown`` (F, F) are the parts in the moved face, ``sources`` (P, 2) where its cells ``rays`` (P,) came from.
        """
        side = len(shown)
        eye = eyeball(shown)
        columns = np.flatnonzero(eye.any(axis=0))
        shade = np.ones((side, side), np.float32)
        if not len(columns):
            return shade
        bottom = side - 1 - np.argmax(eye[::-1, columns], axis=0)
        order = np.zeros(side * side, np.int64)
        order[rays] = np.arange(len(rays))
        column, row = self._cells(sources[order[bottom * side + columns]])
        risen = np.clip((self._above[row, column] - 1 / self._finer) / _RISEN_PX, 0, 1)
        under_px = (np.arange(side)[:, np.newaxis] - bottom) / self._finer
        dark = _RIM_DARKNESS * risen * np.exp(-np.square(under_px / _LASH_WIDTH_PX))
        shade[:, columns] = np.where(under_px > 0, 1 - dark, 1)
        return shade

    def _cells(self, sources: Float32) -> tuple[Int64, Int64]:
        """Columns and rows (P,) of the cells at places (P, 2) of the photograph."""
        cells = np.clip(np.rint((sources + 0.5) * self._finer - 0.5), 0, len(self._below) - 1).astype(np.int64)
        return cells[:, 0], cells[:, 1]

    def _painted(self, sources: Float32) -> Float32:
        apart = np.linalg.norm(sources[:, np.newaxis] - self._centres, axis=2)  # (P, 2)
        side = np.argmin(apart, axis=1)
        iris = np.clip(self._radius - apart[np.arange(len(side)), side] + 0.5, 0, 1)
        white, dark = self._tones[side].T
        return np.asarray(white + (dark - white) * iris, np.float32)


def eyeball(parts: UInt8) -> Bools:
    """Which parts (...,) are those of an eyeball."""
    return np.asarray(np.isin(parts, _EYEBALL), np.bool_)


def below_lid(shown: UInt8, finer: int) -> Float32:
    """Distance (F, F), in pixels, of each eyeball cell from the edge above it; 0 elsewhere. ``finer`` cells a pixel."""
    eye = eyeball(shown)
    rows = np.arange(len(shown))[:, np.newaxis]
    edge = np.maximum.accumulate(np.where(eye, -1, rows), axis=0)
    return np.asarray(np.where(eye, rows - edge, 0) / finer, np.float32)


def _fronts(rest: Float32, model: FaceModel) -> Float32:
    """Centres (2, 2) of the irises in the image, right and left side of the face, of eyes that look ahead."""
    vertices = np.unique(model.triangles[eyeball(model.parts)])
    fronts = []
    for side in (-1, 1):
        own = vertices[side * model.neutral[vertices, 0] > 0]
        pole = own[model.neutral[own, 2] > model.neutral[own, 2].max() - _POLE_CM]
        fronts.append(rest[pole, :2].mean(axis=0))
    return np.asarray(fronts, np.float32)
