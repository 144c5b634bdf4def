"""From a face in a frame to the canonical field of view and the input of a network; training uses the same functions.

The view is the mean framing of FER2013: over the 27,441 Training images on which the mesh network is certain (presence
above .9) the eye centres are at (.312, .376) and (.669, .372), the mouth at (.495, .761) of the side. TEMPLATE holds
the means of eight points, averaged with their mirror image. With the mean framing the median training image is neither
enlarged nor reduced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from engine.backends.contract import CropSpec
from engine.types import AlignedFace, Float32, Float64, UInt8

#: Mesh points of the template: eye corners, nose bridge, nose base, mouth corners.
TEMPLATE_POINTS: Final = (33, 133, 362, 263, 168, 2, 61, 291)
#: Their positions in the crop, (8, 2), 0-1 of its side.
TEMPLATE: Final[Float64] = np.array(
    [
        [0.2424, 0.3671],
        [0.4002, 0.3804],
        [0.5998, 0.3804],
        [0.7576, 0.3671],
        [0.5, 0.3524],
        [0.5, 0.6388],
        [0.3544, 0.7543],
        [0.6456, 0.7543],
    ]
)
#: Name of the view in every contract: a model accepts only the view it was trained on.
CROP_TEMPLATE: Final = "fer-mean-8"
#: Side of AlignedFace.crop in pixels; for models with a smaller input `view` reduces it.
CROP_SIDE_PX: Final = 96
#: Pixels beyond a crop that its interpolation may read.
_WARP_MARGIN_PX: Final = 2.0
_GREY_LEVELS: Final = np.arange(256, dtype=np.float32)


def similarity(source: Float64, target: Float64) -> Float64:
    """Least-squares similarity transform (2, 3) that maps the points source (n, 2) to target (n, 2).

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991, without
    reflection; in the plane the rotation and scale have the closed form below.

    >>> moved = similarity(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 3.0]]))
    >>> bool(np.allclose(moved, [[0, -2, 1], [2, 0, 1]]))
    True
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    spread = max(float((a * a).sum()), 1e-12)
    cos = float((a * b).sum()) / spread
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def align_face(image: UInt8, mesh: Float32, side_px: int = CROP_SIDE_PX) -> tuple[UInt8, Float32, Float64]:
    """Cut the canonical view of a face out of an image.

    Args:
        image: RGB (H, W, 3) or grey (H, W) uint8.
        mesh: (468, 2) or (468, 3), pixels of the image.
        side_px: side S of the crop.

    Returns:
        The crop (S, S) uint8 grey, the mesh in it (468, 2) as 0-1 of its side, and the map (2, 3) from crop to image.
        Beyond the border of the image the edge pixels are repeated.
    """
    points = mesh[:, :2].astype(np.float64)
    crop_from_frame = similarity(points[list(TEMPLATE_POINTS)], TEMPLATE * side_px)
    scale = float(np.hypot(crop_from_frame[0, 0], crop_from_frame[1, 0]))
    # A large face is reduced: sample finer, then average, to avoid aliasing.
    finer = int(np.clip(np.ceil(0.75 / max(scale, 1e-6)), 1, 8))
    fine_from_frame = crop_from_frame * finer
    fine_from_frame[:, 2] += (finer - 1) / 2  # the middle of a block of fine pixels falls on its crop pixel
    grey = _warped(image, fine_from_frame, side_px * finer)
    if finer > 1:
        grey = np.asarray(cv2.resize(grey, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    landmarks = (points @ crop_from_frame[:, :2].T + crop_from_frame[:, 2]) / side_px
    frame_from_crop = np.asarray(cv2.invertAffineTransform(crop_from_frame), np.float64)
    return grey, landmarks.astype(np.float32), frame_from_crop


def _warped(image: UInt8, crop_from_frame: Float64, side_px: int) -> UInt8:
    """An image, grey or RGB, cut out by an affine map (2, 3) to (S, S) grey."""
    size, border = (side_px, side_px), cv2.BORDER_REPLICATE
    if image.ndim == 2:
        return np.asarray(
            cv2.warpAffine(image, crop_from_frame, size, flags=cv2.INTER_LINEAR, borderMode=border), np.uint8
        )
    # Four channels: warpAffine takes a third of the time, even with the conversion of the part that is needed.
    part_from_crop = np.asarray(cv2.invertAffineTransform(crop_from_frame), np.float64)
    corners = part_from_crop @ np.array([[0, side_px, 0, side_px], [0, 0, side_px, side_px], [1, 1, 1, 1]], np.float64)
    low, high = corners.min(1) - _WARP_MARGIN_PX, corners.max(1) + _WARP_MARGIN_PX
    ends = image.shape[1], image.shape[0]
    left, top = (math.floor(min(max(first, 0), end - 1)) for first, end in zip(low.tolist(), ends, strict=True))
    right, bottom = (math.ceil(max(min(last, end), 1)) for last, end in zip(high.tolist(), ends, strict=True))
    part = cv2.cvtColor(image[top : max(bottom, top + 1), left : max(right, left + 1)], cv2.COLOR_RGB2RGBA)
    part_from_crop[:, 2] -= (left, top)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.cvtColor(cv2.warpAffine(part, part_from_crop, size, flags=flags, borderMode=border), cv2.COLOR_RGBA2GRAY),
        np.uint8,
    )


def view(crop: UInt8, side_px: int) -> UInt8:
    """The crop (S, S) uint8 at the resolution of a model's input."""
    if crop.shape[0] == side_px:
        return crop
    return np.asarray(cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)


class ImageInput:
    """Converts crops to the image tensor of a network: (view(crop, side) / 255 - mean) / std."""

    def __init__(self, crop: CropSpec) -> None:
        self._side_px = crop.side_px
        # A table of the 256 grey levels is faster than arithmetic on every pixel.
        self._table = (_GREY_LEVELS / np.float32(255) - np.float32(crop.mean)) / np.float32(crop.std)

    def batch(self, faces: Sequence[AlignedFace]) -> Float32:
        """Tensor (N, 1, S, S) float32 of N faces."""
        images = np.empty((len(faces), 1, self._side_px, self._side_px), np.float32)
        for image, face in zip(images, faces, strict=True):
            np.take(self._table, view(face.crop, self._side_px), out=image[0], mode="clip")
        return images
