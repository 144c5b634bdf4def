"""Figures of one yes-no question, such as whether an action unit occurs: labels (N,) bool against probabilities (N,).

AUROC and average precision judge the order of the faces, ECE their probabilities; decisions are judged, for many units
at once, by training/metrics/drawn_binary.py.
Definitions are those of scikit-learn 1.x, ties included. A figure that the labels leave undefined is NaN.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]


def auroc(labels: Flags, scores: Floats) -> float:
    """Probability that a positive scores above a negative, ties counting one half.

    >>> auroc(np.array([True, False, False]), np.array([0.5, 0.5, 0.1]))
    0.75
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2  # average rank of each distinct score, from 1
    rank_sum = float(mean_rank[place][labels].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(labels: Flags, scores: Floats) -> float:
    """Sum over thresholds of (recall gained) x precision, without interpolation.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
    0.8333333333333333
    """
    positives = int(labels.sum())
    if not positives:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(labels[order])[last_of_tie]
    said = np.flatnonzero(last_of_tie) + 1
    return float((np.diff(hits, prepend=0) / positives * (hits / said)).sum())


def expected_calibration_error(labels: Flags, probabilities: Floats, bins: int = 15) -> float:
    """Mean over faces of |rate - mean probability| of the face's bin; bins of equal width over 0-1."""
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, labels.astype(np.float64) - probabilities, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def best_f1_threshold(labels: Flags, probabilities: Floats) -> float:
    """The threshold, halfway between two neighbouring probabilities, whose decisions (p >= t) have the highest F1.

    >>> round(best_f1_threshold(np.array([False, False, True]), np.array([0.1, 0.3, 0.8])), 2)
    0.55
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order].astype(np.float64)
    hits = np.cumsum(labels[order])
    said = np.arange(1, len(labels) + 1)
    f1 = 2 * hits / (said + max(1, int(labels.sum())))
    f1[:-1][np.diff(ranked) == 0] = -1.0  # no threshold parts equal probabilities
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
