"""The retention curve on synthetic scores, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.uncertainty_retention import REJECTION_RATES, retention_curves
from training.evaluation.uncertainty_tables import Scores, ShiftedScores
from training.metrics.bootstrap import draw

#: Ten faces: the last four are split between two labels, as 5 to 5.
VOTES = np.zeros((10, 10), int)
VOTES[:, 0] = 10
VOTES[6:, 0] = VOTES[6:, 1] = 5


def scores(epistemic: list[float], aleatoric: list[float], predicted: int = 0) -> Scores:
    eu, au = np.array(epistemic, float), np.array(aleatoric, float)
    return Scores(eu, au, eu + au, au / 2, np.full(len(eu), predicted))


CLEAN = scores([0.0] * 10, [0.0] * 6 + [1.0] * 4)
#: Changed faces: total runs over .55, 1.05 ... 5.05; epistemic uncertainty over .5, 1 ... 5.
SHIFTED = [ShiftedScores("fog", 5, scores([0.5 * k for k in range(1, 11)], [0.05] * 10))]


def test_two_scores_keep_ambiguous_faces_that_one_score_rejects() -> None:
    first, second = retention_curves(CLEAN, VOTES, SHIFTED, draw(10, 50))
    assert (first.n, second.n) == (4, 4)
    assert [row.rejected for row in first.rows] == list(REJECTION_RATES)
    kept_two = [row.kept_two_scores.value for row in first.rows]
    kept_one = [row.kept_single_score.value for row in first.rows]
    assert kept_two == [1] * 9  # no clean face reaches the epistemic uncertainty of any changed one
    # The ambiguous faces have a total of 1. Rejecting 80 % keeps totals up to 1.05, rejecting 90 % up to .55.
    assert kept_one == [1] * 8 + [0]
    assert first.rows[7].ratio.value == 1
    assert np.isnan(first.rows[8].ratio.value)


def test_accuracy_is_over_the_clear_faces_that_are_kept() -> None:
    wrong = scores([0.0] * 5 + [9.0] + [0.0] * 4, [0.0] * 10)
    wrong.predicted[5] = 3  # the one uncertain face is predicted wrongly
    curve, _ = retention_curves(wrong, VOTES, SHIFTED, draw(10, 20))
    assert curve.rows[0].accuracy_two_scores.n == 6
    assert curve.rows[0].accuracy_two_scores.value == 1
    certain = scores([0.0] * 10, [0.0] * 10)
    certain.predicted[5] = 3
    curve, _ = retention_curves(certain, VOTES, SHIFTED, draw(10, 20))
    assert curve.rows[0].accuracy_two_scores.value == pytest.approx(5 / 6)


def test_constant_score_keeps_faces_at_random() -> None:
    constant = scores([0.0] * 10, [0.0] * 10)
    curve, _ = retention_curves(constant, VOTES, [ShiftedScores("fog", 5, constant)], draw(10, 20))
    assert [row.kept_two_scores.value for row in curve.rows] == pytest.approx([1 - rate for rate in REJECTION_RATES])
    assert [row.ratio.value for row in curve.rows] == pytest.approx([1] * 9)
