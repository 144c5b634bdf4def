"""Metrics against cases worked out by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from training.metrics.multiclass import (
    area_under_risk_coverage,
    auroc,
    bootstrap,
    confusion_matrix,
    macro_f1,
    mean_of,
    ranks,
    spearman,
)


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
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    assert area_under_risk_coverage(confidence, correct) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)


def test_the_interval_holds_the_value_and_shrinks_with_more_faces() -> None:
    few = bootstrap(mean_of(np.array([0, 1] * 20, np.float32)), 40)
    many = bootstrap(mean_of(np.array([0, 1] * 500, np.float32)), 1000)
    assert few.low < few.value == 0.5 < few.high
    assert many.high - many.low < few.high - few.low
    assert few.n == 40
