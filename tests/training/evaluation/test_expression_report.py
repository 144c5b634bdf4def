"""Figures of an expression report, on synthetic faces."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tests.training.fakes.expression import FACTS, fake_estimates, fake_faces, fake_report
from training.data.fer2013 import majority_labels
from training.evaluation.estimates import Estimates
from training.evaluation.expression_report import (
    flip_figures,
    label_figures,
    member_figures,
    route_figures,
    vote_figures,
)
from training.loop.json_report import plain
from training.metrics.calibration import expected_calibration_error, one_hot

NAMES = ("angry", "happy", "sad")


def test_label_figures_equal_the_values_by_hand() -> None:
    probabilities = one_hot(np.array([0, 0, 1, 1, 0, 0]), 3)
    found = label_figures(probabilities, np.array([0, 0, 1, 0, 0, 2]), NAMES)
    assert found.accuracy.value == 4 / 6
    assert found.balanced_accuracy.value == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert found.macro_f1.value == pytest.approx((2 * 3 / (4 + 4) + 2 * 1 / (1 + 2) + 0) / 3)
    assert found.always_commonest == 4 / 6
    assert found.confusion_matrix.tolist() == [[3, 1, 0], [0, 1, 0], [1, 0, 0]]
    first, _, last = found.classes
    assert (first.n, first.named) == (4, 4)
    assert first.precision is not None
    assert first.precision.value == 3 / 4
    assert first.f1 is not None
    assert first.f1.value == pytest.approx(2 * 3 / (4 + 4))
    assert first.f1.low < first.f1.value < first.f1.high
    assert last.precision is None  # never named
    assert last.recall is not None
    assert (last.recall.value, last.recall.n) == (0, 1)


def test_class_that_neither_occurs_nor_is_predicted_has_no_figures() -> None:
    found = label_figures(one_hot(np.array([0, 1]), 3), np.array([0, 1]), NAMES)
    assert (found.classes[2].precision, found.classes[2].recall, found.classes[2].f1) == (None, None, None)


def test_labels_of_different_faces_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"2 labels over 3 names do not fit probabilities \(3, 3\)"):
        label_figures(np.eye(3), np.array([0, 1]), NAMES)
    with pytest.raises(ValueError, match="0 labels"):
        label_figures(np.empty((0, 3)), np.empty(0, np.int64), NAMES)


def test_report_counts_its_faces() -> None:
    report, faces = fake_report(), fake_faces(60)
    clear = majority_labels(faces.votes) >= 0
    assert (report.faces, report.majority_faces) == (60, clear.sum())
    assert report.majority.accuracy.n == report.selective.aurc.n == report.hard.after.ece.n == clear.sum()
    assert report.raters.after.ece.n == report.votes.kl.n == 60
    assert sum(part.share.value for part in report.routes) == pytest.approx(1)
    assert report.mesh_found.value == 1


def test_calibration_is_reported_before_and_after() -> None:
    report, faces, judged = fake_report(), fake_faces(60), fake_estimates(3)
    after = expected_calibration_error(judged.probabilities, faces.vote_shares)
    assert report.raters.after.ece.value == pytest.approx(after)
    assert report.raters.before is not None
    assert report.raters.before.nll.value != report.raters.after.nll.value


def test_every_interval_of_a_report_contains_its_value() -> None:
    found = []

    def walk(part: object) -> None:
        if isinstance(part, dict):
            if set(part) == {"value", "low", "high", "n"}:
                found.append(part)
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(plain(fake_report()))
    assert len(found) >= 50
    assert all(part["low"] <= part["value"] <= part["high"] and part["n"] > 0 for part in found)


def test_single_member_has_no_epistemic_part_and_no_spread() -> None:
    report = fake_report(members=1)
    assert report.votes.spearman_epistemic is None
    assert report.votes.spearman_aleatoric is not None
    assert report.members is not None
    assert (report.members.count, report.members.accuracy_sd) == (1, None)
    assert report.members.accuracy_mean == pytest.approx(report.majority.accuracy.value)
    rejected = report.routes[2]
    assert (rejected.share.value, rejected.accuracy, rejected.vote_entropy) == (0, None, None)
    assert "NaN" not in json.dumps(plain(report))


def test_model_without_members_has_no_member_figures() -> None:
    judged = dataclasses.replace(fake_estimates(3), members=None)
    assert member_figures(judged, np.zeros(60, np.int64)) is None


def test_rejection_comes_before_ambiguity() -> None:
    facts = dataclasses.replace(FACTS, aleatoric_limit=1.0, epistemic_limit=0.1)
    probabilities = one_hot(np.array([0, 0, 0, 0]), 8)
    judged = Estimates(probabilities, np.array([0.5, 1.5, 1.5, 1.0]), np.array([0.0, 0.0, 0.2, 0.1]))
    labels = np.array([0, 1, 0, -1])
    accepted, ambiguous, rejected = route_figures(judged, facts, labels, np.full((4, 8), 1 / 8))
    assert (accepted.route, accepted.share.value) == ("accept", 2 / 4)  # values at a limit are not above it
    assert (ambiguous.route, ambiguous.share.value) == ("ambiguous", 1 / 4)
    assert (rejected.route, rejected.share.value) == ("reject", 1 / 4)
    assert accepted.accuracy is not None
    assert (accepted.accuracy.value, accepted.accuracy.n) == (1, 1)  # the other has no majority label
    assert ambiguous.accuracy is not None
    assert ambiguous.accuracy.value == 0
    assert rejected.vote_entropy is not None
    assert rejected.vote_entropy.value == pytest.approx(np.log(8))


def test_probabilities_equal_to_the_votes_have_distance_0() -> None:
    votes = fake_faces(60).vote_shares.astype(np.float64)
    votes /= votes.sum(1, keepdims=True)
    judged = dataclasses.replace(fake_estimates(3), probabilities=votes)
    found = vote_figures(judged, votes)
    assert found.kl.value == pytest.approx(0, abs=1e-9)
    assert found.total_variation.value == 0


def test_mirrored_probabilities_are_averaged() -> None:
    plain_view = np.array([[0.9, 0.1], [0.4, 0.6], [0.45, 0.55]])
    mirror = np.array([[0.9, 0.1], [0.7, 0.3], [0.5, 0.5]])
    pad = np.zeros((3, 6))
    votes = one_hot(np.array([0, 0, 0]), 8)
    views = (np.hstack([view, pad]) for view in (plain_view, mirror))
    found = flip_figures(*views, np.array([0, 0, -1]), votes)
    assert found.accuracy.value == 2 / 2  # (0.4 + 0.7) / 2 names the first class
    assert found.accuracy_gain.value == 1 / 2
    assert found.nll_votes.value == pytest.approx(-np.mean(np.log([0.9, 0.55, 0.475])))
