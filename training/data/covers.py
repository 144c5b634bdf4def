"""Faces with a part hidden, and which part: mouth, eyes, or one side.

Two families that share no drawing: `plain_cover` is for training, `drawn_cover` for the tests, where things are drawn
that hide faces before webcams. What a cover hides is measured on the mesh of the face before it was covered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.types import COVERED_PARTS, Float32, QualityReason, UInt8

Mask = npt.NDArray[np.bool_]

#: Mesh points of the eyes (right, left), of the lips, and of the outline of the face from one temple to the other.
_EYES: Final = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
)
_LIPS: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_JAW: Final = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
_BRIDGE, _NOSE_TIP, _CHIN = 168, 4, 152
#: A part counts as covered from the first share of its points on, as free up to the second; between, neither.
_COVERED, _FREE = 0.7, 0.25
#: A side counts as covered where the other one is free up to this share, which the middle of the face needs.
_OTHER_SIDE: Final = 0.5


def covered_parts(mask: Mask, mesh: Float32) -> Float32:
    """Which of COVERED_PARTS a cover hides: 1 yes, 0 no, NaN neither.

    Args:
        mask: (S, S) covered pixels of the crop.
        mesh: (468, 2) points of the face, x y in 0-1 of the crop.
    """
    side = mask.shape[0]
    cells = np.clip((mesh * side).astype(np.int64), 0, side - 1)
    hidden = mask[cells[:, 1], cells[:, 0]]
    eyes = [float(hidden[list(eye)].mean()) for eye in _EYES]
    across = mesh[:, 0] < mesh[_NOSE_TIP, 0]
    halves = sorted((float(hidden[across].mean()), float(hidden[~across].mean())))
    found = {
        QualityReason.MOUTH_COVERED: _judged(float(hidden[list(_LIPS)].mean())),
        QualityReason.EYES_COVERED: _judged(min(eyes)) if max(eyes) > _FREE else 0.0,
        QualityReason.SIDE_COVERED: _judged(halves[1]) if halves[0] <= _OTHER_SIDE else 0.0,
    }
    return np.array([found[part] for part in COVERED_PARTS], np.float32)


def _judged(share: float) -> float:
    return 1.0 if share >= _COVERED else 0.0 if share <= _FREE else float("nan")


def plain_cover(crop: UInt8, mesh: Float32, other: UInt8, random: np.random.Generator) -> tuple[UInt8, Mask]:
    """Hide a part of a crop (S, S) by a plain shape; the covered crop and the covered pixels.

    Shapes: from one edge inwards, an ellipse, a bar, or the outline of the lower or upper face. Fillings: one grey, a
    gradient, grain, or the other crop (S, S) upside down.
    """
    shapes: tuple[Callable[[int, Float32, np.random.Generator], Mask], ...] = (_edge, _ellipse, _bar, _lower, _upper)
    mask = shapes[int(random.choice(len(shapes), p=(0.3, 0.25, 0.15, 0.15, 0.15)))](crop.shape[0], mesh, random)
    found = crop.copy()
    found[mask] = _filling(crop.shape[0], other, random)[mask]
    return found, mask


def _edge(side: int, mesh: Float32, random: np.random.Generator) -> Mask:
    mask = np.zeros((side, side), bool)
    mask[: int(side * random.uniform(0.25, 0.7))] = True
    return np.asarray(np.rot90(mask, int(random.integers(4))), bool)


def _ellipse(side: int, mesh: Float32, random: np.random.Generator) -> Mask:
    return _painted(
        side,
        lambda canvas: cv2.ellipse(
            canvas,
            _pixel(random.uniform(0.2, 0.8, 2), side),
            _pixel(random.uniform(0.12, 0.4, 2), side),
            float(random.uniform(0, 180)),
            0,
            360,
            1,
            cv2.FILLED,
        ),
    )


def _bar(side: int, mesh: Float32, random: np.random.Generator) -> Mask:
    """A broad line through a point of the eyes or of the mouth."""
    centre = mesh[_BRIDGE if random.random() < 0.5 else _LIPS[0]] + random.normal(0, 0.04, 2)
    angle = random.normal(0, 0.3) + (np.pi / 2 if random.random() < 0.3 else 0)
    arm = np.array([np.cos(angle), np.sin(angle)]) * random.uniform(0.25, 0.8)
    width = max(1, int(side * random.uniform(0.1, 0.35)))
    return _line(side, _pixel(centre - arm, side), _pixel(centre + arm, side), width)


def _lower(side: int, mesh: Float32, random: np.random.Generator) -> Mask:
    """The outline of the face below a line between nose and mouth."""
    top = mesh[_NOSE_TIP, 1] + random.uniform(-0.08, 0.08)
    outline = np.stack([mesh[point] for point in _JAW if mesh[point, 1] >= top - 0.1] or [mesh[_CHIN]])
    corners = np.array([[outline[0, 0], top], *outline, [outline[-1, 0], top]]) + random.normal(0, 0.015, 2)
    return _polygon(side, corners)


def _upper(side: int, mesh: Float32, random: np.random.Generator) -> Mask:
    """A band over both eyes."""
    eyes = np.concatenate([mesh[list(eye)] for eye in _EYES])
    rim = random.uniform(0.03, 0.1, 2)
    low, high = eyes.min(0) - rim, eyes.max(0) + rim
    return _polygon(side, np.array([low, [high[0], low[1]], high, [low[0], high[1]]]))


def _filling(side: int, other: UInt8, random: np.random.Generator) -> UInt8:
    kind = int(random.integers(4))
    if kind == 0:
        return np.full((side, side), int(random.integers(256)), np.uint8)
    if kind == 1:
        first, last = random.uniform(0, 255, 2)
        levels = np.linspace(first, last, side).astype(np.uint8)
        return np.rot90(np.tile(levels, (side, 1)), int(random.integers(4)))
    if kind == 2:
        coarse = random.integers(0, 256, (int(random.integers(3, 12)),) * 2).astype(np.uint8)
        return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
    return other[::-1]


def _surgical_mask(crop: UInt8, mesh: Float32, random: np.random.Generator) -> tuple[UInt8, Mask]:
    """Cloth from the bridge of the nose to below the chin, shaded towards its sides, with folds."""
    side = crop.shape[0]
    nose = mesh[_BRIDGE] + (mesh[_NOSE_TIP] - mesh[_BRIDGE]) * random.uniform(0.35, 0.8)
    jaw = mesh[[234, *_JAW[2:-2], 454]] * [1, 1] + [0, 0.015]
    jaw[0, 1] = jaw[-1, 1] = nose[1] + 0.06
    mask = _polygon(side, np.vstack([jaw, nose[None]]))
    across = (np.arange(side) + 0.5) / side - mesh[_NOSE_TIP, 0]
    cloth = random.uniform(120, 235) * (1 - 1.4 * across[None, :] ** 2) * np.ones((side, 1))
    for fold in np.linspace(nose[1] + 0.1, mesh[_CHIN, 1] - 0.05, 3):
        row = int(np.clip(fold * side, 1, side - 2))
        cloth[row] *= 0.8
        cloth[row + 1] *= 1.06
    return _laid(crop, np.clip(cloth + random.normal(0, 3, cloth.shape), 0, 255), mask), mask


def _sunglasses(crop: UInt8, mesh: Float32, random: np.random.Generator) -> tuple[UInt8, Mask]:
    """Two dark lenses with a reflection, a bridge and the arms."""
    side = crop.shape[0]
    centres = [mesh[list(eye)].mean(0) + [0, 0.012] for eye in _EYES]
    apart = float(np.linalg.norm(centres[1] - centres[0]))
    lens = (int(side * apart * random.uniform(0.36, 0.44)), int(side * apart * random.uniform(0.27, 0.38)))
    angle = float(np.degrees(np.arctan2(*(centres[1] - centres[0])[::-1])))

    def paint(canvas: UInt8) -> None:
        for centre in centres:
            cv2.ellipse(canvas, _pixel(centre, side), lens, angle, 0, 360, 1, cv2.FILLED)
        cv2.line(canvas, _pixel(centres[0], side), _pixel(centres[1], side), 1, max(1, side // 40))
        for centre, temple in zip(centres, (mesh[234], mesh[454]), strict=True):
            cv2.line(canvas, _pixel(centre, side), _pixel([temple[0], centre[1]], side), 1, max(1, side // 40))

    mask = _painted(side, paint)
    down = (np.arange(side)[:, None] / side - centres[0][1]) * np.ones((1, side))
    glass = random.uniform(8, 50) + np.clip(-down, 0, 0.1) * random.uniform(0, 900)
    return _laid(crop, glass, mask), mask


def _hand(crop: UInt8, mesh: Float32, random: np.random.Generator) -> tuple[UInt8, Mask]:
    """Four fingers and the back of a hand before the mouth, in the grey of the cheek, darker between the fingers."""
    side = crop.shape[0]
    lips = mesh[list(_LIPS)]
    middle = lips.mean(0) + random.normal(0, 0.015, 2)
    half = max(np.ptp(lips[:, 0]) * 0.85, 0.16)
    finger = max(2, int(side * random.uniform(0.085, 0.11)))
    lean = random.choice((-1, 1)) * random.uniform(0.1, 0.3)
    cheek = float(np.median(crop[_rows(mesh[_NOSE_TIP, 1], side), :])) * random.uniform(0.8, 1.2) + 10
    picture, mask = crop.astype(np.float32), np.zeros((side, side), bool)
    for place in np.linspace(-0.085, 0.13, 4):
        right, left = (_pixel(middle + [sign * half, place + sign * half * lean * 0.5], side) for sign in (-1, 1))
        part = _line(side, right, left, finger)
        depth = cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 3)
        shade = cheek * (0.68 + 0.32 * np.minimum(depth / (finger / 2), 1))
        picture[part], mask = shade[part], mask | part
    return _laid(crop, picture, mask), mask


def _microphone(crop: UInt8, mesh: Float32, random: np.random.Generator) -> tuple[UInt8, Mask]:
    """A round head of wire before the mouth, with its handle."""
    side = crop.shape[0]
    lips = mesh[list(_LIPS)]
    centre = lips.mean(0) + [random.normal(0, 0.01), 0.02]
    radius = max(int(side * max(np.ptp(lips[:, 0]) * random.uniform(0.5, 0.65), 0.11)), 3)
    foot = centre + [random.normal(0, 0.15), 0.6]

    def paint(canvas: UInt8) -> None:
        cv2.line(canvas, _pixel(centre, side), _pixel(foot, side), 1, max(2, int(radius * 0.9)))
        cv2.circle(canvas, _pixel(centre, side), radius, 1, cv2.FILLED)

    mask = _painted(side, paint)
    rows, columns = np.mgrid[:side, :side]
    wire = np.where(((rows + columns) // 2 % 2 == 0) ^ ((rows - columns) // 2 % 2 == 0), 90.0, 40.0)
    distance = np.hypot(columns - centre[0] * side, rows - centre[1] * side) / radius
    return _laid(crop, np.where(distance < 1, wire * (1.3 - 0.6 * distance), 30.0), mask), mask


def _telephone(crop: UInt8, mesh: Float32, random: np.random.Generator) -> tuple[UInt8, Mask]:
    """A flat thing with rounded corners and a lens, held before one side of the face."""
    side = crop.shape[0]
    right = random.random() < 0.5
    edge = mesh[_NOSE_TIP, 0] + random.uniform(-0.02, 0.02)
    left_px, right_px = (int(edge * side), side) if right else (0, int(edge * side))
    top, bottom = int(side * random.uniform(0.0, 0.08)), int(side * random.uniform(0.92, 1.0))
    mask = np.zeros((side, side), bool)
    mask[top:bottom, left_px:right_px] = True
    thing = np.full((side, side), random.uniform(20, 70), np.float32) + np.linspace(0, 40, side, dtype=np.float32)[None]
    cv2.circle(thing, ((left_px + right_px) // 2, top + side // 8), max(2, side // 18), 5.0, cv2.FILLED)
    return _laid(crop, thing, mask), mask


#: What the tests lay over faces, and the part that it hides.
DRAWN_COVERS: Final[dict[str, tuple[QualityReason, Callable[..., tuple[UInt8, Mask]]]]] = {
    "surgical mask": (QualityReason.MOUTH_COVERED, _surgical_mask),
    "hand": (QualityReason.MOUTH_COVERED, _hand),
    "microphone": (QualityReason.MOUTH_COVERED, _microphone),
    "sunglasses": (QualityReason.EYES_COVERED, _sunglasses),
    "telephone": (QualityReason.SIDE_COVERED, _telephone),
}


def drawn_cover(name: str, crop: UInt8, mesh: Float32, random: np.random.Generator) -> UInt8:
    """A crop (S, S) with one of DRAWN_COVERS laid over its face, whose mesh (468, 2) is in 0-1 of the crop."""
    return DRAWN_COVERS[name][1](crop, mesh, random)[0]


def _laid(crop: UInt8, layer: npt.NDArray[np.floating], mask: Mask) -> UInt8:
    """A layer over a crop, with edges as soft as a lens makes them."""
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), crop.shape[0] / 120)
    return np.asarray(np.clip(crop * (1 - share) + layer * share, 0, 255), np.uint8)


def _painted(side: int, paint: Callable[[UInt8], object]) -> Mask:
    canvas = np.zeros((side, side), np.uint8)
    paint(canvas)
    return canvas.astype(bool)


def _line(side: int, start: tuple[int, int], end: tuple[int, int], width: int) -> Mask:
    return _painted(side, lambda canvas: cv2.line(canvas, start, end, 1, width))


def _polygon(side: int, corners: npt.NDArray[np.floating]) -> Mask:
    points = np.rint(corners * side).astype(np.int32)
    return _painted(side, lambda canvas: cv2.fillPoly(canvas, [points], 1))


def _pixel(point: npt.ArrayLike, side: int) -> tuple[int, int]:
    across, down = np.rint(np.asarray(point, np.float64) * side).astype(int).tolist()
    return across, down


def _rows(place: float, side: int) -> slice:
    row = int(np.clip(place * side, 2, side - 3))
    return slice(row - 2, row + 3)
