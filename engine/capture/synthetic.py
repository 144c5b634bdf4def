"""A clip without a file: a public-domain portrait moved about over a plain wall, so that demo and tests need no camera.

Each picture depends on its index alone. The portrait and its origin: assets/demo/SOURCE.md.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.capture.source import FrameSource, SourceInfo, SourceKind
from engine.errors import SourceError
from engine.types import Float32, Float64, Frame, UInt8

#: Name of the source, and what the user types for it.
DEMO: Final = "demo"
PORTRAIT: Final = Path(__file__).resolve().parents[2] / "assets" / "demo" / "portrait.jpg"


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of the clip in which one thing happens; shares 0-1 of its length."""

    name: str
    begin: float
    end: float


#: What happens when, less the moments of passing from one to the next.
PASSAGES: Final = (
    Passage("plain", 0.0, 0.30),  # moves, tilts, comes nearer and goes away
    Passage("blurred", 0.36, 0.43),
    Passage("dark", 0.50, 0.57),
    Passage("cut_off", 0.66, 0.71),
    Passage("crossing", 0.80, 1.0),  # a second copy passes in front of the first
)

#: The motion, interpolated on a line between rows. Columns: share of the clip; centre x of the portrait in frame widths
#: and y in heights; its side in frame heights; tilt in degrees, clockwise; blur (standard deviation) in frame heights;
#: brightness; centre x of the second copy, which waits outside the frame on the right and leaves on the left.
_KEYS: Final[Float64] = np.array(
    [
        # share  x     y     side  tilt  blur   light second x
        [0.00, 0.50, 0.55, 0.95, 0.0, 0.0, 1.00, 1.40],
        [0.06, 0.38, 0.54, 0.95, -12.0, 0.0, 1.00, 1.40],
        [0.14, 0.60, 0.56, 0.95, 14.0, 0.0, 1.00, 1.40],
        [0.20, 0.50, 0.62, 1.45, 0.0, 0.0, 1.00, 1.40],
        [0.24, 0.50, 0.62, 1.45, 0.0, 0.0, 1.00, 1.40],
        [0.32, 0.46, 0.50, 0.60, 4.0, 0.0, 1.00, 1.40],
        [0.36, 0.46, 0.52, 0.85, 0.0, 0.018, 1.00, 1.40],
        [0.43, 0.54, 0.54, 0.85, 0.0, 0.018, 1.00, 1.40],
        [0.47, 0.54, 0.54, 0.90, 0.0, 0.0, 1.00, 1.40],
        [0.50, 0.52, 0.54, 0.90, 0.0, 0.0, 0.12, 1.40],
        [0.57, 0.46, 0.54, 0.90, 0.0, 0.0, 0.12, 1.40],
        [0.60, 0.40, 0.54, 0.90, 0.0, 0.0, 1.00, 1.40],
        [0.66, 0.05, 0.54, 0.90, 0.0, 0.0, 1.00, 1.40],
        [0.71, 0.05, 0.54, 0.90, 0.0, 0.0, 1.00, 1.40],
        [0.78, 0.36, 0.52, 0.80, 0.0, 0.0, 1.00, 1.40],
        [0.84, 0.36, 0.52, 0.80, -4.0, 0.0, 1.00, 0.84],
        [0.96, 0.52, 0.54, 0.90, 0.0, 0.0, 1.00, 0.10],
        [1.00, 0.50, 0.55, 0.95, 0.0, 0.0, 1.00, -0.30],
    ]
)
#: Where the second copy moves, as against the first: lower and larger, so that it passes in front.
_SECOND_Y, _SECOND_SIDE = 0.60, 0.95
#: From the middle of a square to its corner, in sides; so far a tilted portrait reaches.
_HALF_DIAGONAL: Final = math.sqrt(0.5)


class SyntheticSource(FrameSource):
    """The animated portrait. Times are index / fps, also when it runs in real time."""

    def __init__(
        self,
        duration_s: float = 8.0,
        fps: float = 25.0,
        size: tuple[int, int] = (640, 360),
        loop: bool = False,
        live: bool = False,
    ) -> None:
        """Load the portrait.

        Args:
            duration_s: length of the clip; all passages stretch with it.
            fps: pictures per second.
            size: width and height in pixels.
            loop: begin again after the last picture, without end.
            live: hand out each picture when its time has come.

        Raises:
            SourceError: the portrait is missing.
        """
        super().__init__()
        self._portrait, self._mask = _load_portrait()
        self._wall = _wall(*size)
        self._frames = max(1, round(duration_s * fps))
        self._fps, self._loop, self._live = fps, loop, live
        self._index = 0
        self._started_s: float | None = None
        self.info = SourceInfo(
            DEMO,
            SourceKind.SYNTHETIC,
            *size,
            frame_count=None if loop else self._frames,
            duration_s=None if loop else self._frames / fps,
            fps=fps,
            is_live=live,
        )

    def read(self) -> Frame | None:
        """The next picture; None at the end or after `interrupt`."""
        if self._live:
            self._wait_for_turn()
        if self._interrupted.is_set() or (self._index >= self._frames and not self._loop):
            return None
        index = self._index
        self._index += 1
        return Frame(self.draw(index), index, index / self._fps, self.info.source_id)

    def skip_to(self, frame_index: int) -> None:
        """Go on at this picture; see the base."""
        if self._live:
            super().skip_to(frame_index)
        if frame_index < self._index or (frame_index > self._frames and not self._loop):
            raise SourceError(
                f"{DEMO} stands at frame {self._index} of {self._frames}, it cannot go on at {frame_index}: start anew"
            )
        self._index = frame_index

    def skip_to_time(self, time_s: float) -> None:
        """Go on at this time; see the base."""
        if self._live:
            super().skip_to_time(time_s)
        self._index = max(self._index, min(math.ceil(round(time_s * self._fps, 3)), self._frames))

    def draw(self, index: int) -> UInt8:
        """The picture (H, W, 3) uint8 RGB of an index."""
        share = index % self._frames / self._frames
        x, y, side, tilt_deg, blur, light, second_x = (
            float(np.interp(share, _KEYS[:, 0], column)) for column in _KEYS.T[1:]
        )
        image = self._wall.copy()
        self._paste(image, x, y, side, tilt_deg)
        self._paste(image, second_x, _SECOND_Y, _SECOND_SIDE, 0.0)
        if blur > 0:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur * image.shape[0]), np.uint8)
        return image if light == 1 else np.asarray(cv2.convertScaleAbs(image, alpha=light), np.uint8)

    def close(self) -> None:
        """Nothing is open."""

    def _wait_for_turn(self) -> None:
        now_s = time.monotonic()
        if self._started_s is None:
            self._started_s = now_s
        self._interrupted.wait(max(0.0, self._started_s + self._index / self._fps - now_s))

    def _paste(self, image: UInt8, x: float, y: float, side: float, tilt_deg: float) -> None:
        """Lay the portrait over the picture (H, W, 3), in place; x, y and side as in _KEYS."""
        height, width = image.shape[:2]
        reach = side * height * _HALF_DIAGONAL
        left, right = (int(np.clip(x * width + step, 0, width)) for step in (-reach, reach))
        top, bottom = (int(np.clip(y * height + step, 0, height)) for step in (-reach, reach))
        if left == right or top == bottom:
            return
        own = self._portrait.shape[0]
        matrix = cv2.getRotationMatrix2D((own / 2, own / 2), -tilt_deg, side * height / own)
        matrix[:, 2] += (x * width - left - own / 2, y * height - top - own / 2)
        size = (right - left, bottom - top)
        laid = cv2.warpAffine(self._portrait, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.warpAffine(self._mask, matrix, size, flags=cv2.INTER_LINEAR)
        below = np.ascontiguousarray(image[top:bottom, left:right])
        image[top:bottom, left:right] = cv2.blendLinear(laid, below, cover, 1 - cover)


def _load_portrait() -> tuple[UInt8, Float32]:
    """The portrait (S, S, 3) RGB, and how much of it covers the wall (S, S) 0-1: its edges fade out."""
    data = np.fromfile(PORTRAIT, np.uint8) if PORTRAIT.is_file() else np.empty(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if image is None:
        raise SourceError(f"{PORTRAIT} is missing or damaged: restore it from the distribution")
    side = image.shape[0]
    mask = np.zeros((side, side), np.float32)
    cv2.ellipse(mask, (side // 2, side // 2), (int(side * 0.35), int(side * 0.42)), 0, 0, 360, 1.0, cv2.FILLED)
    return np.asarray(image, np.uint8), np.asarray(cv2.GaussianBlur(mask, (0, 0), side * 0.035), np.float32)


def _wall(width: int, height: int) -> UInt8:
    """A wall (H, W, 3) RGB that grows darker towards the floor, with a line where they meet."""
    rows = np.linspace(200.0, 168.0, height, dtype=np.float32)
    wall = np.repeat(rows[:, np.newaxis], width, axis=1)[:, :, np.newaxis] * np.array([1.0, 0.97, 0.94], np.float32)
    floor = int(height * 0.86)
    wall[floor:] *= 0.72
    return np.asarray(np.rint(wall), np.uint8)
