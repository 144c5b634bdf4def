"""A photograph as the texture of its fitted face, so that the face can be deformed and rendered into the photograph.

Skin takes the grey levels of the photograph, times the change of its shading under the estimated light (an expression
ratio image: Liu, Shan and Zhang, "Expressive Expression Mapping with Ratio Images", SIGGRAPH 2001), here from the
model's normals, and darker where the surface folds. Parts that the photograph does not show (teeth, mouth, sclera)
get grey levels relative to the skin. The background around the face is warped smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.types import Float32, UInt8
from training.open_set.eyes import Eyes, below_lid, eyeball
from training.open_set.face_model import FaceModel, Part
from training.open_set.fitting import Fit
from training.open_set.rasteriser import Hits, cast, grid, vertex_normals

_FINER: Final = 2  # rays per pixel and axis
#: The four rays of a pixel average the photograph by the filter (1, 6, 1)/8 in both directions, the quadratic B-spline.
#: Its inverse decays by this root (Unser, "Splines: A Perfect Fit for Signal and Image Processing", 1999).
_ROOT: Final = 2 * np.sqrt(2) - 3
_REACH: Final = 8
#: Skin that faces the viewer less than this (z of the normal) has an uncertain shade.
_LEAST_FACING: Final = 0.35
#: Limits of the change of shading.
_RATIO: Final = (0.55, 1.6)
#: Lower bound of the shade, as a share of the mean: deep shadow is never certain.
_LEAST_SHADE: Final = 0.35
#: Skin this far behind the visible surface is hidden; number of iterations that propagate its source.
_HIDDEN_CM: Final = 0.12
_SPREAD_ROUNDS: Final = 25
_NO_PART: Final = 255
#: Grey of a part that the photograph does not show, as a share of the skin's mean.
_TONES: Final = {Part.SOCKET: 0.25, Part.GUMS: 0.5, Part.TEETH: 1.15}
_BRIGHTEST: Final = 235.0
#: Darkening of the inside of the mouth per cm behind the front teeth.
_DARKER_PER_CM: Final = 0.25
_MOUTH: Final = (Part.SOCKET, Part.GUMS, Part.TEETH)
#: Widths (pixels of the image) over which the background follows the face, nearest first.
_CARRY_PX: Final = (3.0, 9.0, 30.0)


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """Deformation of a resting face."""

    weights: Float32  # (E,) of the model's expression shapes
    turn: Float32  # (3, 3) rotation of the head, beside the photograph's own
    lines: Float32  # (V,) darkening of each vertex by skin lines (training/open_set/wrinkles.py)
    mouth_open: bool = False  # whether the inside of the mouth may be visible
    crease: float = 1.0  # darkness of surface folds; 0 is none
    teeth: float = 1.0  # brightness of the teeth
    relief: Float32 | None = None  # (V,) height in cm of folds and bulges, along the resting normals


class Portrait:
    """One fitted photograph."""

    def __init__(self, image: UInt8, fit: Fit, model: FaceModel) -> None:
        """``image`` is (S, S) grey; ``fit`` in its pixels."""
        self._picture, self._fit, self._model = _sharpened(image), fit, model
        self._side = image.shape[0]
        self._cells = grid(self._side, _FINER)
        self._rest = fit.place(fit.shape, fit.turn)
        self._normals = _normals(self._rest, model)
        self._folds = _folds(fit.shape, model)
        self._outwards = vertex_normals(fit.shape, model.triangles)
        hits = cast(self._rest, model.triangles, self._cells)
        shown = self._shown_parts(hits)
        self._shown = shown.reshape(-1)
        self._depth = np.full(len(self._cells), -np.inf, np.float32)
        self._depth[hits.rays] = hits.blend(self._rest[:, 2], model.triangles)
        skin = self._shown[hits.rays] == Part.SKIN
        levels = self._sample(self._cells[hits.rays])
        self._tones = _tones(levels, self._shown[hits.rays])
        self._outside = ~np.isin(model.parts, _MOUTH)
        self._sources = self._visible_sources(self._rest)
        everywhere = self._sample(self._cells).reshape(shown.shape)
        self._eyes = Eyes(shown, everywhere, self._rest, model, fit.scale, _FINER)
        self._light = _fit_light(hits.blend(self._normals, model.triangles)[skin], levels[skin])

    def _visible_sources(self, rest: Float32) -> Float32:
        """Position in the photograph from which each vertex takes its grey level, (V, 2).

        This is its own projection, except for skin hidden in the photograph (a folded lid, the inside of a
        lip): it takes the mean position of its neighbours, propagated from the skin around it.
        """
        model, fine = self._model, self._side * _FINER
        sources: Float32 = rest[:, :2].copy()
        skin = np.zeros(len(rest), bool)
        skin[model.triangles[model.parts == Part.SKIN].ravel()] = True
        cells = np.clip(np.rint((sources + 0.5) * _FINER - 0.5), 0, fine - 1).astype(np.int64)
        depth = self._depth[cells[:, 1] * fine + cells[:, 0]]
        hidden = skin & (depth - rest[:, 2] > _HIDDEN_CM * self._fit.scale)
        if not hidden.any():
            return sources
        counts = model.neighbour_counts[hidden]
        around = model.neighbours[np.repeat(hidden, model.neighbour_counts)]
        starts = np.cumsum(counts) - counts
        for _ in range(_SPREAD_ROUNDS):
            sources[hidden] = np.add.reduceat(sources[around], starts) / counts[:, np.newaxis]
        return sources

    def draw(self, movement: Movement) -> UInt8:
        """The image (S, S) with the face deformed."""
        shape = self.moved_shape(movement)
        placed = self._fit.place(shape, movement.turn @ self._fit.turn)
        # Lips that press or roll would leave slits in the model through which its teeth are visible.
        hits = cast(placed, self._model.triangles, self._cells, None if movement.mouth_open else self._outside)
        ratio = hits.blend(self._ratio(placed, shape, movement), self._model.triangles)
        sources = hits.blend(self._sources, self._model.triangles)
        levels = self._levels(hits, sources, ratio, placed, movement)
        return self._compose(hits, sources, ratio, levels)

    def moved_shape(self, movement: Movement) -> Float32:
        """Vertices (V, 3) in cm of the deformed face, before its rotation."""
        active = np.flatnonzero(movement.weights)
        moved = np.tensordot(movement.weights[active], self._model.expression[active], 1)
        if movement.relief is not None:
            moved = moved + movement.relief[:, np.newaxis] * self._outwards
        return np.asarray(self._fit.shape + moved, np.float32)

    def _ratio(self, placed: Float32, shape: Float32, movement: Movement) -> Float32:
        """Change of shading (V,) from the resting face."""
        normals = _normals(placed, self._model)
        ratio = self._shade(normals) / self._shade(self._normals)
        deeper = np.clip(_folds(shape, self._model) - self._folds, -0.3, 0.3)
        # The rims of lids and lips face up or down: the photograph does not show their shade.
        certain = np.clip(np.minimum(normals[:, 2], self._normals[:, 2]) / _LEAST_FACING, 0, 1)
        change = certain * (np.log(ratio) - movement.crease * deeper) - movement.lines
        return np.asarray(np.clip(np.exp(change), *_RATIO), np.float32)

    def _shade(self, normals: Float32) -> Float32:
        return np.asarray(np.maximum(self._light[0] + normals @ self._light[1:], _LEAST_SHADE), np.float32)

    def _levels(self, hits: Hits, sources: Float32, ratio: Float32, placed: Float32, movement: Movement) -> Float32:
        """Grey levels (P,) of the hits."""
        parts = self._model.parts[hits.triangles]
        levels = self._sample(sources) * np.where(parts == Part.SKIN, ratio, 1.0)
        eyes = np.flatnonzero(eyeball(parts))
        shown = self._shown_parts(hits)
        levels *= self._eyes.rim_shade(shown, hits.rays, sources).reshape(-1)[hits.rays]
        below = below_lid(shown, _FINER).reshape(-1)[hits.rays[eyes]]
        levels[eyes] = self._eyes.levels(levels[eyes], sources[eyes], below)
        inside = np.flatnonzero((parts != Part.SKIN) & ~eyeball(parts))
        cells = np.clip(np.rint((sources[inside] + 0.5) * _FINER - 0.5), 0, self._side * _FINER - 1).astype(np.int64)
        was_shown = self._shown[cells[:, 1] * self._side * _FINER + cells[:, 0]] == parts[inside]
        made = inside[~was_shown]
        levels[made] = self._made_levels(parts[made], hits, made, placed, movement)
        return np.asarray(levels, np.float32)

    def _shown_parts(self, hits: Hits) -> UInt8:
        """Part that each cell (F, F) shows."""
        fine = self._side * _FINER
        shown = np.full(fine * fine, _NO_PART, np.uint8)
        shown[hits.rays] = self._model.parts[hits.triangles]
        return shown.reshape(fine, fine)

    def _made_levels(
        self, parts: npt.NDArray[np.uint8], hits: Hits, rows: npt.NDArray[np.int64], placed: Float32, movement: Movement
    ) -> Float32:
        """Grey levels of parts that the photograph does not show."""
        tones = self._tones.copy()
        tones[Part.TEETH] *= movement.teeth
        depth = hits.blend(placed[:, 2], self._model.triangles)[rows]
        mouth = np.isin(parts, _MOUTH)
        front = float(depth[mouth].max()) if mouth.any() else 0.0
        behind_cm = np.where(mouth, (front - depth) / self._fit.scale, 0.0)
        return np.asarray(np.minimum(tones[parts] * np.exp(-_DARKER_PER_CM * behind_cm), _BRIGHTEST), np.float32)

    def _compose(self, hits: Hits, sources: Float32, ratio: Float32, levels: Float32) -> UInt8:
        fine = self._side * _FINER
        covered = np.zeros(fine * fine, np.float32)
        covered[hits.rays] = 1.0
        moved = np.zeros((fine * fine, 3), np.float32)
        moved[hits.rays, :2] = sources - self._cells[hits.rays]
        moved[hits.rays, 2] = np.log(ratio)
        carried = _carry(covered.reshape(fine, fine), moved.reshape(fine, fine, 3)).reshape(-1, 3)
        image = self._sample(self._cells + carried[:, :2]) * np.exp(carried[:, 2])
        image[hits.rays] = levels
        shrunk = cv2.resize(image.reshape(fine, fine), (self._side, self._side), interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(np.rint(shrunk), 0, 255), np.uint8)

    def _sample(self, points: Float32) -> Float32:
        """Grey levels (P,) of the photograph at points (P, 2)."""
        x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
        rows = 1 + (len(points) - 1) // 4096  # cv2.remap accepts at most 32767 columns
        padded = rows * 4096
        x, y = (np.resize(axis, padded).reshape(rows, 4096) for axis in (x, y))
        taken = cv2.remap(self._picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(taken.reshape(-1)[: len(points)], np.float32)


def _sharpened(image: UInt8) -> Float32:
    """The image (S, S) such that sampling it at four points of each pixel gives the photograph."""
    kernel = np.sqrt(2) * _ROOT ** np.abs(np.arange(-_REACH, _REACH + 1))
    return np.asarray(
        cv2.sepFilter2D(image.astype(np.float32), -1, kernel, kernel, borderType=cv2.BORDER_REFLECT), np.float32
    )


def _normals(placed: Float32, model: FaceModel) -> Float32:
    return vertex_normals(placed * np.array([1, -1, 1], np.float32), model.triangles)


def _folds(shape: Float32, model: FaceModel) -> Float32:
    """Concavity of the surface at each vertex (V,): its neighbours' mean height above it, in mean edge lengths."""
    around = shape[model.neighbours] - np.repeat(shape, model.neighbour_counts, axis=0)
    starts = np.cumsum(model.neighbour_counts) - model.neighbour_counts
    mean = np.add.reduceat(around, starts) / model.neighbour_counts[:, np.newaxis]
    size = np.add.reduceat(np.sqrt(np.square(around).sum(1)), starts) / model.neighbour_counts
    height = (mean * vertex_normals(shape, model.triangles)).sum(1)
    return np.asarray(height / np.maximum(size, 1e-6), np.float32)


def _tones(levels: Float32, parts: npt.NDArray[np.uint8]) -> Float32:
    """Grey level (6,) of each part where the photograph does not show it; levels and parts (P,) are visible ones."""
    skin = float(levels[parts == Part.SKIN].mean())
    return np.array([skin * _TONES.get(part, 1.0) for part in Part], np.float32)


def _fit_light(normals: Float32, levels: Float32) -> Float32:
    """Light (4,): ambient part and direction, so that shade = light[0] + normal . light[1:], with mean 1."""
    facts = np.column_stack([np.ones(len(normals)), normals])
    ridge = np.diag([0.0, 1.0, 1.0, 1.0]) * 0.02 * len(normals)
    light = np.linalg.solve(facts.T @ facts + ridge, facts.T @ (levels / levels.mean()))
    return np.asarray(light, np.float32)


def _carry(covered: Float32, values: Float32) -> Float32:
    """Values (H, W, C) known where ``covered`` (H, W) is 1, interpolated smoothly to where it is 0."""
    result: Float32 = values.copy()
    known = covered > 0
    for width in _CARRY_PX:
        sigma = width * _FINER
        small = max(1, int(sigma / 3))  # wide blurs run on a smaller grid
        size = (max(1, covered.shape[1] // small), max(1, covered.shape[0] // small))
        mass = cv2.GaussianBlur(cv2.resize(covered, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / small)
        total = cv2.GaussianBlur(
            cv2.resize(values * covered[..., np.newaxis], size, interpolation=cv2.INTER_AREA), (0, 0), sigma / small
        )
        full = (covered.shape[1], covered.shape[0])
        mass, total = cv2.resize(mass, full), cv2.resize(total, full)
        reached = ~known & (mass > 0.02)
        result[reached] = total[reached] / mass[reached, np.newaxis]
        known |= reached
    return result
