"""Clips to measure with, drawn when needed: copies of the demo's portrait that move before a noisy background.

Each copy has its own size, brightness, tilt, mirroring and path, so that the networks see other crops in every frame
and the encoder has what a camera gives it. Without faces, the copies are shuffled into blocks: as much motion, no face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from app.bench.figures import Clip
from app.remedies import output_errors
from engine.capture.synthetic import PORTRAIT
from engine.errors import SourceError
from engine.types import Float32, UInt8

#: Width and height by name.
SIZES: Final = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
FPS: Final = 30
#: Columns and rows of the grid in which the copies move, by the most faces that it holds.
_GRIDS: Final = ((1, 1, 1), (2, 2, 1), (4, 2, 2), (6, 3, 2), (8, 4, 2))
MAX_FACES: Final = _GRIDS[-1][0]
#: Side of a portrait in heights of the frame, at most; a single face fills less than a cell.
_MAX_SIDE: Final = 0.8
#: Blocks per side of a shuffled portrait.
_BLOCKS: Final = 16
#: With it, all faces are found within the first half second, from 720p on in the first frame.
_SEED: Final = 200
#: Standard deviation of the noise, of 255.
_NOISE: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class _Sprite:
    image: UInt8  # (S, S, 3) RGB
    mask: Float32  # (S, S) 0-1
    x: float  # centre of its cell in pixels
    y: float
    side: float  # pixels
    reach: float  # how far it moves from the centre, pixels
    phase: float


def make_clip(folder: Path, size: str, faces: int, seconds: float) -> Clip:
    """Draw and encode a clip (H.264, 30 frames per second).

    Args:
        folder: where it is written.
        size: a name of SIZES.
        faces: in each frame, 0 to MAX_FACES.
        seconds: of video.

    Raises:
        SourceError: the portrait is missing.
        OutputError: the disk is full.
    """
    import av

    width, height = SIZES[size]
    path = folder / f"{size}-{faces}.mp4"
    painter = Painter((width, height), faces)
    with output_errors(path), av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        for index in range(max(1, round(seconds * FPS))):
            planes = cv2.cvtColor(painter.draw(index), cv2.COLOR_RGB2YUV_I420)
            frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Clip(path.stem, str(path), width, height, float(FPS), faces)


class Painter:
    """Draws the pictures of a clip; each depends on its index alone."""

    def __init__(self, size: tuple[int, int], faces: int) -> None:
        """Prepare the copies.

        Args:
            size: width and height in pixels.
            faces: 0 to MAX_FACES.

        Raises:
            SourceError: the portrait is missing.
            ValueError: too many faces.
        """
        if not 0 <= faces <= MAX_FACES:
            raise ValueError(f"a clip has 0 to {MAX_FACES} faces, not {faces}")
        random = np.random.default_rng(_SEED + faces)
        self._background = _texture(*size, random)
        self._noise = [_noise(size, random) for _ in range(4)]
        self._sprites = _sprites(size, faces, random)

    def draw(self, index: int) -> UInt8:
        """The picture (H, W, 3) RGB of an index."""
        image = self._background.copy()
        for sprite in self._sprites:
            _paste(image, sprite, index / FPS)
        noise = np.roll(self._noise[index % len(self._noise)], 37 * index, axis=0)
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def _sprites(size: tuple[int, int], faces: int, random: np.random.Generator) -> list[_Sprite]:
    data = np.fromfile(PORTRAIT, np.uint8) if PORTRAIT.is_file() else np.empty(0, np.uint8)
    portrait = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if portrait is None:
        raise SourceError(f"{PORTRAIT} is missing or damaged: restore it from the distribution")
    _, columns, rows = next(grid for grid in _GRIDS if grid[0] >= faces)
    cell_w, cell_h = size[0] / columns, size[1] / rows
    side = min(cell_w, cell_h, _MAX_SIDE * size[1])
    sprites = []
    for number in range(max(faces, 1)):
        image = np.asarray(portrait, np.uint8)
        if faces == 0:
            image = _shuffled(image, random)
        turned = np.ascontiguousarray(image[:, ::-1] if number % 2 else image)
        lit = np.asarray(cv2.convertScaleAbs(turned, alpha=float(random.uniform(0.75, 1.1))), np.uint8)
        column, row = number % columns, number // columns
        own = side * float(random.uniform(0.85, 1.0))
        x, y = (column + 0.5) * cell_w, (row + 0.5) * cell_h
        reach = 0.08 * side
        sprites.append(_Sprite(lit, _mask(lit.shape[0]), x, y, own, reach, 2.1 * number))
    return sprites


def _paste(image: UInt8, sprite: _Sprite, time_s: float) -> None:
    """Blend a sprite into the picture (H, W, 3), in place."""
    height, width = image.shape[:2]
    angle = sprite.phase + time_s
    x = sprite.x + sprite.reach * math.sin(1.3 * angle)
    y = sprite.y + sprite.reach * math.sin(1.7 * angle + 0.5)
    side = sprite.side * (1 + 0.08 * math.sin(0.9 * angle))
    half = 0.72 * side  # a tilted portrait reaches farther than half its side
    left, right = max(int(x - half), 0), min(int(x + half), width)
    top, bottom = max(int(y - half), 0), min(int(y + half), height)
    own = sprite.image.shape[0]
    matrix = cv2.getRotationMatrix2D((own / 2, own / 2), 10 * math.sin(1.1 * angle), side / own)
    matrix[:, 2] += (x - left - own / 2, y - top - own / 2)
    area = (right - left, bottom - top)
    laid = cv2.warpAffine(sprite.image, matrix, area, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(sprite.mask, matrix, area, flags=cv2.INTER_LINEAR)
    below = np.ascontiguousarray(image[top:bottom, left:right])
    image[top:bottom, left:right] = cv2.blendLinear(laid, below, cover, 1 - cover)


def _mask(side: int) -> Float32:
    mask = np.zeros((side, side), np.float32)
    cv2.ellipse(mask, (side // 2, side // 2), (int(side * 0.35), int(side * 0.42)), 0, 0, 360, 1.0, cv2.FILLED)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), side * 0.035), np.float32)


def _shuffled(image: UInt8, random: np.random.Generator) -> UInt8:
    """The image (S, S, 3) with its blocks in another order."""
    step = image.shape[0] // _BLOCKS
    blocks = image.reshape(_BLOCKS, step, _BLOCKS, step, 3).swapaxes(1, 2).reshape(-1, step, step, 3)
    mixed = random.permutation(blocks).reshape(_BLOCKS, _BLOCKS, step, step, 3).swapaxes(1, 2)
    return np.ascontiguousarray(mixed.reshape(image.shape))


def _texture(width: int, height: int, random: np.random.Generator) -> UInt8:
    """A background (H, W, 3) RGB of soft patches and edges."""
    grey = random.integers(120, 190, (9, 16, 1))
    coarse = (grey + random.integers(-8, 8, (9, 16, 3))).astype(np.uint8)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    fine = random.integers(0, 12, (height // 8, width // 8, 3)).astype(np.uint8)
    return np.asarray(cv2.add(soft, cv2.resize(fine, (width, height), interpolation=cv2.INTER_NEAREST)), np.uint8)


def _noise(size: tuple[int, int], random: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Noise (H, W, 3) of a sensor, equal in the three colours as it is after a camera's own filter."""
    grey = random.normal(0.0, _NOISE, (size[1], size[0], 1))
    return np.repeat(np.rint(grey).astype(np.int16), 3, axis=2)
