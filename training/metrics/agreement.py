"""Agreement of the raters of a face, and the limit it sets on predicting their votes (SPEC 1)."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.types import Int64
from engine.uncertainty import entropy
from training.metrics.ranking import spearman

#: Random splits of the votes in two halves, over which the agreement is averaged.
_SPLITS: Final = 20


def noise_ceiling(votes: Int64, columns: int, seed: int = 0) -> float:
    """Correlation that a perfect predictor of the true disagreement would reach with the votes (N, C).

    The square root of the votes' reliability: Spearman's correlation r of the entropies of two random halves of each
    face's ten votes, extrapolated to all ten by 2 r / (1 + r) (Spearman and Brown, 1910). Only faces with the most
    frequent number of votes, and a vote in the first ``columns`` in both halves, count. NaN where r is not positive.
    """
    per_face = votes.sum(1)
    count = int(np.bincount(per_face).argmax())
    chosen = votes[per_face == count]
    slots = np.repeat(np.tile(np.arange(votes.shape[1]), len(chosen)), chosen.ravel()).reshape(len(chosen), count)
    random = np.random.default_rng(seed)
    found = []
    for _ in range(_SPLITS):
        mixed = random.permuted(slots, axis=1)
        halves = [
            _counted(part, votes.shape[1])[:, :columns] for part in (mixed[:, : count // 2], mixed[:, count // 2 :])
        ]
        known = np.all([half.sum(1) > 0 for half in halves], axis=0)
        first, second = (entropy(half[known] / half[known].sum(1, keepdims=True)) for half in halves)
        found.append(spearman(first, second))
    r = float(np.mean(found))
    return float(np.sqrt(2 * r / (1 + r))) if r > 0 else float("nan")


def _counted(slots: Int64, columns: int) -> Int64:
    """Votes per column (N, columns) of single votes (N, k)."""
    place = slots + columns * np.arange(len(slots))[:, None]
    return np.bincount(place.ravel(), minlength=columns * len(slots)).reshape(len(slots), columns)
