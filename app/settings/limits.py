"""The two routing limits that a user can change, and their relation to a model's calibration."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from engine.backends.contract import ExpressionCalibration


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits as sessions store them; the CSV columns are named tau_accept and tau_ood.

    The second one is not on the scale of the calibration's epistemic limit, which is in nats and differs from model to
    model. It is the share of validation faces with a lower epistemic uncertainty, as `Uncertainty.ood_score` is.
    """

    aleatoric_limit: float  # nats; a face with more aleatoric uncertainty is ambiguous
    ood_limit: float  # 0-1; a face with a larger ood_score is not assessed


def are_valid(limits: Limits) -> bool:
    """Whether both limits are in their ranges: aleatoric_limit finite and 0 or more, ood_limit from 0 to 1."""
    return 0 <= limits.aleatoric_limit < math.inf and 0 <= limits.ood_limit <= 1


def limits_of(calibration: ExpressionCalibration) -> Limits:
    """Return the model's own limits."""
    return Limits(calibration.aleatoric_limit, 1.0 - calibration.false_rejection)


def recalibrated(calibration: ExpressionCalibration, limits: Limits) -> ExpressionCalibration:
    """Return the calibration with other limits; with the model's own limits, ``calibration`` itself.

    Raises:
        ValueError: aleatoric_limit is negative or not finite, or ood_limit is outside 0-1.
    """
    if limits == limits_of(calibration):
        return calibration
    if not are_valid(limits):
        raise ValueError(f"{limits} cannot be used: aleatoric_limit must be 0 or more, ood_limit between 0 and 1")
    moved = dataclasses.replace(calibration, aleatoric_limit=limits.aleatoric_limit)
    if limits.ood_limit == limits_of(calibration).ood_limit:
        return moved  # the model's own epistemic limit was fitted; the quantiles only approximate it
    shares = np.linspace(0.0, 1.0, len(calibration.epistemic_quantiles))
    epistemic_limit = float(np.interp(limits.ood_limit, shares, calibration.epistemic_quantiles))
    return dataclasses.replace(moved, epistemic_limit=epistemic_limit, false_rejection=1.0 - limits.ood_limit)
