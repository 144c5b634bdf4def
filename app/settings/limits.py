"""The two limits that a user may move, and how they stand in a model's calibration."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from engine.backends.contract import ExpressionCalibration


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Both as they stand in tables."""

    tau_accept: float  # nats of aleatoric uncertainty; above it a face is ambiguous
    tau_ood: float  # 0-1 on the scale of ood_score; above it a face is not assessed


def thresholds_of(calibration: ExpressionCalibration) -> Thresholds:
    """What the model was calibrated to."""
    return Thresholds(calibration.max_aleatoric, 1.0 - calibration.false_rejection)


def recalibrated(calibration: ExpressionCalibration, thresholds: Thresholds) -> ExpressionCalibration:
    """The calibration with other limits; the model's own limits give the model's own calibration back.

    Raises:
        ValueError: tau_accept below 0 or not finite, or tau_ood outside 0-1.
    """
    if thresholds == thresholds_of(calibration):
        return calibration
    if not (0 <= thresholds.tau_accept < math.inf and 0 <= thresholds.tau_ood <= 1):
        raise ValueError(f"{thresholds} cannot be used: tau_accept must be 0 or more, tau_ood between 0 and 1")
    moved = dataclasses.replace(calibration, max_aleatoric=thresholds.tau_accept)
    if thresholds.tau_ood == thresholds_of(calibration).tau_ood:
        return moved  # the model's own limit was fitted; the quantiles only come near it
    shares = np.linspace(0.0, 1.0, len(calibration.epistemic_quantiles))
    max_epistemic = float(np.interp(thresholds.tau_ood, shares, calibration.epistemic_quantiles))
    return dataclasses.replace(moved, max_epistemic=max_epistemic, false_rejection=1.0 - thresholds.tau_ood)
