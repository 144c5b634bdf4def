"""The values of a face over time: envelopes against a count frame by frame, and gaps."""

import numpy as np
import pytest

from app.review.face_series import FaceSeries, SeriesGroup
from app.review.session import open_session
from engine.facs import EXPRESSIONS, OPEN_UNITS
from tests.fakes.faces import fake_face
from tests.fakes.sessions import labelled_face, low_quality_face, write_session

NAN = float("nan")
GROUP = SeriesGroup.POSE


def edges(*positions):
    return np.array(positions, np.int64)


def series_of(positions, *lines):
    """A face with these rows; its table has another face's rows between them."""
    table = np.full((2 * len(positions), len(lines)), 99.0, np.float32)
    order = np.arange(len(positions)) * 2 + 1
    table[order] = np.array(lines, np.float32).T
    return FaceSeries(np.array(positions, np.int32), order, {GROUP: table})


def test_each_column_has_its_lowest_and_highest_value():
    series = series_of(range(6), [0.1, 0.9, 0.2, 0.3, 0.4, 0.0], [5, 5, 5, -1, 7, 2])
    envelope = series.envelope(GROUP, edges(0, 3, 6))
    assert envelope.positions.tolist() == [0, 3]
    assert envelope.low == pytest.approx(np.array([[0.1, 0.0], [5.0, -1.0]]))
    assert envelope.high == pytest.approx(np.array([[0.9, 0.4], [5.0, 7.0]]))


def test_a_column_without_the_face_breaks_the_lines_and_one_without_a_frame_is_left_out():
    series = series_of([0, 1, 4, 5], [1, 2, 3, 4])
    envelope = series.envelope(GROUP, edges(0, 2, 2, 4, 6))
    assert envelope.positions.tolist() == [0, 2, 4]
    assert envelope.high[0] == pytest.approx([2.0, NAN, 4.0], nan_ok=True)


def test_frames_that_were_not_assessed_do_not_hide_the_others_of_their_column():
    series = series_of(range(4), [NAN, 0.5, NAN, NAN])
    envelope = series.envelope(GROUP, edges(0, 2, 4))
    assert envelope.low[0] == pytest.approx([0.5, NAN], nan_ok=True)


def test_the_part_in_view_alone_counts():
    series = series_of(range(10), range(10))
    envelope = series.envelope(GROUP, edges(4, 6, 8))
    assert (envelope.low[0].tolist(), envelope.high[0].tolist()) == ([4, 6], [5, 7])
    assert not len(series.envelope(GROUP, edges(4, 4)).positions)
    assert np.isnan(series_of([9], [1]).envelope(GROUP, edges(0, 4)).low).all()


def test_values_belong_to_a_frame_of_the_face():
    series = series_of([2, 5], [0.25, 0.5])
    assert series.values_at(GROUP, 5) == pytest.approx([0.5])
    assert [series.values_at(GROUP, position) for position in (0, 3, 9)] == [None, None, None]


@pytest.mark.parametrize("tables", [True, False])
def test_a_session_has_the_values_of_its_rows(tmp_path, tables):
    frames = [(labelled_face(1, "anger", level=0.25),), (low_quality_face(1),), (labelled_face(1),), ()]
    with open_session(write_session(tmp_path / "run", frames, tables=tables).path) as session:
        rows = [session.rows_at(position)[0].shown() for position in range(3)]
        series = session.faces[0].series
    first, dark, strange = rows
    values = {group: series.values(group) for group in SeriesGroup}
    assert values[SeriesGroup.EXPRESSIONS][:, 0] == pytest.approx(first.probabilities)
    assert len(first.probabilities) == len(EXPRESSIONS)
    assert np.isnan(values[SeriesGroup.EXPRESSIONS][:, 1:]).all()
    assert values[SeriesGroup.UNITS][:, 0] == pytest.approx(first.occurrence)
    for place, row in ((0, first), (2, strange)):
        measured = (row.aleatoric, row.epistemic, row.ood_score)
        assert values[SeriesGroup.UNCERTAINTIES][:, place] == pytest.approx(measured)
    assert np.isnan(values[SeriesGroup.UNCERTAINTIES][:, 1]).all()
    poses = [(row.yaw, row.pitch, row.roll) for row in (first, dark, strange)]
    assert pytest.approx(np.array(poses)) == values[SeriesGroup.POSE].T


@pytest.mark.parametrize("tables", [True, False])
def test_a_session_of_a_model_that_grades_has_intensities(tmp_path, tables):
    face = fake_face(units=OPEN_UNITS, occurrence=(0.5,) * len(OPEN_UNITS), graded=True)
    frames = [(face,), (low_quality_face(1),)]
    folder = write_session(tmp_path / "run", frames, tables=tables, au_intensity=True).path
    with open_session(folder) as session:
        graded = session.faces[0].series.values(SeriesGroup.INTENSITIES)
    assert graded[:, 0] == pytest.approx(np.full(len(OPEN_UNITS), 2.0))
    assert np.isnan(graded[:, 1]).all()


def test_a_session_of_a_model_that_does_not_grade_has_no_intensities(tmp_path):
    with open_session(write_session(tmp_path / "run", [(labelled_face(1, "anger"),)]).path) as session:
        assert session.faces[0].series.values(SeriesGroup.INTENSITIES).shape == (0, 1)
