"""Uncertainty from members that disagree: total = aleatoric + epistemic, in nats.

The expression ensemble (UAR) and the sampled graph of the action units (UGN) use the same split: the entropy of the
mean is the total, the mean of the entropies is aleatoric, and the rest, the mutual information, is epistemic. The split
works on any number of leading axes, so that training calls the same functions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.backends.contract import ExpressionCalibration
from engine.types import ExpressionEstimate, Float32, Float64, Uncertainty

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionUncertainty:
    """Uncertainty over classes, one value per face: arrays (...), without axes for a single face."""

    total: Float64  # nats, at most ln C
    aleatoric: Float64  # nats
    epistemic: Float64  # nats, never negative


@dataclass(frozen=True, slots=True, eq=False)
class BinaryUncertainty:
    """Uncertainty of binary labels, one value per label: arrays (..., K)."""

    total: Float32  # nats, at most ln 2
    aleatoric: Float32  # nats
    epistemic: Float32  # nats, never negative


def assess_uncertainty(estimate: ExpressionEstimate, calibration: ExpressionCalibration) -> Uncertainty:
    """Uncertainty of one face, with its place among the validation faces of the model."""
    parts = decompose(estimate.members)
    epistemic = float(parts.epistemic)
    score = ood_score(epistemic, calibration.epistemic_quantiles)
    return Uncertainty(float(parts.total), float(parts.aleatoric), epistemic, score)


def ood_score(epistemic: float, quantiles: Sequence[float]) -> float:
    """Share 0-1 of the validation faces with a smaller epistemic part, interpolated between the quantiles.

    Args:
        epistemic: nats.
        quantiles: of validation faces at equally spaced shares 0-1, rising; nats.

    Raises:
        ValueError: a value is NaN or infinite, or there are fewer than two quantiles, or they fall.
    """
    steps, shares, rise = _places(tuple(quantiles))
    if math.isnan(epistemic) or not rise:
        raise ValueError(f"epistemic {epistemic} cannot be placed among {steps.size} quantiles, which must rise")
    first = int(np.searchsorted(steps, epistemic, "left"))
    if first < steps.size and steps[first] == epistemic:
        return float(shares[first])  # of equal quantiles the first: faces with the same value are not smaller
    return float(np.interp(epistemic, steps, shares))


@functools.lru_cache(maxsize=4)
def _places(quantiles: tuple[float, ...]) -> tuple[Float64, Float64, bool]:
    """The quantiles, their shares, and whether they are two or more that rise."""
    steps = np.asarray(quantiles, np.float64)
    rise = steps.size > 1 and bool(np.isfinite(steps).all()) and not (np.diff(steps) < 0).any()
    return steps, np.linspace(0.0, 1.0, steps.size), rise


def decompose(members: FloatArray) -> ExpressionUncertainty:
    """Split the uncertainty of an ensemble (..., M, C) of class probabilities into arrays (...) (SPEC 4.1).

    Raises:
        ValueError: there is no member or no class.
    """
    values = _members(members, "(..., M, C)")
    total = entropy(values.mean(-2))
    aleatoric = np.asarray(entropy(values).mean(-1))
    return ExpressionUncertainty(total, aleatoric, np.asarray(np.maximum(total - aleatoric, 0.0)))


def binary_decomposition(probabilities: FloatArray) -> BinaryUncertainty:
    """Split the uncertainty of S samples (..., S, K) of K occurrence probabilities into arrays (..., K) (SPEC 3.3).

    Raises:
        ValueError: there is no sample or no label.
    """
    values = _members(probabilities, "(..., S, K)")
    total = _binary_entropy(values.mean(-2))
    aleatoric = _binary_entropy(values).mean(-2)
    epistemic = np.maximum(total - aleatoric, 0.0)
    return BinaryUncertainty(total.astype(np.float32), aleatoric.astype(np.float32), epistemic.astype(np.float32))


def entropy(p: FloatArray, axis: int = -1) -> Float64:
    """Shannon entropy in nats along an axis of probabilities, with 0 ln 0 = 0; computed in float64.

    >>> round(float(entropy(np.array([0.5, 0.5, 0.0]))), 4)
    0.6931
    """
    values = np.asarray(p, np.float64)
    # Adding 0 turns the -0.0 of a certain distribution into 0.0.
    return np.asarray(-(values * np.log(np.where(values > 0, values, 1.0))).sum(axis) + 0.0)


def _binary_entropy(p: Float64) -> Float64:
    return entropy(np.stack([p, 1.0 - p], axis=-1))


def _members(values: FloatArray, form: str) -> Float64:
    array = np.asarray(values, np.float64)
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise ValueError(f"probabilities must be {form} with at least one of each, not of shape {array.shape}")
    return array
