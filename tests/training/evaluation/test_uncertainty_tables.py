"""Tables A to C on synthetic scores with known figures."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.estimates import Estimates
from training.evaluation.uncertainty_tables import (
    Scores,
    ShiftedScores,
    cross_table,
    disagreement_table,
    scores_of,
    severity_row,
    shift_table,
    vote_entropy,
)
from training.metrics.bootstrap import draw
from training.metrics.ranking import auroc, spearman

COUNT = 400


def fake_votes(seed: int = 0) -> np.ndarray:
    """Ten votes each for two labels, with faces from clear to split, and now and then one for "unknown"."""
    random = np.random.default_rng(seed)
    votes = np.zeros((COUNT, 10), int)
    votes[:, 8] = random.integers(0, 2, COUNT)
    votes[:, 1] = random.binomial(10 - votes[:, 8], random.uniform(0, 0.5, COUNT))
    votes[:, 0] = 10 - votes[:, 8] - votes[:, 1]
    return votes


def fake_scores(aleatoric: np.ndarray, epistemic: np.ndarray) -> Scores:
    return Scores(epistemic, aleatoric, aleatoric + epistemic, aleatoric * 0.5, np.zeros(len(aleatoric), np.int64))


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=COUNT)


def test_scores_use_the_mean_distribution() -> None:
    p = np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])
    scores = scores_of(Estimates(p, np.array([0.1, 0.2]), np.array([0.3, 0.4])))
    assert scores.total == pytest.approx([np.log(2), 0])
    assert scores.one_minus_top.tolist() == [0.5, 0]
    assert scores.predicted.tolist() == [0, 1]
    assert scores.of(np.array([1])).epistemic.tolist() == [0.4]


def test_vote_entropy_counts_expressions_only() -> None:
    votes = np.array([[5, 5, 0, 0, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0, 4, 3]])
    assert vote_entropy(votes) == pytest.approx([np.log(2), 0], abs=1e-6)


def test_disagreement_table_has_each_reading_of_the_votes() -> None:
    votes = fake_votes()
    h = vote_entropy(votes)
    scores = fake_scores(h + 0.1 * noise(1), noise(2))
    table = disagreement_table(scores, votes, draw(COUNT, 100))
    assert table.votes.rho.value == pytest.approx(spearman(scores.aleatoric, h))
    assert table.votes.rho == table.scores.aleatoric
    assert table.votes.ceiling is not None
    assert table.votes.share_of_ceiling == pytest.approx(table.votes.rho.value / table.votes.ceiling)
    assert table.outliers_removed.ceiling is None
    single = np.where(votes == 1, 0, votes)  # never leaves a face without votes here
    assert table.outliers_removed.rho.value == pytest.approx(spearman(scores.aleatoric, vote_entropy(single)))
    assert table.outliers_removed.rho.n == COUNT
    assert table.all_columns.rho.value < table.votes.rho.value  # the score does not depend on "unknown"
    assert table.gap.value == pytest.approx(table.scores.aleatoric.value - table.scores.epistemic.value)
    assert table.gap.low > 0


def test_faces_with_only_single_votes_are_left_out_of_one_reading() -> None:
    votes = fake_votes()
    votes[0] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    table = disagreement_table(fake_scores(vote_entropy(votes), noise(1)), votes, draw(COUNT, 20))
    assert (table.votes.rho.n, table.outliers_removed.rho.n) == (COUNT, COUNT - 1)


def test_copy_of_the_other_score_has_no_partial_correlation() -> None:
    votes = fake_votes()
    aleatoric = vote_entropy(votes) + 0.3 * noise(1)
    epistemic = aleatoric + 0.5 * noise(2)
    table = disagreement_table(fake_scores(aleatoric, epistemic), votes, draw(COUNT, 200))
    assert table.epistemic_given_aleatoric.low < 0 < table.epistemic_given_aleatoric.high
    assert table.aleatoric_given_epistemic.low > 0.2


def shifted_by(scores: Scores, epistemic: float, aleatoric: float, name: str, severity: int = 5) -> ShiftedScores:
    changed = fake_scores(scores.aleatoric + aleatoric, scores.epistemic + epistemic)
    return ShiftedScores(name, severity, changed)


def test_shift_table_is_the_mean_over_corruptions() -> None:
    clean = fake_scores(noise(1), noise(2))
    shifted = [shifted_by(clean, 2.0, 0.0, "fog"), shifted_by(clean, 1.0, 0.0, "snow")]
    table = shift_table(clean, shifted, draw(COUNT, 200))
    is_shifted = np.repeat([False, True], COUNT)
    expected = [auroc(is_shifted, np.append(clean.epistemic, item.scores.epistemic)) for item in shifted]
    assert [row.auroc.epistemic.value for row in table.corruptions] == pytest.approx(expected)
    assert table.mean.epistemic.value == pytest.approx(np.mean(expected))
    assert table.mean.aleatoric.value == pytest.approx(0.5)
    assert table.gap.value == pytest.approx(np.mean(expected) - 0.5)
    assert table.gap.low > 0
    assert table.aupr_epistemic > 0.7


def test_perfect_separation_has_no_false_positives() -> None:
    clean = fake_scores(noise(1), noise(2))
    table = shift_table(clean, [shifted_by(clean, 100.0, 0.0, "fog")], draw(COUNT, 20))
    assert table.mean.epistemic.value == 1
    assert table.fpr95_epistemic.value == 0
    same = shift_table(clean, [shifted_by(clean, 0.0, 0.0, "fog")], draw(COUNT, 20))
    assert same.fpr95_epistemic.value == pytest.approx(0.95)


def test_severity_row_has_the_rise_of_both_scores() -> None:
    clean = fake_scores(noise(1), noise(2))
    shifted = [shifted_by(clean, 2.0, 0.5, "fog", 3), shifted_by(clean, 1.0, 0.1, "snow", 3)]
    row = severity_row(3, clean, shifted, draw(COUNT, 50))
    assert row.epistemic_shift == pytest.approx(1.5)
    assert row.aleatoric_shift == pytest.approx(0.3)
    assert row.aleatoric_with_epistemic == pytest.approx(spearman(clean.aleatoric, clean.epistemic))
    assert [name for name, _ in row.corruptions] == ["fog", "snow"]


@pytest.mark.parametrize(("leak", "apart"), [(0.0, True), (1.0, False)])
def test_diagonal_wins_only_if_each_score_answers_its_own_question(leak: float, apart: bool) -> None:
    votes = fake_votes()
    h = vote_entropy(votes)
    clean = fake_scores(h + 0.1 * noise(1), leak * (h + 0.1 * noise(1)) + 0.1 * noise(2))
    disagreement = disagreement_table(clean, votes, draw(COUNT, 200))
    shift = shift_table(clean, [shifted_by(clean, 1.0, leak * 1.0, "fog")], draw(COUNT, 200))
    cross = cross_table(disagreement, shift)
    assert cross.intervals_apart is apart
    if apart:
        assert cross.diagonal_wins
    assert cross.epistemic_shift == shift.mean.epistemic
