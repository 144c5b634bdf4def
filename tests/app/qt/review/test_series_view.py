"""The time series: what is drawn, hiding lines, and mouse and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QAction, QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.qt.review.series_box import SeriesBox
from app.qt.review.series_painter import name_rects, value_text
from app.qt.review.series_view import SeriesView
from app.qt.theme import current
from app.review.face_series import SeriesGroup
from app.review.series_layout import OOD_SCORE, SeriesLine
from app.review.session import Session, open_session
from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder
from engine.facs import OPEN_UNITS
from tests.fakes.faces import fake_face
from tests.fakes.sessions import write_session

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
HAPPY = SeriesLine(SeriesGroup.EXPRESSIONS, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("series") / "session"
    write_synthetic_session(SessionFolder(path), 60.0, 10.0, 2, 5)
    return path


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with open_session(folder) as opened:
        yield opened


@pytest.fixture
def box(qtbot, session: Session) -> Iterator[SeriesBox]:
    owner = QWidget()
    shown = SeriesBox(tuple(QAction(text, owner) for text in ("in", "out", "all", "range")))
    qtbot.addWidget(owner)
    qtbot.addWidget(shown)
    shown.resize(900, 700)
    shown.series.set_session(session)
    shown.series.select_face(session.faces[0].face_id)
    shown.show()
    yield shown
    owner.close()


@pytest.fixture
def view(box: SeriesBox) -> SeriesView:
    return box.series


def grab(view: SeriesView) -> QImage:
    return view.viewport().grab().toImage()


def at(view: SeriesView, time_s: float, group: SeriesGroup = SeriesGroup.EXPRESSIONS) -> QPoint:
    """A point in the first plot of a group."""
    plot = next(plot for plot in view.plots if plot.group is group)
    y = view.head_px() + plot.top_px - view.verticalScrollBar().value() + plot.height_px // 2
    return QPoint(round(view.axis.names_px + view.scale.x_of(time_s)), y)


def move(view: SeriesView, point: QPoint, buttons: Qt.MouseButton = Qt.MouseButton.NoButton) -> None:
    place = QPointF(point)
    event = QMouseEvent(QEvent.Type.MouseMove, place, view.viewport().mapToGlobal(place), buttons, buttons, NONE)
    QApplication.sendEvent(view.viewport(), event)


def has_colour(image: QImage, colour: str, left: int = 0, top: int = 0, bottom: int = 10**6) -> bool:
    pixels = np.frombuffer(image.convertToFormat(QImage.Format.Format_RGB32).constBits(), np.uint8)
    pixels = pixels.reshape(image.height(), -1, 4)[top:bottom, left:, 2::-1]
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return bool((np.abs(pixels.astype(int) - wanted).max(axis=2) <= 2).any())


def test_all_groups_are_drawn_and_a_hidden_line_is_not(view: SeriesView) -> None:
    assert {plot.group for plot in view.plots} == {*SeriesGroup} - {SeriesGroup.INTENSITIES}  # its model grades none
    happy = current().expression("happiness").name()
    names = view.axis.names_px
    assert has_colour(grab(view), happy, names)
    view.show_lines((HAPPY,), False)
    assert not has_colour(grab(view), happy, names)
    view.show_lines((HAPPY,), True)
    assert has_colour(grab(view), happy, names)


def test_without_a_face_or_a_session_the_plots_are_empty(view: SeriesView) -> None:
    view.select_face(None)
    assert not has_colour(grab(view), current().expression("happiness").name(), view.axis.names_px)
    assert view.values_text() == ""
    view.set_session(None)
    assert grab(view).pixelColor(300, 300).name() == current().panel
    assert (view.plots, view.lines) == ((), ())


def test_a_click_seeks_and_a_drag_marks(view: SeriesView) -> None:
    seeks: list[float] = []
    ranges: list[tuple[float, float]] = []
    view.seek_requested.connect(seeks.append)
    view.range_marked.connect(lambda start_s, end_s: ranges.append((start_s, end_s)))
    QTest.mouseClick(view.viewport(), LEFT, NONE, at(view, 20.0))
    assert seeks == [pytest.approx(20.0, abs=0.1)]
    QTest.mousePress(view.viewport(), LEFT, NONE, at(view, 30.0))
    move(view, at(view, 10.0), LEFT)
    QTest.mouseRelease(view.viewport(), LEFT, NONE, at(view, 10.0))
    assert ranges == [(pytest.approx(10.0, abs=0.1), pytest.approx(30.0, abs=0.1))]
    assert len(seeks) == 1
    QTest.mousePress(view.viewport(), LEFT, NONE, QPoint(at(view, 40.0).x(), 5))  # on the ruler
    move(view, QPoint(at(view, 45.0).x(), 5), LEFT)
    QTest.mouseRelease(view.viewport(), LEFT, NONE, QPoint(at(view, 45.0).x(), 5))
    assert seeks[1:] == [pytest.approx(40.0, abs=0.1), pytest.approx(45.0, abs=0.1)]


def test_a_click_on_a_name_hides_its_line_and_shows_it_again(view: SeriesView) -> None:
    plot = view.plots[0]
    rect = dict(name_rects(plot, view.axis.names_px, view.em()))[HAPPY]
    place = QPoint(round(rect.center().x()), round(rect.center().y()) + view.head_px())
    QTest.mouseClick(view.viewport(), LEFT, NONE, place)
    assert view.hidden == {HAPPY}
    QTest.mouseClick(view.viewport(), LEFT, NONE, place)
    assert view.hidden == set()


def test_the_values_are_those_of_the_frame_at_the_playhead(view: SeriesView, session: Session) -> None:
    face = session.faces[0]
    position = int(face.positions[100])
    view.set_time(float(session.times_s[position]))
    row = next(row.shown() for row in session.rows_at(position) if row.face_id == face.face_id)
    assert f"happy {100 * row.probabilities[1]:.0f} %" in view.values_text()
    assert f"yaw {row.yaw:.0f}°" in view.values_text()
    assert view.accessibleDescription().endswith(view.values_text())
    view.show_lines((HAPPY,), False)
    assert "happy" not in view.values_text()


def test_units_of_values() -> None:
    assert value_text(HAPPY, 0.824) == "82 %"
    assert value_text(SeriesLine(SeriesGroup.UNCERTAINTIES, 0), 1.234) == "1.23 nats"
    assert value_text(SeriesLine(SeriesGroup.UNCERTAINTIES, OOD_SCORE), 0.5) == "50 %"
    assert value_text(SeriesLine(SeriesGroup.POSE, 0), -12.4) == "-12°"
    assert value_text(HAPPY, float("nan")) == ""


def test_the_pointer_has_a_line_and_its_values(view: SeriesView) -> None:
    before = grab(view)
    move(view, at(view, 30.0))
    pointed = grab(view)
    names = view.axis.names_px
    assert before.copy(0, 0, names, 60) != pointed.copy(0, 0, names, 60)
    assert before.copy(at(view, 30.0).x() - 2, 100, 4, 200) != pointed.copy(at(view, 30.0).x() - 2, 100, 4, 200)
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))
    assert grab(view) == before


def test_the_switch_of_a_group_hides_its_plots(box: SeriesBox, view: SeriesView) -> None:
    box.groups[SeriesGroup.POSE].click()
    assert all(plot.group is not SeriesGroup.POSE for plot in view.plots)
    view.show_lines((SeriesLine(SeriesGroup.POSE, 0),), True)
    assert box.groups[SeriesGroup.POSE].isChecked()
    count = len(view.plots)
    box.all_units.click()
    assert len(view.plots) >= count


def test_intensities_have_lines_of_their_own_where_the_model_grades(box: SeriesBox, tmp_path: Path) -> None:
    view, switch = box.series, box.groups[SeriesGroup.INTENSITIES]
    assert switch.isHidden()
    face = fake_face(units=OPEN_UNITS, occurrence=(0.5,) * len(OPEN_UNITS), graded=True)
    folder = write_session(tmp_path / "graded", [(face,)] * 20, au_intensity=True).path
    with open_session(folder) as session:
        view.set_session(session)
        view.select_face(session.faces[0].face_id)
        assert switch.isVisible()
        unit = next(line for line in view.lines if line.group is SeriesGroup.INTENSITIES)
        assert view.name_of(unit).endswith(" 0–5")
        assert f"{view.name_of(unit)} 2.0" in view.values_text()
        assert not grab(view).isNull()
        switch.click()
        assert all(plot.group is not SeriesGroup.INTENSITIES for plot in view.plots)
        view.set_session(None)


def test_the_menu_lists_every_line(box: SeriesBox, view: SeriesView) -> None:
    menu = box.lines.menu()
    menu.aboutToShow.emit()
    actions = [action for action in menu.actions() if not action.isSeparator()]
    assert [action.text() for action in actions] == [view.name_of(line) for line in view.lines]
    actions[1].trigger()
    assert view.hidden == {HAPPY}


def test_zoom_follows_another_view_and_the_marked_range(view: SeriesView) -> None:
    scales = []
    view.scale_changed.connect(scales.append)
    view.zoom_to_range()
    assert not scales
    view.set_range((20.0, 30.0))
    view.zoom_to_range()
    assert (view.scale.start_s, view.scale.end_s) == (pytest.approx(20.0), pytest.approx(30.0))
    assert scales == [view.scale]
    view.follow_scale(view.scale.resized(10))
    assert len(scales) == 1
    view.follow_scale(view.scale.moved_to(40.0))
    assert view.scale.start_s == pytest.approx(40.0)
    assert view.scale.width_px == view.viewport().width() - view.axis.names_px


def test_a_face_that_comes_later_breaks_no_plot(view: SeriesView, session: Session) -> None:
    for face in session.faces:
        view.select_face(face.face_id)
        assert not grab(view).isNull()
    view.zoom(20.0, at_s=30.0)  # a few frames in view
    assert not grab(view).isNull()
