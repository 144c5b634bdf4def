"""Plots of the time series: which there are, their scales and their places."""

import dataclasses
import math

import numpy as np
import pytest

from app.review.face_series import FaceSeries, SeriesGroup
from app.review.series_layout import OOD_SCORE, SeriesLine, largest_angle_deg, layout_plots, series_lines
from engine.facs import EXPRESSIONS
from tests.fakes.sessions import fake_header

HEADER = fake_header(au_codes=(1, 4, 12), au_thresholds=(0.3, 0.4, 0.5), au_trusted=(4, 12))
LINES = series_lines(HEADER, all_units=False)
UNITS = [line for line in LINES if line.group is SeriesGroup.UNITS]


def plots_of(lines=LINES, hidden=(), room_px=0):
    return layout_plots(HEADER, lines, set(hidden), 30.0, 16.0, room_px)


def test_untrusted_units_are_shown_on_request_only():
    assert [line.place for line in UNITS] == [1, 2]
    everything = series_lines(HEADER, all_units=True)
    assert [line.place for line in everything if line.group is SeriesGroup.UNITS] == [1, 2, 0]


def test_plots_follow_each_other_with_their_scales_and_limits():
    plots = plots_of()
    assert [(plot.group.value, len(plot.lines)) for plot in plots] == [
        ("expressions", 8),
        ("uncertainties", 2),
        ("uncertainties", 1),
        ("units", 1),
        ("units", 1),
        ("pose", 3),
    ]
    assert [plot.limit for plot in plots] == [None, 1.2, 0.95, 0.4, 0.5, None]
    assert (plots[1].low, plots[1].high) == (0.0, math.log(len(EXPRESSIONS)))
    assert (plots[-1].low, plots[-1].high) == (-30.0, 30.0)
    assert all(after.top_px > before.bottom_px for before, after in zip(plots, plots[1:], strict=False))


def test_a_plot_without_a_visible_line_is_left_out():
    score = SeriesLine(SeriesGroup.UNCERTAINTIES, OOD_SCORE)
    expressions = [line for line in LINES if line.group is SeriesGroup.EXPRESSIONS]
    kept = plots_of(hidden=[score, *expressions[:7], *UNITS])
    assert [plot.group.value for plot in kept] == ["expressions", "uncertainties", "pose"]
    assert plots_of(hidden=LINES) == ()


def test_plots_fill_the_room_but_never_shrink():
    least = plots_of()[-1].bottom_px
    roomy = plots_of(room_px=least + 300)
    assert least + 300 - 6 <= roomy[-1].bottom_px <= least + 300
    assert plots_of(room_px=least // 2)[-1].bottom_px == least
    assert roomy[3].height_px == plots_of()[3].height_px  # a lane of one unit stays as it is


@pytest.mark.parametrize(("angles", "scale"), [([3, -4], 30), ([31, 2], 45), ([-170, 0], 90), ([math.nan], 30)])
def test_the_scale_of_the_pose_holds_its_angles(angles, scale):
    table = np.tile(np.array(angles, np.float32)[:, None], 3)
    rows = np.arange(len(angles))
    assert largest_angle_deg(FaceSeries(rows.astype(np.int32), rows, {SeriesGroup.POSE: table})) == scale


def test_the_intensity_of_a_unit_is_below_its_occurrence_where_the_model_grades():
    header = dataclasses.replace(HEADER, au_intensity=True)
    lines = series_lines(header, all_units=False)
    plots = [plot for plot in layout_plots(header, lines, set(), 30.0, 16.0) if plot.lines[0].place in (1, 2)]
    units = [plot for plot in plots if plot.group in (SeriesGroup.UNITS, SeriesGroup.INTENSITIES)]
    assert [(plot.group.value, plot.lines[0].place, plot.high) for plot in units] == [
        ("units", 1, 1.0),
        ("intensities", 1, 5.0),
        ("units", 2, 1.0),
        ("intensities", 2, 5.0),
    ]
