"""Rank statistics on weighted resamples, against the same resamples written out face by face."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from training.metrics.bootstrap import draw
from training.metrics.ranking import (
    auroc,
    average_precision,
    drawn_auroc,
    drawn_average_precision,
    drawn_spearman,
    partial_correlation,
    rejecting,
    share_kept,
    spearman,
    sum_kept,
)

TRUTH = np.array([True, True, False, False, False])
SCORES = np.array([0.9, 0.4, 0.4, 0.2, 0.1])


def test_order_with_a_tie() -> None:
    # pairs: 0.9 beats 3 negatives; 0.4 ties one and beats two
    assert auroc(TRUTH, SCORES) == pytest.approx((3 + 0.5 + 2) / 6)
    # the tie enters at once: precision 1 at recall 1/2, then 2/3 at recall 1
    assert average_precision(TRUTH, SCORES) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_figures_without_both_kinds_are_undefined() -> None:
    nothing = np.zeros(3, bool)
    assert math.isnan(auroc(nothing, SCORES[:3]))
    assert math.isnan(average_precision(nothing, SCORES[:3]))


def scores_with_ties(seed: int, count: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 12, count).astype(float)


def written_out(counts: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts.astype(int))


def test_spearman_of_every_resample_agrees_with_scipy() -> None:
    first = scores_with_ties(0)
    second = first + scores_with_ties(1)
    draws = draw(60, resamples=10)
    found = drawn_spearman(draws, first, second)
    for counts, value in zip(draws.counts, found, strict=True):
        rows = written_out(counts)
        assert value == pytest.approx(spearmanr(first[rows], second[rows]).statistic)


def test_a_score_that_is_the_same_for_all_has_no_correlation() -> None:
    assert np.isnan(drawn_spearman(draw(60, 3), np.ones(60), scores_with_ties(1))).all()


def test_auroc_of_every_resample_agrees_with_scikit_learn() -> None:
    low, high = scores_with_ties(2), scores_with_ties(3) + 2
    draws = draw(60, resamples=10)
    found = drawn_auroc(draws, low, draws, high)
    for counts, value in zip(draws.counts, found, strict=True):
        rows = written_out(counts)
        both = np.concatenate([low[rows], high[rows]])
        assert value == pytest.approx(roc_auc_score([0] * 60 + [1] * 60, both))


def test_auroc_of_samples_of_different_size() -> None:
    low, high = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0])
    found = drawn_auroc(draw(3, 5), low, draw(2, 5), high)
    assert found[0] == pytest.approx((1 + 0.5 + 0 + 3) / 6)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.lists(st.integers(0, 5), min_size=2, max_size=30))
def test_the_chances_of_both_sides_sum_to_one(first: list[int], second: list[int]) -> None:
    low, high = np.array(first, float), np.array(second, float)
    left, right = draw(len(low), 3), draw(len(high), 3)
    forth, back = drawn_auroc(left, low, right, high), drawn_auroc(right, high, left, low)
    assert forth + back == pytest.approx(np.ones(4))


def test_partial_correlation_agrees_with_residuals_of_ranks() -> None:
    random = np.random.default_rng(4)
    third = random.normal(size=200)
    first, second = third + random.normal(size=200), 2 * third + random.normal(size=200)
    draws = draw(200, 2)
    together, first_third, second_third = (
        drawn_spearman(draws, a, b) for a, b in ((first, second), (first, third), (second, third))
    )
    ranks = [rankdata(values) - 100.5 for values in (first, second, third)]
    left = [values - ranks[2] * (values @ ranks[2]) / (ranks[2] @ ranks[2]) for values in ranks[:2]]
    expected = np.corrcoef(left[0], left[1])[0, 1]
    assert partial_correlation(together, first_third, second_third)[0] == pytest.approx(expected)


@given(
    st.lists(st.integers(0, 6), min_size=3, max_size=40),
    st.lists(st.floats(0.05, 0.95), min_size=1, max_size=4),
)
def test_the_limits_reject_exactly_the_rates(values: list[int], rates: list[float]) -> None:
    scores = np.array(values, float)
    draws = draw(len(scores), 5)
    kept = share_kept(draws, scores, rejecting(draws, scores, rates))
    assert kept == pytest.approx(np.broadcast_to(1 - np.array(rates), kept.shape))


def test_limits_of_changed_faces_applied_to_clean_ones() -> None:
    changed = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])  # two images of each of four faces
    limits = rejecting(draw(4, 0), changed, (0.25, 0.5))
    assert limits.scores.tolist() == [[6.0, 4.0]]
    clean = np.array([0.0, 4.0, 5.0, 7.0])
    assert share_kept(draw(4, 0), clean, limits).tolist() == [[3 / 4, 2 / 4]]
    assert sum_kept(draw(4, 0), clean, np.array([1.0, 0.0, 1.0, 1.0]), limits).tolist() == [[2, 1]]


def test_images_of_one_face_are_resampled_together() -> None:
    scores = np.array([[0.0, 10.0], [1.0, 11.0]])
    draws = draw(2, 30, seed=5)
    limits = rejecting(draws, scores, (0.5,)).scores[:, 0]
    drawn_twice = draws.counts[:, 1] == 2
    assert drawn_twice.any()
    assert (limits[drawn_twice] == 10.0).all()
    assert (limits[draws.counts[:, 0] == 2] == 0.0).all()


def test_equal_scores_are_parted_by_lot() -> None:
    nothing_known = np.zeros(10)
    limits = rejecting(draw(10, 2), nothing_known, (0.8,))
    assert share_kept(draw(10, 2), nothing_known, limits) == pytest.approx(np.full((3, 1), 0.2))


def test_average_precision_of_every_resample_agrees_with_scikit_learn() -> None:
    labels = np.random.default_rng(0).random(80) < 0.4
    scores = np.random.default_rng(1).integers(0, 9, 80) / 9  # with ties
    draws = draw(80, resamples=8)
    found = drawn_average_precision(draws, labels, scores)
    for counts, value in zip(draws.counts, found, strict=True):
        rows = written_out(counts)
        assert value == pytest.approx(average_precision_score(labels[rows], scores[rows]))


def test_spearman_of_a_rising_curve_is_one() -> None:
    values = np.arange(10.0)
    assert spearman(values, np.exp(values)) == pytest.approx(1.0)
    assert spearman(values, -values) == pytest.approx(-1.0)
