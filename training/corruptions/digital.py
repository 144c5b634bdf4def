"""Contrast, elastic, pixelate and jpeg. Images are (S, S) float32, 0-1; the caller clips the result."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.types import Float32
from training.corruptions.blur import gaussian_blur


@dataclass(frozen=True, slots=True)
class Elastic:
    """Strength of `elastic`, in units of the image's side."""

    amplitude: float  # of the shifts, before they are smoothed
    deviation: float  # of the Gaussian that smooths them
    affine: float  # how far the three points move that set the affine map


def contrast(image: Float32, share: float, random: np.random.Generator) -> Float32:
    """A ``share`` of the contrast about the mean."""
    mean = image.mean()
    return np.asarray((image - mean) * share + mean, np.float32)


def elastic(image: Float32, strength: Elastic, random: np.random.Generator) -> Float32:
    """A random affine map, then every pixel shifted by a smooth random field; the image is mirrored at its edges."""
    side = len(image)
    centre, arm = side // 2, side // 3
    corners = np.array([[centre + arm] * 2, [centre + arm, centre - arm], [centre - arm] * 2], np.float32)
    reach = strength.affine * side
    moved = corners + random.uniform(-reach, reach, corners.shape).astype(np.float32)
    affine = cv2.getAffineTransform(corners, moved)
    placed = cv2.warpAffine(image, affine, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    shifts = random.uniform(-1, 1, (2, side, side)).astype(np.float32)
    dx, dy = (
        gaussian_blur(shift, strength.deviation * side, 3.0, "symmetric") * np.float32(strength.amplitude * side)
        for shift in shifts
    )
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    shifted = cv2.remap(placed, columns + dx, rows + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(shifted, np.float32)


def pixelate(image: Float32, share: float, random: np.random.Generator) -> Float32:
    """Shrunk to a ``share`` of the side by averaging, grown back by repeating pixels."""
    side = len(image)
    small = cv2.resize(image, (int(side * share),) * 2, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST_EXACT), np.float32)


def jpeg(image: Float32, quality: int, random: np.random.Generator) -> Float32:
    """Written as JPEG of this quality (1-100) and read again."""
    levels = np.asarray(np.rint(image * 255), np.uint8)
    _, coded = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) / np.float32(255), np.float32)
