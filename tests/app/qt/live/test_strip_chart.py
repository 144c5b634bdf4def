"""The strip chart: its lines, their breaks, the limits, and that it does not draw while hidden."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt import theme
from app.qt.live.strip_chart import StripChart
from app.qt.widgets.expression_panel import MAX_NATS
from app.session.rows import LOW_QUALITY, FaceRow, SessionHeader
from app.settings.limits import Limits
from engine.types import Float64

HAPPY = FaceRow(
    *(0, None, 0.0, "accept", 5.0),
    labels=("happiness",),
    shares=(0.8,),
    probabilities=(0.1, 0.8, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0),
    ood_score=0.5,
    aleatoric=0.6,
)
SURPRISED = dataclasses.replace(HAPPY, probabilities=(0.1, 0.1, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0))
POOR_IMAGE = dataclasses.replace(HAPPY, decision=LOW_QUALITY, probabilities=(), ood_score=None, aleatoric=None)


@pytest.fixture
def chart(qtbot: QtBot, header: SessionHeader) -> StripChart:
    chart = StripChart()
    qtbot.addWidget(chart)
    chart.resize(340, 380)
    chart.set_header(header)
    chart.show()
    QApplication.processEvents()
    return chart


def feed(chart: StripChart, start_s: float, stop_s: float, row: FaceRow | None) -> None:
    for time_s in np.arange(start_s, stop_s, 1 / 15):
        chart.add(float(time_s), row)


def line(chart: StripChart, place: int, name: str) -> tuple[Float64, Float64]:
    plot = chart.plots.plots[place]
    return plot.times_s, plot.lines[name]


def limits(chart: StripChart) -> list[float]:
    """The drawn limits, aleatoric in nats and epistemic."""
    _, first, second = (plot.limit for plot in chart.plots.plots)
    assert first is not None
    assert second is not None
    return [first * MAX_NATS, second]


def screenshot(chart: StripChart) -> QImage:
    return chart.grab().toImage()


def test_only_expressions_above_15_percent_have_a_line(chart: StripChart) -> None:
    feed(chart, 0, 10, HAPPY)
    feed(chart, 10, 20, SURPRISED)
    chart.refresh()
    assert chart.key.labels == ("happiness", "surprise")
    assert set(chart.plots.plots[0].lines) == {"happiness", "surprise"}
    assert chart.accessibleDescription() == "Expressions that reached 15 %: happy, surprised"


def test_expressions_of_the_past_are_dropped(chart: StripChart) -> None:
    feed(chart, 0, 5, SURPRISED)
    feed(chart, 5, 70, HAPPY)
    chart.refresh()
    assert chart.key.labels == ("happiness",)
    assert set(chart.plots.plots[0].lines) == {"happiness"}


def test_lines_break_while_the_face_is_not_assessed(chart: StripChart) -> None:
    feed(chart, 0, 10, HAPPY)
    feed(chart, 10, 15, POOR_IMAGE)
    feed(chart, 15, 20, None)
    feed(chart, 20, 30, HAPPY)
    chart.refresh()
    for place, name in ((0, "happiness"), (1, "value"), (2, "value")):
        times, values = line(chart, place, name)
        ago = times + 30
        assert np.isnan(values[(ago > 10.5) & (ago < 19.5)]).all()
        assert not np.isnan(values[(ago < 9.5) | (ago > 20.5)]).any()


def test_spans_without_assessment_are_shaded(chart: StripChart) -> None:
    feed(chart, 0, 30, HAPPY)
    chart.refresh()
    assert chart.plots.plots[0].hatched == ()
    feed(chart, 30, 40, POOR_IMAGE)
    feed(chart, 40, 50, HAPPY)
    chart.refresh()
    ((start, stop),) = chart.plots.plots[0].hatched
    assert start == pytest.approx(-20, abs=0.5)
    assert stop == pytest.approx(-10, abs=0.5)


def test_lines_differ_without_colour(chart: StripChart) -> None:
    both = dataclasses.replace(HAPPY, probabilities=(0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0))
    feed(chart, 0, 60, both)
    chart.refresh()
    broken = [np.isnan(line(chart, 0, name)[1]).any() for name in ("happiness", "surprise")]
    assert broken == [False, True]


def test_limits_are_drawn_and_can_be_moved(chart: StripChart, header: SessionHeader) -> None:
    assert limits(chart) == pytest.approx([header.aleatoric_limit, header.ood_limit])
    before = screenshot(chart)
    chart.set_limits(Limits(0.4, 0.3))
    assert limits(chart) == pytest.approx([0.4, 0.3])
    assert screenshot(chart) != before


def test_without_a_session_there_are_no_limits(chart: StripChart) -> None:
    chart.set_header(None)
    assert [plot.limit for plot in chart.plots.plots] == [None, None, None]


def test_time_that_jumps_back_clears_the_chart(chart: StripChart) -> None:
    feed(chart, 100, 120, SURPRISED)
    feed(chart, 0, 3, HAPPY)
    chart.refresh()
    assert chart.key.labels == ("happiness",)
    assert line(chart, 0, "happiness")[0][0] > -3.1


def test_clear_removes_all_lines(chart: StripChart) -> None:
    feed(chart, 0, 10, HAPPY)
    chart.refresh()
    chart.clear()
    assert chart.key.labels == ()
    assert not len(line(chart, 1, "value")[0])
    assert chart.accessibleDescription() == "No expression in the last 60 seconds"


def test_it_redraws_on_its_own_while_visible(chart: StripChart, qtbot: QtBot) -> None:
    feed(chart, 0, 10, HAPPY)
    assert len(chart.trace) > 100
    qtbot.waitUntil(lambda: chart.key.labels == ("happiness",), timeout=5000)


def test_while_hidden_it_collects_rows_but_does_not_draw(chart: StripChart) -> None:
    chart.hide()
    feed(chart, 0, 10, HAPPY)
    assert not any(timer.isActive() for timer in chart.findChildren(QTimer))
    assert chart.key.labels == ()
    chart.show()
    assert chart.key.labels == ("happiness",)


def test_it_follows_the_theme(chart: StripChart) -> None:
    feed(chart, 0, 10, HAPPY)
    light = screenshot(chart).pixelColor(chart.width() // 2, chart.height() - 40)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    theme.apply_theme(application, theme.ThemeName.DARK, 150)
    QApplication.processEvents()
    dark = screenshot(chart).pixelColor(chart.width() // 2, chart.height() - 40)
    assert dark.lightness() < 100 < light.lightness()


def test_plots_are_drawn_inside_their_axes(chart: StripChart) -> None:
    chart.set_header(None)
    empty = screenshot(chart)
    feed(chart, 0, 60, dataclasses.replace(HAPPY, probabilities=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)))
    chart.refresh()
    full, colour = screenshot(chart), theme.current().expression("happiness")
    first = chart.plots.plot_areas()[0].translated(chart.plots.pos())
    top, middle = (full.pixelColor(first.center().x(), y) for y in (first.top() + 1, first.center().y()))
    assert abs(top.hue() - colour.hue()) < 10
    assert middle == empty.pixelColor(first.center())


def test_many_names_need_more_lines(chart: StripChart) -> None:
    low = chart.key.minimumHeight()
    chart.resize(220, 500)
    for place in range(8):
        probabilities = tuple(1.0 if place == other else 0.0 for other in range(8))
        feed(chart, 3.0 * place, 3.0 * place + 2, dataclasses.replace(HAPPY, probabilities=probabilities))
    chart.refresh()
    assert len(chart.key.labels) == 8
    assert chart.key.minimumHeight() > low
