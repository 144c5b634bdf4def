"""Fits the temperature and the two routing limits of an expression model on validation faces (UAR, SPEC 4.1, 4.2).

The temperature comes first, because it changes both uncertainties. Votes are counts or shares of the raters; only their
proportions matter. The engine applies the result (engine/uncertainty.py).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from engine.types import Float64
from training.metrics.decisions import macro_f1

#: Range of temperatures; a fit at one of its ends means that no finite temperature suits the logits.
MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0
#: Coarse steps on a log scale that find the valley, and the tolerance in ln T inside it.
_GRID: Final = 25
_TOLERANCE: Final = 1e-9

#: Strengths of the logit adjustment that are tried, 0 first.
ADJUSTMENTS: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)

FloatArray = npt.NDArray[np.floating[Any]]


def fit_temperature(logits: FloatArray, votes: FloatArray) -> float:
    """The temperature, shared by the members, whose mean probability has the lowest NLL against the votes.

    Minimises the mean over faces of -sum_c v_c ln p_c with p = mean over members of softmax(logits / T), over ln T.

    Args:
        logits: (N, M, C).
        votes: (N, C), at least one vote per face.

    Raises:
        ValueError: no face, shapes that do not match, values that are not finite, or a face without votes.
    """
    scores = _values("logits", logits, 3)
    shares = _shares(votes, (scores.shape[0], scores.shape[2]))

    def nll(log_temperature: float) -> float:
        return _negative_log_likelihood(scores, shares, log_temperature)

    grid = np.linspace(math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE), _GRID)
    best = int(np.argmin([nll(float(point)) for point in grid]))
    valley = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)]))
    return math.exp(minimize_scalar(nll, bounds=valley, method="bounded", options={"xatol": _TOLERANCE}).x)


def fit_logit_adjustment(logits: FloatArray, votes: FloatArray, labels: npt.NDArray[np.int64]) -> Float64:
    """What is added to the logits of each class (C,) so that rare classes are found more often.

    Menon et al., "Long-tail learning via logit adjustment", ICLR 2021 (arXiv 2007.07314): -tau ln pi with the share pi
    of each class in the votes. Of the strengths tau in `ADJUSTMENTS` the one with the best macro-F1 wins, among those
    whose NLL against the votes, after their own temperature, is no higher than without any.

    Args:
        logits: (N, M, C).
        votes: (N, C).
        labels: (N,) majority labels, -1 where there is none.

    Raises:
        ValueError: as in `fit_temperature`.
    """
    scores = _values("logits", logits, 3)
    shares = _shares(votes, (scores.shape[0], scores.shape[2]))
    rarity = -np.log(np.maximum(shares.mean(0), 1e-6))
    rarity -= rarity.min()
    clear = labels >= 0
    best, best_score, plain_nll = 0.0, -1.0, np.inf
    for strength in ADJUSTMENTS:
        adjusted = scores + strength * rarity
        log_temperature = math.log(fit_temperature(adjusted, shares))
        nll = _negative_log_likelihood(adjusted, shares, log_temperature)
        if strength == 0.0:
            plain_nll = nll
        scaled = adjusted / math.exp(log_temperature)
        scaled -= np.logaddexp.reduce(scaled, axis=-1, keepdims=True)
        named = np.logaddexp.reduce(scaled, axis=1).argmax(1)
        score = macro_f1(labels[clear], named[clear], scores.shape[2])
        if nll <= plain_nll and score > best_score:
            best, best_score = strength, score
    return np.asarray(best * rarity, np.float64)


def fit_epistemic_limit(epistemic: FloatArray, false_rejection: float = 0.05) -> float:
    """The smallest limit above which at most this share of clean validation faces lies; ``epistemic`` (N,) in nats.

    Raises:
        ValueError: no face, values that are not finite, or a share outside 0-1.
    """
    values = _values("epistemic", epistemic, 1)
    if not 0.0 < false_rejection < 1.0:
        raise ValueError(f"false_rejection must lie between 0 and 1, not {false_rejection}")
    return float(np.quantile(values, 1.0 - false_rejection, method="inverted_cdf"))


def fit_aleatoric_limit(aleatoric: FloatArray, ambiguous: npt.NDArray[np.bool_]) -> float:
    """The limit above which faces are called ambiguous with the best F1 against the raters.

    Balanced accuracy, the criterion up to version 0.1.0, called 41 % of the faces ambiguous where the raters do 14 %,
    because it counts a wrong call among the many clear faces as little. Candidates lie midway between neighbouring
    values; the lowest of equally good ones wins.

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
        raise ValueError(f"all {truth.size} faces have aleatoric {distinct[0]}: no limit can separate them")
    limits = (distinct[:-1] + distinct[1:]) / 2
    hits = positives - np.searchsorted(np.sort(values[truth]), limits, "right")
    called = truth.size - np.searchsorted(np.sort(values), limits, "right")
    return float(limits[np.argmax(2 * hits / (called + positives))])


def epistemic_quantiles(epistemic: FloatArray, count: int = 101) -> tuple[float, ...]:
    """Quantiles of validation faces at ``count`` equally spaced shares from 0 to 1; ``epistemic`` (N,) in nats.

    Raises:
        ValueError: no face, values that are not finite, or fewer than two quantiles.
    """
    values = _values("epistemic", epistemic, 1)
    if count < 2:
        raise ValueError(f"at least 2 quantiles are needed, not {count}")
    return tuple(float(value) for value in np.quantile(values, np.linspace(0.0, 1.0, count)))


def _negative_log_likelihood(logits: Float64, shares: Float64, log_temperature: float) -> float:
    scaled = logits / math.exp(log_temperature)
    log_p = scaled - np.logaddexp.reduce(scaled, axis=-1, keepdims=True)  # (N, M, C)
    mean = np.logaddexp.reduce(log_p, axis=1) - math.log(logits.shape[1])  # (N, C) ln of the mean member
    return float(-(shares * mean).sum(-1).mean())


def _values(name: str, array: npt.NDArray[Any], axes: int) -> Float64:
    """The array in float64, checked: this many axes, none empty, all values finite."""
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
