"""The last minute of a face: what is kept, where lines break, and that memory stays flat."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from app.live.trace import SPAN_S, Trace
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow
from engine.types import Route

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
    made = Trace(classes=2, points=60)  # a point per second
    for time_s, row in samples:
        made.add(time_s, row)
    return made


def test_an_empty_trace_has_no_points() -> None:
    view = trace().view()
    assert view.times_s.shape == (0,)
    assert view.probabilities.shape == (2, 0)
    assert view.refused == ()


def test_a_point_is_the_mean_over_its_part() -> None:
    other = dataclasses.replace(SEEN, probabilities=(0.4, 0.6), aleatoric=0.5, ood_score=0.6)
    view = trace((10.0, SEEN), (10.5, other)).view()
    np.testing.assert_allclose(view.probabilities, [[0.3], [0.7]])
    np.testing.assert_allclose(view.aleatoric, [0.4])
    np.testing.assert_allclose(view.ood_score, [0.5])
    np.testing.assert_allclose(view.times_s, [(10.0 + 10.5) / 2 - 10.5])


def test_nothing_is_known_without_a_face() -> None:
    none = FaceRow(0, None, 0.0, NO_FACE, 5.0)
    view = trace((0.0, SEEN), (1.0, None), (2.0, none), (3.0, SEEN)).view()
    assert np.isnan(view.probabilities[:, 1:3]).all()
    assert np.isnan(view.aleatoric[1:3]).all()
    assert not np.isnan(view.probabilities[:, [0, 3]]).any()
    assert view.refused == ()


def test_a_face_unlike_the_training_data_keeps_its_uncertainties() -> None:
    view = trace((0.0, SEEN), (1.0, REFUSED)).view()
    assert np.isnan(view.probabilities[:, 1]).all()
    assert view.aleatoric[1] == pytest.approx(0.3)


def test_spans_that_were_not_assessed() -> None:
    view = trace((0.0, SEEN), (1.0, REFUSED), (2.0, BADLY), (3.0, SEEN), (4.0, REFUSED)).view()
    assert view.refused == ((1.0 - 4.0, 3.0 - 4.0), (0.0, 0.0))


def test_a_pause_breaks_the_lines() -> None:
    view = trace((0.0, SEEN), (5.0, SEEN)).view()
    assert np.isnan(view.probabilities).all(axis=0).tolist() == [False, True, False]


def test_a_slow_source_has_no_breaks() -> None:
    made = Trace(classes=2, points=600)  # ten parts per second, two samples
    for step in range(20):
        made.add(step / 2, SEEN)
    assert not np.isnan(made.view().probabilities).any()


def test_a_time_before_the_last_begins_anew() -> None:
    made = trace((50.0, SEEN), (51.0, SEEN), (3.0, SEEN))
    assert len(made) == 1
    assert made.view().times_s.tolist() == [0.0]


def test_what_is_older_than_the_span_is_left_out() -> None:
    view = trace(*((float(second), SEEN) for second in range(100))).view()
    assert view.times_s[0] == -SPAN_S
    assert view.times_s[-1] == 0.0


def test_points_keep_their_numbers_while_the_window_moves() -> None:
    made = trace(*((float(second), SEEN) for second in range(70)))
    before = made.view().numbers
    made.add(70.0, SEEN)
    assert made.view().numbers[:-1].tolist() == before[1:].tolist()


def test_memory_stays_flat_and_a_fast_source_still_fills_the_span() -> None:
    made = Trace(classes=2, points=60)
    size = made._ring.nbytes
    for step in range(240 * 70):
        made.add(step / 240, SEEN)
    assert made._ring.nbytes == size
    assert len(made) <= 60 * SPAN_S + 1
    assert made.view().times_s[0] < -SPAN_S + 1.0


def test_a_row_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        Trace(classes=8, points=60).add(0.0, SEEN)
