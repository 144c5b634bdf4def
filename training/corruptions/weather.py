"""Snow, frost, fog and brightness. Images are (S, S) float32, 0-1; the caller clips the result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from engine.types import Float32, Float64
from training.corruptions.blur import Smear, clipped_zoom, smear

#: Mean and standard deviation, 0-1, of the grey levels of the benchmark's five frost photographs, measured.
_FROSTS: Final = ((0.51, 0.07), (0.80, 0.09), (0.80, 0.09), (0.59, 0.11), (0.47, 0.17))
_FROST_SIDE_PX: Final = 512
#: Directions that the needles of one frost take.
_NEEDLE_DIRECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Snow:
    """Strength of `snow`."""

    mean: float  # of the noise that flakes are made from
    deviation: float
    zoom: float  # magnification of the flakes
    threshold: float  # below it there is no flake
    smear: Smear
    kept: float  # share of the image's own contrast; the rest is whitened


def snow(image: Float32, strength: Snow, random: np.random.Generator) -> Float32:
    """Flakes falling at a slant, with the same flakes turned by half a turn, on a whitened image."""
    noise = random.normal(strength.mean, strength.deviation, image.shape).astype(np.float32)
    flakes = clipped_zoom(noise, strength.zoom)
    flakes = np.where(flakes < strength.threshold, np.float32(0), np.clip(flakes, 0, 1))
    flakes = smear(flakes, strength.smear, float(random.uniform(-135, -45)))
    whitened = np.maximum(image, image * np.float32(1.5) + np.float32(0.5))
    ground = strength.kept * image + (1 - strength.kept) * whitened
    return np.asarray(ground + flakes + flakes[::-1, ::-1], np.float32)


def frost(image: Float32, strength: tuple[float, float, int], random: np.random.Generator) -> Float32:
    """``strength`` = (weight of the image, weight of the frost, length of its needles in pixels).

    The published corruption adds a crop of one of five photographs of frost (CIFAR-C: shrunk to a fifth), which we may
    not ship. Here the five are made: needles over slow shades, each with the mean and contrast of a photograph, and
    neighbouring pixels as alike as there (correlation .5). It is close to the published corruption, not equal to it.
    """
    own, added, needle_px = strength
    frosts = frost_textures(needle_px)
    side = len(image)
    top, left = random.integers(0, _FROST_SIDE_PX - side, 2)
    crop = frosts[random.integers(len(frosts)), top : top + side, left : left + side]
    return np.asarray(own * image + added * crop, np.float32)


@lru_cache(maxsize=4)
def frost_textures(needle_px: int) -> Float32:
    """Five grey frosts (5, 512, 512), 0-1, always the same ones."""
    random = np.random.default_rng(needle_px)
    textures = []
    for mean, deviation in _FROSTS:
        needles = np.zeros((_FROST_SIDE_PX, _FROST_SIDE_PX), np.float32)
        for angle_deg in random.uniform(0, 360, _NEEDLE_DIRECTIONS):
            spikes = random.normal(size=needles.shape).astype(np.float32) ** 3
            needles = np.maximum(needles, smear(spikes, Smear(needle_px, needle_px / 2), float(angle_deg)))
        coarse = random.normal(size=(_FROST_SIDE_PX // 16,) * 2).astype(np.float32)
        shades = cv2.resize(coarse, needles.shape, interpolation=cv2.INTER_CUBIC)
        texture = 0.8 * _standardised(needles) + 0.6 * _standardised(np.asarray(shades, np.float32))
        textures.append(np.clip(mean + deviation * texture, 0, 1))
    return np.asarray(textures, np.float32)


def _standardised(values: Float32) -> Float32:
    return np.asarray((values - values.mean()) / values.std(), np.float32)


def fog(image: Float32, strength: tuple[float, float], random: np.random.Generator) -> Float32:
    """Clouds of a plasma fractal; ``strength`` = (thickness, how fast the clouds lose detail)."""
    thickness, decay = strength
    side = len(image)
    clouds = plasma_fractal(1 << (side - 1).bit_length(), decay, random)[:side, :side]
    brightest = image.max()
    return np.asarray((image + thickness * clouds) * brightest / (brightest + thickness), np.float32)


def plasma_fractal(side: int, decay: float, random: np.random.Generator) -> Float32:
    """Height map (side, side), 0-1, by the diamond-square algorithm on a torus; ``side`` is a power of two."""
    heights = np.zeros((side, side))
    step, roughness = side, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        centres = corners + np.roll(corners, -1, 0) + np.roll(corners, -1, 1) + np.roll(corners, (-1, -1), (0, 1))
        heights[half::step, half::step] = _wibbled(centres, roughness, random)
        middles = heights[half::step, half::step]
        upright = middles + np.roll(middles, 1, 0) + corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = _wibbled(upright, roughness, random)
        lying = middles + np.roll(middles, 1, 1) + corners + np.roll(corners, -1, 0)
        heights[half::step, ::step] = _wibbled(lying, roughness, random)
        step, roughness = half, roughness / decay
    heights -= heights.min()
    return np.asarray(heights / heights.max(), np.float32)


def _wibbled(sums: Float64, roughness: float, random: np.random.Generator) -> Float64:
    """Mean of four neighbours, shifted at random; the roughness enters twice, as published."""
    return np.asarray(sums / 4 + roughness * random.uniform(-roughness, roughness, sums.shape))


def brightness(image: Float32, shift: float, random: np.random.Generator) -> Float32:
    """Brighter by ``shift`` of the full range (the value of HSV, which for grey is the grey level)."""
    return np.asarray(image + shift, np.float32)
