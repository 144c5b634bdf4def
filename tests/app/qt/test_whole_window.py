"""The whole window on fake sources: errors are one notice and no dialog, closing ends all, a restart restores all."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QSplitter
from pytestqt.qtbot import QtBot

from app.jobs.job_file import read_jobs
from app.jobs.job_queue import JobState
from app.qt import theme
from app.qt.bridge import LiveState, RecordState
from app.qt.review import review_page
from app.qt.review.export_dialog import ExportDialog
from app.qt.settings.settings_page import SettingsPage
from app.qt.widgets.notice_bar import Severity
from app.qt.widgets.toasts import Toast
from app.review.notes import Notes, read_notes
from app.review.session import Session
from app.session.folder import SessionFolder
from app.session.metadata import read_metadata
from app.settings.limits import Limits
from app.settings.preferences import load_preferences
from engine.errors import BackendError, FaceModelError, SourceError
from tests.app.qt.window_fixture import Make, Until, WindowFixture, open_windows, write_session


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path) -> Iterator[Make]:
    with open_windows(qtbot, tmp_path) as make:
        yield make


class Dialogs(QObject):
    """Writes down every dialog that is ever shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        if event.type() is QEvent.Type.Show and isinstance(watched, QDialog):
            self.shown.append(type(watched).__name__)
        return False


@pytest.fixture
def dialogs(qapp: QApplication) -> Iterator[Dialogs]:
    listener = Dialogs()
    qapp.installEventFilter(listener)
    yield listener
    qapp.removeEventFilter(listener)


def toasts(fixture: WindowFixture) -> list[Toast]:
    return [toast for toast in fixture.window.findChildren(Toast) if toast.isVisible()]


def test_ten_errors_in_a_row_show_one_notice_for_each_thing_and_no_dialog(
    make: Make, until: Until, dialogs: Dialogs, tmp_path: Path
) -> None:
    fixture = make()
    texts: list[str] = []

    def is_shown(text: str) -> bool:
        faults = [notice.text for notice in fixture.window.notices if notice.severity is not Severity.INFO]
        if faults and faults[-1] not in texts:
            texts.append(faults[-1])
        topics = [shown.topic for shown in fixture.window.notices]
        assert len(set(topics)) == len(topics) == len(toasts(fixture))
        return bool(texts) and text in texts[-1]

    def fail(cause: Callable[[], None], text: str) -> None:
        """Cause an error and wait until its notice replaces the previous one."""
        cause()
        until(lambda: is_shown(text))
        assert fixture.window.notice is not None
        assert fixture.window.notice.severity is not Severity.INFO

    for number, kind in enumerate((SourceError, FaceModelError, BackendError, SourceError)):
        fixture.source_errors.append(kind(f"error {number}: do this"))
        fail(lambda number=number: fixture.live.open_source(str(number)), f"error {number}")
    for number in range(4, 7):
        fail(lambda number=number: fixture.window.session_requested.emit(tmp_path / f"no-{number}"), f"no-{number}")
    fixture.window.show_page("annotate")
    for number in range(7, 9):
        fail(lambda number=number: fixture.annotate.add((f"/films/bad-{number}.mp4",)), f"bad-{number}")
    fixture.run_live(until)
    fail(fixture.cameras[-1].unplugged.set, "resumes automatically")
    assert len(texts) == 10
    assert dialogs.shown == []
    fixture.run_live(until)
    assert "source" not in {notice.topic for notice in fixture.window.notices}, "a resolved error is cleared"


def test_an_error_of_a_hidden_page_is_shown(make: Make, until: Until) -> None:
    fixture = make()
    fixture.run_live(until)
    fixture.live.toggle_recording()  # otherwise leaving the page releases the camera
    fixture.window.show_page("about")
    fixture.cameras[-1].unplugged.set()
    until(lambda: fixture.window.notice is not None and "unplug" not in fixture.window.notice.text)
    until(lambda: fixture.live.bridge.recording.state is RecordState.OFF)
    assert fixture.window.shown == "about"


def wait_until_stopped(
    session: Session,
    notes: Notes,
    choice: object,
    folder: Path,
    report: Callable[[float], None],
    stopped: Callable[[], bool],
) -> tuple[Path, ...]:
    """An export that runs until it is stopped."""
    pause = threading.Event()
    while not stopped():
        pause.wait(0.01)
    return ()


def test_closing_while_everything_runs_ends_all_threads_and_keeps_the_results(
    make: Make, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_page, "ExportDialog", functools.partial(ExportDialog, write=wait_until_stopped))
    session = write_session(tmp_path)
    fixture = make()
    before = set(threading.enumerate())
    fixture.run_live(until)
    fixture.live.toggle_recording()
    until(lambda: fixture.live.bridge.recording.duration_s > 0.2)
    fixture.window.show_page("annotate")
    fixture.job_pipeline.on_frame = lambda index: threading.Event().wait(0.005)
    fixture.annotate.add(("/films/long.mp4",))
    until(lambda: bool(fixture.annotate.runner.jobs))
    fixture.annotate.runner.start()
    until(lambda: fixture.job_pipeline.seen > 3)
    fixture.window.findChild(SettingsPage).diagnostics.start.click()
    fixture.open_session(until, session)
    fixture.review.export()
    export = fixture.window.findChild(ExportDialog)
    export.start.click()
    fixture.review.desk.toggle()
    assert fixture.review.desk.player.playing
    assert export.running
    assert fixture.live.bridge.recording.state is RecordState.ON
    fixture.window.close()
    assert fixture.window.errors == ()
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []
    (recording,) = (tmp_path / "out").glob("camera-0-*")
    metadata = read_metadata(SessionFolder(recording).metadata)
    assert metadata.completed
    assert SessionFolder(recording).csv.exists()
    assert [job.state for job in read_jobs(tmp_path / "queue.json").jobs] == [JobState.INTERRUPTED]
    notes = read_notes(SessionFolder(session))
    assert len(notes.labels) == len(notes.exclusions) == len(notes.markers) == 1


@pytest.mark.parametrize("state", ["opening", "lost", "saving", "scanning", "starting a job"])
def test_closing_during_a_transition_leaves_no_thread(make: Make, until: Until, tmp_path: Path, state: str) -> None:
    fixture = make()
    before = set(threading.enumerate())
    if state == "opening":
        fixture.window.show_page("live")
        fixture.live.open_source("0")
    elif state == "starting a job":
        fixture.annotate.add(("/films/long.mp4",))
        until(lambda: bool(fixture.annotate.runner.jobs))
        fixture.annotate.runner.start()
    elif state == "scanning":
        fixture.annotate.add(("/films/long.mp4",))
    else:
        fixture.run_live(until)
        if state == "lost":
            fixture.cameras[-1].unplugged.set()
            until(lambda: fixture.live.bridge.state is LiveState.LOST)
        else:
            fixture.live.toggle_recording()
            until(lambda: fixture.live.bridge.recording.duration_s > 0.1)
            fixture.live.save_snapshot()
            fixture.live.toggle_recording()
    fixture.window.close()
    assert fixture.window.errors == ()
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []
    assert all(camera.closed for camera in fixture.cameras)


def test_a_restart_restores_page_position_splitters_theme_scale_and_limits(
    make: Make, until: Until, tmp_path: Path
) -> None:
    session = write_session(tmp_path)
    fixture = make()
    fixture.store.change(theme="dark", scale_percent=125, preset="speed")
    screen = QGuiApplication.primaryScreen().availableGeometry()
    size = (min(1000, screen.width()), min(700, screen.height()))
    fixture.window.resize(*size)
    fixture.run_live(until)
    fixture.live.limits.accept.setValue(31)
    fixture.window.session_requested.emit(session)
    until(lambda: fixture.review.desk.session is not None)
    splitters = {one.objectName(): one for one in fixture.window.findChildren(QSplitter)}
    assert len(splitters) == 6
    assert "" not in splitters, "splitters without a name are not restored"
    for place, splitter in enumerate(splitters.values()):
        splitter.setSizes([300 + 20 * place, 300])
    QTest.qWait(0)
    sizes = {name: splitter.sizes() for name, splitter in splitters.items()}
    fixture.window.close()

    kept = load_preferences(tmp_path / "desktop.json", pytest.fail)
    assert (kept.page, kept.theme, kept.scale_percent, kept.preset) == ("review", "dark", 125, "speed")
    assert kept.sessions == (session,)
    again = make()
    assert again.window.shown == "review"
    assert again.window.size().toTuple() == size
    assert theme.current().name is theme.ThemeName.DARK
    assert again.annotate.form.preset == "speed"
    again.run_live(until)
    assert again.live.limits.limits.aleatoric_limit == 0.31
    assert again.store.now.limits == Limits(0.31, again.live.bridge.model_limits.ood_limit)
    again.window.session_requested.emit(session)
    until(lambda: again.review.desk.session is not None)
    QTest.qWait(0)
    assert {one.objectName(): one.sizes() for one in again.window.findChildren(QSplitter)} == sizes
