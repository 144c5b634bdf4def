"""Routes at given limits: shares, accuracy of what is accepted, and ambiguity against the raters."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from training.corruptions.catalogue import CORRUPTIONS, FAMILIES
from training.evaluation.routes import (
    RouteLimits,
    ambiguity_figures,
    blurred_images,
    panel_precision,
    precision_at_recall,
    route_row,
    route_table,
)
from training.evaluation.uncertainty_tables import Scores, ShiftedScores
from training.metrics.bootstrap import draw

LIMITS = RouteLimits(epistemic=0.5, aleatoric=1.0)


def scores(epistemic: list[float], aleatoric: list[float], predicted: list[int]) -> Scores:
    part = np.array(epistemic)
    return Scores(part, np.array(aleatoric), part, part, np.array(predicted))


def votes_of(tops: list[int]) -> np.ndarray:
    """Ten votes per face: this many for the first class, the others for the second."""
    votes = np.zeros((len(tops), 10), np.int64)
    votes[:, 0], votes[:, 1] = tops, 10 - np.array(tops)
    return votes


def test_each_face_takes_one_route_and_accepted_faces_are_judged_alone() -> None:
    found = scores([0.1, 0.1, 0.9, 0.1], [0.1, 2.0, 2.0, 0.1], [0, 0, 0, 1])
    row = route_row("clean", [found], LIMITS, draw(4, 20), np.array([0, 0, 0, 0]))
    assert (row.rejected.value, row.ambiguous.value, row.accepted.value) == (0.25, 0.25, 0.5)
    assert row.accepted_right is not None
    assert (row.accepted_right.value, row.accepted_right.n) == (0.5, 2)


def test_without_labels_nothing_is_right_or_wrong() -> None:
    found = scores([0.1], [0.1], [0])
    assert route_row("news", [found], LIMITS, draw(1, 5)).accepted_right is None
    assert route_row("news", [found], LIMITS, draw(1, 5), np.array([-1])).accepted_right is None


def test_blurred_images_are_not_assessed_whatever_the_model_thinks() -> None:
    sure = replace(scores([0.1, 0.1, 0.9], [0.0, 0.0, 0.0], [0, 1, 0]), blurred=np.array([False, True, False]))
    row = route_row("blur", [sure], LIMITS, draw(3, 20), np.array([0, 0, 0]))
    assert row.rejected.value == pytest.approx(2 / 3)
    assert row.accepted.value == pytest.approx(1 / 3)
    assert row.accepted_right is not None
    assert (row.accepted_right.value, row.accepted_right.n) == (1.0, 1)


def test_blur_is_what_the_engine_calls_blur() -> None:
    sharp = np.kron(np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8), np.ones((6, 6), np.uint8))
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 4), np.uint8)
    assert blurred_images(np.stack([sharp, soft])).tolist() == [False, True]


def test_versions_of_one_face_count_together() -> None:
    first, second = scores([0.1, 0.9], [0, 0], [0, 0]), scores([0.9, 0.9], [0, 0], [0, 0])
    row = route_row("noise", [first, second], LIMITS, draw(2, 20), np.array([0, 0]))
    assert row.sets == 2
    assert row.rejected.value == 0.75


def test_ambiguity_is_measured_against_the_raters() -> None:
    votes = votes_of([5, 5, 10, 10])
    found = scores([0.1, 0.9, 0.1, 0.1], [2.0, 2.0, 2.0, 0.1], [0] * 4)
    figures = ambiguity_figures(found, votes, LIMITS, draw(4, 20))
    assert figures.ambiguous.value == 0.5
    assert figures.called.value == 0.5
    assert figures.precision.value == 0.5
    assert figures.recall.value == 0.5
    assert figures.rejected_but_ambiguous.value == 1.0


def test_raters_who_all_agree_or_divide_evenly_find_each_others_ambiguous_faces() -> None:
    votes = np.zeros((40, 10), np.int64)
    votes[:30, 0] = 10  # never ambiguous, whoever is asked
    votes[30:, :5] = 2
    assert panel_precision(votes) > 0.9


def test_close_calls_keep_raters_from_finding_each_others_ambiguous_faces() -> None:
    votes = np.zeros((300, 10), np.int64)
    votes[:, 0], votes[:, 1] = 6, 4  # a second panel finds a part of them ambiguous, and nothing says which
    found = panel_precision(votes)
    chance = math.comb(10, 5) * 0.6**5 * 0.4**5  # five votes each
    assert found == pytest.approx(chance, abs=0.03)
    assert found == panel_precision(votes)


def test_precision_at_recall_counts_resampled_faces() -> None:
    truth = np.array([True, False])
    assert precision_at_recall(np.array([0.1, 0.9]), truth, recall=1.0) == 0.5
    assert precision_at_recall(np.array([0.1, 0.9]), truth, np.array([3.0, 1.0]), 1.0) == 0.75
    assert np.isnan(precision_at_recall(np.array([0.1]), np.array([False])))


def test_the_table_has_a_row_for_each_family() -> None:
    assert sorted(name for names in FAMILIES.values() for name in names) == sorted(CORRUPTIONS)
    clean = scores([0.1, 0.1], [0.1, 0.1], [0, 0])
    bad = scores([0.9, 0.9], [0.1, 0.1], [1, 1])
    shifted = [ShiftedScores(name, 5, bad if name in FAMILIES["noise"] else clean) for name in CORRUPTIONS]
    draws = (draw(2, 10), draw(2, 10))
    table = route_table(clean, {"cifar_c": shifted}, np.arange(2), votes_of([10, 10]), LIMITS, draws)
    rows = {row.name: row for row in table.rows}
    assert rows["cifar_c"].rejected.value == pytest.approx(3 / 15)
    assert rows["cifar_c: noise"].rejected.value == 1
    assert rows["cifar_c: blur"].accepted_right.value == 1
