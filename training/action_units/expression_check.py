"""An outside check: does a unit's occurrence separate the expression that FACS ties it to?

No training label is involved. Faces of FERPlus count where at least 8 of the 10 votes name the same expression; the
AUROC is that of a unit's occurrence for the faces of its expression against all other such faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.facs import EXPRESSIONS, unit_code
from engine.types import Float32, Float64, Int64
from training.data.fer2013 import FerFaces
from training.metrics.bootstrap import Draws, Figure, draw, figure_of
from training.metrics.ranking import drawn_auroc

#: Units of the prototypical face (Ekman, Friesen and Hager, "FACS Investigator's Guide", 2002), and the groups whose
#: mean occurrence is a score of its own. Surprise opens the mouth by AU25 and AU26, which are also checked alone.
EXPRESSION_UNITS: Final[tuple[tuple[str, tuple[int, ...]], ...]] = (
    ("happiness", (6, 12)),
    ("anger", (4,)),
    ("surprise", (1, 2, 5, 26)),
    ("surprise", (25, 26)),
    ("sadness", (15, 17)),
    ("disgust", (9, 10)),
)
#: Votes of ten that must agree on one expression.
AGREED_VOTES: Final = 8


@dataclass(frozen=True, slots=True)
class TiedUnits:
    """One unit, or the mean occurrence of several, against one expression; the interval is over faces."""

    expression: str
    units: tuple[str, ...]
    auroc: Figure  # n: faces of the expression and others
    positives: int


@dataclass(frozen=True, slots=True)
class ExpressionCheck:
    """The check on one split of FERPlus."""

    split: str
    faces: int  # of the split, with an emotion vote
    agreed: dict[str, int]  # faces whose votes agree, per expression
    ties: tuple[TiedUnits, ...]


def agreed_labels(votes: Int64) -> Int64:
    """Expression 0-7 with at least 8 of the votes (N, 10), else -1; "unknown" and "not a face" never count."""
    emotions = votes[:, : len(EXPRESSIONS)]
    return np.where(emotions.max(1) >= AGREED_VOTES, emotions.argmax(1), -1)


def check_expressions(
    occurrence: Float32, units: tuple[int, ...], fer: FerFaces, split: str, resamples: int = 1000
) -> ExpressionCheck:
    """The check for occurrences (N, K) of the faces of ``fer``; ties to units without an output are skipped.

    Raises:
        ValueError: no face of the split has votes that agree.
    """
    labels = agreed_labels(fer.votes)
    agreed = labels >= 0
    if not agreed.any():
        raise ValueError(f"no face of {split} has {AGREED_VOTES} votes for one expression: pass the FERPlus votes")
    draws = draw(int(agreed.sum()), resamples)
    values, names = occurrence[agreed].astype(np.float64), np.array(EXPRESSIONS)[labels[agreed]]
    ties = []
    for expression, group in _asked(units):
        score = values[:, [units.index(unit) for unit in group]].mean(1)
        positive = names == expression
        figure = _auroc(draws, positive, score)
        ties.append(TiedUnits(expression, tuple(unit_code(unit) for unit in group), figure, int(positive.sum())))
    counts = {name: int((names == name).sum()) for name in EXPRESSIONS}
    return ExpressionCheck(split, len(labels), counts, tuple(ties))


def _asked(units: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Each unit alone and each group together, if the model has them, without duplicates."""
    asked = [
        (expression, part)
        for expression, group in EXPRESSION_UNITS
        for part in (*((unit,) for unit in group), group)
        if set(part) <= set(units)
    ]
    return list(dict.fromkeys(asked))


def _auroc(draws: Draws, positive: np.typing.NDArray[np.bool_], score: Float64) -> Figure:
    drawn = drawn_auroc(draws.of(~positive), score[~positive], draws.of(positive), score[positive])
    return figure_of(drawn, len(score))
