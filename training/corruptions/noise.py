"""Gaussian, shot and impulse noise. Images are (S, S) float32, 0-1; the caller clips the result."""

from __future__ import annotations

import numpy as np

from engine.types import Float32


def gaussian_noise(image: Float32, deviation: float, random: np.random.Generator) -> Float32:
    """Normal noise; ``deviation`` in units of the full range."""
    return image + random.normal(0.0, deviation, image.shape).astype(np.float32)


def shot_noise(image: Float32, photons: float, random: np.random.Generator) -> Float32:
    """Poisson noise of a sensor that counts ``photons`` in a white pixel."""
    return np.asarray(random.poisson(image * photons) / photons, np.float32)


def impulse_noise(image: Float32, share: float, random: np.random.Generator) -> Float32:
    """Salt and pepper: a ``share`` of the pixels turns white or black, with equal chance."""
    drawn = random.random(image.shape)
    return np.where(drawn < share / 2, np.float32(0), np.where(drawn < share, np.float32(1), image))
