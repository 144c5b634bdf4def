"""The whole window on made sources: faults are one notice and no dialog, closing ends all, a restart remembers all."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

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
from app.qt.widgets.notice_bar import NoticeBar, Severity
from app.review.notes import Notes, read_notes
from app.review.session import Session
from app.session.folder import SessionFolder
from app.session.metadata import read_metadata
from app.settings.limits import Limits
from app.settings.preferences import load_preferences
from engine.errors import BackendError, FaceModelError, SourceError
from tests.app.qt.made_window import MadeWindow, Make, Until, made_session, made_windows


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path) -> Iterator[Make]:
    with made_windows(qtbot, tmp_path) as make:
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


def bars(made: MadeWindow) -> list[NoticeBar]:
    return [bar for bar in made.window.findChildren(NoticeBar) if bar.isVisible()]


def test_ten_faults_in_a_row_are_one_notice_at_a_time_and_no_dialog(
    make: Make, until: Until, dialogs: Dialogs, tmp_path: Path
) -> None:
    made = make()
    told: list[str] = []

    def is_told(words: str) -> bool:
        notice = made.window.notice
        if notice is not None and notice.text not in told[-1:]:
            told.append(notice.text)
        assert len(bars(made)) == (notice is not None)
        return bool(told) and words in told[-1]

    def fault(cause: Callable[[], None], words: str) -> None:
        """Cause a fault; wait until it is told, in place of the one before."""
        cause()
        until(lambda: is_told(words))
        assert made.window.notice is not None
        assert made.window.notice.severity is not Severity.INFO

    for number, kind in enumerate((SourceError, FaceModelError, BackendError, SourceError)):
        made.faults.append(kind(f"fault {number}: do this"))
        fault(lambda number=number: made.live.open_source(str(number)), f"fault {number}")
    for number in range(4, 7):
        fault(lambda number=number: made.window.session_requested.emit(tmp_path / f"no-{number}"), f"no-{number}")
    made.window.show_page("annotate")
    for number in range(7, 9):
        fault(lambda number=number: made.annotate.add((f"/films/bad-{number}.mp4",)), f"bad-{number}")
    made.run_live(until)
    fault(made.cameras[-1].unplugged.set, "It goes on by itself")
    assert len(told) == 10
    assert dialogs.shown == []
    made.run_live(until)
    assert made.window.notice is None, "what is mended is told no longer"


def test_a_fault_of_a_page_that_is_not_shown_is_told(make: Make, until: Until) -> None:
    made = make()
    made.run_live(until)
    made.live.toggle_recording()  # else the page pauses when it is left
    made.window.show_page("about")
    made.cameras[-1].unplugged.set()
    until(lambda: made.window.notice is not None and "unplug" not in made.window.notice.text)
    until(lambda: made.live.bridge.recording.state is RecordState.OFF)
    assert made.window.shown == "about"


def wait_until_stopped(
    session: Session,
    notes: Notes,
    choice: object,
    folder: Path,
    report: Callable[[float], None],
    stopped: Callable[[], bool],
) -> tuple[Path, ...]:
    """An export that has no end."""
    pause = threading.Event()
    while not stopped():
        pause.wait(0.01)
    return ()


def test_closing_while_everything_runs_ends_everything_and_keeps_what_was_made(
    make: Make, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_page, "ExportDialog", functools.partial(ExportDialog, write=wait_until_stopped))
    session = made_session(tmp_path)
    made = make()
    before = set(threading.enumerate())
    made.run_live(until)
    made.live.toggle_recording()
    until(lambda: made.live.bridge.recording.duration_s > 0.2)
    made.window.show_page("annotate")
    made.job_pipeline.on_frame = lambda index: threading.Event().wait(0.005)
    made.annotate.add(("/films/long.mp4",))
    until(lambda: bool(made.annotate.runner.jobs))
    made.annotate.runner.start()
    until(lambda: made.job_pipeline.seen > 3)
    made.window.findChild(SettingsPage).diagnostics.start.click()
    made.open_session(until, session)
    made.review.export()
    export = made.window.findChild(ExportDialog)
    export.start.click()
    made.review.desk.toggle()
    assert made.review.desk.player.playing
    assert export.running
    assert made.live.bridge.recording.state is RecordState.ON
    made.window.close()
    assert made.window.faults == ()
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []
    (recording,) = (tmp_path / "out").glob("camera-0-*")
    metadata = read_metadata(SessionFolder(recording).metadata)
    assert metadata.completed
    assert SessionFolder(recording).csv.exists()
    assert [job.state for job in read_jobs(tmp_path / "queue.json").jobs] == [JobState.INTERRUPTED]
    notes = read_notes(SessionFolder(session))
    assert len(notes.labels) == len(notes.exclusions) == len(notes.markers) == 1


@pytest.mark.parametrize("state", ["opening", "lost", "saving", "looking", "starting a job"])
def test_closing_in_the_middle_of_something_leaves_no_thread(
    make: Make, until: Until, tmp_path: Path, state: str
) -> None:
    made = make()
    before = set(threading.enumerate())
    if state == "opening":
        made.window.show_page("live")
        made.live.open_source("0")
    elif state == "starting a job":
        made.annotate.add(("/films/long.mp4",))
        until(lambda: bool(made.annotate.runner.jobs))
        made.annotate.runner.start()
    elif state == "looking":
        made.annotate.add(("/films/long.mp4",))
    else:
        made.run_live(until)
        if state == "lost":
            made.cameras[-1].unplugged.set()
            until(lambda: made.live.bridge.state is LiveState.LOST)
        else:
            made.live.toggle_recording()
            until(lambda: made.live.bridge.recording.duration_s > 0.1)
            made.live.save_snapshot()
            made.live.toggle_recording()
    made.window.close()
    assert made.window.faults == ()
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []
    assert all(camera.closed for camera in made.cameras)


def test_a_restart_remembers_page_place_splitters_theme_scale_and_limits(
    make: Make, until: Until, tmp_path: Path
) -> None:
    session = made_session(tmp_path)
    made = make()
    made.store.change(theme="dark", scale_percent=125, preset="speed")
    screen = QGuiApplication.primaryScreen().availableGeometry()
    size = (min(1000, screen.width()), min(700, screen.height()))
    made.window.resize(*size)
    made.run_live(until)
    made.live.limits.accept.setValue(31)
    made.window.session_requested.emit(session)
    until(lambda: made.review.desk.session is not None)
    splitters = {one.objectName(): one for one in made.window.findChildren(QSplitter)}
    assert len(splitters) == 4
    assert "" not in splitters, "a splitter without a name is not remembered"
    for place, splitter in enumerate(splitters.values()):
        splitter.setSizes([300 + 20 * place, 300])
    QTest.qWait(0)
    sizes = {name: splitter.sizes() for name, splitter in splitters.items()}
    made.window.close()

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
