"""Places a face's uncertainty among the validation faces of its model (UAR, SPEC 4.1, 4.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.backends.contract import ExpressionCalibration
from engine.types import ExpressionEstimate, Uncertainty
from engine.uncertainty.scores import decompose


def ood_score(epistemic: float, quantiles: Sequence[float]) -> float:
    """Share 0-1 of the validation faces with a smaller epistemic part, interpolated between the quantiles.

    Raises:
        ValueError: NaN, fewer than two quantiles, or quantiles that are not finite or fall.
    """
    steps = np.asarray(quantiles, np.float64)
    if math.isnan(epistemic) or steps.size < 2 or not np.isfinite(steps).all() or (np.diff(steps) < 0).any():
        raise ValueError(f"epistemic {epistemic} cannot be placed among {steps.size} quantiles, which must rise")
    shares = np.linspace(0.0, 1.0, steps.size)
    first = int(np.searchsorted(steps, epistemic, "left"))
    if first < steps.size and steps[first] == epistemic:
        return float(shares[first])  # of equal quantiles the first: faces with the same value are not smaller
    return float(np.interp(epistemic, steps, shares))


def assess_uncertainty(estimate: ExpressionEstimate, calibration: ExpressionCalibration) -> Uncertainty:
    """Uncertainty of one face, with its share among the validation faces of its model as ``ood_score``."""
    parts = decompose(estimate.members)
    epistemic = float(parts.epistemic)
    score = ood_score(epistemic, calibration.epistemic_quantiles)
    return Uncertainty(float(parts.total), float(parts.aleatoric), epistemic, score)
