"""Rows of each decision: what they hold, and what stays empty."""

from __future__ import annotations

import dataclasses

import pytest

from app.session.rows import rows_of
from engine.types import FaceQuality, QualityReason, Reason, Route
from tests.fakes.faces import fake_face, fake_frame, fake_result


def test_accept_has_one_label_and_its_share() -> None:
    (row,) = rows_of(fake_result(fake_frame(7), fake_face()))
    assert (row.decision, row.labels, row.shares) == ("accept", ("happiness",), (0.82,))
    assert (row.frame, row.pts_s, row.time_s, row.face_id) == (7, 0.7 + 1.0, 0.7, 1)
    assert (row.x, row.y, row.w, row.h) == (40.0, 30.0, 100.0 - 40.0, 100.0 - 30.0)
    assert len(row.probabilities) == 8
    assert len(row.occurrence) == len(row.occurrence_std) == 12
    assert (row.yaw, row.pitch, row.roll) == (10.0, -5.0, 1.5)
    assert row.latency_ms == 1.0 + 0.5 + 2.0 + 1.25 + 0.25


def test_ambiguous_has_all_competing_labels() -> None:
    face = fake_face(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("fear", "surprise", "sadness"), (0.4, 0.3, 0.2))
    (row,) = rows_of(fake_result(fake_frame(), face))
    assert (row.decision, row.labels) == ("ambiguous", ("fear", "surprise", "sadness"))


def test_reject_has_uncertainties_but_no_label_probability_or_unit() -> None:
    (row,) = rows_of(fake_result(fake_frame(), fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ())))
    assert row.decision == "reject"
    assert (row.labels, row.shares, row.probabilities, row.occurrence, row.occurrence_std) == ((), (), (), (), ())
    assert (row.aleatoric, row.epistemic, row.ood_score) == (0.4, 0.1, 0.25)


def test_reject_names_what_is_covered() -> None:
    face = fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ())
    decision = dataclasses.replace(face.decision, covered=(QualityReason.MOUTH_COVERED,))
    (row,) = rows_of(fake_result(fake_frame(), dataclasses.replace(face, decision=decision)))
    assert (row.decision, row.quality_reasons) == ("reject", ("mouth_covered",))


def test_low_quality_has_only_box_quality_and_pose() -> None:
    bad = FaceQuality(0.2, (QualityReason.DARK, QualityReason.BLURRED))
    (row,) = rows_of(fake_result(fake_frame(), fake_face(Route.REJECT, Reason.LOW_QUALITY, (), (), quality=bad)))
    assert (row.decision, row.quality, row.quality_reasons) == ("low_quality", 0.2, ("dark", "blurred"))
    assert (row.aleatoric, row.epistemic, row.ood_score) == (None, None, None)
    assert (row.probabilities, row.occurrence) == ((), ())
    assert row.yaw == 10.0


def test_a_frame_without_a_face_has_one_row() -> None:
    (row,) = rows_of(fake_result(fake_frame(3)))
    assert (row.decision, row.frame, row.face_id, row.x, row.quality) == ("no_face", 3, None, None, None)


def test_every_face_has_a_row() -> None:
    rows = rows_of(fake_result(fake_frame(), fake_face(), fake_face(track_id=4)))
    assert [row.face_id for row in rows] == [1, 4]


def test_times_of_a_long_film_keep_their_microseconds() -> None:
    (row,) = rows_of(fake_result(fake_frame(250_003, fps=30.0)))
    assert row.time_s == pytest.approx(250_003 / 30, abs=1e-6)


def test_a_carried_face_repeats_its_decision_and_nothing_that_was_measured() -> None:
    (row,) = rows_of(fake_result(fake_frame(7), dataclasses.replace(fake_face(), carried=3)))
    assert (row.carried, row.decision, row.labels, row.shares) == (3, "accept", ("happiness",), (0.82,))
    assert (row.probabilities, row.occurrence, row.occurrence_std) == ((), (), ())
    assert (row.aleatoric, row.epistemic, row.ood_score) == (None, None, None)
    assert (row.x, row.quality, row.yaw) == (40.0, 0.75, 10.0)


def test_a_carried_face_that_was_not_seen_well_stays_so() -> None:
    face = dataclasses.replace(fake_face(Route.REJECT, Reason.LOW_QUALITY, (), ()), carried=1)
    (row,) = rows_of(fake_result(fake_frame(), face))
    assert (row.carried, row.decision) == (1, "low_quality")


def test_rows_for_display_repeat_the_last_values() -> None:
    result = fake_result(fake_frame(7), dataclasses.replace(fake_face(), carried=3))
    (row,) = rows_of(result, repeat=True)
    (measured,) = rows_of(fake_result(fake_frame(7), fake_face()))
    assert row == dataclasses.replace(measured, carried=3)


def test_the_steady_estimate_stands_beside_that_of_the_frame() -> None:
    (row,) = rows_of(fake_result(fake_frame(), fake_face()))
    assert row.steady_probabilities[1] == row.shares[0] == 0.82
    assert row.probabilities[1] == 0.5
    assert (row.steady_aleatoric, row.steady_epistemic, row.steady_ood_score) == (0.45, 0.1, 0.25)
    shown = row.shown()
    assert (shown.probabilities, shown.aleatoric) == (row.steady_probabilities, 0.45)
    assert (shown.labels, shown.occurrence) == (row.labels, row.occurrence)


def test_a_face_that_is_not_assessed_has_steady_uncertainties_only() -> None:
    (row,) = rows_of(fake_result(fake_frame(), fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ())))
    assert (row.steady_probabilities, row.steady_epistemic) == ((), 0.1)
    (row,) = rows_of(fake_result(fake_frame(), fake_face(Route.REJECT, Reason.LOW_QUALITY, (), ())))
    assert (row.steady_probabilities, row.steady_aleatoric, row.steady_ood_score) == ((), None, None)


def test_a_carried_face_repeats_its_steady_estimate() -> None:
    (row,) = rows_of(fake_result(fake_frame(7), dataclasses.replace(fake_face(), carried=3)))
    assert row.steady_probabilities[1] == 0.82
    assert row.steady_aleatoric == 0.45


def test_a_row_of_an_earlier_version_shows_the_frame() -> None:
    (row,) = rows_of(fake_result(fake_frame(), fake_face()))
    old = dataclasses.replace(
        row, steady_probabilities=(), steady_aleatoric=None, steady_epistemic=None, steady_ood_score=None
    )
    assert old.shown() is old
