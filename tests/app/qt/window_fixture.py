"""The whole window on fake sources and engines and a synthetic session, and a walk through all states a user sees."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QTabWidget, QWidget
from pytestqt.qtbot import QtBot

from app.jobs import job_run
from app.jobs.job_file import write_jobs
from app.jobs.job_queue import EngineChoice, Job, JobResult, JobState
from app.jobs.job_run import JobExecutor
from app.qt import bridge, program
from app.qt.about.model_cards import ModelCardSheet, ModelsCard
from app.qt.bridge import LiveBridge, LiveState, RecordState
from app.qt.live import source_chooser
from app.qt.main_window import MainWindow
from app.qt.preference_store import PreferenceStore
from app.qt.review.codes_dialog import CodesDialog
from app.qt.review.export_dialog import ExportDialog
from app.qt.widgets.page import ShortcutSheet
from app.qt.widgets.workspace import WorkspaceLayout
from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder
from app.settings.preferences import PAGES
from engine.capture.camera_list import Camera
from engine.capture.source import FrameSource
from engine.config import EngineConfig, TrackerName
from engine.errors import SourceError
from engine.types import Frame
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.sessions import FakeEngines

Until = Callable[[Callable[[], bool]], None]
Make = Callable[..., "WindowFixture"]
#: The window in logical pixels.
SIZE = (1280, 800)
CAMERAS = (Camera("0", "Front camera", True, ""), Camera("2", "Back camera", False, "camera 2 is in use: close it"))
FILM, SESSION = "film", "a session"
UNPLUGGED = "camera 0 gave no new picture for 2 s: plug it in again, or open its shutter"


class FakeCamera(FakeSource):
    """About 100 frames per second until it is unplugged; a file unless ``live``."""

    def __init__(self, live: bool = True) -> None:
        super().__init__(10**7, live=live, source_id="camera:0" if live else "talk.mp4")
        self.unplugged = threading.Event()

    def read(self) -> Frame | None:
        if self.unplugged.wait(0.01):
            raise SourceError(UNPLUGGED)
        return super().read()


class WindowFixture:
    """A window with its fake sources, engines and store."""

    def __init__(self, folder: Path, store: PreferenceStore) -> None:
        """The queue of Annotate is stored in ``folder``."""
        self.folder = folder
        self.store = store
        self.cameras: list[FakeCamera] = []
        self.job_pipeline = FakePipeline()
        self.source_errors: list[Exception] = []  # raised by the next sources of Live
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bridge, "LiveBridge", self._bridge)
            patch.setattr(job_run, "JobExecutor", self._engines)
            pages = program.Program(store, EngineConfig(), lambda: "0.9", folder / "queue.json")
            pages.window.create_pages()
        self.window: MainWindow = pages.window
        self.live, self.annotate, self.review = pages.live, pages.annotate, pages.review

    def run_live(self, until: Until) -> None:
        """Show Live with a running camera and a face in view."""
        self.window.show_page("live")
        self.live.open_source("0")
        until(self._sees_a_face)

    def open_session(self, until: Until, session: Path) -> None:
        """Show a session with all kinds of notes in Review."""
        self.window.session_requested.emit(session)
        desk = self.review.desk
        until(lambda: desk.session is not None and desk.player is not None)
        desk.go_to(1.0)
        desk.mark_in()
        desk.go_to(2.0)
        desk.mark_out()
        desk.label_range("happiness")
        desk.exclude_range()
        desk.add_marker()

    def _sees_a_face(self) -> bool:
        shown = self.live.bridge.shown
        running = self.live.bridge.state is LiveState.RUNNING
        return running and shown is not None and shown.rows[0].face_id is not None

    def _bridge(self, config: EngineConfig, tracker: TrackerName, app_version: str) -> LiveBridge:
        return LiveBridge(
            config,
            tracker,
            app_version,
            open_source=self._open_camera,
            engines=FakeEngines(FakePipeline()),
        )

    def _engines(self, app_version: str) -> JobExecutor:
        return JobExecutor(app_version, self._open_video, FakeEngines(self.job_pipeline))

    def _open_camera(self, spec: str) -> FrameSource:
        if self.source_errors:
            raise self.source_errors.pop(0)
        self.cameras.append(FakeCamera())
        return self.cameras[-1]

    def _open_video(self, spec: str) -> FrameSource:
        if "bad" in spec:
            raise SourceError(f"{spec} holds no frame that can be decoded: copy it again")
        return FakeSource(10**6 if "long" in spec else 35, source_id=Path(spec).name)


@contextlib.contextmanager
def open_windows(qtbot: QtBot, folder: Path) -> Iterator[Make]:
    """A factory of shown windows of `SIZE` with the settings in ``folder`` and changes; all are closed at the end."""
    windows: list[WindowFixture] = []

    def make(**changes: object) -> WindowFixture:
        store = PreferenceStore(folder / "desktop.json")
        results = folder / "out"
        store.change(
            **{"notice_read": True, "hints_seen": PAGES, "recordings": results, "annotations": results, **changes}
        )
        windows.append(WindowFixture(folder, store))
        window = windows[-1].window
        qtbot.addWidget(window)
        if not store.now.window:
            window.resize(*SIZE)
        window.show()
        return windows[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_chooser, "list_cameras", lambda: CAMERAS)
        yield make
        for one in windows:
            one.window.close()
            assert one.window.errors == ()


def write_session(folder: Path) -> Path:
    """Write a session of eight seconds with two faces and no video."""
    write_synthetic_session(SessionFolder(folder / SESSION), 8.0, 10.0, 2, 5)
    return folder / SESSION


def write_queue(folder: Path) -> None:
    """Write a queue with a job in every state that a queue file can have."""
    states = (JobState.WAITING, JobState.INTERRUPTED, JobState.DONE, JobState.FAILED, JobState.CANCELLED)
    jobs = tuple(
        Job(
            number + 1,
            f"/films/{FILM}-{number}.mp4",
            folder / "out" / f"{FILM}-{number}",
            "balanced",
            {"speed": 12, "balanced": 35, "thorough": 35},
            state,
            0 if state is JobState.WAITING else 10,
            35,
            tries=0 if state is JobState.WAITING else 1,
            engine=None if state is JobState.WAITING else EngineChoice(),
            result=JobResult(35, 2, 42) if state is JobState.DONE else None,
            fault="⟦the film cannot be read: copy it again⟧" if state is JobState.FAILED else "",
        )
        for number, state in enumerate(states)
    )
    write_jobs(folder / "queue.json", jobs)


def walk_states(fixture: WindowFixture, until: Until, session: Path) -> Iterator[tuple[str, QWidget]]:
    """Bring the window into one state after the other; yield the state's name and its top widget."""
    window = fixture.window
    for read in (False, True):
        fixture.store.change(notice_read=read)
        window.show_page("start")
        yield ("start" if read else "start, first"), window
    yield from _walk_live(fixture, until)
    yield from _walk_annotate(fixture, until)
    yield from _walk_review(fixture, until, session)
    for name in ("settings", "about"):
        window.show_page(name)
        yield name, window
    cards = next(card for card in window.findChildren(ModelsCard) if card.buttons)
    cards.buttons[0].click()
    card = window.findChild(ModelCardSheet)
    assert card is not None
    yield "about, model card", card
    card.close()
    next(action for action in window.findChildren(QAction) if QKeySequence("F1") in action.shortcuts()).trigger()
    sheet = window.findChild(ShortcutSheet)
    assert sheet is not None
    yield "keys", sheet
    sheet.close()


def _walk_live(fixture: WindowFixture, until: Until) -> Iterator[tuple[str, QWidget]]:
    window, live = fixture.window, fixture.live
    window.show_page("live")
    live.chooser.list.activated.emit(live.chooser.list.count() - 1)
    yield "live, address field", window
    fixture.run_live(until)
    until(lambda: bool(live.bridge.shares().known))
    for layout in WorkspaceLayout:
        live.workspace.choose(layout)
        for words in _walk_tabs(live):
            yield f"live, {layout.value}, {words}", window
    live.workspace.choose(WorkspaceLayout.SIMPLE)
    live.show_performance()
    yield "live, performance", live.performance
    live.performance.hide()
    live.toggle_recording()
    until(lambda: live.bridge.recording.duration_s > 0.2)
    yield "live, recording", window
    live.toggle_recording()
    until(lambda: live.bridge.recording.state is RecordState.OFF)
    live.toggle_pause()
    yield "live, paused", window
    live.toggle_pause()
    fixture.cameras[-1].unplugged.set()
    until(lambda: live.bridge.state is LiveState.LOST)
    yield "live, lost", window
    fixture.source_errors.append(SourceError("⟦camera 7 may not be used: join the group video⟧"))
    live.open_source("7")
    until(lambda: live.bridge.state is LiveState.FAILED)
    yield "live, failed", window


def _walk_annotate(fixture: WindowFixture, until: Until) -> Iterator[tuple[str, QWidget]]:
    window, annotate = fixture.window, fixture.annotate
    window.show_page("annotate")
    annotate.add(("/films/long.mp4",))
    until(lambda: not annotate.scanning)
    annotate.list.setCurrentIndex(annotate.list.model().index(0, 0))
    yield "annotate", window
    annotate.runner.start()
    until(lambda: any(job.spec.endswith("long.mp4") and job.done for job in annotate.runner.jobs))
    yield "annotate, running", window
    annotate.runner.pause()
    yield "annotate, paused", window


def _walk_review(fixture: WindowFixture, until: Until, session: Path) -> Iterator[tuple[str, QWidget]]:
    window, review = fixture.window, fixture.review
    window.show_page("review")
    yield "review, empty", window
    fixture.open_session(until, session)
    until(lambda: "labelled ranges" in review.desk.notes_panel.agreement.text)
    for layout in (WorkspaceLayout.SIMPLE, WorkspaceLayout.RESEARCH):
        review.desk.workspace.choose(layout)
        for words in _walk_tabs(review):
            yield f"review, {layout.value}, {words}", window
    review.desk.show_series(True)
    yield "review, large time series", window
    review.desk.show_series(False)
    review.show_beside(session)
    until(lambda: review.companion.session is not None)
    for words in _walk_tabs(review.companion):
        yield f"review, second session, {words}", window
    review.companion.close_session()
    review.edit_codes()
    codes = window.findChild(CodesDialog)
    assert codes is not None
    yield "review, event codes", codes
    codes.reject()
    review.export()
    dialog = window.findChild(ExportDialog)
    assert dialog is not None
    yield "review, export", dialog
    dialog.reject()


def _walk_tabs(page: QWidget) -> Iterator[str]:
    """Show the tabs of a page one after the other; yield their texts."""
    for tabs in page.findChildren(QTabWidget):
        for place in range(tabs.count()):
            tabs.setCurrentIndex(place)
            yield tabs.tabText(place)
