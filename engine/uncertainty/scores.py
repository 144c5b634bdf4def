"""Uncertainty from members that disagree: total = aleatoric + epistemic, in nats.

The expression ensemble (UAR) and the sampled graph of the action units (UGN) use the same split: the entropy of the
mean is the total, the mean of the entropies is aleatoric, and what is left, the mutual information, is epistemic.
Every function works on any number of leading axes, so that training calls what the engine calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.types import Float32, Float64

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionUncertainty:
    """Uncertainty over classes, one value per face: arrays (...), without axes for a single face."""

    total: Float64  # nats, at most ln C
    aleatoric: Float64  # nats
    epistemic: Float64  # nats, never negative


@dataclass(frozen=True, slots=True, eq=False)
class BinaryUncertainty:
    """Uncertainty of yes-or-no labels, one value per label: arrays (..., K)."""

    total: Float32  # nats, at most ln 2
    aleatoric: Float32  # nats
    epistemic: Float32  # nats, never negative


def entropy(p: FloatArray, axis: int = -1) -> Float64:
    """Shannon entropy in nats along an axis of probabilities, with 0 ln 0 = 0; computed in float64.

    >>> round(float(entropy(np.array([0.5, 0.5, 0.0]))), 4)
    0.6931
    """
    values = np.asarray(p, np.float64)
    # Adding 0 turns the -0.0 of a certain distribution into 0.0.
    return np.asarray(-(values * np.log(np.where(values > 0, values, 1.0))).sum(axis) + 0.0)


def decompose(members: FloatArray) -> ExpressionUncertainty:
    """Split the uncertainty of an ensemble (..., M, C) of class probabilities into arrays (...) (SPEC 4.1).

    Raises:
        ValueError: there is no member, or no class.
    """
    values = _members(members, "(..., M, C)")
    total = entropy(values.mean(-2))
    aleatoric = np.asarray(entropy(values).mean(-1))
    return ExpressionUncertainty(total, aleatoric, np.asarray(np.maximum(total - aleatoric, 0.0)))


def binary_decomposition(probabilities: FloatArray) -> BinaryUncertainty:
    """Split the uncertainty of S samples (..., S, K) of K occurrence probabilities into arrays (..., K) (SPEC 3.3).

    Raises:
        ValueError: there is no sample, or no label.
    """
    values = _members(probabilities, "(..., S, K)")
    total = _binary_entropy(values.mean(-2))
    aleatoric = _binary_entropy(values).mean(-2)
    epistemic = np.maximum(total - aleatoric, 0.0)
    return BinaryUncertainty(total.astype(np.float32), aleatoric.astype(np.float32), epistemic.astype(np.float32))


def _binary_entropy(p: Float64) -> Float64:
    return entropy(np.stack([p, 1.0 - p], axis=-1))


def _members(values: FloatArray, form: str) -> Float64:
    array = np.asarray(values, np.float64)
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise ValueError(f"probabilities must be {form} with at least one of each, not of shape {array.shape}")
    return array
