"""Weighted yes-no figures, against the same resamples written out face by face."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from training.metrics.drawn_binary import drawn_accuracy_by_bin, drawn_average_precision, tally
from training.metrics.draws import Draws, draw

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
            truth, said = LABELS[chosen, unit], DECISIONS[chosen, unit]
            assert found.f1()[row, unit] == pytest.approx(f1_score(truth, said))
            assert found.accuracy()[row, unit] == pytest.approx((truth == said).mean())
            assert found.balanced_accuracy()[row, unit] == pytest.approx(balanced_accuracy_score(truth, said))


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


def test_average_precision_of_every_resample_agrees_with_scikit_learn() -> None:
    scores = RANDOM.integers(0, 9, 80) / 9  # with ties
    draws = draw(80, resamples=8)
    found = drawn_average_precision(draws, LABELS[:, 0], scores)
    for counts, value in zip(draws.counts, found, strict=True):
        rows = written_out(counts)
        assert value == pytest.approx(average_precision_score(LABELS[rows, 0], scores[rows]))


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
