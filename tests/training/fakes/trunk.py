"""A stand-in for dlib's weights: their shapes and magnitudes with random values."""

from __future__ import annotations

import numpy as np

from engine.types import Float32
from training.layers.face_trunk import KERNELS


def trunk_weights(seed: int = 0) -> dict[str, Float32]:
    """Arrays w0, b0, gamma0, beta0 ... beta28, small kernels and affines that restore the scale, as in the original."""
    random = np.random.default_rng(seed)
    weights: dict[str, Float32] = {}
    for number, shape in enumerate(KERNELS):
        width, fan_in = shape[0], int(np.prod(shape[1:]))
        gain = 0.5 * (2 / fan_in) ** 0.5 / 0.006
        weights[f"w{number}"] = random.normal(0, 0.006, shape).astype(np.float32)
        weights[f"b{number}"] = random.normal(0, 1e-3, width).astype(np.float32)
        weights[f"gamma{number}"] = (gain * random.uniform(0.5, 1.5, width)).astype(np.float32)
        weights[f"beta{number}"] = random.normal(0.1, 0.1, width).astype(np.float32)
    return weights
