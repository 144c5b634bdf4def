"""Measuring the window: what a live frame costs its thread, and how long a long session takes to open.

Everything runs in this process without a screen; what a screen's driver does with a finished picture is not in the
figures. The engine is the real one and does all of its work, so that its threads compete with the window as always; but
what it finds in the one face of the demo hardly changes, and would leave the panels nothing to paint. So its findings
are replaced by made ones that change with every frame, and the chart begins with a full minute.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QAbstractEventDispatcher, QEventLoop
from PySide6.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from app.engine_cache import EngineCache
from app.live.live_run import Presented
from app.live.trace import SPAN_S
from app.qt.application import make_application
from app.qt.bridge import LiveBridge, LiveState
from app.qt.live.live_page import LivePage
from app.qt.main_window import MainWindow
from app.qt.preference_store import PreferenceStore
from app.qt.review.review_page import ReviewPage
from app.review.synthetic_session import synthetic_results, write_synthetic_session
from app.session.folder import SessionFolder
from app.session.rows import rows_of
from app.session.table import written_whole
from engine.backends.contract import ExpressionCalibration
from engine.capture.source import FrameSource
from engine.capture.synthetic import SyntheticSource
from engine.config import EngineConfig, TrackerName
from engine.engine import Engine
from engine.errors import EngineError
from engine.types import FaceResult, Frame, FrameResult

#: The window, in pixels.
_SIZE: Final = (1280, 800)
#: Seconds before the measuring, in which caches and charts fill.
_WARM_UP_S: Final = 3.0
#: The demo clip is stretched so that its first passage, with one face that moves and tilts, lasts for a minute.
_CLIP_S: Final = 300.0
#: Longest wait for anything.
_LIMIT_S: Final = 120.0
_OPENS: Final = 5
_SCROLL_STEPS: Final = 120
#: Made findings, which begin anew after so many seconds.
_MADE_S: Final = 30.0
_FPS: Final = 30.0
#: Seconds between two turns of the event loop, which is turned by hand so that each can be timed. An empty turn costs
#: 0.02 ms: a turn every millisecond would show as 0.6 ms of processor time per frame.
_NAP_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Main-thread milliseconds per frame shown, everything counted: timers, panels, charts, painting.

    ``busy_ms`` is the strict one: a main thread that waits for the interpreter, which it shares with the engine's
    threads, answers nobody either.
    """

    frames: int
    seconds: float
    busy_ms: float  # wall time of the event loop; its waits for the interpreter and for a core are in it
    cpu_ms: float  # processor time of the main thread
    turn_p95_ms: float  # wall time of one turn of the event loop, of those that found something to do
    turn_worst_ms: float


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """Opening a made session, and scrolling through it."""

    hours: float
    frames: int
    open_s: float  # from asking until the timeline is painted; median
    open_worst_s: float
    opens: int
    scroll_ms: float  # main-thread milliseconds of one step with its painting; median
    scroll_p95_ms: float


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """What was measured."""

    live: LiveFigures
    review: ReviewFigures
    machine: str
    cores: int


def measure_window(
    seconds: float, hours: float, config: EngineConfig, tell: Callable[[str], None] = lambda line: None
) -> WindowFigures:
    """Both measurements, one after the other.

    Args:
        seconds: of the live run.
        hours: length of the session that is opened.
        config: of the engine.
        tell: hears what is being done.

    Raises:
        EngineError: the engine cannot be opened, or the made session not be written.
    """
    live = measure_live(seconds, config, tell)
    machine = f"{platform.machine()} {platform.system()}"
    return WindowFigures(live, measure_review(hours, tell), machine, os.cpu_count() or 1)


def show_figures(figures: WindowFigures, console: Console) -> None:
    """Print the figures."""
    live, review = figures.live, figures.review
    length = f"{review.hours:g} h ({review.frames} frames)"
    table = Table(show_edge=False, show_header=False)
    for what, value in (
        ("main thread per live frame, 1280x720", f"{live.busy_ms:.2f} ms, {live.cpu_ms:.2f} ms of processor time"),
        ("frames shown", f"{live.frames} in {live.seconds:.0f} s"),
        ("one turn of the event loop", f"95 % under {live.turn_p95_ms:.1f} ms, worst {live.turn_worst_ms:.1f} ms"),
        (f"opening {length}", f"{review.open_s:.2f} s, worst {review.open_worst_s:.2f} s"),
        ("scrolling, one step", f"{review.scroll_ms:.1f} ms, 95 % under {review.scroll_p95_ms:.1f} ms"),
    ):
        table.add_row(what, value)
    console.print(table)


def write_figures(figures: WindowFigures, path: Path) -> None:
    """Write the figures as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    with written_whole(path) as part:
        part.write_text(json.dumps(dataclasses.asdict(figures), indent=1) + "\n", encoding="utf-8")


def measure_live(seconds: float, config: EngineConfig, tell: Callable[[str], None] = lambda line: None) -> LiveFigures:
    """A live run of 1280 x 720 at 30 frames per second with one face, in a window of 1280 x 800.

    Raises:
        EngineError: the engine cannot be opened.
    """
    application = offscreen_application()
    store = PreferenceStore(None)
    engines = EngineCache(config, "litert", _open_lively)
    bridge = LiveBridge(config, "litert", "bench", open_source=_one_face, engines=engines)
    page = LivePage(store, config, bridge)
    window = MainWindow(store, {"live": page})
    faults: list[str] = []
    shown: list[Presented] = []
    bridge.noticed.connect(lambda notice: faults.append(notice.text) if notice.text else None)
    bridge.presented.connect(shown.append)
    try:
        window.resize(*_SIZE)
        window.show()
        window.show_page("live")
        tell("opening the engine")
        page.open_source("one face")
        _run_until(application, lambda: bool(shown) or bridge.state is LiveState.FAILED)
        if not shown:
            raise EngineError(faults[-1] if faults else "no picture came: run 'mien doctor'")
        _fill_chart(page, shown[-1])
        _run_for(_WARM_UP_S)
        tell(f"measuring for {seconds:.0f} s")
        shown.clear()
        cpu_s = time.thread_time()
        turns_ms = _run_for(seconds)
        cpu_s = time.thread_time() - cpu_s
        if not shown:
            raise EngineError(f"no picture came for {seconds:.0f} s: run 'mien doctor'")
        return _live_figures(seconds, len(shown), turns_ms, cpu_s)
    finally:
        window.close()
        window.deleteLater()
        engines.close()


def measure_review(hours: float, tell: Callable[[str], None] = lambda line: None) -> ReviewFigures:
    """Open a made session with two faces at a time and scroll through it, in a window of 1280 x 800.

    Raises:
        OutputError: the session cannot be written.
    """
    application = offscreen_application()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        folder = SessionFolder(Path(scratch) / "session")
        tell(f"writing a session of {hours:g} h (half a minute per hour)")
        write_synthetic_session(folder, hours * 3600, 25.0, 2, 1)
        opens = [_open(application, folder.path, scroll=False)[0] for _ in range(_OPENS)]
        tell("scrolling")
        _, steps_ms, frames = _open(application, folder.path, scroll=True)
    return ReviewFigures(
        hours=hours,
        frames=frames,
        open_s=round(statistics.median(opens), 3),
        open_worst_s=round(max(opens), 3),
        opens=_OPENS,
        scroll_ms=round(statistics.median(steps_ms), 2),
        scroll_p95_ms=round(steps_ms[int(0.95 * len(steps_ms))], 2),
    )


def offscreen_application() -> QApplication:
    """The application, without a screen."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    return make_application()


def _one_face(spec: str) -> FrameSource:
    return SyntheticSource(duration_s=_CLIP_S, fps=_FPS, size=(1280, 720), live=True)


class _Lively:
    """A pipeline whose faces keep their places and get the findings of made ones."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        made = (result.faces[0] for result in synthetic_results(2 * _MADE_S, _FPS, 1, 1) if result.faces)
        self._made = itertools.cycle(list(itertools.islice(made, round(_MADE_S * _FPS))))

    def process(self, frame: Frame) -> FrameResult:
        result = self._engine.process(frame)
        return dataclasses.replace(result, faces=tuple(_told_of(face, next(self._made)) for face in result.faces))

    def snapshot(self) -> str:
        return self._engine.snapshot()

    def restore(self, text: str) -> None:
        self._engine.restore(text)

    def recalibrate(self, calibration: ExpressionCalibration) -> None:
        self._engine.recalibrate(calibration)

    def close(self) -> None:
        self._engine.close()


def _open_lively(config: EngineConfig, tracker: TrackerName, still: bool) -> Engine:
    engine = Engine.open(config, tracker=tracker, still=still)
    return Engine(_Lively(engine), engine.expression, engine.action_units, engine.models, tracker, config)


def _told_of(face: FaceResult, made: FaceResult) -> FaceResult:
    units = dataclasses.replace(
        face.action_units,
        occurrence=made.action_units.occurrence,
        occurrence_std=made.action_units.occurrence_std,
    )
    return dataclasses.replace(
        face, expression=made.expression, action_units=units, uncertainty=made.uncertainty, decision=made.decision
    )


def _fill_chart(page: LivePage, newest: Presented) -> None:
    """A minute of made findings before the newest frame."""
    page.chart.clear()
    steps = round(SPAN_S * _FPS)
    for place, result in enumerate(synthetic_results(SPAN_S, _FPS, 1, 2)):
        rows = rows_of(result)
        time_s = newest.result.frame.timestamp_s - (steps - place) / _FPS
        page.chart.add(time_s, rows[0] if rows[0].face_id is not None else None)


def _live_figures(seconds: float, frames: int, turns_ms: list[float], cpu_s: float) -> LiveFigures:
    turns = sorted(turns_ms)
    return LiveFigures(
        frames=frames,
        seconds=seconds,
        busy_ms=round(sum(turns) / frames, 2),
        cpu_ms=round(1000 * cpu_s / frames, 2),
        turn_p95_ms=round(turns[int(0.95 * len(turns))], 2),
        turn_worst_ms=round(turns[-1], 2),
    )


def _open(application: QApplication, folder: Path, scroll: bool) -> tuple[float, list[float], int]:
    """Seconds to open; if asked for, milliseconds of every step of scrolling, rising; frames of the session."""
    store = PreferenceStore(None)
    page = ReviewPage(store)
    window = MainWindow(store, {"review": page})
    try:
        window.resize(*_SIZE)
        window.show()
        window.show_page("review")
        application.processEvents()
        begun_s = time.perf_counter()
        page.open_path(folder)
        _run_until(application, lambda: page.desk.session is not None)
        page.desk.timeline.viewport().repaint()
        open_s = time.perf_counter() - begun_s
        session = page.desk.session
        frames = len(session.frames) if session is not None else 0
        return open_s, _scroll(application, page) if scroll else [], frames
    finally:
        window.close()
        window.deleteLater()
        application.processEvents()


def _scroll(application: QApplication, page: ReviewPage) -> list[float]:
    timeline = page.desk.timeline
    timeline.zoom(6.0)
    bar = timeline.horizontalScrollBar()
    steps_ms = []
    for step in range(_SCROLL_STEPS):
        begun_s = time.perf_counter()
        bar.setValue(bar.minimum() + (bar.maximum() - bar.minimum()) * step // _SCROLL_STEPS)
        timeline.viewport().repaint()
        steps_ms.append((time.perf_counter() - begun_s) * 1000)
        application.processEvents()
    return sorted(steps_ms)


def _run_for(seconds: float) -> list[float]:
    """Run the event loop; wall milliseconds of every turn that found something to do, until nothing is left of it."""
    dispatcher = QAbstractEventDispatcher.instance()
    turns_ms = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        begun_s = time.perf_counter()
        worked = False
        while dispatcher.processEvents(QEventLoop.ProcessEventsFlag.AllEvents) and time.monotonic() < end_s:
            worked = True
        if worked:
            turns_ms.append((time.perf_counter() - begun_s) * 1000)
        time.sleep(_NAP_S)
    return turns_ms


def _run_until(application: QApplication, done: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _LIMIT_S
    while not done():
        if time.monotonic() > deadline_s:
            raise EngineError(f"nothing came within {_LIMIT_S:.0f} s: run 'mien doctor'")
        application.processEvents()
        time.sleep(_NAP_S)
