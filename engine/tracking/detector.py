"""Face detection with MediaPipe's full-range network (192 px, 2,304 anchors) on LiteRT.

Decoding follows the published graph options of the model: one anchor of fixed size per cell of a 48x48 grid, box and
six key points relative to the anchor's centre in units of the input side (github.com/google-ai-edge/mediapipe,
modules/face_detection).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from engine.tracking.face_models import DETECTOR, face_model_path
from engine.tracking.litert import LiteRTNetwork
from engine.tracking.mesh import FaceRoi, cut_square
from engine.tracking.views import View
from engine.types import FaceDetection, Float32, UInt8

_GRID: Final = 48
#: Logits beyond this are saturated; the clip keeps exp() finite.
_LOGIT_LIMIT: Final = 50.0
#: Sides of the face's square (FaceRoi) that the window of a check covers, near and far. On the labelled set
#: (training/evaluation/faces.py) the near window tells faces from other things best: whatever lies outside the image is
#: black in it, so faces that fill the image score .63 and more there (.14 in the far window). The far window shows what
#: is around a small face; drawn animals that pass one of the two do not pass the other.
NEAR_SCALE: Final = 3.0
FAR_SCALE: Final = 6.0
#: A face found by a check lies this near to the middle (in sides of the square) ...
_CHECK_REACH: Final = 0.35
#: ... and its box is between these shares of the square's side.
_CHECK_SIZES: Final = (0.33, 1.33)


class FaceDetector:
    """Finds faces anywhere in an image."""

    def __init__(self, min_score: float = 0.6, max_overlap: float = 0.3, threads: int = 1) -> None:
        """Load the network.

        Raises:
            FaceModelError: the network is not on this machine.
        """
        self._network = LiteRTNetwork(face_model_path(DETECTOR), threads)
        self._min_score = min_score
        self._max_overlap = max_overlap
        cells = (np.arange(_GRID, dtype=np.float32) + np.float32(0.5)) / np.float32(_GRID)
        self._anchors = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)  # (2304, 2) x y, 0-1

    def detect(self, image: UInt8, view: View | None = None) -> list[FaceDetection]:
        """Faces of an RGB image (H, W, 3) uint8 in one view of it (None = the whole image), best score first."""
        view = view or View()
        height, width = image.shape[:2]
        x0, y0, x1, y1 = view.box or (0, 0, width, height)
        region = image[max(y0, 0) : y1, max(x0, 0) : x1]
        beyond = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
        if any(beyond):
            region = np.asarray(cv2.copyMakeBorder(region, *beyond, cv2.BORDER_CONSTANT), np.uint8)
        turned = np.asarray(np.rot90(region, -view.quarter_turns), np.uint8) if view.quarter_turns else region
        fitted, turned_from_input = _letterbox(np.ascontiguousarray(turned), self._network.side, view.share)
        frame_from_turned = _frame_from_turned(view.quarter_turns, x1 - x0, y1 - y0)
        frame_from_input = frame_from_turned[:, :2] @ turned_from_input
        frame_from_input[:, 2] += frame_from_turned[:, 2] + (x0, y0)
        return self._find(fitted, np.asarray(frame_from_input, np.float32), self._min_score)

    def check(self, image: UInt8, roi: FaceRoi, min_score: float, scale: float = NEAR_SCALE) -> FaceDetection | None:
        """The face in a square, searched in a window ``scale`` times as wide around it, upright and magnified.

        None when no face of about the square's size lies in its middle. Finds small and tilted faces that `detect`
        misses, and does not find what `detect` wrongly takes for a face.
        """
        window = FaceRoi(roi.centre_x_px, roi.centre_y_px, roi.side_px * scale, roi.angle_rad)
        cut, frame_from_input = cut_square(image, window, self._network.side, cv2.BORDER_CONSTANT)
        for found in self._find(cut, frame_from_input, min_score, within=1 / scale):
            middle = (found.box[:2] + found.box[2:]) / 2 - (roi.centre_x_px, roi.centre_y_px)
            size = float(found.box[2] - found.box[0]) / roi.side_px
            if np.abs(middle).max() < _CHECK_REACH * roi.side_px and _CHECK_SIZES[0] < size < _CHECK_SIZES[1]:
                return found
        return None

    def _find(
        self, fitted: UInt8, frame_from_input: Float32, min_score: float, within: float = 1.0
    ) -> list[FaceDetection]:
        """Faces of a network input (S, S, 3), moved into the frame by an affine map (2, 3).

        ``within``: how far from the middle along both axes, in sides of the input; clutter around costs no time then.
        """
        side = self._network.side
        raw, logits = sorted(self._network.run(fitted, 2 / 255, -1.0), key=lambda output: -output.shape[-1])
        boxes, landmarks, scores = decode(raw, logits[:, 0], self._anchors, side, min_score)
        if within < 1:
            off = np.abs(boxes[:, :2] + boxes[:, 2:] - side).max(1, initial=0.0) / 2
            near = off < within * side
            boxes, landmarks, scores = boxes[near], landmarks[near], scores[near]
        scale = float(np.hypot(frame_from_input[0, 0], frame_from_input[1, 0]))
        half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(
            scale / 2
        )  # a turned window turns the middle of a box, not its sides
        centres = _moved((boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5), frame_from_input)
        boxes = np.concatenate([centres - half, centres + half], axis=1)
        return merge(boxes, _moved(landmarks, frame_from_input), scores, self._max_overlap)


def decode(
    raw: Float32, logits: Float32, anchors: Float32, side: int, min_score: float
) -> tuple[Float32, Float32, Float32]:
    """Candidates of the network's outputs in pixels of its input.

    Args:
        raw: (A, 16) box centre, box size, six points; centre and points relative to the anchor, in input pixels.
        logits: (A,) of the score.
        anchors: (A, 2) x y, 0-1 of the input side.
        side: input side in pixels.
        min_score: candidates below it are dropped.

    Returns:
        Boxes (n, 4) x0 y0 x1 y1, points (n, 6, 2) and scores (n,) 0-1.
    """
    scores = np.asarray(1 / (1 + np.exp(-np.clip(logits, -_LOGIT_LIMIT, _LOGIT_LIMIT))), np.float32)
    kept = np.flatnonzero(scores >= min_score)
    values = raw[kept].reshape(-1, 8, 2)  # (n, 8, 2): centre, size, six points
    points = values + anchors[kept, np.newaxis] * np.float32(side)
    centres, half = points[:, 0], values[:, 1] / 2
    boxes = np.concatenate([centres - half, centres + half], axis=1)
    return np.asarray(boxes, np.float32), points[:, 2:], scores[kept]


def _moved(points: Float32, affine: Float32) -> Float32:
    """Points (..., 2) under an affine map (2, 3)."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float32)


def _frame_from_turned(quarter_turns: int, width: int, height: int) -> Float32:
    """Map (2, 3) from an image of ``width`` x ``height`` turned clockwise by quarter turns back to that image."""
    maps = (
        [[1, 0, 0], [0, 1, 0]],
        [[0, 1, 0], [-1, 0, height]],
        [[-1, 0, width], [0, -1, height]],
        [[0, -1, width], [1, 0, 0]],
    )
    return np.array(maps[quarter_turns % 4], np.float32)


def _letterbox(image: UInt8, side: int, share: float = 1.0) -> tuple[UInt8, Float32]:
    """Fit an image into a black square, as the published graph does; also the map (2, 3) from square to image.

    Args:
        image: (H, W, 3).
        side: of the square in pixels.
        share: of the side that the longer side of the image takes.
    """
    height, width = image.shape[:2]
    scale = side * share / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    fitted = np.zeros((side, side, 3), np.uint8)
    fitted[top : top + size[1], left : left + size[0]] = _shrunk(image, size)
    step_x, step_y = width / size[0], height / size[1]
    return fitted, np.array([[step_x, 0, -left * step_x], [0, step_y, -top * step_y]], np.float32)


def _shrunk(image: UInt8, size: tuple[int, int]) -> UInt8:
    """Resize to (width, height): halve while it fits, then interpolate; a seventh of the time of INTER_AREA alone."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def merge(boxes: Float32, landmarks: Float32, scores: Float32, max_overlap: float) -> list[FaceDetection]:
    """Weighted non-maximum suppression: overlapping candidates are averaged by score, as the published graph does.

    Args:
        boxes: (n, 4) x0 y0 x1 y1.
        landmarks: (n, 6, 2).
        scores: (n,).
        max_overlap: intersection over union above which two candidates are the same face.
    """
    left = np.argsort(-scores, kind="stable")
    merged = []
    while left.size:
        best = left[0]
        together = overlaps(boxes[best], boxes[left]) > max_overlap
        together[0] = True  # a degenerate box overlaps nothing, not even itself
        group = left[together]
        weights = (scores[group] / scores[group].sum())[:, np.newaxis]
        box = (boxes[group] * weights).sum(0).astype(np.float32)
        points = (landmarks[group] * weights[:, :, np.newaxis]).sum(0).astype(np.float32)
        merged.append(FaceDetection(box=box, landmarks=points, score=float(scores[best])))
        left = left[~together]
    return merged


def overlaps(box: Float32, boxes: Float32) -> Float32:
    """Intersection over union of one box (4,) with boxes (n, 4)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    union = np.prod(np.clip(box[2:] - box[:2], 0, None)) + areas - shared
    return np.asarray(shared / np.maximum(union, 1e-6), np.float32)
