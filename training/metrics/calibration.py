"""Scores, calibration errors and distances of probabilities (N, C) against targets (N, C) (SPEC 7.2, 7.3).

Targets are shares that sum to 1 per face: those of the raters' votes, or one-hot for the majority label. The agreement
with a predicted class is its target share: 1 or 0 against the majority label, the share of raters who chose the class
against votes.

All calibration errors use one binning: the bin b holds confidences in (b / B, (b + 1) / B], B = 15 (Guo et al., "On
Calibration of Modern Neural Networks", ICML 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.types import Float64, Int64

BINS: Final = 15
#: Lower bound of a probability inside a logarithm.
_LEAST: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Bin:
    """Faces of similar confidence."""

    confidence: float  # mean of the top probability
    agreement: float  # mean share of the predicted class
    standard_error: float  # of the agreement
    n: int


def one_hot(labels: Int64, classes: int) -> Float64:
    """Targets (N, C) of labels (N,)."""
    return np.eye(classes)[labels]


def log_loss(probabilities: Float64, targets: Float64) -> Float64:
    """NLL of each face (N,) in nats: -sum_c t_c ln p_c."""
    return np.asarray(-(targets * np.log(np.maximum(probabilities, _LEAST))).sum(1))


def brier(probabilities: Float64, targets: Float64) -> Float64:
    """Brier score of each face (N,), 0-2: sum_c (p_c - t_c)^2."""
    return np.asarray(((probabilities - targets) ** 2).sum(1))


def kl_divergence(probabilities: Float64, targets: Float64) -> Float64:
    """KL(targets || probabilities) of each face (N,) in nats, with 0 ln 0 = 0."""
    return log_loss(probabilities, targets) - log_loss(targets, targets)


def total_variation(probabilities: Float64, targets: Float64) -> Float64:
    """Total variation distance of each face (N,), 0-1: half of sum_c |p_c - t_c|."""
    return np.asarray(np.abs(probabilities - targets).sum(1) / 2)


def top_agreement(probabilities: Float64, targets: Float64) -> Float64:
    """Target share (N,) of the predicted class of each face."""
    return np.asarray(targets[np.arange(len(targets)), probabilities.argmax(1)], np.float64)


def reliability(probabilities: Float64, targets: Float64, bins: int = BINS) -> tuple[Bin, ...]:
    """Non-empty bins of equal width of the top probability, by rising confidence."""
    confidence, agreement = probabilities.max(1), top_agreement(probabilities, targets)
    place = equal_width(confidence, bins)
    found = []
    for number in np.unique(place):
        inside = place == number
        n = int(inside.sum())
        error = float(agreement[inside].std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
        found.append(Bin(float(confidence[inside].mean()), float(agreement[inside].mean()), error, n))
    return tuple(found)


def calibration_error(confidence: npt.NDArray[Any], agreement: npt.NDArray[Any], bins: int = BINS) -> float:
    """ECE 0-1 of confidences against agreements (N,): sum over bins of n_b / N |mean confidence - mean agreement|.

    For a binary label the confidence is its probability and the agreement is the label.
    """
    values = np.asarray(confidence, np.float64)
    return _gap(values, np.asarray(agreement, np.float64), equal_width(values, bins))


def expected_calibration_error(probabilities: Float64, targets: Float64, bins: int = BINS) -> float:
    """`calibration_error` of the top probability."""
    return calibration_error(probabilities.max(1), top_agreement(probabilities, targets), bins)


def adaptive_calibration_error(probabilities: Float64, targets: Float64, bins: int = BINS) -> float:
    """ECE of the top probability over bins of equally many faces (Nguyen and O'Connor, EMNLP 2015)."""
    confidence = probabilities.max(1)
    place = np.empty(len(confidence), np.int64)
    place[np.argsort(confidence, kind="stable")] = np.arange(len(confidence)) * bins // len(confidence)
    return _gap(confidence, top_agreement(probabilities, targets), place)


def classwise_calibration_error(probabilities: Float64, targets: Float64, bins: int = BINS) -> float:
    """Mean over classes of the ECE of p_c against t_c, on all faces (Kull et al., NeurIPS 2019)."""
    pairs = zip(probabilities.T, targets.T, strict=True)
    return float(np.mean([calibration_error(ours, theirs, bins) for ours, theirs in pairs]))


def equal_width(confidence: Float64, bins: int) -> Int64:
    """Bin b (...) with b / bins < confidence <= (b + 1) / bins of each confidence 0-1; 0 falls into the first."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _gap(confidence: Float64, agreement: Float64, place: Int64) -> float:
    return float(np.abs(np.bincount(place, confidence - agreement)).sum() / len(place))
