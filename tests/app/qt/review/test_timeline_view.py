"""The timeline: what it draws, and how it reacts to mouse, wheel and keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QAction, QColor, QFont, QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.qt.review.timeline_box import TimelineBox, TimelineLegend
from app.qt.review.timeline_painter import TimelineFrame, TimelinePainter
from app.qt.review.timeline_text import tooltip_text
from app.qt.review.timeline_view import TimelineView
from app.qt.theme import ThemeName, apply_theme, current
from app.review.face_timeline import FaceState
from app.review.notes import Exclusion, HumanLabel, Marker, NeutralRange, Notes
from app.review.session import Session, open_session
from app.review.synthetic_session import write_synthetic_session
from app.review.timeline_layout import RowKind, layout_rows
from app.session.folder import SessionFolder

NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("timeline") / "session"
    write_synthetic_session(SessionFolder(path), 60.0, 10.0, 3, 5)
    return path


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with open_session(folder) as opened:
        yield opened


@pytest.fixture
def view(qtbot, session: Session) -> TimelineView:
    timeline = TimelineView()
    qtbot.addWidget(timeline)
    timeline.resize(800, 300)
    timeline.set_session(session)
    timeline.show()
    return timeline


@pytest.fixture
def box(qtbot) -> Iterator[TimelineBox]:
    owner = QWidget()
    closer, wider, whole = (QAction(text, owner) for text in ("in", "out", "all"))
    timeline_box = TimelineBox((closer, wider, whole))
    qtbot.addWidget(owner)
    qtbot.addWidget(timeline_box)
    yield timeline_box
    owner.close()


def time_x(view: TimelineView, time_s: float) -> int:
    return round(view.frame.names_px + view.scale.x_of(time_s))


def face_y(view: TimelineView, face_id: int) -> int:
    row = next(row for row in view.frame.rows if row.face_id == face_id and row.kind is RowKind.FACE)
    return view.frame.head_px + row.top_px - view.verticalScrollBar().value() + row.height_px // 2


def grab(view: TimelineView) -> QImage:
    return view.viewport().grab().toImage()


def move(view: TimelineView, at: QPoint, keys: Qt.KeyboardModifier = NONE) -> None:
    """A move with the left button down, which QTest.mouseMove cannot send."""
    where = QPointF(at)
    event = QMouseEvent(
        QEvent.Type.MouseMove, where, QPointF(view.viewport().mapToGlobal(at)), Qt.MouseButton.NoButton, LEFT, keys
    )
    QApplication.sendEvent(view.viewport(), event)


def wheel(view: TimelineView, notches: int, keys: Qt.KeyboardModifier = NONE, x: int = 400) -> None:
    place = QPointF(x, 200)
    event = QWheelEvent(
        place,
        QPointF(view.viewport().mapToGlobal(place.toPoint())),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        keys,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view.viewport(), event)


def test_the_whole_session_is_shown_at_first(view: TimelineView, session: Session) -> None:
    assert view.scale.start_s == 0.0
    assert view.scale.span_s == pytest.approx(session.duration_s)
    assert view.faces == session.faces


def test_a_row_has_the_colour_of_its_label(view: TimelineView, session: Session) -> None:
    timeline = session.faces[0]
    accepted = timeline.positions[timeline.states == FaceState.ACCEPT]
    view.zoom(9, float(session.times_s[accepted[len(accepted) // 2]]))
    start, end = np.searchsorted(session.times_s, (view.scale.start_s, view.scale.end_s))
    position = next(p for p in accepted if start < p < end - 1)
    label = session.header.expressions[int(timeline.buckets(np.array([position, position + 1])).label[0])]
    image = grab(view)
    row_top = face_y(view, timeline.face_id) - 8
    x = round(view.frame.names_px + view.scale.x_of((session.times_s[position] + session.times_s[position + 1]) / 2))
    assert image.pixelColor(x, row_top).name() == current().expression(label).name()


def test_other_themes_use_other_colours(view: TimelineView) -> None:
    light = grab(view)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    apply_theme(application, ThemeName.DARK, 200)
    dark = grab(view)
    assert dark.pixelColor(3, 20) != light.pixelColor(3, 20)
    assert view.frame.head_px > 40


def test_without_a_session_nothing_happens(qtbot) -> None:
    timeline = TimelineView()
    qtbot.addWidget(timeline)
    timeline.resize(400, 200)
    requested = []
    timeline.seek_requested.connect(requested.append)
    timeline.show()
    assert grab(timeline).pixelColor(100, 50) == current().colour("panel")
    QTest.mouseClick(timeline.viewport(), LEFT, NONE, QPoint(200, 5))
    QTest.keyClick(timeline, Qt.Key.Key_Down)
    wheel(timeline, 1)
    timeline.zoom(1)
    assert requested == []


def test_a_drag_on_the_ruler_scrubs(view: TimelineView) -> None:
    requested: list[float] = []
    view.seek_requested.connect(requested.append)
    QTest.mousePress(view.viewport(), LEFT, NONE, QPoint(time_x(view, 10.0), 5))
    move(view, QPoint(time_x(view, 20.0), 5))
    QTest.mouseRelease(view.viewport(), LEFT, NONE, QPoint(time_x(view, 20.0), 5))
    move(view, QPoint(time_x(view, 40.0), 5))
    assert requested == [pytest.approx(10.0, abs=0.1), pytest.approx(20.0, abs=0.1)]


def test_shift_and_drag_mark_a_range_in_both_directions(view: TimelineView) -> None:
    marked: list[tuple[float, float]] = []
    view.range_marked.connect(lambda start, end: marked.append((start, end)))
    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.mousePress(view.viewport(), LEFT, shift, QPoint(time_x(view, 30.0), 200))
    move(view, QPoint(time_x(view, 12.0), 200), shift)
    assert marked[-1] == (pytest.approx(12.0, abs=0.1), pytest.approx(30.0, abs=0.1))


def test_a_click_on_a_lane_chooses_its_face_and_seeks(view: TimelineView, session: Session) -> None:
    chosen: list[int] = []
    requested: list[float] = []
    view.face_chosen.connect(chosen.append)
    view.seek_requested.connect(requested.append)
    second = session.faces[1].face_id
    QTest.mouseClick(view.viewport(), LEFT, NONE, QPoint(time_x(view, 30.0), face_y(view, second)))
    assert chosen == [second]
    assert requested == [pytest.approx(30.0, abs=0.1)]


def test_a_click_on_the_name_of_a_lane_does_not_seek(view: TimelineView, session: Session) -> None:
    chosen: list[int] = []
    requested: list[float] = []
    view.face_chosen.connect(chosen.append)
    view.seek_requested.connect(requested.append)
    QTest.mouseClick(view.viewport(), LEFT, NONE, QPoint(3, face_y(view, session.faces[1].face_id)))
    assert (chosen, requested) == ([session.faces[1].face_id], [])


def test_a_drag_on_a_lane_scrubs(view: TimelineView, session: Session) -> None:
    requested: list[float] = []
    view.seek_requested.connect(requested.append)
    y = face_y(view, session.faces[0].face_id)
    QTest.mousePress(view.viewport(), LEFT, NONE, QPoint(time_x(view, 10.0), y))
    move(view, QPoint(time_x(view, 20.0), y))
    assert requested == [pytest.approx(10.0, abs=0.1), pytest.approx(20.0, abs=0.1)]


def test_up_and_down_choose_faces(view: TimelineView, session: Session) -> None:
    view.face_chosen.connect(view.select_face)
    first, second = (timeline.face_id for timeline in session.faces[:2])
    for key, expected in ((Qt.Key.Key_Down, first), (Qt.Key.Key_Down, second), (Qt.Key.Key_Up, first)):
        QTest.keyClick(view, key)
        assert view.selected == expected
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert view.selected == first  # it is the topmost


def test_a_double_click_seeks(view: TimelineView) -> None:
    requested: list[float] = []
    view.seek_requested.connect(requested.append)
    QTest.mouseDClick(view.viewport(), LEFT, NONE, QPoint(time_x(view, 33.0), 200))
    assert requested == [pytest.approx(33.0, abs=0.1)]


def test_the_wheel_zooms_with_ctrl_around_the_mouse(view: TimelineView) -> None:
    x = time_x(view, 40.0)
    wheel(view, 2, Qt.KeyboardModifier.ControlModifier, x)
    assert view.scale.span_s < 60.0 / 2
    assert time_x(view, 40.0) == pytest.approx(x, abs=1)
    wheel(view, -9, Qt.KeyboardModifier.ControlModifier, x)
    assert view.scale.span_s == pytest.approx(view.scale.duration_s)


def test_the_wheel_scrolls_time_with_shift_or_if_all_faces_fit(view: TimelineView) -> None:
    view.zoom(4, 30.0)
    start = view.scale.start_s
    wheel(view, -1, Qt.KeyboardModifier.ShiftModifier)
    assert view.scale.start_s > start
    later = view.scale.start_s
    assert view.verticalScrollBar().maximum() == 0
    wheel(view, 1)
    assert view.scale.start_s < later


def test_the_wheel_scrolls_faces_if_not_all_fit(view: TimelineView) -> None:
    view.resize(800, 120)
    view.select_face(view.faces[0].face_id)
    bar = view.verticalScrollBar()
    assert bar.maximum() > 0
    before = bar.value()
    wheel(view, -1)
    assert bar.value() > before
    assert view.scale.start_s == 0.0


def test_the_view_follows_the_playhead(view: TimelineView) -> None:
    view.zoom(5, 0.0)
    view.set_time(50.0)
    assert view.scale.start_s < 50.0 < view.scale.end_s


def test_playback_does_not_scroll_back_after_the_user_scrolled_away(view: TimelineView) -> None:
    view.set_time(1.0)
    view.zoom(5, 1.0)
    view.horizontalScrollBar().setValue(view.horizontalScrollBar().maximum())
    start = view.scale.start_s
    view.set_time(1.1, reveal=False)
    assert view.scale.start_s == start


def test_a_selected_face_out_of_view_is_scrolled_to(view: TimelineView, session: Session) -> None:
    view.resize(800, 120)
    last = session.faces[-1].face_id
    view.select_face(last)
    assert view.frame.head_px <= face_y(view, last) <= 120


def test_short_faces_get_rows_when_enabled_or_selected(box: TimelineBox, session: Session) -> None:
    short = dataclasses.replace(session.faces[0], positions=session.faces[0].positions[:3])
    session.faces = (short, *session.faces[1:])
    box.timeline.set_session(session)
    box.follow_session()
    assert short not in box.timeline.faces
    assert box.timeline.short_count() == 1
    assert not box.short.isHidden()
    box.short.setChecked(True)
    assert short in box.timeline.faces
    box.short.setChecked(False)
    box.timeline.select_face(short.face_id)
    assert short in box.timeline.faces


def test_human_labels_have_their_own_row_and_change_no_other(view: TimelineView, session: Session) -> None:
    face = session.faces[0].face_id
    before = grab(view)
    view.set_notes(Notes(labels=(HumanLabel(face, 10.0, 50.0, "anger"),)))
    after = grab(view)
    y = face_y(view, face)
    xs = range(time_x(view, 1.0), time_x(view, 59.0))
    assert [before.pixel(x, y) for x in xs] == [after.pixel(x, y) for x in xs]
    noted = next(row for row in view.frame.rows if row.kind is RowKind.LABELS)
    frame = after.pixelColor(time_x(view, 30.0), view.frame.head_px + noted.top_px + 2)
    assert frame.name() == current().expression("anger").name()


def test_excluded_ranges_and_markers_cover_all_rows(view: TimelineView) -> None:
    before = grab(view)
    view.set_notes(Notes(markers=(Marker(5.0, "here"),), exclusions=(Exclusion(20.0, 30.0),)))
    after = grab(view)
    for y in range(view.frame.ruler_px + 2, 280, 20):
        row = [after.pixel(x, y) != before.pixel(x, y) for x in range(time_x(view, 21.0), time_x(view, 29.0))]
        assert any(row)
    flag = after.pixelColor(time_x(view, 5.0) + 2, (view.frame.ruler_px + view.frame.head_px) // 2)
    assert flag == current().colour("text")


def test_a_neutral_range_is_marked_in_the_row_of_its_face_alone(view: TimelineView, session: Session) -> None:
    chosen, other = (face.face_id for face in session.faces[:2])
    before = grab(view)
    view.set_notes(Notes(neutral=(NeutralRange(chosen, 20.0, 30.0),)))
    after = grab(view)
    for row in (row for row in view.frame.rows if row.kind is RowKind.FACE):
        y = view.frame.head_px + row.bottom_px - 2
        marked = [after.pixelColor(time_x(view, time_s), y).name() for time_s in (21.0, 29.0)]
        text = current().colour("text").name()
        assert (marked == [text, text]) is (row.face_id == chosen)
        for time_s in (19.0, 31.0):
            assert after.pixel(time_x(view, time_s), y) == before.pixel(time_x(view, time_s), y)
    assert other in {row.face_id for row in view.frame.rows}


def test_units_can_be_hidden(view: TimelineView) -> None:
    view.select_face(view.faces[0].face_id)
    assert any(row.kind is RowKind.UNITS for row in view.frame.rows)
    view.set_with_units(False)
    assert all(row.kind is not RowKind.UNITS for row in view.frame.rows)


def test_moving_the_playhead_does_not_draw_the_static_image_again(
    view: TimelineView, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[TimelineFrame] = []
    draw = TimelinePainter.image

    def count(painter: TimelinePainter, frame: TimelineFrame, font: QFont) -> QImage:
        drawn.append(frame)
        return draw(painter, frame, font)

    monkeypatch.setattr(TimelinePainter, "image", count)
    view.set_time(10.0)
    grab(view)
    drawn.clear()
    view.set_time(11.0)
    grab(view)
    assert drawn == []
    assert grab(view).pixelColor(time_x(view, 11.0), 270) == current().colour("text")


def test_a_range_is_shown_between_two_lines(view: TimelineView) -> None:
    before = grab(view)
    view.set_range((10.0, 20.0))
    after = grab(view)
    assert after.pixel(time_x(view, 15.0), 280) != before.pixel(time_x(view, 15.0), 280)
    assert after.pixel(time_x(view, 25.0), 280) == before.pixel(time_x(view, 25.0), 280)


def test_the_tooltip_shows_time_face_and_content(session: Session) -> None:
    timeline = session.faces[0]
    rows = layout_rows((timeline,), timeline.face_id, set(), 18, 16.0)
    time_s = float(session.times_s[timeline.positions[5]])
    notes = Notes(exclusions=(Exclusion(0.0, 60.0),), labels=(HumanLabel(timeline.face_id, 0.0, 60.0, "unclear"),))
    texts = [tooltip_text(session, notes, row, 0.5, time_s) for row in rows]
    assert all(f"Face {timeline.face_id}" in text and "excluded" in text for text in texts)
    assert "Human label: unclear" in texts[1]
    calm = Notes(neutral=(NeutralRange(timeline.face_id, 0.0, 60.0),))
    assert "neutral range" in tooltip_text(session, calm, rows[2], 0.5, time_s)
    assert "neutral range" not in texts[0]
    assert "AU" in texts[2]
    assert "No human label here" in tooltip_text(session, Notes(), rows[1], 0.5, time_s)
    assert tooltip_text(session, Notes(markers=(Marker(1.0, "door"),)), None, 0.0, 1.0) == "0:01.00\ndoor"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (FaceState.REJECT, "Not assessed: unlike training data"),
        (FaceState.LOW_QUALITY, "Can't see well"),
        (FaceState.AMBIGUOUS, "ambiguous between"),
    ],
)
def test_the_tooltip_names_each_state(session: Session, state: FaceState, text: str) -> None:
    timeline = next(timeline for timeline in session.faces if (timeline.states == state).any())
    time_s = float(session.times_s[timeline.positions[np.flatnonzero(timeline.states == state)[0]]])
    row = layout_rows((timeline,), None, set(), 0, 16.0)[0]
    assert text in tooltip_text(session, Notes(), row, 0.5, time_s)


def test_the_tooltip_of_an_absent_face(session: Session) -> None:
    timeline = max(session.faces, key=lambda timeline: timeline.first)
    assert timeline.first > 0
    row = layout_rows((timeline,), None, set(), 0, 16.0)[0]
    assert "not in view" in tooltip_text(session, Notes(), row, 0.5, 0.0)


def test_the_timeline_is_accessible(view: TimelineView) -> None:
    assert view.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert view.accessibleName()
    view.set_time(12.0)
    view.setFocus()
    assert "0:12.0" in view.accessibleDescription() or not view.hasFocus()


def test_the_legend_has_room_for_all_texts(box: TimelineBox) -> None:
    box.resize(300, 300)
    box.show()
    image = box.grab().toImage()
    assert not image.isNull()
    key = box.findChild(TimelineLegend)
    assert isinstance(key, TimelineLegend)
    assert key.heightForWidth(200) > key.heightForWidth(2000)
    ground = QColor(key.grab().toImage().pixelColor(0, key.height() - 1))
    assert ground.isValid()
    box.legend.setChecked(False)
    assert key.isHidden()


def test_the_switches_keep_their_texts_in_narrow_windows(box: TimelineBox, session: Session, qapp) -> None:
    apply_theme(qapp, ThemeName.LIGHT, 200)
    box.timeline.set_session(session)
    box.follow_session()
    box.short.show()
    for width in (1200, 480):
        box.resize(width, 520)
        box.show()
        qapp.processEvents()
        switches = (box.units, box.short, box.legend)
        assert all(switch.width() >= switch.sizeHint().width() for switch in switches), width
        assert all(box.rect().contains(QRect(switch.mapTo(box, QPoint()), switch.size())) for switch in switches), width
