"""The review page: opening sessions, shortcuts, notes, and errors as notices."""

from __future__ import annotations

import dataclasses
import gc
import os
import re
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QSplitter

from app.qt.preference_store import PreferenceStore
from app.qt.review.codes_dialog import CodesDialog
from app.qt.review.export_dialog import ExportDialog
from app.qt.review.review_page import ReviewPage
from app.qt.start.recent_list import SessionRow
from app.qt.widgets.notice_bar import Notice, Severity
from app.review.notes import Exclusion, HumanLabel, Marker, Notes, read_notes, write_notes
from app.review.session import Session, SessionVideo, open_session
from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder
from app.session.metadata import read_metadata, write_metadata
from app.settings.codes import EventCode
from engine.errors import OutputError, ThreadStuckError
from engine.facs import EXPRESSIONS
from engine.types import UInt8
from tests.app.qt.layout_checks import lay_out
from tests.fakes.sessions import labelled_face, write_session

Until = Callable[[Callable[[], bool]], None]
FPS = 10.0


class FakeClip:
    """Grey frames whose level is the position."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def image_at(self, time_s: float) -> UInt8:
        return np.full((720, 1280, 3), round(time_s * FPS) % 256, np.uint8)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "session"
    write_synthetic_session(SessionFolder(path), 20.0, FPS, 2, 5)
    return path


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "session"))


@pytest.fixture
def store(qapp) -> Iterator[PreferenceStore]:
    kept = PreferenceStore(None)
    yield kept
    kept.deleteLater()


@pytest.fixture
def page(qtbot, store: PreferenceStore) -> Iterator[ReviewPage]:
    shown = ReviewPage(store, open_clip=FakeClip)
    qtbot.addWidget(shown)
    shown.resize(1080, 740)
    shown.show()
    shown.enter()
    yield shown
    shown.leave()
    shown.shutdown()


@pytest.fixture
def notices(page: ReviewPage) -> list[Notice]:
    notices: list[Notice] = []
    page.noticed.connect(notices.append)
    return notices


@pytest.fixture
def opened(page: ReviewPage, folder: Path, until: Until) -> ReviewPage:
    page.open_path(folder)
    until(lambda: page.desk.session is not None and page.desk.shown is not None)
    return page


def press(page: ReviewPage, keys: str) -> None:
    """Trigger the action with this shortcut, as the window does."""
    action_of(page, keys).trigger()


def action_of(page: ReviewPage, keys: str) -> QAction:
    found = [action for action in page.page_actions() if action.shortcut() == QKeySequence(keys)]
    assert len(found) == 1, f"{keys} has {len(found)} actions"
    return found[0]


def position(page: ReviewPage) -> int:
    assert page.desk.player is not None
    return page.desk.player.position


def test_without_a_session_only_opening_one_is_enabled(page: ReviewPage) -> None:
    assert page.chooser.isVisible()
    assert not page.desk.isVisible()
    layouts = page.desk.workspace.actions_of_layout
    enabled = [action for action in page.page_actions() if action.isEnabled() and action not in layouts]
    assert [action.text() for action in enabled] == ["Open session…"]


def test_recent_sessions_can_be_opened(
    page: ReviewPage, store: PreferenceStore, folder: Path, until: Until, tmp_path: Path
) -> None:
    store.change(recordings=tmp_path / "none", annotations=tmp_path / "none")
    store.remember_session(tmp_path / "gone")
    store.remember_session(folder)
    page.enter()
    until(lambda: [row.text() for row in page.chooser.findChildren(SessionRow)] == ["session"])
    page.chooser.findChildren(SessionRow)[0].click()
    until(lambda: page.desk.session is not None)
    assert page.desk.isVisible()


def test_an_opened_session_is_remembered_and_its_title_shown(
    opened: ReviewPage, store: PreferenceStore, folder: Path
) -> None:
    assert store.now.sessions == (folder,)
    assert opened.session_title.startswith("session · faces: ")
    off = [action.text() for action in opened.page_actions() if not action.isEnabled()]
    assert off == ([] if opened.desk.session.video else ["Boxes", "Labels", "Units", "Pose", "Blur"])


def test_the_user_can_choose_a_folder(qtbot, store: PreferenceStore, folder: Path, until: Until) -> None:
    shown = ReviewPage(store, ask_for_session=lambda parent, title: (str(folder),))
    qtbot.addWidget(shown)
    press(shown, "Ctrl+O")
    until(lambda: shown.desk.session is not None)
    shown.shutdown()


def test_a_folder_that_is_not_a_session_is_reported(
    page: ReviewPage, notices: list[Notice], tmp_path: Path, until: Until
) -> None:
    page.open_path(tmp_path)
    until(lambda: bool(notices))
    assert notices[-1].severity is Severity.ERROR
    assert "is not a session" in notices[-1].text
    assert page.chooser.isVisible()


def test_a_session_that_cannot_be_opened_keeps_the_current_one(
    opened: ReviewPage, notices: list[Notice], tmp_path: Path, until: Until
) -> None:
    before = opened.desk.session
    opened.open_path(tmp_path)
    until(lambda: any(notice.severity is Severity.ERROR for notice in notices))
    assert opened.desk.session is before


def test_another_session_replaces_the_first(opened: ReviewPage, template: Path, until: Until) -> None:
    before = opened.desk.session
    opened.open_path(template)
    until(lambda: opened.desk.session is not before)
    assert opened.desk.session is not None
    assert opened.desk.session.folder.path == template


def test_missing_parts_of_a_session_are_reported(
    page: ReviewPage, notices: list[Notice], folder: Path, until: Until
) -> None:
    page.open_path(folder)
    until(lambda: page.desk.session is not None)
    assert notices[-1].severity is Severity.WARNING
    assert notices[-1].text  # it has no video
    assert "no video" in page.desk.video.message


def test_a_dropped_session_is_opened(page: ReviewPage, folder: Path, until: Until) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder / "journal.jsonl"))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    page.dropEvent(event)
    until(lambda: page.desk.session is not None)


def test_image_panels_and_time_belong_to_one_frame(page: ReviewPage, folder: Path, until: Until) -> None:
    page.open_path(folder)
    until(lambda: page.desk.session is not None)
    desk = page.desk
    assert desk.session is not None
    desk.session.video = SessionVideo(folder / "clip.mp4", annotated=True)
    desk.go_to(7.0)
    until(lambda: desk.shown is not None and desk.shown.position == 70)
    assert desk.video.image is not None
    assert int(desk.video.image[5, 5, 0]) == 70
    assert "frame 70" in desk.transport.time_text
    assert "0:07.00" in desk.transport.time_text


def test_shortcuts_move_by_frames_and_seconds(opened: ReviewPage) -> None:
    for keys, expected in (
        ("Right", 1),
        ("Right", 2),
        ("Left", 1),
        ("Shift+Right", 11),
        ("Shift+Left", 1),
        ("Ctrl+Right", 6),
        ("Ctrl+Left", 1),
        ("End", 199),
        ("Home", 0),
    ):
        press(opened, keys)
        assert position(opened) == expected, keys
    assert "0:00.0" in opened.desk.timeline.accessibleDescription()


def test_shortcuts_work_while_the_timeline_has_the_focus(opened: ReviewPage, qtbot) -> None:
    opened.activateWindow()
    opened.desk.timeline.setFocus()
    qtbot.waitUntil(opened.desk.timeline.hasFocus)
    QTest.keyClick(opened.desk.timeline, Qt.Key.Key_Right)
    assert position(opened) == 1
    QTest.keyClick(opened.desk.timeline, Qt.Key.Key_M)
    assert opened.desk.notes.markers == (Marker(1 / FPS, ""),)


def test_space_plays_after_a_session_was_opened(qtbot, store: PreferenceStore, folder: Path, until: Until) -> None:
    asked: list[str] = []

    def ask(parent: object, title: str) -> tuple[str, ...]:
        asked.append(title)
        return ()

    shown = ReviewPage(store, open_clip=FakeClip, ask_for_session=ask)
    qtbot.addWidget(shown)
    shown.show()
    shown.activateWindow()
    shown.enter()
    shown.chooser.findChildren(QAbstractButton)[0].setFocus()  # as after the page was opened by keys
    shown.open_path(folder)
    until(lambda: shown.desk.session is not None and shown.desk.shown is not None)
    focused = shown.focusWidget()
    assert focused is not None
    QTest.keyClick(focused, Qt.Key.Key_Space)
    assert shown.desk.player is not None
    assert shown.desk.player.playing
    assert asked == []
    shown.leave()
    shown.shutdown()


def test_n_goes_to_the_next_uncertain_moment_of_the_chosen_face(opened: ReviewPage, notices: list[Notice]) -> None:
    session = opened.desk.session
    assert session is not None
    face = max(session.faces, key=lambda face: len(face.positions))
    opened.desk.timeline.select_face(face.face_id)
    expected = [face.next_uncertain(-1)]
    assert expected[0] is not None
    for _ in range(3):
        later = face.next_uncertain(expected[-1] or 0)
        expected.append(expected[0] if later is None else later)
    press(opened, "Home")
    start = [expected[1]] if expected[0] == 0 else []
    visited = []
    for _ in range(3):
        press(opened, "N")
        visited.append(position(opened))
    assert visited == (start + expected[2:] if start else expected[:3])


def test_what_is_drawn_over_the_image_can_be_switched(page: ReviewPage, folder: Path, until: Until) -> None:
    (folder / "video.mp4").write_bytes(b"")  # FakeClip shows it
    page.open_path(folder)
    until(lambda: page.desk.session is not None and page.desk.shown is not None)
    assert [action.isChecked() for action in page.desk.overlay_actions] == [True, True, False, False, False]

    def image_after(keys: str) -> UInt8:
        before = page.desk.shown
        press(page, keys)
        until(lambda: page.desk.shown is not before)
        assert page.desk.shown is not None
        assert page.desk.shown.image is not None
        return page.desk.shown.image

    session = page.desk.session
    assert session is not None
    page.desk.go_to(float(session.times_s[session.faces[0].first]))
    until(lambda: page.desk.shown is not None and page.desk.shown.position == session.faces[0].first)
    first = image_after("U")
    assert (image_after("B") != first).any()
    plain = [image_after("U"), image_after("Shift+B")][-1]
    assert len(np.unique(plain)) == 1  # nothing is drawn


def test_an_overlay_that_is_part_of_the_video_cannot_be_switched(page: ReviewPage, folder: Path, until: Until) -> None:
    (folder / "annotated.mp4").write_bytes(b"")
    page.open_path(folder)
    until(lambda: page.desk.session is not None)
    assert [action.isEnabled() for action in page.desk.overlay_actions] == [False, False, False, False, True]


def test_typing_a_name_triggers_no_shortcut(opened: ReviewPage, store: PreferenceStore) -> None:
    opened.desk.workspace.reveal(opened.desk.notes_panel)
    coder = opened.desk.notes_panel.coder
    coder.setFocus()
    QTest.keyClicks(coder, "Mo 1")
    QTest.keyClick(coder, Qt.Key.Key_Return)
    assert opened.desk.notes == Notes("Mo 1")
    assert store.now.coder == "Mo 1"


def test_playback_stops_when_the_page_is_left(opened: ReviewPage) -> None:
    assert opened.desk.player is not None
    press(opened, "Space")
    assert opened.desk.player.playing
    opened.leave()
    assert not opened.desk.player.playing
    press(opened, "J")
    assert opened.desk.player.rate == -1.0
    press(opened, "K")
    press(opened, "L")
    press(opened, "L")
    assert opened.desk.player.rate == 2.0
    press(opened, "K")
    assert not opened.desk.player.playing


def test_a_range_covers_whole_frames_and_can_be_labelled(opened: ReviewPage, folder: Path, until: Until) -> None:
    desk = opened.desk
    desk.go_to(5.0)
    press(opened, "I")
    assert "press O" in desk.notes_panel.range_text
    desk.go_to(5.9)
    press(opened, "O")
    face = desk.timeline.selected
    assert face is not None
    press(opened, "5")
    assert desk.notes.labels == (HumanLabel(face, 5.0, 6.0, "anger"),)
    assert f"Face {face}" in desk.notes_panel.range_text
    assert desk.notes_panel.model_text.startswith("Model, ")
    assert desk.note_store is not None
    until(lambda: desk.note_store is not None and not desk.note_store.unsaved)
    assert read_notes(SessionFolder(folder)).labels == desk.notes.labels


def test_every_label_has_a_shortcut(opened: ReviewPage) -> None:
    opened.desk.mark_range(1.0, 2.0)
    for place, label in enumerate((*EXPRESSIONS, "unclear")):
        press(opened, str((place + 1) % 9))
        assert opened.desk.notes.labels[0].label == label


def test_labelling_without_a_range_shows_a_hint(opened: ReviewPage, notices: list[Notice]) -> None:
    press(opened, "1")
    assert opened.desk.notes.labels == ()
    assert "Mark a range first" in notices[-1].text
    press(opened, "O")
    press(opened, "X")
    assert opened.desk.notes.exclusions == ()


def test_an_end_before_the_start_clears_the_start(opened: ReviewPage) -> None:
    desk = opened.desk
    desk.mark_range(5.0, 6.0)
    desk.go_to(8.0)
    press(opened, "I")
    assert desk.marked_range == (8.0, None)
    desk.go_to(3.0)
    press(opened, "O")
    assert desk.marked_range == (None, pytest.approx(3.1))


def test_excluding_can_be_undone_and_redone(opened: ReviewPage) -> None:
    opened.desk.mark_range(2.0, 2.9)
    press(opened, "X")
    excluded = (Exclusion(2.0, 3.0),)
    assert opened.desk.notes.exclusions == excluded
    press(opened, "Ctrl+Z")
    assert opened.desk.notes.exclusions == ()
    press(opened, "Ctrl+Shift+Z")
    assert opened.desk.notes.exclusions == excluded


@pytest.fixture
def calibrated(folder: Path) -> Path:
    """The session, of a model whose usual neutral face is known."""
    session = SessionFolder(folder)
    metadata = read_metadata(session.metadata)
    units = {"neutral": [-3.0] * len(metadata.au_codes)}
    write_metadata(session.metadata, dataclasses.replace(metadata, calibration={"action_units": units}))
    return folder


def test_a_neutral_range_corrects_what_is_shown_and_can_be_undone(
    calibrated: Path, page: ReviewPage, until: Until
) -> None:
    page.open_path(calibrated)
    until(lambda: page.desk.shown is not None)
    desk, text = page.desk, page.desk.units_page.baseline.text
    face = next(face for face in desk.session.faces if face.face_id == desk.timeline.selected)
    rows = np.flatnonzero(np.isfinite(face.measured_units).all(axis=1))[:40]
    times_s = desk.session.times_s[face.positions[rows]]
    desk.go_to(times_s[0])
    desk.mark_range(times_s[0], times_s[-1])

    def shown() -> float:
        (row,) = (row for row in desk.shown.rows if row.face_id == face.face_id)
        return row.occurrence[0]

    until(lambda: desk.shown.position == face.positions[rows[0]])
    before = shown()
    assert text.text() == "No baseline"
    press(page, "Shift+N")
    until(lambda: text.text().startswith("Baseline: ") and shown() != before)
    assert desk.notes.neutral[0].face_id == face.face_id
    assert desk.notes_panel.notes.topLevelItem(3).text(0) == "Neutral ranges: 1"
    press(page, "Ctrl+Z")
    until(lambda: text.text() == "No baseline" and shown() == before)
    press(page, "Ctrl+Shift+Z")
    until(lambda: shown() != before)
    desk.notes_panel.notes.choose(desk.notes.neutral[0])
    press(page, "Del")
    until(lambda: text.text() == "No baseline" and shown() == before)
    desk.close_session()
    assert text.text() == ""


def test_a_neutral_range_needs_a_range_and_a_model_that_says_what_is_usual(
    opened: ReviewPage, notices: list[Notice]
) -> None:
    press(opened, "Shift+N")
    assert "Mark a range first" in notices[-1].text
    opened.desk.mark_range(1.0, 4.0)
    press(opened, "Shift+N")
    assert "does not say what the model's usual neutral face is" in notices[-1].text
    assert opened.desk.notes.neutral == ()


def test_notes_can_be_deleted_and_markers_renamed(opened: ReviewPage) -> None:
    desk = opened.desk
    press(opened, "M")
    marker = desk.notes.markers[0]
    desk.rename_marker(marker, "door")
    assert desk.notes.markers == (Marker(0.0, "door"),)
    assert desk.notes_panel.notes.current_note == Marker(0.0, "door")
    desk.mark_range(1.0, 2.0)
    press(opened, "X")
    press(opened, "2")
    for note in (*desk.notes.exclusions, *desk.notes.labels, *desk.notes.markers):
        desk.notes_panel.notes.choose(note)
        press(opened, "Del")
    assert desk.notes == Notes()
    press(opened, "Del")  # nothing is selected
    assert desk.notes == Notes()


def test_next_face_cycles_through_the_faces_of_the_frame(opened: ReviewPage, until: Until) -> None:
    desk = opened.desk
    session = desk.session
    assert session is not None
    both = next(
        place
        for place in range(len(session.frames))
        if len([row for row in session.rows_at(place) if row.face_id is not None]) == 2
    )
    assert desk.player is not None
    desk.player.go_to(both)
    until(lambda: desk.shown is not None and desk.shown.position == both)
    first = desk.timeline.selected
    press(opened, "F")
    second = desk.timeline.selected
    press(opened, "F")
    assert (desk.timeline.selected, second != first) == (first, True)


def test_a_click_on_the_image_selects_the_face_there(page: ReviewPage, folder: Path, until: Until) -> None:
    page.open_path(folder)
    until(lambda: page.desk.session is not None)
    desk = page.desk
    assert desk.session is not None
    desk.session.video = SessionVideo(folder / "clip.mp4", annotated=True)
    last = desk.session.faces[-1]
    assert desk.player is not None
    desk.player.go_to(last.last)
    until(lambda: desk.shown is not None and desk.shown.position == last.last)
    assert desk.shown is not None
    row = next(row for row in desk.shown.rows if row.face_id == last.face_id)
    assert row.x is not None
    assert row.y is not None
    desk.video.face_picked.emit((row.x + 2) / 1280, (row.y + 2) / 720)
    assert desk.timeline.selected == last.face_id
    desk.video.face_picked.emit(0.999, 0.999)
    assert desk.timeline.selected == last.face_id


def test_agreement_is_computed(opened: ReviewPage, until: Until) -> None:
    opened.desk.mark_range(2.0, 10.0)
    press(opened, "1")
    until(
        lambda: (
            "labelled ranges" in opened.desk.notes_panel.agreement.text
            or "No labelled" in opened.desk.notes_panel.agreement.text
        )
    )
    press(opened, "Ctrl+Z")
    until(lambda: "Label some ranges" in opened.desk.notes_panel.agreement.text)


def test_saved_notes_are_shown(page: ReviewPage, folder: Path, until: Until) -> None:
    kept = Notes("ab", markers=(Marker(3.0, "door"),))
    write_notes(SessionFolder(folder), kept)
    page.open_path(folder)
    until(lambda: page.desk.session is not None)
    assert page.desk.notes == kept
    assert page.desk.notes_panel.coder.text() == "ab"


def test_damaged_notes_are_reported_and_never_overwritten(
    page: ReviewPage, notices: list[Notice], folder: Path, until: Until
) -> None:
    SessionFolder(folder).notes.write_text("{")
    page.open_path(folder)
    until(lambda: page.desk.session is not None)
    assert notices[-1].severity is Severity.ERROR
    assert "notes are disabled" in notices[-1].text
    assert not action_of(page, "M").isEnabled()
    assert action_of(page, "Space").isEnabled()
    page.desk.add_marker()
    page.desk.close_session()
    assert SessionFolder(folder).notes.read_text() == "{"


def test_notes_are_saved_when_the_window_closes_immediately(
    qtbot, store: PreferenceStore, folder: Path, until: Until
) -> None:
    shown = ReviewPage(store)
    qtbot.addWidget(shown)
    shown.open_path(folder)
    until(lambda: shown.desk.session is not None)
    press(shown, "M")
    shown.shutdown()
    assert read_notes(SessionFolder(folder)).markers == (Marker(0.0, ""),)


def test_closing_while_a_session_is_read_leaves_nothing_open(qtbot, store: PreferenceStore, folder: Path) -> None:
    shown = ReviewPage(store)
    qtbot.addWidget(shown)
    shown.open_path(folder)
    shown.shutdown()
    assert shown.desk.session is None


def test_export_opens_its_dialog(opened: ReviewPage) -> None:
    press(opened, "Ctrl+E")
    dialog = opened.findChild(ExportDialog)
    assert isinstance(dialog, ExportDialog)
    assert dialog.isVisible()
    dialog.reject()
    assert not dialog.isVisible()
    press(opened, "Ctrl+E")  # again
    assert any(dialog.isVisible() for dialog in opened.findChildren(ExportDialog))


def test_zoom_shortcuts(opened: ReviewPage) -> None:
    whole = opened.desk.timeline.scale
    press(opened, "+")
    assert opened.desk.timeline.scale.span_s < whole.span_s
    press(opened, "-")
    press(opened, "A")
    assert opened.desk.timeline.scale.span_s == pytest.approx(whole.span_s)


def test_every_action_has_a_text_a_unique_shortcut_and_a_tooltip_with_it(page: ReviewPage) -> None:
    keys = [action.shortcut().toString() for action in page.page_actions()]
    assert len(set(keys)) == len(keys)
    for action in page.page_actions():
        assert action.text()
        assert action.shortcut().toString() in action.toolTip()


def test_splitters_have_object_names_for_saving_their_state(page: ReviewPage) -> None:
    names = sorted(splitter.objectName() for splitter in page.findChildren(QSplitter))
    assert names == ["review-columns", "review-rows", "review-second-rows", "review-sessions"]


def test_a_folder_that_fails_late_does_not_block_the_next_one(
    page: ReviewPage, notices: list[Notice], folder: Path, tmp_path: Path, until: Until, monkeypatch
) -> None:
    started, release = threading.Event(), threading.Event()

    def slow(path: Path) -> Session:
        started.set()
        assert release.wait(10)
        return open_session(path)

    monkeypatch.setattr("app.qt.review.review_page.open_session", slow)
    page.open_path(tmp_path)
    until(started.is_set)
    page.open_path(folder)
    release.set()
    until(lambda: page.desk.session is not None)
    assert any("is not a session" in notice.text for notice in notices)


def test_a_stuck_session_reader_loses_no_notes(
    opened: ReviewPage, folder: Path, tmp_path: Path, until: Until, monkeypatch
) -> None:
    started, release = threading.Event(), threading.Event()

    def stuck(path: Path) -> Session:
        started.set()
        assert release.wait(10)
        raise OutputError(f"{path} is gone")

    monkeypatch.setattr("app.qt.review.review_page.open_session", stuck)
    opened.open_path(tmp_path)
    until(started.is_set)
    press(opened, "M")
    monkeypatch.setattr("app.qt.background._CLOSE_S", 0.05)
    with pytest.raises(ThreadStuckError):
        opened.shutdown()
    release.set()
    assert opened.desk.session is None
    assert len(read_notes(SessionFolder(folder)).markers) == 1


def test_a_stuck_decoder_loses_no_notes(qtbot, store: PreferenceStore, folder: Path, until: Until, monkeypatch) -> None:
    started, release = threading.Event(), threading.Event()

    class StuckClip(FakeClip):
        def image_at(self, time_s: float) -> UInt8:
            started.set()
            assert release.wait(10)
            return super().image_at(time_s)

    page = ReviewPage(store, open_clip=StuckClip)
    qtbot.addWidget(page)
    page.open_path(folder)
    until(lambda: page.desk.session is not None)
    assert page.desk.session is not None
    page.desk.session.video = SessionVideo(folder / "clip.mp4", annotated=True)
    page.desk.go_to(7.0)
    until(started.is_set)
    press(page, "M")
    monkeypatch.setattr("app.qt.background._CLOSE_S", 0.05)
    with pytest.raises(ThreadStuckError):
        page.desk.close_session()
    release.set()
    assert page.desk.session is None
    page.shutdown()
    assert len(read_notes(SessionFolder(folder)).markers) == 1


def test_another_session_shows_its_coder_even_while_the_user_types(
    opened: ReviewPage, template: Path, tmp_path: Path, until: Until
) -> None:
    coder = opened.desk.notes_panel.coder
    opened.desk.workspace.reveal(opened.desk.notes_panel)
    coder.setFocus()
    QTest.keyClicks(coder, "Ann")
    other = SessionFolder(Path(shutil.copytree(template, tmp_path / "other")))
    write_notes(other, Notes("Bob"))
    opened.open_path(other.path)
    until(lambda: opened.desk.session is not None and opened.desk.session.folder == other)
    assert coder.text() == "Bob"
    opened.desk.timeline.setFocus()
    assert opened.desk.notes.coder == "Bob"


@pytest.fixture
def second(qtbot, store: PreferenceStore, opened: ReviewPage, folder: Path, until: Until) -> Iterator[ReviewPage]:
    """Another window with the session of `opened`."""
    shown = ReviewPage(store, open_clip=FakeClip)
    qtbot.addWidget(shown)
    shown.noticed.connect(SECOND_NOTICES.append)
    shown.open_path(folder)
    until(lambda: shown.desk.session is not None and shown.desk.shown is not None)
    yield shown
    SECOND_NOTICES.clear()
    shown.shutdown()


SECOND_NOTICES: list[Notice] = []


def test_a_second_window_reads_the_notes_only_and_names_the_first(opened: ReviewPage, second: ReviewPage) -> None:
    assert f"process {os.getpid()} on " in SECOND_NOTICES[-1].text
    assert SECOND_NOTICES[-1].severity is Severity.WARNING
    assert second.desk.notes_panel.saved_text == "Read only"
    assert not second.desk.notes_panel.coder.isEnabled()
    assert not any(action_of(second, keys).isEnabled() for keys in ("M", "X", "1", "Ctrl+Z"))
    assert action_of(second, "Space").isEnabled()
    assert action_of(opened, "M").isEnabled()


def test_two_windows_on_one_session_lose_no_label_range_or_marker(
    opened: ReviewPage, second: ReviewPage, folder: Path, until: Until
) -> None:
    """The second had the session open before the first changed it, and changes it after the first was closed."""
    for page, start_s in ((opened, 1.0), (second, 5.0)):
        if page is second:
            opened.desk.close_session()
            second.open_path(folder)
            until(lambda: second.desk.note_store is not None and not second.desk.note_store.read_only)
            until(lambda: second.desk.shown is not None)
        page.desk.timeline.select_face(1)
        page.desk.mark_range(start_s, start_s + 1.0)
        page.desk.label_range("anger")
        page.desk.mark_range(start_s + 2.0, start_s + 2.5)
        page.desk.exclude_range()
        page.desk.add_marker()
        store = page.desk.note_store
        assert store is not None
        until(lambda store=store: not store.unsaved)  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
    notes = read_notes(SessionFolder(folder))
    assert [label.start_s for label in notes.labels] == [1.0, 5.0]
    assert [exclusion.start_s for exclusion in notes.exclusions] == [3.0, 7.0]
    assert notes.markers


def test_the_lock_ends_with_the_session(opened: ReviewPage, folder: Path) -> None:
    lock = SessionFolder(folder).notes_lock
    assert lock.exists()
    opened.desk.close_session()
    assert not lock.exists()


def test_opening_the_same_session_again_keeps_it_writable(opened: ReviewPage, folder: Path, until: Until) -> None:
    before = opened.desk.session
    opened.open_path(folder)
    until(lambda: opened.desk.session is not before and opened.desk.shown is not None)
    assert action_of(opened, "M").isEnabled()


def test_the_time_of_the_last_save_is_shown(opened: ReviewPage, until: Until) -> None:
    assert opened.desk.notes_panel.saved_text == ""
    press(opened, "M")
    until(lambda: opened.desk.notes_panel.saved_text.startswith("Saved "))
    assert re.fullmatch(r"Saved \d\d:\d\d", opened.desk.notes_panel.saved_text)


def test_the_time_series_take_most_of_the_page_and_give_it_back(opened: ReviewPage) -> None:
    desk = opened.desk
    before = desk.workspace.chosen
    press(opened, "T")
    lay_out()
    assert desk.series_box.isVisible()
    assert desk.series_box.height() > 0.55 * desk.height()
    assert desk.video.height() > 50
    press(opened, "T")
    lay_out()
    assert desk.workspace.chosen is before
    assert not desk.series_box.isVisible()
    assert desk.video.height() > 0.5 * desk.height()


def test_time_series_and_timeline_show_the_same_face_time_range_and_notes(opened: ReviewPage) -> None:
    desk = opened.desk
    press(opened, "T")
    desk.series.seek_requested.emit(5.0)
    assert position(opened) == 50
    assert desk.series.values_text() != ""
    desk.series.range_marked.emit(2.0, 4.0)
    assert desk.marked_range == (pytest.approx(2.0), pytest.approx(4.1))
    press(opened, "Shift+A")
    assert desk.series.scale.start_s == pytest.approx(desk.timeline.scale.start_s) == pytest.approx(2.0)
    desk.series.zoom_out_full()
    assert desk.timeline.scale.span_s == pytest.approx(20.0)
    press(opened, "M")
    assert desk.series.axis.notes == desk.notes


def test_the_summary_page_is_written_and_opened(qtbot, store: PreferenceStore, folder: Path, until: Until) -> None:
    pages: list[Path] = []
    shown = ReviewPage(store, open_clip=FakeClip, show_page=pages.append)
    qtbot.addWidget(shown)
    notices: list[Notice] = []
    shown.noticed.connect(notices.append)
    shown.show()
    try:
        shown.open_path(folder)
        until(lambda: shown.desk.session is not None)
        for _ in range(2):  # the second replaces the first
            pages.clear()
            press(shown, "Ctrl+P")
            until(lambda: bool(pages))
            assert pages == [folder / "review" / "summary.html"]
            assert "ambiguous" in pages[0].read_text(encoding="utf-8")
        assert [action.text for action in notices[-1].actions] == ["Open", "Show folder"]
        (folder / "review" / "summary.html").unlink()
        (folder / "review" / "summary.html").mkdir()
        press(shown, "Ctrl+P")
        until(lambda: notices[-1].severity is Severity.ERROR)
    finally:
        shown.shutdown()


@pytest.fixture
def named(
    qtbot, store: PreferenceStore, folder: Path, until: Until
) -> Iterator[tuple[ReviewPage, list[str | None], list[Notice]]]:
    """A page with an open session, which takes names from a list, and its notices."""
    names: list[str | None] = []
    shown = ReviewPage(store, open_clip=FakeClip, ask_name=lambda parent, face_id, now, known: names.pop(0))
    qtbot.addWidget(shown)
    notices: list[Notice] = []
    shown.noticed.connect(notices.append)
    shown.resize(1080, 740)
    shown.show()
    shown.open_path(folder)
    until(lambda: shown.desk.session is not None and shown.desk.shown is not None)
    yield shown, names, notices
    shown.shutdown()


def test_a_face_gets_a_name_that_all_panels_show(named: tuple[ReviewPage, list[str | None], list[Notice]]) -> None:
    page, names, _ = named
    desk = page.desk
    face_id = desk.timeline.selected
    names += [" Ada ", None, ""]
    press(page, "Shift+F")
    assert desk.notes.name_of(face_id) == "Ada"
    assert any(card.head.name == f"Ada · Face {face_id}" for card in desk.face_column.cards.cards)
    desk.mark_range(1.0, 2.0)
    assert desk.notes_panel.range_text.startswith(f"Ada · Face {face_id}")
    press(page, "Shift+F")  # cancelled
    assert desk.notes.name_of(face_id) == "Ada"
    press(page, "Shift+F")  # an empty name removes it
    assert desk.notes.names == ()
    press(page, "Ctrl+Z")
    assert desk.notes.name_of(face_id) == "Ada"


def test_two_faces_in_one_frame_are_not_one_person(
    named: tuple[ReviewPage, list[str | None], list[Notice]],
) -> None:
    page, names, notices = named
    desk = page.desk
    assert desk.session is not None
    first, second = (face.face_id for face in desk.session.faces[:2])
    shared = np.intersect1d(desk.session.faces[0].positions, desk.session.faces[1].positions)
    assert len(shared)
    names += ["Ada", "Ada", "Bo"]
    desk.timeline.face_chosen.emit(first)
    press(page, "Shift+F")
    desk.timeline.face_chosen.emit(second)
    press(page, "Shift+F")
    assert desk.notes.name_of(second) == ""
    assert "is in view together" in notices[-1].text
    press(page, "Shift+F")
    assert desk.notes.name_of(second) == "Bo"


def test_codes_have_keys_that_mark_moments_and_stretches(opened: ReviewPage, store: PreferenceStore) -> None:
    desk = opened.desk
    press(opened, "Ctrl+K")
    dialog = opened.findChild(CodesDialog)
    assert dialog is not None
    dialog.add.click()
    dialog.accept()
    assert dialog.isVisible()  # a code needs a name
    assert dialog.fault.isVisible()
    for row, (key, name) in enumerate((("s", "stimulus"), ("D", "blink"))):
        if row:
            dialog.add.click()
        dialog.table.item(row, 0).setText(key)
        dialog.table.item(row, 1).setText(name)
    dialog.table.item(0, 2).setCheckState(Qt.CheckState.Checked)
    dialog.accept()
    stimulus, blink = desk.event_keys.codes
    assert store.now.codes == (stimulus, blink) == (EventCode("S", "stimulus", True), EventCode("D", "blink"))
    desk.go_to(3.0)
    desk.event_keys.action_of(stimulus).trigger()
    desk.go_to(1.0)
    desk.event_keys.action_of(blink).trigger()
    assert desk.event_keys.action_of(stimulus).isChecked()
    assert desk.notes.markers == (Marker(1.0, "blink"),)
    opened._use_codes((*store.now.codes, EventCode("V", "voice")))  # which the list of codes does
    assert desk.event_keys.action_of(stimulus).isChecked()  # still running
    desk.event_keys.action_of(stimulus).trigger()  # ended before its start: the order does not matter
    assert not desk.event_keys.action_of(stimulus).isChecked()
    event = desk.notes.events[0]
    assert (event.start_s, event.end_s, event.code) == (pytest.approx(1.0), pytest.approx(3.1), "stimulus")
    press(opened, "Ctrl+Z")
    assert desk.notes.events == ()
    press(opened, "Ctrl+Shift+Z")
    desk.notes_panel.notes.choose(event)
    press(opened, "Del")
    assert desk.notes.events == ()


def test_a_key_of_review_cannot_be_a_code(opened: ReviewPage) -> None:
    press(opened, "Ctrl+K")
    dialog = opened.findChild(CodesDialog)
    assert dialog is not None
    dialog.add.click()
    assert dialog.table.item(0, 0).text() == "C"  # A and B do something else
    dialog.table.item(0, 0).setText("N")
    dialog.table.item(0, 1).setText("nod")
    dialog.accept()
    assert "used by Review" in dialog.fault.text()
    dialog.remove.click()
    dialog.accept()
    assert opened.desk.event_keys.codes == ()


def test_the_labels_of_another_person_are_compared_with_mine(
    qtbot, store: PreferenceStore, folder: Path, until: Until, tmp_path: Path
) -> None:
    with open_session(folder) as session:
        face = session.faces[0]
        first_s = float(session.times_s[face.first])
    copy = SessionFolder(Path(shutil.copytree(folder, tmp_path / "copy")))
    theirs = Notes("Bo").with_label(HumanLabel(face.face_id, first_s, first_s + 1.0, "anger"))
    write_notes(copy, theirs.with_label(HumanLabel(face.face_id, first_s + 1.0, first_s + 2.0, "fear")))
    answers = [(), (str(tmp_path),), (str(copy.notes),)]
    page = ReviewPage(store, open_clip=FakeClip, ask_for_coder=lambda parent, title: answers.pop(0))
    qtbot.addWidget(page)
    notices: list[Notice] = []
    page.noticed.connect(notices.append)
    page.show()
    try:
        page.open_path(folder)
        until(lambda: page.desk.session is not None and page.desk.shown is not None)
        notices.clear()
        press(page, "Ctrl+M")  # cancelled
        assert not notices
        press(page, "Ctrl+M")
        assert "does not exist" in notices[-1].text
        press(page, "Ctrl+M")
        box = page.desk.notes_panel.agreement
        assert box.text.endswith("Agreement with Bo\nLabel some ranges to compare.")  # no counts of nothing
        page.desk.timeline.face_chosen.emit(face.face_id)
        page.desk.mark_range(first_s, first_s + 0.9)
        press(page, "5")
        until(lambda: "10 frames labelled by both, identical in 10" in box.text)
        assert "Label some ranges" not in box.text
        page.desk.mark_range(first_s + 1.0, first_s + 1.9)
        press(page, "5")  # updated with every change
        until(lambda: "20 frames labelled by both, identical in 10" in box.text)
        assert "Cohen's kappa 0.00" in box.text
    finally:
        page.shutdown()


@pytest.fixture
def pair(
    qtbot, store: PreferenceStore, folder: Path, until: Until, tmp_path: Path
) -> Iterator[tuple[ReviewPage, list[Notice]]]:
    """A page with two sessions side by side; the third that is asked for is none."""
    second = write_session(tmp_path / "second", [(labelled_face(7, "anger"),)] * 100)
    answers = [(), (str(tmp_path / "none"),), (str(second.path),)]
    page = ReviewPage(store, open_clip=FakeClip, ask_for_session=lambda parent, title: answers.pop())
    qtbot.addWidget(page)
    notices: list[Notice] = []
    page.noticed.connect(notices.append)
    page.resize(1200, 740)
    page.show()
    page.open_path(folder)
    until(lambda: page.desk.session is not None and page.desk.shown is not None)
    page.desk.go_to(4.0)
    press(page, "Ctrl+Shift+S")
    until(lambda: page.companion.session is not None)
    yield page, notices
    page.shutdown()


def test_a_second_session_moves_with_the_first(pair: tuple[ReviewPage, list[Notice]]) -> None:
    page, _ = pair
    desk, second = page.desk, page.companion
    assert second.isVisible()
    assert second.width() > 0.3 * page.width()
    assert second.time_s == 0.0  # its start is beside the moment that was shown
    desk.go_to(6.0)
    assert second.time_s == pytest.approx(2.0)
    second.series.seek_requested.emit(3.0)
    assert position(page) == 70
    assert second.time_s == pytest.approx(3.0)
    second.link.setChecked(False)
    desk.go_to(0.0)
    assert second.time_s == pytest.approx(3.0)
    second.timeline.seek_requested.emit(5.0)
    assert position(page) == 0
    second.link.setChecked(True)  # from now on 5 s beside 0 s
    desk.go_to(1.0)
    assert second.time_s == pytest.approx(6.0)
    assert second.series.values_text() != ""


def test_the_second_session_is_blurred_with_the_first_and_closed_with_it(
    pair: tuple[ReviewPage, list[Notice]], until: Until
) -> None:
    page, notices = pair
    seen = []
    page.desk.overlay_changed.connect(seen.append)
    blur = page.desk.overlay_actions[-1]
    blur.setEnabled(True)  # which it is with a video
    blur.trigger()
    assert seen[-1].blur
    notices.clear()
    press(page, "Ctrl+Shift+S")  # no session there: the second one stays
    until(lambda: bool(notices))
    assert notices[-1].severity is Severity.ERROR
    assert page.companion.session is not None
    press(page, "Ctrl+Shift+S")  # cancelled
    page.companion.close_requested.emit()
    assert page.companion.session is None
    assert not page.companion.isVisible()


def test_a_second_session_that_comes_late_is_not_shown_beside_another(
    pair: tuple[ReviewPage, list[Notice]], until: Until, folder: Path, tmp_path: Path
) -> None:
    page, _ = pair
    page.companion.close_session()
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    read = page._second_reader.read(tmp_path / "second")  # as for a press of the key just before another is opened
    page.open_path(other)
    until(lambda: page.desk.session is not None and page.desk.session.folder.path == other)
    page._take_second(read)
    assert page.companion.session is None
    assert page._second_reader._unclaimed == []


def test_unreadable_notes_of_the_second_session_are_reported(
    pair: tuple[ReviewPage, list[Notice]], until: Until, tmp_path: Path
) -> None:
    page, notices = pair
    page.companion.close_session()
    (tmp_path / "second" / "review.json").write_text("{")
    page._ask = lambda parent, title: (str(tmp_path / "second"),)
    press(page, "Ctrl+Shift+S")
    until(lambda: page.companion.session is not None)
    assert notices[-1].severity is Severity.WARNING
    assert notices[-1].text.endswith("The second session is shown without its notes.")


def test_the_second_session_leaves_who_looks_elsewhere_alone_while_it_plays(
    pair: tuple[ReviewPage, list[Notice]],
) -> None:
    page, _ = pair
    series = page.companion.series
    series.zoom(8.0, 0.0)
    series.horizontalScrollBar().setValue(series.horizontalScrollBar().maximum())
    there = series.scale.start_s
    assert there > page.companion.time_s
    page.companion.follow(4.5, True)
    assert page.companion.time_s == pytest.approx(0.5)
    assert series.scale.start_s == there
    page.companion.follow(4.6)
    assert series.scale.start_s < there  # paused: it shows the moment


def test_sessions_that_are_closed_are_freed(pair: tuple[ReviewPage, list[Notice]], until: Until) -> None:
    page, _ = pair
    assert page.desk.session is not None
    assert page.companion.session is not None
    columns = [weakref.ref(session) for session in (page.desk.session, page.companion.session)]
    page.companion.close_session()
    page.desk.close_session()

    def freed() -> bool:
        gc.collect()
        return all(each() is None for each in columns)

    until(freed)
