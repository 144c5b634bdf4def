"""High dynamic range: a picture graded for an ordinary display looks the same when it is sent as PQ or HLG."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc

from engine.capture.hdr import Transfer, tone_mapped
from engine.capture.video_file import VideoFileSource
from engine.types import UInt8

BT2020_FROM_BT709 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)  # BT.2087-0
CODES = {Transfer.PQ: ColorTrc.SMPTE2084, Transfer.HLG: ColorTrc.ARIB_STD_B67}


def pq(light: np.ndarray) -> np.ndarray:
    """BT.2100: code of light in cd/m2."""
    power = np.power(np.clip(light / 10_000, 0, 1), 1305 / 8192)
    return np.power((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power), 2523 / 32)


def hlg(light: np.ndarray) -> np.ndarray:
    """BT.2100: code of light in cd/m2 of a display of 1,000 cd/m2."""
    display = light / 1000
    luminance = np.maximum(display @ [0.2627, 0.6780, 0.0593], 1e-9)[..., np.newaxis]
    scene = display * luminance ** (1 / 1.2 - 1)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def encoded(picture: UInt8, transfer: Transfer) -> np.ndarray:
    """(H, W, 3) uint16: the light that an ordinary display of 203 cd/m2 shows."""
    light = 203 * np.power(picture / 255, 2.4) @ BT2020_FROM_BT709.T
    code = pq(light) if transfer is Transfer.PQ else hlg(light)
    return np.rint(65535 * np.clip(code, 0, 1)).astype(np.uint16)


@pytest.fixture
def ordinary() -> UInt8:
    """Smooth colours up to the brightness where the compression begins (half of white: 191 of 255)."""
    row, column = np.mgrid[:64, :96]
    return np.stack([40 + 1.5 * column, 60 + 1.2 * row, 150 - column], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("transfer", Transfer)
def test_an_ordinary_picture_is_unchanged(ordinary: UInt8, transfer: Transfer) -> None:
    seen = tone_mapped(encoded(ordinary, transfer), transfer)
    assert np.abs(seen.astype(int) - ordinary).max() <= 2


@pytest.mark.parametrize("transfer", Transfer)
def test_brighter_light_is_compressed_in_order(transfer: Transfer) -> None:
    grey = np.linspace(0, 1000, 500)[:, np.newaxis, np.newaxis] * np.ones(3)
    code = pq(grey) if transfer is Transfer.PQ else hlg(grey)
    seen = tone_mapped(np.rint(65535 * code).astype(np.uint16), transfer)[:, 0, 1].astype(int)
    assert (np.diff(seen) >= 0).all()
    assert 195 < seen[101] < 240  # diffuse white, 203 cd/m2, leaves room for what is brighter
    assert seen[-1] >= 254


def test_primaries_of_bt_709_are_kept(ordinary: UInt8) -> None:
    code = np.rint(65535 * pq(203 * np.power(ordinary / 255, 2.4))).astype(np.uint16)
    assert np.abs(tone_mapped(code, Transfer.PQ, wide=False).astype(int) - ordinary).max() <= 2


@pytest.mark.parametrize("transfer", Transfer)
def test_a_clip_of_high_dynamic_range_looks_like_its_ordinary_version(
    ordinary: UInt8, transfer: Transfer, tmp_path: Path
) -> None:
    path = tmp_path / "hdr.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.height, stream.width = ordinary.shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries = CODES[transfer], ColorPrimaries.BT2020
        context.colorspace = Colorspace.BT2020
        for step in range(3):
            frame = av.VideoFrame.from_ndarray(encoded(ordinary, transfer), format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=Colorspace.BT2020)
            frame.pts, frame.time_base = step, Fraction(1, 25)
            frame.color_trc, frame.color_primaries = CODES[transfer], ColorPrimaries.BT2020
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with VideoFileSource(path) as source:
        frame = source.read()
        assert source.info.stream is not None
        assert source.info.stream.tone_mapped == transfer.value
    assert frame is not None
    assert np.abs(frame.image.astype(int) - ordinary).mean() < 3
