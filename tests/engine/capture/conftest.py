"""Clips written on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.types import UInt8

ClipWriter = Callable[..., Path]


@pytest.fixture
def pictures() -> list[UInt8]:
    """Fifty different pictures of 96 x 64 pixels with a structure that survives compression."""
    column = np.arange(96)
    rows = np.arange(64)[:, np.newaxis]
    grey = [(column * 2 + rows + 3 * step) % 256 for step in range(50)]
    return [np.stack([each, 255 - each, each // 2], axis=-1).astype(np.uint8) for each in grey]


@pytest.fixture
def write_clip(tmp_path: Path) -> ClipWriter:
    """A function that writes pictures to a clip in a temporary folder and returns its path."""

    def write(
        name: str,
        pictures: Sequence[UInt8],
        times_ms: Sequence[int] | None = None,
        codec: str = "libx264",
        pixel_aspect: Fraction = Fraction(1),
        options: dict[str, str] | None = None,
        gop: int = 12,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.gop_size = gop
            stream.codec_context.sample_aspect_ratio = pixel_aspect
            stream.codec_context.time_base = Fraction(1, 1000)
            for step, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = times_ms[step] if times_ms is not None else 40 * step
                frame.time_base = Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
