"""The 468-point face mesh (MediaPipe Face Mesh, 192 px) on LiteRT, read in a turned square around the face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import cv2
import numpy as np

from engine.overlap import SideThread
from engine.tracking.face_models import MESH, face_model_path
from engine.tracking.litert import LiteRTNetwork
from engine.types import MESH_POINTS, FaceDetection, Float32, UInt8

#: Outer eye corners of the mesh: the subject's right (left in the picture) and left.
RIGHT_EYE_OUTER: Final = 33
LEFT_EYE_OUTER: Final = 263
#: The square is this much larger than the face (published graph: scale 1.5, long side).
_ROI_SCALE: Final = 1.5
_UPPER_LIP: Final = 13
#: A mesh whose own square is outside these shares of the square it was found in has collapsed or run away.
_SIDE_RATIOS: Final = (0.5, 1.8)
#: Its middle lies this near to the middle of the square, in sides of the square.
_MAX_OFF_CENTRE: Final = 0.4
#: The mouth lies at least this far below the eyes, in sides of the square (about .2 on a face that looks ahead).
_MIN_DROP: Final = 0.05
#: Pixels beyond a square that its interpolation may read.
_CUT_MARGIN_PX: Final = 2.0


@dataclass(frozen=True, slots=True)
class FaceRoi:
    """A turned square in frame pixels."""

    centre_x_px: float
    centre_y_px: float
    side_px: float
    angle_rad: float  # clockwise in the picture; 0 = upright face


def roi_from_detection(detection: FaceDetection) -> FaceRoi:
    """Square around a detected face, turned so that the eyes lie level."""
    x0, y0, x1, y1 = (float(value) for value in detection.box)
    right_eye, left_eye = detection.landmarks[0], detection.landmarks[1]
    angle = math.atan2(float(left_eye[1] - right_eye[1]), float(left_eye[0] - right_eye[0]))
    side = max(x1 - x0, y1 - y0) * _ROI_SCALE
    return FaceRoi((x0 + x1) / 2, (y0 + y1) / 2, side, angle)


def roi_from_mesh(mesh: Float32) -> FaceRoi:
    """Square around the mesh (468, 3) of the frame before, turned so that the eyes lie level."""
    eyes = mesh[LEFT_EYE_OUTER, :2] - mesh[RIGHT_EYE_OUTER, :2]
    angle = math.atan2(float(eyes[1]), float(eyes[0]))
    cos, sin = math.cos(angle), math.sin(angle)
    frame_from_level = np.array([[cos, -sin], [sin, cos]], np.float32)
    level = np.ascontiguousarray((mesh[:, :2] @ frame_from_level).T)  # (2, 468), eyes level
    low, high = level.min(1), level.max(1)
    middle = frame_from_level @ ((low + high) / 2)
    return FaceRoi(float(middle[0]), float(middle[1]), float((high - low).max()) * _ROI_SCALE, angle)


def is_plausible(mesh: Float32, own: FaceRoi, roi: FaceRoi, image: UInt8) -> bool:
    """Whether a mesh (468, 3) found in a square looks like a face: not collapsed, upright, and where it should be.

    It must lie in the square's middle and in the picture, fill a fair share of the square, and have its mouth below its
    eyes as the square is turned.

    Args:
        mesh: the mesh, frame pixels.
        own: its own square (`roi_from_mesh`).
        roi: the square in which it was found.
        image: the picture (H, W, 3).
    """
    if not _SIDE_RATIOS[0] * roi.side_px < own.side_px < _SIDE_RATIOS[1] * roi.side_px:
        return False  # false for NaN as well
    off_x, off_y = own.centre_x_px - roi.centre_x_px, own.centre_y_px - roi.centre_y_px
    inside = 0 <= own.centre_x_px < image.shape[1] and 0 <= own.centre_y_px < image.shape[0]
    eyes_x, eyes_y = (mesh[RIGHT_EYE_OUTER, :2] + mesh[LEFT_EYE_OUTER, :2]).tolist()
    mouth_x, mouth_y = mesh[_UPPER_LIP, :2].tolist()
    drop = (mouth_y - eyes_y / 2) * math.cos(roi.angle_rad) - (mouth_x - eyes_x / 2) * math.sin(roi.angle_rad)
    return inside and max(abs(off_x), abs(off_y)) < _MAX_OFF_CENTRE * roi.side_px and drop > _MIN_DROP * roi.side_px


class FaceMesh:
    """Places 468 points on one face."""

    def __init__(self, threads: int = 1) -> None:
        """Load the network.

        Raises:
            FaceModelError: the network is not on this machine.
        """
        self._threads = threads
        self._network = LiteRTNetwork(face_model_path(MESH), threads)
        self._twin: FaceMesh | None = None  # for the second thread; a network is used by one
        self._side = SideThread[list[tuple[Float32, float]]]("mien-mesh")

    def locate_all(self, image: UInt8, rois: Sequence[FaceRoi], together: bool) -> list[tuple[Float32, float]]:
        """`locate` in several squares.

        Args:
            image: the picture (H, W, 3) RGB.
            rois: the squares.
            together: half of them on a second thread, so that the result of a live frame comes earlier. The second core
                has other work when the frames of a file are processed.
        """
        half = len(rois) // 2 if together else 0
        if not half:
            return [self.locate(image, roi) for roi in rois]
        self.load_twin()
        assert self._twin is not None
        others = self._side.start(partial(self._twin.locate_all, image, rois[-half:], together=False))
        own = [self.locate(image, roi) for roi in rois[:-half]]
        return own + others.result()

    def load_twin(self) -> None:
        """Load the network of the second thread, which takes about 10 ms; otherwise the first use does."""
        if self._twin is None:
            self._twin = FaceMesh(self._threads)

    def close(self) -> None:
        """End the second thread."""
        self._side.end()

    def locate(self, image: UInt8, roi: FaceRoi) -> tuple[Float32, float]:
        """Mesh (468, 3) in pixels of the RGB picture (H, W, 3), and the presence score 0-1 of a face in the square."""
        side = self._network.side
        crop, frame_from_crop = cut_square(image, roi, side)
        points, presence = sorted(self._network.run(crop, 1 / 255, 0.0), key=lambda output: -output.size)
        points = points.reshape(MESH_POINTS, 3)
        mesh = np.empty((MESH_POINTS, 3), np.float32)
        mesh[:, :2] = points[:, :2] @ frame_from_crop[:, :2].T + frame_from_crop[:, 2]
        mesh[:, 2] = points[:, 2] * np.float32(roi.side_px / side)
        logit = float(np.clip(presence.reshape(()), -50.0, 50.0))
        return mesh, 1.0 / (1.0 + math.exp(-logit))


def cut_square(image: UInt8, roi: FaceRoi, side: int, border: int = cv2.BORDER_REPLICATE) -> tuple[UInt8, Float32]:
    """The square as an image (side, side, 3) and its map (2, 3) to the frame.

    ``border`` is OpenCV's mode for what lies outside the frame.
    """
    frame_from_crop = _frame_from_crop(roi, side)
    reach = roi.side_px / 2 * (abs(math.cos(roi.angle_rad)) + abs(math.sin(roi.angle_rad))) + _CUT_MARGIN_PX
    left, right = _span(roi.centre_x_px, reach, image.shape[1])
    top, bottom = _span(roi.centre_y_px, reach, image.shape[0])
    # Four channels: warpAffine takes a third of the time, even with the conversion of the part that is needed.
    part = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2RGBA)
    part_from_crop = frame_from_crop.astype(np.float64)
    part_from_crop[:, 2] -= (left, top)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(part, part_from_crop, (side, side), flags=flags, borderMode=border)
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGBA2RGB), np.uint8), frame_from_crop


def _span(centre_px: float, reach_px: float, length: int) -> tuple[int, int]:
    """First and last pixel, exclusive, of what a square reaches of an axis; at least the pixel next to it."""
    first = min(max(math.floor(centre_px - reach_px), 0), length - 1)
    return first, max(min(math.ceil(centre_px + reach_px), length), first + 1)


def _frame_from_crop(roi: FaceRoi, side: int) -> Float32:
    """Affine map (2, 3) from pixels of the network's input to frame pixels."""
    scale = roi.side_px / side
    cos, sin = math.cos(roi.angle_rad) * scale, math.sin(roi.angle_rad) * scale
    half = side / 2
    shift_x = roi.centre_x_px - (cos * half - sin * half)
    shift_y = roi.centre_y_px - (sin * half + cos * half)
    return np.array([[cos, -sin, shift_x], [sin, cos, shift_y]], np.float32)
