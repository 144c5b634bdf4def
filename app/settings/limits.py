"""The two routing limits that a user can change, and their relation to a model's calibration."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Final

from engine.backends.contract import ExpressionCalibration

#: Largest share of validation faces that the most careful limits assess.
_CAREFUL_OOD: Final = 0.5


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


def bold_limits(model: Limits, boldness: float, most_nats: float) -> Limits:
    """Both limits from one number: 0 = the most careful ones, 0.5 = the model's own, 1 = the boldest.

    The most careful ones give no single label and assess half of the validation faces; the boldest ones always give a
    single label.

    Args:
        model: the model's own limits.
        boldness: 0-1; in between, both limits change in proportion to it.
        most_nats: largest aleatoric uncertainty.
    """
    careful, bold = Limits(0.0, min(_CAREFUL_OOD, model.ood_limit)), Limits(most_nats, 1.0)
    other, share = (bold, 2 * boldness - 1) if boldness > 0.5 else (careful, 1 - 2 * boldness)
    return Limits(
        model.aleatoric_limit + share * (other.aleatoric_limit - model.aleatoric_limit),
        model.ood_limit + share * (other.ood_limit - model.ood_limit),
    )


def boldness_of(model: Limits, limits: Limits, most_nats: float) -> float:
    """The boldness whose limits are nearest: the mean of those that either limit alone has."""
    import numpy as np  # the preferences need this module before the window is painted

    careful, bold = bold_limits(model, 0.0, most_nats), bold_limits(model, 1.0, most_nats)
    pairs = (
        (limits.aleatoric_limit, careful.aleatoric_limit, model.aleatoric_limit, bold.aleatoric_limit),
        (limits.ood_limit, careful.ood_limit, model.ood_limit, bold.ood_limit),
    )
    return sum(float(np.interp(now, (low, own, high), (0.0, 0.5, 1.0))) for now, low, own, high in pairs) / 2


def recalibrated(calibration: ExpressionCalibration, limits: Limits) -> ExpressionCalibration:
    """Return the calibration with other limits; with the model's own limits, ``calibration`` itself.

    Raises:
        ValueError: aleatoric_limit is negative or not finite, or ood_limit is outside 0-1.
    """
    import numpy as np

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
