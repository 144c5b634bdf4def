"""High dynamic range video (PQ, HLG) as an ordinary picture: what the networks were trained on.

Up to about half of diffuse white nothing is changed but the encoding; what is brighter is compressed.

Sources: ITU-R BT.2100-2 (PQ, HLG, its OOTF for 1,000 cd/m2), BT.2087-0 (from BT.2020 to BT.709 primaries), BT.2408-5
(diffuse white at 203 cd/m2), BT.1886 (display gamma 2.4); the compression is the curve "mobius" of FFmpeg's filter
tonemap.
"""

from __future__ import annotations

import functools
from enum import Enum
from typing import Any, Final

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from engine.types import Float32, UInt8

UInt16 = NDArray[np.uint16]

#: Luminance of diffuse white, and of the brightest light that is told apart, in cd/m2.
_WHITE: Final = 203.0
_PEAK: Final = 1000.0
#: Share of diffuse white up to which nothing is compressed.
_KNEE: Final = 0.5
_GAMMA: Final = 2.4
_BT2020: Final = 9
_UNSPECIFIED: Final = 2
_BT709_FROM_BT2020: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
#: Share of each channel in the luminance of BT.2020.
_LUMINANCE: Final = np.array([[0.2627, 0.6780, 0.0593]], np.float32)


class Transfer(str, Enum):
    """How a high dynamic range video encodes light."""

    PQ = "pq"
    HLG = "hlg"


#: Numbers of ITU-T H.273.
_TRANSFERS: Final = {16: Transfer.PQ, 18: Transfer.HLG}


def transfer_of(picture: VideoFrame) -> Transfer | None:
    """The transfer function of a high dynamic range picture; None for any other picture."""
    return _TRANSFERS.get(int(picture.color_trc))


def is_wide(picture: VideoFrame) -> bool:
    """Whether the primaries of a high dynamic range picture are those of BT.2020, as they are unless it says so."""
    return int(picture.color_primaries) in (_BT2020, _UNSPECIFIED)


def tone_mapped(rgb: UInt16, transfer: Transfer, wide: bool = True) -> UInt8:
    """An ordinary picture from one of high dynamic range.

    Args:
        rgb: (H, W, 3) uint16, full range, encoded with ``transfer``.
        transfer: of the picture.
        wide: whether its primaries are those of BT.2020.

    Returns:
        (H, W, 3) uint8 for BT.709 primaries and a display gamma of 2.4.
    """
    import cv2  # see engine/capture/decoding.py

    light: Any = _light_table(transfer)[rgb]  # (H, W, 3) float32, diffuse white = 1
    if transfer is Transfer.HLG:
        luminance = cv2.transform(light, _LUMINANCE)
        light *= (_PEAK / _WHITE) * np.power(np.maximum(luminance, 1e-6), 0.2)[..., np.newaxis]  # OOTF, gamma 1.2
    if wide:
        light = cv2.transform(light, _BT709_FROM_BT2020)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)  # (H, W, 1): one factor keeps the hue
    light *= _compressed(brightest) / brightest
    steps = np.clip(light * 65535.0 + 0.5, 0, 65535).astype(np.uint16)
    return np.asarray(_code_table()[steps], np.uint8)


@functools.cache
def _light_table(transfer: Transfer) -> Float32:
    """Light of each 16-bit code: of PQ in units of diffuse white, of HLG that of the scene, 0-1. Shape (65536,)."""
    code = np.arange(65536) / 65535.0
    if transfer is Transfer.PQ:  # BT.2100-2, table 4
        power = np.power(code, 32 / 2523)
        ratio = np.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)
        return np.asarray(10_000 * np.power(ratio, 8192 / 1305) / _WHITE, np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073  # BT.2100-2, table 5
    return np.asarray(np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12), np.float32)


@functools.cache
def _code_table() -> UInt8:
    """8-bit code of each 16-bit light. Shape (65536,)."""
    return np.asarray(np.rint(255 * np.power(np.arange(65536) / 65535.0, 1 / _GAMMA)), np.uint8)


def _compressed(light: Float32) -> Float32:
    """Light above the knee brought below 1, so that the peak becomes 1."""
    j, peak = _KNEE, _PEAK / _WHITE
    a = -(j**2) * (peak - 1) / (j**2 - 2 * j + peak)
    b = (j**2 - 2 * j * peak + peak) / (peak - 1)
    curve = (b**2 + 2 * b * j + j**2) / (b - a) * (light + a) / (light + b)
    return np.asarray(np.where(light <= j, light, np.minimum(curve, 1.0)), np.float32)
