"""Defocus, glass, motion and zoom blur. Images are (S, S) float32, 0-1; the caller clips the result."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import cv2
import numpy as np

from engine.types import Float32, Float64, Int64

#: Border mode: repeat the edge pixel, or mirror the image including the edge pixel.
Border = Literal["edge", "symmetric"]
#: Disks up to this radius share one kernel size, as published.
_DISK_RADIUS_PX: Final = 8


@dataclass(frozen=True, slots=True)
class Glass:
    """Strength of `glass_blur`."""

    deviation_px: float  # of the Gaussian before and after
    reach_px: int  # largest displacement, per axis
    rounds: int


@dataclass(frozen=True, slots=True)
class Smear:
    """Motion along a line: weights of a half Gaussian over 2 x radius + 1 pixels."""

    radius_px: int
    deviation_px: float


def defocus_blur(image: Float32, disk: tuple[float, float], random: np.random.Generator) -> Float32:
    """Blur by a disk of a radius, its edge softened by a Gaussian deviation: ``disk`` = (radius, deviation), pixels."""
    return np.asarray(cv2.filter2D(image, -1, _disk_kernel(*disk)), np.float32)


@lru_cache(maxsize=16)
def _disk_kernel(radius_px: float, deviation_px: float) -> Float32:
    reach = _DISK_RADIUS_PX if radius_px <= _DISK_RADIUS_PX else int(radius_px)
    soft = 3 if radius_px <= _DISK_RADIUS_PX else 5
    offsets = np.arange(-reach, reach + 1)
    disk = (offsets[:, None] ** 2 + offsets[None] ** 2 <= radius_px**2).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(disk / disk.sum(), (soft, soft), deviation_px), np.float32)


def glass_blur(image: Float32, glass: Glass, random: np.random.Generator) -> Float32:
    """Blur, replace every pixel by a nearby one, from the last to the first, blur again.

    The published code is written as a swap, but on views of a colour image it copies, and the benchmark's images were
    generated that way. A true swap would carry single pixels across the image.
    """
    side, reach = len(image), glass.reach_px
    levels = (gaussian_blur(image, glass.deviation_px, 4.0, "edge") * 255).astype(np.uint8)
    rows = np.arange(side - reach, reach, -1)
    here = (rows[:, None] * side + rows[None]).ravel()  # ((S - 2 reach)^2,) in reading order from the end
    pixels = levels.ravel().tolist()  # Python integers: sequential copies are faster on a list
    for _ in range(glass.rounds):
        moves = random.integers(-reach, reach, (len(here), 2))
        there = here + moves[:, 1] * side + moves[:, 0]
        for first, second in zip(here.tolist(), there.tolist(), strict=True):
            pixels[first] = pixels[second]
    shuffled = np.array(pixels, np.float32).reshape(side, side) / np.float32(255)
    return gaussian_blur(shuffled, glass.deviation_px, 4.0, "edge")


def motion_blur(image: Float32, smear_by: Smear, random: np.random.Generator) -> Float32:
    """Motion in a direction between -45 and 45 degrees."""
    return smear(image, smear_by, float(random.uniform(-45, 45)))


def smear(image: Float32, by: Smear, angle_deg: float) -> Float32:
    """Motion blur as in ImageMagick's MagickMotionBlurImage, with replicated edges."""
    taps = np.arange(2 * by.radius_px + 1)
    weights = np.exp(-(taps**2) / (2 * by.deviation_px**2))
    sin, cos = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
    x = np.ceil(taps * cos - 0.5).astype(np.int64)
    y = np.ceil(taps * sin - 0.5).astype(np.int64)
    reach = int(max(np.abs(x).max(), np.abs(y).max()))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    np.add.at(kernel, (reach + y, reach + x), weights / weights.sum())
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def zoom_blur(image: Float32, zooms: tuple[float, float], random: np.random.Generator) -> Float32:
    """Mean of the image and of itself magnified about its centre.

    ``zooms`` = (stop, step) of ``np.arange(1, stop, step)``; rounding lets some ranges hold their stop, as published.
    """
    factors = np.arange(1, *zooms)
    layers = sum((clipped_zoom(image, float(factor)) for factor in factors), np.zeros_like(image))
    return np.asarray((image + layers) / (len(factors) + 1), np.float32)


def clipped_zoom(image: Float32, factor: float) -> Float32:
    """Magnify the centre and cut to the old side, as scipy.ndimage.zoom of order 1 (corners fall on corners)."""
    side = len(image)
    part = math.ceil(side / factor)
    grown = round(part * factor)
    step = (part - 1) / (grown - 1)
    start = (side - part) // 2 + (grown - side) // 2 * step
    place = np.array([[step, 0.0, start], [0.0, step, start]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(image, place, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def gaussian_blur(image: Float32, deviation_px: float, truncate: float, border: Border) -> Float32:
    """Gaussian blur with weights up to ``truncate`` deviations, as scipy.ndimage.gaussian_filter; 0 changes nothing."""
    along = _gaussian_matrix(len(image), deviation_px, truncate, border)
    return np.asarray(along @ image @ along.T, np.float32)


@lru_cache(maxsize=32)
def _gaussian_matrix(side: int, deviation_px: float, truncate: float, border: Border) -> Float32:
    """The blur along one axis as a matrix (S, S): the kernel may be far wider than the image."""
    reach = int(truncate * deviation_px + 0.5)
    taps: Int64 = np.arange(-reach, reach + 1)
    weights: Float64 = np.exp(-(taps**2) / (2 * deviation_px**2)) if reach else np.ones(1)
    inside = np.pad(np.arange(side), reach, mode=border)  # source pixel of each position beyond the edge
    matrix = np.zeros((side, side))
    for tap, weight in enumerate(weights / weights.sum()):
        np.add.at(matrix, (np.arange(side), inside[tap : tap + side]), weight)
    return matrix.astype(np.float32)
