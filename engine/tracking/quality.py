"""How well a face can be seen: size, turn, sharpness, light and how much of it is in the frame.

Every part is mapped to 0-1 so that .5 is its limit; the score is the worst part, so a face has a reason exactly when
its score is below .5.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from engine.alignment import TEMPLATE
from engine.config import QualityConfig
from engine.types import FaceQuality, FaceTrack, Float32, Frame, QualityReason, UInt8

#: Corners of the right and of the left eye.
_RIGHT_EYE: Final = (33, 133)
_LEFT_EYE: Final = (362, 263)
#: Distance of the eye centres in the aligned crop, as a share of its side (rows of the template: the eye corners).
_CROP_EYE_DISTANCE: Final = float(np.linalg.norm(TEMPLATE[2:4].mean(0) - TEMPLATE[:2].mean(0)))
#: The part of the crop that is face on every face: this much of the side is left out at each edge (hair, background).
_MARGIN: Final = 0.2
#: Smoothing against noise before sharpness is measured, as the deviation of a Gaussian in pixels.
_SMOOTHING_PX: Final = 0.7
#: A face is shrunk to no less than this side for the measure.
_MIN_SIDE_PX: Final = 12
#: Mean square of slopes (grey levels per pixel) below which a picture is even and has no sharpness to speak of.
_EVEN: Final = 1e-3
#: A presence of the mesh network below this means that the face is too small or too coarse for it; nothing larger is
#: followed against the network (engine/tracking/tracker.py).
_MIN_PRESENCE: Final = 0.5


def assess_quality(frame: Frame, track: FaceTrack, crop: UInt8, config: QualityConfig) -> FaceQuality:
    """Quality of one face, with a reason for each part that is below its limit.

    Args:
        frame: the frame that the track was seen in.
        track: the face; its mesh is in frame pixels.
        crop: the aligned face (S, S) uint8 grey.
        config: the limits.
    """
    eyes_px = eye_distance_px(track.mesh)
    upsampled = crop.shape[0] * _CROP_EYE_DISTANCE / max(eyes_px, 1e-6)
    parts = {
        QualityReason.TOO_SMALL: min(_share(eyes_px, config.min_eye_distance_px), _share(track.score, _MIN_PRESENCE)),
        QualityReason.TURNED_AWAY: min(
            _share(2 * config.max_yaw_deg - abs(track.pose.yaw_deg), config.max_yaw_deg),
            _share(2 * config.max_pitch_deg - abs(track.pose.pitch_deg), config.max_pitch_deg),
        ),
        QualityReason.BLURRED: _share(sharpness(crop, upsampled), config.min_sharpness),
        QualityReason.DARK: _share(float(crop.mean()), config.min_brightness),
        QualityReason.CUT_OFF: _share_inside(frame, track.mesh, config.min_inside),
    }
    return FaceQuality(min(parts.values()), tuple(reason for reason, part in parts.items() if part < 0.5))


def eye_distance_px(mesh: Float32) -> float:
    """Distance of the eye centres in frame pixels, depth included, so that a turned face is not a smaller one."""
    gap = mesh[list(_LEFT_EYE)].mean(0) - mesh[list(_RIGHT_EYE)].mean(0)
    return float(np.linalg.norm(gap))


def sharpness(crop: UInt8, upsampled: float = 1.0) -> float:
    """Sharpness of an aligned face: how fast the slope of the grey levels changes, in 1/pixel.

    Per direction the root mean square of the second difference over that of the first, on the middle of the crop. The
    smallest of rows, columns and both diagonals counts, because motion blurs one direction. Contrast and brightness
    cancel out, only the scale of the detail is left: on the portrait of the tests the value falls from .71 to .50, .32
    and .24 under Gaussian blur of 1, 2 and 3 crop pixels, and to .32 under motion over 9, .31 if it is diagonal. The
    limit in `QualityConfig` is the value at 1.8 pixels, where a model that reads the face at half the crop's side has
    nothing left of its finest detail (amplitude below 2 % at its Nyquist frequency). Of 3,000 news photographs 0.2 %
    are below it, of 3,579 FERPlus faces at their own 48 px none.

    A face that is smaller in the frame than in the crop is shrunk to its own pixels first: it is judged by the detail
    that it could have, and what it lacks counts as TOO_SMALL only. Detail finer than the crop's pixels is never seen by
    the models and does not count.

    Limit of the measure: noise and strong compression look like detail. The crop is smoothed a little against it, but
    a blurred face with noise of 10 grey levels passes as sharp.

    Args:
        crop: (S, S) uint8 grey.
        upsampled: crop pixels per frame pixel; values up to 1 change nothing.
    """
    native = max(round(crop.shape[0] / max(upsampled, 1.0)), _MIN_SIDE_PX)
    if native < crop.shape[0]:
        crop = np.asarray(cv2.resize(crop, (native, native), interpolation=cv2.INTER_AREA), np.uint8)
    smooth = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), _SMOOTHING_PX)
    edge = round(native * _MARGIN)
    middle = np.asarray(smooth[edge : native - edge, edge : native - edge], np.float32)
    inner = middle[1:-1, 1:-1]
    return min(
        _relative_change(middle[1:-1, :-2], inner, middle[1:-1, 2:], 1.0),
        _relative_change(middle[:-2, 1:-1], inner, middle[2:, 1:-1], 1.0),
        _relative_change(middle[:-2, :-2], inner, middle[2:, 2:], math.sqrt(2.0)),
        _relative_change(middle[:-2, 2:], inner, middle[2:, :-2], math.sqrt(2.0)),
    )


def _relative_change(before: Float32, here: Float32, after: Float32, step_px: float) -> float:
    """Second difference over first difference, both as root mean squares, in 1/pixel; 0 for an even picture.

    Args:
        before: neighbours of the pixels in one direction.
        here: the pixels.
        after: their neighbours in the other direction.
        step_px: distance of the neighbours.
    """
    first = (after - before) / (2 * step_px)
    second = (after + before - 2 * here) / step_px**2
    slope = float(np.mean(first * first))
    return math.sqrt(float(np.mean(second * second)) / slope) if slope > _EVEN else 0.0


def _share(value: float, limit: float) -> float:
    """0 at 0, one half at the limit, 1 at twice the limit; 1 when the limit is switched off (0)."""
    return min(max(value / (2 * limit), 0.0), 1.0) if limit > 0 else 1.0


def _share_inside(frame: Frame, mesh: Float32, limit: float) -> float:
    """Share of mesh points inside the frame, mapped so that the limit is one half and all of them are 1."""
    height, width = frame.image.shape[:2]
    x, y = mesh[:, 0], mesh[:, 1]
    inside = float(((x >= 0) & (x < width) & (y >= 0) & (y < height)).mean())
    if inside < limit or limit >= 1:
        return _share(inside, limit)
    return 0.5 + 0.5 * (inside - limit) / (1 - limit)
