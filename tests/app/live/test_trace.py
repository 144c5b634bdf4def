"""The last minute of a face: which samples are kept, where lines break, and that memory is bounded."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from app.live.trace import SPAN_S, Trace
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow, rows_of
from engine.types import Route
from tests.fakes.faces import fake_face, fake_frame, fake_result

SEEN = FaceRow(
    0,
    None,
    0.0,
    "accept",
    5.0,
    labels=("happiness",),
    shares=(0.8,),
    probabilities=(0.2, 0.8),
    ood_score=0.4,
    aleatoric=0.3,
)
REFUSED = dataclasses.replace(SEEN, decision=Route.REJECT.value, labels=(), shares=(), probabilities=())
BADLY = dataclasses.replace(REFUSED, decision=LOW_QUALITY, ood_score=None, aleatoric=None)


def trace(*samples: tuple[float, FaceRow | None]) -> Trace:
    filled = Trace(classes=2, points=60)  # a point per second
    for time_s, row in samples:
        filled.add(time_s, row)
    return filled


def test_an_empty_trace_has_no_points() -> None:
    view = trace().view()
    assert view.times_s.shape == (0,)
    assert view.probabilities.shape == (2, 0)
    assert view.not_assessed == ()


def test_a_point_is_the_mean_over_its_part() -> None:
    other = dataclasses.replace(SEEN, probabilities=(0.4, 0.6), aleatoric=0.5, ood_score=0.6)
    view = trace((10.0, SEEN), (10.5, other)).view()
    np.testing.assert_allclose(view.probabilities, [[0.3], [0.7]])
    np.testing.assert_allclose(view.aleatoric, [0.4])
    np.testing.assert_allclose(view.ood_score, [0.5])
    np.testing.assert_allclose(view.times_s, [(10.0 + 10.5) / 2 - 10.5])


def test_samples_without_a_face_are_nan() -> None:
    none = FaceRow(0, None, 0.0, NO_FACE, 5.0)
    view = trace((0.0, SEEN), (1.0, None), (2.0, none), (3.0, SEEN)).view()
    assert np.isnan(view.probabilities[:, 1:3]).all()
    assert np.isnan(view.aleatoric[1:3]).all()
    assert not np.isnan(view.probabilities[:, [0, 3]]).any()
    assert view.not_assessed == ()


def test_a_face_unlike_the_training_data_keeps_its_uncertainties() -> None:
    view = trace((0.0, SEEN), (1.0, REFUSED)).view()
    assert np.isnan(view.probabilities[:, 1]).all()
    assert view.aleatoric[1] == pytest.approx(0.3)


def test_spans_with_a_face_that_was_not_assessed() -> None:
    view = trace((0.0, SEEN), (1.0, REFUSED), (2.0, BADLY), (3.0, SEEN), (4.0, REFUSED)).view()
    assert view.not_assessed == ((1.0 - 4.0, 3.0 - 4.0), (0.0, 0.0))


def test_a_pause_breaks_the_lines() -> None:
    view = trace((0.0, SEEN), (5.0, SEEN)).view()
    assert np.isnan(view.probabilities).all(axis=0).tolist() == [False, True, False]


def test_a_slow_source_has_no_breaks() -> None:
    filled = Trace(classes=2, points=600)  # ten parts per second, two samples
    for step in range(20):
        filled.add(step / 2, SEEN)
    assert not np.isnan(filled.view().probabilities).any()


def test_a_time_before_the_previous_one_clears_the_trace() -> None:
    filled = trace((50.0, SEEN), (51.0, SEEN), (3.0, SEEN))
    assert len(filled) == 1
    assert filled.view().times_s.tolist() == [0.0]


def test_older_samples_are_not_in_the_view() -> None:
    view = trace(*((float(second), SEEN) for second in range(100))).view()
    assert view.times_s[0] == -SPAN_S
    assert view.times_s[-1] == 0.0


def test_points_keep_their_numbers_while_the_window_moves() -> None:
    filled = trace(*((float(second), SEEN) for second in range(70)))
    before = filled.view().numbers
    filled.add(70.0, SEEN)
    assert filled.view().numbers[:-1].tolist() == before[1:].tolist()


def test_memory_is_bounded_and_a_fast_source_still_fills_the_span() -> None:
    filled = Trace(classes=2, points=60)
    for step in range(240 * 70):
        filled.add(step / 240, SEEN)
    assert len(filled) <= 60 * SPAN_S + 1
    assert filled.view().times_s[0] < -SPAN_S + 1.0


def test_a_row_with_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        Trace(classes=8, points=60).add(0.0, SEEN)


def test_a_carried_row_is_no_sample() -> None:
    trace = Trace(8, 60)
    (row,) = rows_of(fake_result(fake_frame(), fake_face()))
    trace.add(0.0, row)
    trace.add(0.5, dataclasses.replace(row, carried=1))
    assert len(trace) == 1
