"""Weighted yes-no figures, against the same resamples written out face by face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from training.metrics.bootstrap import Draws, draw
from training.metrics.decisions import balanced_accuracy, best_f1_threshold, drawn_accuracy_by_bin, macro_f1, tally

RANDOM = np.random.default_rng(0)
OWNER = RANDOM.integers(0, 12, 80)
LABELS = RANDOM.random((80, 3)) < 0.4
DECISIONS = LABELS ^ (RANDOM.random((80, 3)) < 0.2)
KNOWN = RANDOM.random((80, 3)) < 0.8


def written_out(counts: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts.astype(int))


def itself(*counts: float) -> Draws:
    return Draws(np.array([counts]))


def test_counts_of_people_give_the_figures_of_their_faces() -> None:
    people = draw(12, resamples=5)
    found = tally(people, OWNER, KNOWN, LABELS, DECISIONS)
    for row, counts in enumerate(people.counts):
        faces = written_out(counts[OWNER])
        for unit in range(3):
            chosen = faces[KNOWN[faces, unit]]
            truth, decided = LABELS[chosen, unit], DECISIONS[chosen, unit]
            assert found.f1()[row, unit] == pytest.approx(f1_score(truth, decided))
            assert found.accuracy()[row, unit] == pytest.approx((truth == decided).mean())
            assert found.balanced_accuracy()[row, unit] == pytest.approx(balanced_accuracy_score(truth, decided))


def test_unknown_labels_are_never_counted() -> None:
    known = np.array([[True], [True], [False]])
    labels, decisions = np.array([[True], [False], [True]]), np.array([[True], [True], [False]])
    found = tally(itself(1, 1, 1), np.arange(3), known, labels, decisions)
    assert found.f1()[0, 0] == pytest.approx(2 * 1 / (2 * 1 + 1 + 0))
    assert found.accuracy()[0, 0] == pytest.approx(1 / 2)


def test_a_resample_without_positives_has_no_f1() -> None:
    found = tally(itself(0, 1), np.arange(2), np.ones((2, 1), bool), np.array([[True], [False]]), np.ones((2, 1), bool))
    assert np.isnan(found.f1()[0, 0])
    assert np.isnan(found.balanced_accuracy()[0, 0])
    assert found.accuracy()[0, 0] == 0


def test_bins_are_of_equal_size_and_in_order() -> None:
    right = np.arange(100) < 90
    found = drawn_accuracy_by_bin(itself(*[1] * 100), np.arange(100.0), right, 10)
    assert found[0] == pytest.approx([1.0] * 9 + [0.0])


def test_faces_on_a_border_count_by_their_parts() -> None:
    found = drawn_accuracy_by_bin(itself(1, 1, 1), np.array([1.0, 2.0, 3.0]), np.array([True, False, True]), 2)
    assert found[0] == pytest.approx([(1 + 0 / 2) / 1.5, (0 / 2 + 1) / 1.5])


def test_equal_values_are_spread_evenly() -> None:
    right = np.array([True, True, False, False, True, True])
    for order in (np.arange(6), np.arange(6)[::-1]):
        found = drawn_accuracy_by_bin(itself(*[1] * 6), np.zeros(6), right[order], 3)
        assert found[0] == pytest.approx([4 / 6] * 3)


def test_a_face_that_is_drawn_twice_counts_twice() -> None:
    right = np.array([True, False, True])
    twice = drawn_accuracy_by_bin(itself(2, 1, 1), np.array([1.0, 2.0, 3.0]), right, 2)
    assert twice[0] == pytest.approx([2 / 2, 1 / 2])


def test_best_threshold_never_separates_equal_probabilities() -> None:
    labels = np.array([True, False, True, False])
    threshold = best_f1_threshold(labels, np.array([0.7, 0.7, 0.7, 0.2]))
    assert threshold == pytest.approx((0.7 + 0.2) / 2)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=30).filter(
        lambda rows: any(label for label, _ in rows)
    )
)
def test_no_other_threshold_beats_the_best(rows: list[tuple[bool, float]]) -> None:
    labels = np.array([label for label, _ in rows])
    scores = np.array([score for _, score in rows])
    best = f1_score(labels, scores >= best_f1_threshold(labels, scores))
    assert all(f1_score(labels, scores >= score) <= best + 1e-12 for score in scores)


def test_macro_f1_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(1)
    labels, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    assert macro_f1(labels, predicted, 4) == pytest.approx(f1_score(labels, predicted, average="macro"))


def test_a_class_that_never_occurs_is_left_out_of_macro_f1() -> None:
    labels = np.array([0, 0, 1])
    assert macro_f1(labels, labels, 8) == 1.0


def test_balanced_accuracy_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(2)
    labels, predicted = random.integers(0, 4, 100), random.integers(0, 5, 100)
    labels[labels == 3] = 2  # a class that never occurs
    expected = np.mean([(predicted[labels == label] == label).mean() for label in (0, 1, 2)])
    assert balanced_accuracy(labels, predicted, 5) == pytest.approx(expected)
    whole = random.integers(0, 4, 100)
    assert balanced_accuracy(whole, labels, 4) == pytest.approx(balanced_accuracy_score(whole, labels))
