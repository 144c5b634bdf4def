"""Metrics against cases worked out by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from engine.types import Float64
from training.metrics.multiclass import (
    Figure,
    area_under_generalised_risk_coverage,
    area_under_risk_coverage,
    auroc,
    balanced_accuracy,
    bootstrap,
    confusion_matrix,
    coverage_at_risk,
    defined,
    error_fpr95,
    excess_aurc,
    macro_f1,
    mean_of,
    proportion,
    ranks,
    risk_at_coverage,
    spearman,
)

#: Five faces, worked out by hand: errors among the k surest are 0, 0, 1, 1, 2.
CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
CORRECT = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
#: Few distinct values, so that ties are common; at least one right and one wrong face.
ANSWERS = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40).filter(
    lambda faces: len({right for _, right in faces}) == 2
)


def arrays(faces: list[tuple[int, bool]]) -> tuple[Float64, Float64]:
    return np.array([sure for sure, _ in faces], float), np.array([right for _, right in faces], float)


def test_ties_share_their_average_rank() -> None:
    assert ranks(np.array([5.0, 1.0, 5.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_spearman_of_a_rising_curve_is_one() -> None:
    values = np.arange(10.0)
    assert spearman(values, np.exp(values)) == pytest.approx(1.0)
    assert spearman(values, -values) == pytest.approx(-1.0)


def test_auroc_agrees_with_scikit_learn_with_ties() -> None:
    random = np.random.default_rng(0)
    low, high = random.integers(0, 5, 40).astype(float), random.integers(2, 8, 30).astype(float)
    expected = roc_auc_score([0] * 40 + [1] * 30, np.concatenate([low, high]))
    assert auroc(low, high) == pytest.approx(expected)


def test_macro_f1_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(1)
    labels, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    assert macro_f1(labels, predicted, 4) == pytest.approx(f1_score(labels, predicted, average="macro"))


def test_a_class_that_never_occurs_is_left_out_of_macro_f1() -> None:
    labels = np.array([0, 0, 1])
    assert macro_f1(labels, labels, 8) == 1.0


def test_confusion_counts_label_by_prediction() -> None:
    assert confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist() == [[1, 0], [1, 1]]


def test_risk_coverage_of_five_faces() -> None:
    assert area_under_risk_coverage(CONFIDENCE, CORRECT) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)


def test_excess_of_five_faces_over_the_order_with_both_errors_last() -> None:
    best = (0 + 0 + 0 + 1 / 4 + 2 / 5) / 5
    assert excess_aurc(CONFIDENCE, CORRECT) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5 - best)
    assert excess_aurc(CORRECT, CORRECT) == 0


def test_generalised_area_of_five_faces() -> None:
    assert area_under_generalised_risk_coverage(CONFIDENCE, CORRECT) == pytest.approx((0 + 0 + 1 + 1 + 2) / 5 / 5)


@given(ANSWERS)
def test_the_generalised_area_is_told_by_auroc_and_accuracy(faces: list[tuple[int, bool]]) -> None:
    """Traub et al. 2024: (1 - AUROC) a (1 - a) + (1 - a)^2 / 2; the last term is that of a finite sum."""
    confidence, correct = arrays(faces)
    accuracy, n = correct.mean(), len(correct)
    ranked = auroc(confidence[correct == 0], confidence[correct == 1])
    expected = (1 - ranked) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2 + (1 - accuracy) / (2 * n)
    assert area_under_generalised_risk_coverage(confidence, correct) == pytest.approx(expected)


@given(ANSWERS, st.randoms(use_true_random=False))
def test_faces_of_equal_confidence_may_stand_in_any_order(faces: list[tuple[int, bool]], random) -> None:
    mixed = random.sample(faces, len(faces))
    for figure in (area_under_risk_coverage, area_under_generalised_risk_coverage, excess_aurc, error_fpr95):
        assert figure(*arrays(faces)) == pytest.approx(figure(*arrays(mixed)))
    assert coverage_at_risk(*arrays(faces), 0.3) == coverage_at_risk(*arrays(mixed), 0.3)


def test_one_of_two_errors_passes_where_the_right_answers_do() -> None:
    assert error_fpr95(CONFIDENCE, CORRECT) == 1 / 2  # 0.6 keeps all three right answers, and the error at 0.7


def test_without_errors_nothing_can_pass() -> None:
    assert math.isnan(error_fpr95(CONFIDENCE, np.ones(5)))


def test_coverage_is_the_largest_at_which_the_risk_is_low_enough() -> None:
    assert coverage_at_risk(CONFIDENCE, CORRECT, 0.05) == 2 / 5
    assert coverage_at_risk(CONFIDENCE, CORRECT, 1 / 4) == 4 / 5  # 1 of 3 is too much, 1 of 4 is not
    assert coverage_at_risk(CONFIDENCE, 1 - CORRECT, 0.05) == 0


def test_no_limit_parts_faces_of_equal_confidence() -> None:
    assert coverage_at_risk(np.array([0.9, 0.5, 0.5]), np.array([1.0, 1.0, 0.0]), 0.05) == 1 / 3


def test_risk_at_a_coverage_counts_whole_faces() -> None:
    assert risk_at_coverage(CONFIDENCE, CORRECT, 0.8) == 1 / 4
    assert risk_at_coverage(CONFIDENCE, CORRECT, 0.5) == 1 / 3  # three faces are the fewest that make up half


def test_balanced_accuracy_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(2)
    labels, predicted = random.integers(0, 4, 100), random.integers(0, 5, 100)
    labels[labels == 3] = 2  # a class that never occurs
    expected = np.mean([(predicted[labels == label] == label).mean() for label in (0, 1, 2)])
    assert balanced_accuracy(labels, predicted, 5) == pytest.approx(expected)
    whole = random.integers(0, 4, 100)
    assert balanced_accuracy(whole, labels, 4) == pytest.approx(balanced_accuracy_score(whole, labels))


@pytest.mark.parametrize(("hits", "n"), [(0, 24), (13, 13), (5, 9), (300, 1000)])
def test_the_interval_of_a_share_is_wilsons(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    found = proportion(hits, n)
    assert (found.value, found.n) == (hits / n, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_rank_correlation_with_a_constant_is_undefined() -> None:
    assert math.isnan(spearman(np.zeros(5), CONFIDENCE))
    assert defined(bootstrap(lambda rows: spearman(np.zeros(5)[rows], CONFIDENCE[rows]), 5)) is None


def test_draws_that_leave_a_figure_undefined_are_left_out() -> None:
    values = np.array([1.0, 2.0, np.nan])
    found = bootstrap(lambda rows: float("nan") if (rows == 0).all() else 1.0, len(values))
    assert found == Figure(1.0, 1.0, 1.0, 3)


def test_the_interval_of_a_biased_figure_holds_its_value() -> None:
    """The size of a mean that is 0 in truth can only be raised by chance, and is once more by drawing again."""
    noise = np.random.default_rng(3).normal(0, 1, (50, 40))
    noise -= noise.mean(0) * 0.98

    def size(rows) -> float:
        return float(np.abs(noise[rows].mean(0)).mean())

    plain, moved = bootstrap(size, 50), bootstrap(size, 50, biased=True)
    assert plain.low > plain.value
    assert 0 <= moved.low < moved.value < moved.high
    assert moved.high < plain.high


def test_the_interval_holds_the_value_and_shrinks_with_more_faces() -> None:
    few = bootstrap(mean_of(np.array([0, 1] * 20, np.float32)), 40)
    many = bootstrap(mean_of(np.array([0, 1] * 500, np.float32)), 1000)
    assert few.low < few.value == 0.5 < few.high
    assert many.high - many.low < few.high - few.low
    assert few.n == 40
