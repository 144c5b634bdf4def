"""Units checked against expressions chosen by raters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.facs import EXPRESSIONS, OPEN_UNITS
from tests.training.fakes.expression import fake_faces
from training.action_units.expression_check import TiedUnits, agreed_labels, check_expressions
from training.data.fer2013 import FerFaces

HAPPY, SURPRISED, ANGRY = (EXPRESSIONS.index(name) for name in ("happiness", "surprise", "anger"))


def votes_of(*each: tuple[int, int]) -> np.ndarray:
    """Votes (N, 10): the given number for a column, the rest for "neutral"."""
    votes = np.zeros((len(each), 10), np.int64)
    for row, (column, count) in enumerate(each):
        votes[row, column] = count
        votes[row, 0] += 10 - count
    return votes


def faces_with(votes: np.ndarray) -> FerFaces:
    return replace(fake_faces(len(votes)), votes=votes)


def occurrences(**units: list[float]) -> np.ndarray:
    """Occurrence (N, 18) of units named as AU12; 0 for the others."""
    count = len(next(iter(units.values())))
    found = np.zeros((count, len(OPEN_UNITS)), np.float32)
    for name, values in units.items():
        found[:, OPEN_UNITS.index(int(name[2:]))] = values
    return found


def tie(ties: tuple[TiedUnits, ...], *units: str) -> TiedUnits:
    return next(found for found in ties if found.units == units)


def test_agreement_needs_eight_votes_for_one_expression() -> None:
    votes = votes_of((HAPPY, 8), (HAPPY, 7), (8, 9), (9, 10), (0, 10), (SURPRISED, 10))
    assert agreed_labels(votes).tolist() == [HAPPY, -1, -1, -1, 0, SURPRISED]


def test_auroc_is_against_all_other_agreed_faces() -> None:
    votes = votes_of((HAPPY, 10), (HAPPY, 9), (ANGRY, 10), (0, 10), (HAPPY, 5))
    found = check_expressions(
        occurrences(AU12=[0.9, 0.3, 0.4, 0.1, 0.0]), OPEN_UNITS, faces_with(votes), "PublicTest", 50
    )
    smile = tie(found.ties, "AU12")
    assert smile.expression == "happiness"
    assert smile.auroc.value == pytest.approx((2 + 1) / (2 * 2))  # 0.9 beats both, 0.3 beats one
    assert (smile.positives, smile.auroc.n) == (2, 4)
    assert (found.faces, found.agreed["happiness"], found.agreed["neutral"]) == (5, 2, 1)


def test_groups_are_ranked_by_the_mean_of_their_units() -> None:
    votes = votes_of((SURPRISED, 10), (ANGRY, 10), (0, 10))
    occurrence = occurrences(AU25=[0.6, 0.7, 0.0], AU26=[0.6, 0.0, 0.7])
    ties = check_expressions(occurrence, OPEN_UNITS, faces_with(votes), "PublicTest", 10).ties
    assert tie(ties, "AU25", "AU26").auroc.value == 1.0
    assert tie(ties, "AU25").auroc.value == pytest.approx(1 / 2)
    assert tie(ties, "AU26").auroc.value == pytest.approx(1 / 2)
    checked = [(found.expression, found.units) for found in ties]
    assert len(checked) == len(set(checked))
    assert ("surprise", ("AU1", "AU2", "AU5", "AU26")) in checked


def test_units_that_the_model_lacks_are_skipped() -> None:
    votes = votes_of((HAPPY, 10), (0, 10))
    ties = check_expressions(np.zeros((2, 2), np.float32), (12, 25), faces_with(votes), "PublicTest", 5).ties
    assert [found.units for found in ties] == [("AU12",), ("AU25",)]
    assert np.isnan(tie(ties, "AU25").auroc.value)  # no surprised face
    assert tie(ties, "AU25").positives == 0


def test_votes_without_agreement_are_rejected() -> None:
    with pytest.raises(ValueError, match="no face of PublicTest"):
        check_expressions(np.zeros((1, 1), np.float32), (12,), faces_with(votes_of((HAPPY, 7))), "PublicTest")
