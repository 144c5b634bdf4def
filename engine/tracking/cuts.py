"""Hard cuts: where a video jumps to another shot, so that nothing known of the faces before holds any more."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from engine.records import read_record
from engine.types import Float32, UInt8

#: Size of the thumbnails that are compared, in pixels.
_WIDTH: Final = 64
_HEIGHT: Final = 36
#: Below this correlation of the grey levels and this share of common colours, the shot is another one. Measured on the
#: shared clips: from one clip to another .23 and .50 in the median; within a clip at least .47 and .88.
_MAX_CORRELATION: Final = 0.6
_MAX_COMMON: Final = 0.8
#: Shots that look alike (two people before one wall) differ by a jump: so many times the mean change of the last
#: frames, with a correlation below this. Gestures reach 4 times.
_JUMP: Final = 5.0
_MAX_JUMP_CORRELATION: Final = 0.9
_RECENT: Final = 8
_MIN_RECENT: Final = 3
#: Changes below this, in deviations of the grey levels, are noise.
_NOISE: Final = 0.03
#: Added to the deviation of the grey levels, so that dark images are not compared by their noise.
_LEAST_DEVIATION: Final = 4.0


@dataclass(frozen=True, slots=True)
class _Saved:
    """The state of `CutDetector` as it is saved."""

    before: str | None  # base64 of the thumbnail
    changes: tuple[float, ...]


class CutDetector:
    """Compares each frame with the one before; about .1 ms per frame."""

    def __init__(self) -> None:
        self._before: UInt8 | None = None  # (36, 64, 3) thumbnail
        self._grey_before: Float32 | None = None  # (36, 64) of it, standardised
        self._changes: tuple[float, ...] = ()  # of the last frames, in deviations of the grey levels

    def is_cut(self, image: UInt8) -> bool:
        """Whether an RGB image (H, W, 3) begins another shot than the image before. A change of light does not."""
        now, before, grey_before = _thumbnail(image), self._before, self._grey_before
        grey = _standard(now)
        self._before, self._grey_before = now, grey
        if before is None or grey_before is None:
            return False
        change = float(cv2.norm(grey, grey_before, cv2.NORM_L1)) / grey.size
        correlation = float(np.vdot(grey, grey_before)) / grey.size
        cut = correlation < _MAX_CORRELATION and _common(now, before) < _MAX_COMMON
        if len(self._changes) >= _MIN_RECENT and correlation < _MAX_JUMP_CORRELATION:
            cut = cut or change > _JUMP * max(float(np.mean(self._changes)), _NOISE)
        self._changes = () if cut else (*self._changes, change)[-_RECENT:]
        return cut

    @property
    def thumbnail(self) -> UInt8:
        """Grey levels (36, 64) of the last image.

        Raises:
            ValueError: there was none.
        """
        if self._before is None:
            raise ValueError("no image was compared yet")
        return np.asarray(cv2.cvtColor(self._before, cv2.COLOR_RGB2GRAY), np.uint8)

    def snapshot(self) -> dict[str, Any]:
        """The state as values of JSON."""
        thumbnail = None if self._before is None else base64.b64encode(self._before.tobytes()).decode("ascii")
        return {"before": thumbnail, "changes": list(self._changes)}

    def restore(self, state: object) -> None:
        """Take the state of `snapshot` back.

        Raises:
            ValueError: it is damaged.
        """
        saved = read_record(_Saved, state, require_all=True, field="cuts")
        before = grey = None
        if saved.before is not None:
            flat = np.frombuffer(base64.b64decode(saved.before, validate=True), np.uint8)
            before = flat.reshape(_HEIGHT, _WIDTH, 3)
            grey = _standard(before)
        self._changes, self._before, self._grey_before = saved.changes, before, grey


def _thumbnail(image: UInt8) -> UInt8:
    """The image in 36 x 64 pixels, from every n-th pixel: shots differ in more than single pixels."""
    step = max(1, min(image.shape[0] // _HEIGHT, image.shape[1] // _WIDTH))
    sparse = np.ascontiguousarray(image[::step, ::step])
    return np.asarray(cv2.resize(sparse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _standard(thumbnail: UInt8) -> Float32:
    """Grey levels (36, 64) with mean 0 and deviation 1, so that a change of light does not count."""
    grey = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY)
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
    scale = 1.0 / (deviation + _LEAST_DEVIATION)
    return np.asarray(grey * np.float32(scale) - np.float32(mean * scale), np.float32)


def _common(one: UInt8, other: UInt8) -> float:
    """Share of pixels whose colours, in four steps per channel, the two have in common."""
    counts = [np.bincount((each >> 6).reshape(-1, 3) @ (16, 4, 1), minlength=64) for each in (one, other)]
    return float(np.minimum(*counts).sum() / (_WIDTH * _HEIGHT))
