"""The whole window on made sources, made engines and made sessions: all pages, in the states that users see."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QWidget

from app.jobs.job_queue import EngineChoice, Job, JobResult, JobState
from app.jobs.job_run import JobEngines
from app.output import OutputFolder
from app.qt import program
from app.qt.annotate.annotate_page import AnnotatePage
from app.qt.live.bridge import LiveBridge, LiveState
from app.qt.live.live_page import LivePage
from app.qt.live.live_recording import RecordState
from app.qt.main_window import MainWindow
from app.qt.preference_store import PreferenceStore
from app.qt.review.export_dialog import ExportDialog
from app.qt.review.review_page import ReviewPage
from app.review.made_session import make_session
from app.run_record import Engine
from engine.assembly import TrackerName
from engine.capture.camera_list import Camera
from engine.capture.source import FrameSource
from engine.config import EngineConfig
from engine.errors import SourceError
from engine.types import Frame
from tests.app.made import MadePipeline, MadeSource, make_engine

Until = Callable[[Callable[[], bool]], None]
#: The window in logical pixels.
SIZE = (1280, 800)
CAMERAS = (Camera("0", "Front camera", True, ""), Camera("2", "Back camera", False, "camera 2 is in use: close it"))


class MadeCamera(MadeSource):
    """About 100 frames per second until it is unplugged."""

    def __init__(self) -> None:
        super().__init__(10**7, live=True, source_id="camera:0")
        self.unplugged = threading.Event()

    def read(self) -> Frame | None:
        if self.unplugged.wait(0.01):
            raise SourceError("camera 0 gave no new picture for 2 s: plug it in again, or open its shutter")
        return super().read()


class MadeKeeper:
    """Gives the made engine for every job."""

    def __init__(self, pipeline: MadePipeline) -> None:
        self._pipeline = pipeline
        self._config = EngineConfig()

    def configure(self, config: EngineConfig, tracker: TrackerName) -> None:
        """Settings of the next job."""
        self._config = config

    def engine_for(self, source: FrameSource) -> Engine:
        """The same for all sources."""
        return dataclasses.replace(make_engine(self._pipeline), config=self._config)

    def close(self) -> None:
        """Nothing is open."""


class MadeWindow:
    """A window with what stands behind it."""

    def __init__(self, folder: Path, store: PreferenceStore) -> None:
        """``folder`` gets the queue, recordings and results; patch with `patched` before."""
        self.folder = folder
        self.store = store
        self.cameras: list[MadeCamera] = []
        self.job_pipeline = MadePipeline()
        self.faults: list[Exception] = []  # the next sources of Live fail with these
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(program, "LiveBridge", self._bridge)
            patch.setattr(program, "JobEngines", self._jobs)
            self.window: MainWindow = program.build_window(store, EngineConfig(), "0.9", folder / "queue.json")
        self.live = self._page(LivePage)
        self.annotate = self._page(AnnotatePage)
        self.review = self._page(ReviewPage)

    def _page(self, kind: type[Any]) -> Any:
        page = self.window.findChild(kind)
        assert page is not None
        return page

    def _bridge(self, config: EngineConfig, tracker: TrackerName, app_version: str) -> LiveBridge:
        return LiveBridge(
            config,
            tracker,
            app_version,
            open_source=self._open_camera,
            engine_for=lambda source: make_engine(MadePipeline()),
        )

    def _jobs(self, app_version: str) -> JobEngines:
        return JobEngines(app_version, self._open_video, lambda: MadeKeeper(self.job_pipeline))

    def _open_camera(self, spec: str) -> FrameSource:
        if self.faults:
            raise self.faults.pop(0)
        self.cameras.append(MadeCamera())
        return self.cameras[-1]

    def _open_video(self, spec: str) -> FrameSource:
        if "bad" in spec:
            raise SourceError(f"{spec} holds no frame that can be decoded: copy it again")
        return MadeSource(10**6 if "long" in spec else 35, source_id=Path(spec).name)

    def run_live(self, until: Until) -> None:
        """Show Live with a camera that runs and a face beside the picture."""
        self.window.show_page("live")
        self.live.open_source("0")
        until(lambda: self.live.bridge.state is LiveState.RUNNING and self._sees_a_face())

    def _sees_a_face(self) -> bool:
        shown = self.live.bridge.shown
        return shown is not None and shown.rows[0].face_id is not None

    def open_session(self, until: Until, session: Path) -> None:
        """Show Review with a session on its desk and all kinds of notes."""
        self.window.session_wanted.emit(session)
        desk = self.review.desk
        until(lambda: desk.session is not None and desk.player is not None and desk._shown is not None)
        desk.go_to(1.0)
        desk.mark_in()
        desk.go_to(2.0)
        desk.mark_out()
        desk.label_range("happiness")
        desk.exclude_range()
        desk.add_marker()


def made_session(folder: Path) -> Path:
    """Eight seconds of two faces, without a video."""
    make_session(OutputFolder(folder), 8.0, 10.0, 2, 5)
    return folder


def made_jobs(folder: Path, film: str = "film") -> tuple[Job, ...]:
    """One job in every state that a queue can be read in."""
    states = (JobState.WAITING, JobState.INTERRUPTED, JobState.DONE, JobState.FAILED, JobState.CANCELLED)
    return tuple(
        Job(
            number + 1,
            f"/films/{film}-{number}.mp4",
            folder / "out" / f"{film}-{number}",
            "balanced",
            {"speed": 12, "balanced": 35, "thorough": 35},
            state,
            10 if state is not JobState.WAITING else 0,
            35,
            tries=int(state is not JobState.WAITING),
            engine=EngineChoice() if state is not JobState.WAITING else None,
            result=JobResult(35, 2, 42) if state is JobState.DONE else None,
            fault="the film cannot be read: copy it again" if state is JobState.FAILED else "",
        )
        for number, state in enumerate(states)
    )


def walk_states(made: MadeWindow, until: Until, session: Path) -> Iterator[tuple[str, QWidget]]:
    """Bring the window into one state after the other; gives the state's name and the widget at the top of it."""
    window, live, review = made.window, made.live, made.review
    for told in (False, True):
        made.store.change(told=told)
        window.show_page("start")
        yield ("start" if told else "start, first"), window
    window.show_page("live")
    yield "live, idle", window
    live.chooser.list.setCurrentIndex(live.chooser.list.count() - 1)
    live.chooser.list.activated.emit(live.chooser.list.count() - 1)
    yield "live, address", window
    yield from _walk_running(made, until)
    window.show_page("annotate")
    until(lambda: not made.annotate._adder.busy)
    yield "annotate", window
    made.annotate.list.setCurrentIndex(made.annotate.list.model().index(0, 0))
    yield "annotate, chosen", window
    window.show_page("review")
    yield "review, empty", window
    made.open_session(until, session)
    for place in range(review.desk.tabs.count()):
        review.desk.tabs.setCurrentIndex(place)
        yield f"review, {review.desk.tabs.tabText(place)}", window
    review.export()
    dialog = window.findChild(ExportDialog)
    assert dialog is not None
    yield "export", dialog
    dialog.reject()
    for name in ("settings", "about"):
        window.show_page(name)
        yield name, window
    until(lambda: not made.window.findChild(program.SettingsPage).diagnostics.findChildren(QWidget) == [])
    window._show_shortcuts()
    from app.qt.shortcut_sheet import ShortcutSheet

    sheet = window.findChild(ShortcutSheet)
    assert sheet is not None
    yield "keys", sheet
    sheet.close()


def _walk_running(made: MadeWindow, until: Until) -> Iterator[tuple[str, QWidget]]:
    window, live = made.window, made.live
    made.run_live(until)
    for place in range(live.side_tabs.count()):
        live.side_tabs.setCurrentIndex(place)
        until(lambda: live.bridge.shares().known)
        yield f"live, {live.side_tabs.tabText(place)}", window
    live.show_performance()
    yield "performance", live.performance
    live.performance.hide()
    live.record_or_stop()
    until(lambda: live.bridge.recording.duration_s > 0.2)
    live._update_slowly()
    yield "live, recording", window
    live.record_or_stop()
    until(lambda: live.bridge.recording.state is RecordState.OFF)
    live.pause_or_go_on()
    yield "live, paused", window
    live.pause_or_go_on()
    made.cameras[-1].unplugged.set()
    until(lambda: live.bridge.state is LiveState.LOST)
    yield "live, lost", window
    made.faults.append(SourceError("camera 7 may not be used: join the group video"))
    live.open_source("7")
    until(lambda: live.bridge.state is LiveState.FAILED)
    yield "live, failed", window
