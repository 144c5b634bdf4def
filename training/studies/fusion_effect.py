"""Effect of ARBEx's fusion: the fused against the primary distribution on the same faces (SPEC 2.7)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.types import Float64, Int64
from engine.uncertainty import entropy
from training.metrics.bootstrap import Figure, bootstrap, mean_of
from training.metrics.selective import area_under_risk_coverage

_QUINTILES: Final = 5


@dataclass(frozen=True, slots=True)
class FusionQuintile:
    """A fifth of the faces, ordered by the confidence 1 - H(p) / ln C of the primary distribution."""

    lowest_confidence: float
    highest_confidence: float
    n: int
    primary_accuracy: float
    fused_accuracy: float
    repaired: int
    broken: int


@dataclass(frozen=True, slots=True)
class FusionFigures:
    """Gains are fused minus primary, paired by face; lower AURC is better. AURC ranks by the top probability."""

    primary_accuracy: Figure
    fused_accuracy: Figure
    accuracy_gain: Figure
    primary_aurc: Figure
    fused_aurc: Figure
    aurc_gain: Figure
    repaired: int  # faces that only the fused distribution classifies correctly
    broken: int  # faces that only the primary one classifies correctly
    quintiles: tuple[FusionQuintile, ...]  # least confident first


def compare_fused(primary: Float64, fused: Float64, labels: Int64) -> FusionFigures:
    """Compare two distributions (N, C) against labels (N,).

    Raises:
        ValueError: shapes do not match, or there are fewer than five faces.
    """
    if primary.shape != fused.shape or primary.shape[:1] != labels.shape or len(labels) < _QUINTILES:
        raise ValueError(
            f"primary {primary.shape}, fused {fused.shape} and {labels.shape} labels must describe the same faces, "
            f"at least {_QUINTILES}"
        )
    first = (primary.argmax(1) == labels).astype(np.float64)
    second = (fused.argmax(1) == labels).astype(np.float64)
    aurc_first, aurc_second = _aurc_of(primary, first), _aurc_of(fused, second)
    n = len(labels)
    confidence = 1 - np.asarray(entropy(primary)) / math.log(primary.shape[1])
    return FusionFigures(
        primary_accuracy=bootstrap(mean_of(first), n),
        fused_accuracy=bootstrap(mean_of(second), n),
        accuracy_gain=bootstrap(mean_of(second - first), n),
        primary_aurc=bootstrap(aurc_first, n),
        fused_aurc=bootstrap(aurc_second, n),
        aurc_gain=bootstrap(lambda rows: aurc_second(rows) - aurc_first(rows), n),
        repaired=int((second > first).sum()),
        broken=int((second < first).sum()),
        quintiles=tuple(
            _quintile(confidence[rows], first[rows], second[rows])
            for rows in np.array_split(np.argsort(confidence, kind="stable"), _QUINTILES)
        ),
    )


def _aurc_of(probabilities: Float64, correct: Float64) -> Callable[[Int64], float]:
    confidence = probabilities.max(1)
    return lambda rows: area_under_risk_coverage(confidence[rows], correct[rows])


def _quintile(confidence: Float64, first: Float64, second: Float64) -> FusionQuintile:
    return FusionQuintile(
        lowest_confidence=float(confidence.min()),
        highest_confidence=float(confidence.max()),
        n=len(confidence),
        primary_accuracy=float(first.mean()),
        fused_accuracy=float(second.mean()),
        repaired=int((second > first).sum()),
        broken=int((second < first).sum()),
    )
