"""How well scores order faces: AUROC, average precision, rank correlation, limits that reject a share (SPEC 7.5).

`auroc`, `average_precision` and `spearman` give one value. The ``drawn_`` forms give an array (1 + B,) over all
bootstrap resamples (training/metrics/bootstrap.py). Equal scores share their mean rank; a pair of equals counts half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from engine.types import Float64
from training.metrics.bootstrap import Draws, ends_of_ties, order_of, ratio, running

#: Resamples that `rejecting` processes at once, so that its sums stay in the processor's cache.
_ROWS_AT_ONCE: Final = 25

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]


def auroc(labels: Flags, scores: Floats) -> float:
    """Probability that a positive scores above a negative, ties counting half; NaN without both kinds.

    >>> auroc(np.array([True, False, False]), np.array([0.5, 0.5, 0.1]))
    0.75
    """
    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else float("nan")


def average_precision(labels: Flags, scores: Floats) -> float:
    """Sum over thresholds of (recall gained) x precision, without interpolation; NaN without a positive.

    >>> round(average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7])), 4)
    0.8333
    """
    return float(average_precision_score(labels, scores)) if labels.any() else float("nan")


def spearman(first: Float64, second: Float64) -> float:
    """Spearman's rank correlation of two values per face (N,); NaN where one of them is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Per resample and rate, the score above which faces are rejected; at the score itself, the share that is kept."""

    scores: Float64  # (1 + B, R)
    kept_at: Float64  # (1 + B, R) 0-1: equal scores are split by lot, so that the rate is met exactly


def drawn_ranks(draws: Draws, values: Float64) -> Float64:
    """Rank (1 + B, N) of each face within each resample, less the mean rank."""
    order = order_of(values)
    first, last = (np.searchsorted(values[order], values, side) for side in ("left", "right"))
    up_to = running(draws.counts[:, order])
    return np.asarray((up_to[:, first] + up_to[:, last] - draws.totals[:, None]) / 2)


def correlation(draws: Draws, first: Float64, second: Float64) -> Float64:
    """Spearman's correlation (1 + B,) of two results of `drawn_ranks`; NaN where one is the same for all faces."""
    shared = np.einsum("rn,rn,rn->r", draws.counts, first, second)
    own = [np.einsum("rn,rn,rn->r", draws.counts, ranks, ranks) for ranks in (first, second)]
    return ratio(shared, np.sqrt(own[0] * own[1]))


def drawn_spearman(draws: Draws, first: Float64, second: Float64) -> Float64:
    """Spearman's correlation (1 + B,) of two values per face."""
    return correlation(draws, drawn_ranks(draws, first), drawn_ranks(draws, second))


def partial_correlation(together: Float64, first_given: Float64, second_given: Float64) -> Float64:
    """Correlation of two quantities when a third is held fixed, from their three correlations (1 + B,).

    ``together`` is that of the two, the others are those of each with the third:
    r_xy.z = (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2)).
    """
    left = np.sqrt(np.maximum((1 - first_given**2) * (1 - second_given**2), 0))
    return ratio(together - first_given * second_given, left)


def drawn_auroc(negatives: Draws, low: Float64, positives: Draws, high: Float64) -> Float64:
    """AUROC (1 + B,) of positives with scores ``high`` (M,) over negatives with scores ``low`` (N,).

    With the same draws on both sides, a face and its changed image are resampled together.
    """
    order = order_of(low)
    ascending = order_of(high)  # for sequential memory access
    first, last = (np.searchsorted(low[order], high[ascending], side) for side in ("left", "right"))
    up_to = running(negatives.counts[:, order])
    wins = np.einsum("rp,rp->r", positives.counts[:, ascending], up_to[:, first] + up_to[:, last]) / 2
    return ratio(wins, negatives.totals * positives.totals)


def drawn_average_precision(draws: Draws, labels: Flags, scores: npt.NDArray[Any]) -> Float64:
    """Average precision (1 + B,) of labels and scores (N,)."""
    order = order_of(scores)[::-1]
    ends = ends_of_ties(scores[order])
    drawn = draws.counts[:, order]
    seen = running(drawn)[:, ends]
    hits = running(drawn * labels[order])[:, ends]
    precision = np.where(seen > 0, hits / np.where(seen > 0, seen, 1.0), 0.0)[:, 1:]
    return ratio(np.asarray((np.diff(hits, axis=1) * precision).sum(1)), hits[:, -1])


def rejecting(draws: Draws, scores: Float64, rates: Sequence[float]) -> Limits:
    """The limits (1 + B, R) that reject exactly these shares (R,) of all scores, each between 0 and 1.

    ``scores`` are (N,), or (K, N) for K images of each face, which are resampled together.
    """
    order = order_of(scores.ravel())
    ordered = scores.ravel()[order]
    face = order % scores.shape[-1]
    kept = 1.0 - np.asarray(rates)
    limits, kept_at = (np.empty((len(draws.counts), len(kept))) for _ in range(2))
    for start in range(0, len(draws.counts), _ROWS_AT_ONCE):
        for row, up_to in enumerate(running(draws.counts[start : start + _ROWS_AT_ONCE, face]), start):
            wanted = kept * up_to[-1]
            reached = np.searchsorted(up_to[1:], wanted, "left")
            limits[row] = ordered[np.minimum(reached, len(ordered) - 1)]
            below = up_to[np.searchsorted(ordered, limits[row], "left")]
            equal = up_to[np.searchsorted(ordered, limits[row], "right")] - below
            kept_at[row] = (wanted - below) / equal
    return Limits(limits, kept_at)


def sum_kept(draws: Draws, scores: Float64, values: Float64, limits: Limits) -> Float64:
    """Sum (1 + B, R) of ``values`` (N,) over the faces that the limits keep."""
    order = order_of(scores)
    up_to = running(draws.counts[:, order] * values[order])
    rows = np.arange(len(up_to))[:, None]
    below = up_to[rows, np.searchsorted(scores[order], limits.scores, "left")]
    through = up_to[rows, np.searchsorted(scores[order], limits.scores, "right")]
    return np.asarray(below + limits.kept_at * (through - below))


def share_kept(draws: Draws, scores: Float64, limits: Limits) -> Float64:
    """Share (1 + B, R) of the faces that the limits keep."""
    return ratio(sum_kept(draws, scores, np.ones(len(scores)), limits), draws.totals[:, None])
