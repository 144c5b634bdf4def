"""Fitting the temperature and the thresholds of the expression ensemble (training), and applying them (engine).

Everything is fitted on validation faces, never on test faces, and in this order: the temperature first, because it
changes both uncertainties, then the thresholds (UAR, SPEC 4.1-4.2). Votes are counts or shares of the raters; only
their proportions matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from engine.backends.contract import ExpressionCalibration
from engine.types import ExpressionEstimate, Float64, Uncertainty
from engine.uncertainty.scores import FloatArray, decompose

#: Temperatures that are searched; a fit at one of these ends means that no finite temperature suits the logits.
MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0
_GRID: Final = 25  # coarse steps on a log scale, which find the valley
_REFINEMENTS: Final = 40  # golden-section steps in it; each shrinks it to 0.618, so ln T is exact to 1e-9
_GOLDEN: Final = (math.sqrt(5.0) - 1.0) / 2.0


def fit_temperature(logits: FloatArray, votes: FloatArray) -> float:
    """The one temperature, shared by the members, at which their mean probability suits the votes best.

    Minimises the mean over faces of -sum_c v_c ln p_c with p = mean over members of softmax(logits / T), over ln T.

    Args:
        logits: (N, M, C).
        votes: (N, C), at least one vote per face.

    Raises:
        ValueError: no face, shapes that do not match, values that are not finite, or a face without votes.
    """
    scores = _values("logits", logits, 3)
    shares = _shares(votes, (scores.shape[0], scores.shape[2]))
    low, high = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    grid = np.linspace(low, high, _GRID)
    best = int(np.argmin([_negative_log_likelihood(scores, shares, float(point)) for point in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)])
    for _ in range(_REFINEMENTS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _negative_log_likelihood(scores, shares, left) <= _negative_log_likelihood(scores, shares, right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def fit_max_epistemic(epistemic: FloatArray, false_rejection: float = 0.05) -> float:
    """The smallest limit above which at most this share of clean validation faces lies; ``epistemic`` (N,) in nats.

    Raises:
        ValueError: no face, values that are not finite, or a share outside 0-1.
    """
    values = _values("epistemic", epistemic, 1)
    if not 0.0 < false_rejection < 1.0:
        raise ValueError(f"false_rejection must lie between 0 and 1, not {false_rejection}")
    return float(np.quantile(values, 1.0 - false_rejection, method="inverted_cdf"))


def fit_max_aleatoric(aleatoric: FloatArray, ambiguous: npt.NDArray[np.bool_]) -> float:
    """The limit for which "aleatoric above it" tells ambiguous faces from the others with the best balanced accuracy.

    Candidates lie midway between neighbouring values; of equally good ones the lowest is taken.

    Args:
        aleatoric: (N,) nats.
        ambiguous: (N,) whether the raters disagreed about the face.

    Raises:
        ValueError: no face, values that are not finite, only one kind of face, or one value for all.
    """
    values = _values("aleatoric", aleatoric, 1)
    truth = np.asarray(ambiguous, np.bool_)
    if truth.shape != values.shape:
        raise ValueError(f"ambiguous must be of shape {values.shape}, not {truth.shape}")
    positives = int(truth.sum())
    if positives in (0, truth.size):
        raise ValueError(f"{positives} of {truth.size} faces are ambiguous: both kinds are needed to fit a limit")
    distinct = np.unique(values)
    if distinct.size < 2:
        raise ValueError(f"all {truth.size} faces have aleatoric {distinct[0]}: no limit can tell them apart")
    limits = (distinct[:-1] + distinct[1:]) / 2
    sensitivity = 1.0 - np.searchsorted(np.sort(values[truth]), limits, "right") / positives
    specificity = np.searchsorted(np.sort(values[~truth]), limits, "right") / (truth.size - positives)
    return float(limits[np.argmax(sensitivity + specificity)])


def epistemic_quantiles(epistemic: FloatArray, count: int = 101) -> tuple[float, ...]:
    """Quantiles of validation faces at ``count`` equally spaced shares from 0 to 1; ``epistemic`` (N,) in nats.

    Raises:
        ValueError: no face, values that are not finite, or fewer than two quantiles asked for.
    """
    values = _values("epistemic", epistemic, 1)
    if count < 2:
        raise ValueError(f"at least 2 quantiles are needed, not {count}")
    return tuple(float(value) for value in np.quantile(values, np.linspace(0.0, 1.0, count)))


def ood_score(epistemic: float, quantiles: Sequence[float]) -> float:
    """Share 0-1 of the validation faces with a smaller epistemic part, by straight lines between the quantiles.

    Raises:
        ValueError: NaN, or fewer than two quantiles, or quantiles that fall.
    """
    steps = _values("quantiles", np.asarray(quantiles), 1)
    if math.isnan(epistemic) or steps.size < 2 or (np.diff(steps) < 0).any():
        raise ValueError(f"epistemic {epistemic} cannot be placed among {steps.size} quantiles, which must rise")
    shares = np.linspace(0.0, 1.0, steps.size)
    first = int(np.searchsorted(steps, epistemic, "left"))
    if first < steps.size and steps[first] == epistemic:
        return float(shares[first])  # of equal quantiles the first: faces with the same value are not smaller
    return float(np.interp(epistemic, steps, shares))


def assess_uncertainty(estimate: ExpressionEstimate, calibration: ExpressionCalibration) -> Uncertainty:
    """The uncertainty of one face, placed among the validation faces of its model."""
    parts = decompose(estimate.members)
    epistemic = float(parts.epistemic)
    score = ood_score(epistemic, calibration.epistemic_quantiles)
    return Uncertainty(float(parts.total), float(parts.aleatoric), epistemic, score)


def expected_calibration_error(
    probabilities: FloatArray,
    votes: FloatArray,
    bins: int = 15,
    against: Literal["raters", "majority"] = "raters",
) -> float:
    """Mean distance 0-1 between confidence and agreement, over bins of equal width of the top probability (ECE).

    ECE = sum_b n_b / N |mean confidence - mean agreement|. Against the raters, the agreement of a face is the share of
    votes for the predicted class; against the majority, it is 1 when that class has the most votes (the first of equal
    ones: leave out faces without a majority before). Guo et al., "On calibration of modern neural networks", ICML 2017.

    Args:
        probabilities: (N, C).
        votes: (N, C), at least one vote per face.
        bins: how many.
        against: what the agreement is measured against.

    Raises:
        ValueError: no face, shapes that do not match, values that are not finite, a face without votes, or no bin.
    """
    values = _values("probabilities", probabilities, 2)
    shares = _shares(votes, (values.shape[0], values.shape[1]))
    if bins < 1:
        raise ValueError(f"at least 1 bin is needed, not {bins}")
    predicted = values.argmax(1)
    confidence = values.max(1)
    faces = np.arange(len(values))
    agreement = shares[faces, predicted] if against == "raters" else (shares.argmax(1) == predicted).astype(np.float64)
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(index, confidence - agreement, bins)  # n_b times the difference of the means
    return float(np.abs(gaps).sum() / len(values))


def _negative_log_likelihood(logits: Float64, shares: Float64, log_temperature: float) -> float:
    scaled = logits / math.exp(log_temperature)
    log_p = scaled - np.logaddexp.reduce(scaled, axis=-1, keepdims=True)  # (N, M, C)
    mean = np.logaddexp.reduce(log_p, axis=1) - math.log(logits.shape[1])  # (N, C) ln of the mean member
    return float(-(shares * mean).sum(-1).mean())


def _values(name: str, array: npt.NDArray[Any], axes: int) -> Float64:
    """The array in float64, checked: this many axes, none empty, no NaN."""
    values = np.asarray(array, np.float64)
    if values.ndim != axes or not values.size:
        raise ValueError(f"{name} must have {axes} axes and at least one value, not shape {values.shape}")
    if not np.isfinite(values).all():
        odd = int((~np.isfinite(values)).sum())
        raise ValueError(f"{name} of shape {values.shape} holds {odd} values that are not finite")
    return values


def _shares(votes: FloatArray, shape: tuple[int, int]) -> Float64:
    """Votes (N, C) as shares that sum to 1 per face."""
    values = _values("votes", votes, 2)
    if values.shape != shape:
        raise ValueError(f"votes must be of shape {shape}, not {values.shape}")
    sums = values.sum(1, keepdims=True)
    if (values < 0).any() or (sums <= 0).any():
        raise ValueError(f"{int((sums <= 0).sum())} of {len(values)} faces have no votes, or a vote is negative")
    return np.asarray(values / sums)
