"""Benchmark of the window: its start, main-thread cost of a live frame, and time to open a long session.

Qt's offscreen platform is used, without the cost of a display driver; all but the start run in this process. The engine
does all of its work, so that its threads compete with the window as usual. Its estimates on the demo hardly change,
which would leave the panels nothing to paint: they are replaced by synthetic ones that change with every frame, and the
chart starts full.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PySide6.QtCore import QAbstractEventDispatcher, QEventLoop, QRectF
from PySide6.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from app.bench.window_start import StartFigures, can_measure_start, measure_start
from app.engine_cache import EngineCache
from app.live.live_run import RenderedFrame
from app.live.trace import SPAN_S
from app.qt.application import make_application
from app.qt.bridge import LiveBridge, LiveState
from app.qt.live.live_page import LivePage
from app.qt.main_window import MainWindow
from app.qt.preference_store import PreferenceStore
from app.qt.review.review_page import ReviewPage
from app.qt.review.time_axis_view import TimeAxisView
from app.qt.widgets.workspace import WorkspaceLayout
from app.remedies import output_errors
from app.review.synthetic_session import synthetic_results, write_synthetic_session
from app.session.folder import SessionFolder
from app.session.rows import rows_of
from engine.backends.contract import ExpressionCalibration
from engine.capture.source import FrameSource
from engine.capture.synthetic import SyntheticSource
from engine.config import EngineConfig, TrackerName
from engine.engine import Engine
from engine.errors import EngineError
from engine.files import write_text
from engine.records import json_text
from engine.types import Analysis, FaceResult, Frame, FrameResult

#: Size of the window in pixels.
_SIZE: Final = (1280, 800)
#: Seconds before the measurement, in which caches fill; never longer than the measurement.
_WARM_UP_S: Final = 3.0
#: The demo clip is stretched so that its first part, with one moving and tilting face, lasts for a minute.
_CLIP_S: Final = 300.0
#: Time limit of every wait.
_LIMIT_S: Final = 120.0
_OPENS: Final = 5
_SCROLL_STEPS: Final = 120
#: Zoom before scrolling, in steps of 1.5.
_SCROLL_ZOOM: Final = 6.0
#: Period of the synthetic estimates in seconds.
_PERIOD_S: Final = 30.0
_FPS: Final = 30.0
#: Seconds between two turns of the event loop, which is run step by step so that each turn can be timed. An empty turn
#: costs 0.02 ms: a turn every millisecond would show as 0.6 ms of processor time per frame.
_SLEEP_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Main-thread milliseconds per frame shown, including timers, panels, charts and painting.

    ``busy_ms`` is the strict figure: while the main thread waits for the interpreter lock, which it shares with the
    engine's threads, the window does not respond either.
    """

    frames: int
    seconds: float
    busy_ms: float  # wall time of the event loop, including waits for the interpreter lock and for a core
    cpu_ms: float  # processor time of the main thread
    turn_p95_ms: float  # wall time of a turn of the event loop, of those that processed events
    turn_worst_ms: float


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """Opening a synthetic session, and scrolling through it."""

    hours: float
    frames: int
    open_s: float  # from the request until the timeline is painted; median
    open_worst_s: float
    opens: int
    scroll_ms: float  # main-thread milliseconds of one step with its painting; median
    scroll_p95_ms: float
    series_ms: float  # the same for the time series
    series_p95_ms: float
    series_whole_ms: float  # painting the whole session


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """All figures, with the machine."""

    start: StartFigures | None  # None: not measured on this system
    live: LiveFigures
    review: ReviewFigures
    picture_share: float  # of a window of 1280x800, that a picture of 16:9 has in Live
    machine: str
    cores: int


def measure_window(
    seconds: float,
    hours: float,
    starts: int,
    config: EngineConfig,
    progress: Callable[[str], None] = lambda line: None,
) -> WindowFigures:
    """Run all benchmarks.

    Args:
        seconds: duration of the live run.
        hours: duration of the session to open.
        starts: of the window.
        config: settings of the engine.
        progress: called with a line per step.

    Raises:
        EngineError: the window or the engine cannot be opened, or the synthetic session cannot be written.
    """
    start = None
    if can_measure_start():
        progress(f"starting the window {starts + 1} times")
        start = measure_start(starts)
    live = measure_live(seconds, config, progress)
    machine = f"{platform.machine()} {platform.system()}"
    review = measure_review(hours, progress)
    return WindowFigures(start, live, review, measure_picture(config), machine, os.cpu_count() or 1)


def show_figures(figures: WindowFigures, console: Console) -> None:
    """Print the figures."""
    live, review = figures.live, figures.review
    length = f"{review.hours:g} h ({review.frames} frames)"
    table = Table(show_edge=False, show_header=False)
    start = figures.start
    painted = "not measured on this system"
    if start is not None:
        cpu = "" if start.cpu_s is None else f", {start.cpu_s:.2f} s of processor time"
        painted = f"{start.median_s:.2f} s ({start.lowest_s:.2f} to {start.highest_s:.2f}){cpu}"
    for what, value in (
        ("start to painted window", painted),
        ("main thread per live frame, 1280x720", f"{live.busy_ms:.2f} ms, {live.cpu_ms:.2f} ms of processor time"),
        ("frames shown", f"{live.frames} in {live.seconds:.0f} s"),
        ("one turn of the event loop", f"95 % under {live.turn_p95_ms:.1f} ms, worst {live.turn_worst_ms:.1f} ms"),
        (f"opening {length}", f"{review.open_s:.2f} s, worst {review.open_worst_s:.2f} s"),
        ("picture in Live, 1280x800", f"{figures.picture_share:.1%} of the window"),
        ("scrolling the timeline, one step", f"{review.scroll_ms:.1f} ms, 95 % under {review.scroll_p95_ms:.1f} ms"),
        ("scrolling the time series", f"{review.series_ms:.1f} ms, 95 % under {review.series_p95_ms:.1f} ms"),
        ("time series of the whole session", f"{review.series_whole_ms:.1f} ms"),
    ):
        table.add_row(what, value)
    console.print(table)


def write_figures(figures: WindowFigures, path: Path) -> None:
    """Write the figures as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    with output_errors(path):
        write_text(path, json_text(figures))


def measure_live(
    seconds: float, config: EngineConfig, progress: Callable[[str], None] = lambda line: None
) -> LiveFigures:
    """Measure a live run of 1280 x 720 at 30 frames per second with one face, in a window of 1280 x 800.

    Raises:
        EngineError: the engine cannot be opened.
    """
    application = offscreen_application()
    store = PreferenceStore(None)
    engines = EngineCache(config, "litert", _open_with_synthetic_estimates)
    bridge = LiveBridge(config, "litert", "bench", open_source=_one_face, engines=engines)
    page = LivePage(store, config, bridge)
    window = MainWindow(store, {"live": page})
    errors: list[str] = []
    shown: list[RenderedFrame] = []
    bridge.noticed.connect(lambda notice: errors.append(notice.text) if notice.text else None)
    bridge.presented.connect(shown.append)
    try:
        window.resize(*_SIZE)
        window.show()
        window.show_page("live")
        progress("opening the engine")
        page.open_source("one face")
        _run_until(application, lambda: bool(shown) or bridge.state is LiveState.FAILED)
        if not shown:
            raise EngineError(errors[-1] if errors else "no frame arrived: run 'mien doctor'")
        _fill_chart(page, shown[-1])
        _run_for(min(_WARM_UP_S, seconds))
        progress(f"measuring for {seconds:.0f} s")
        shown.clear()
        cpu_s = time.thread_time()
        turns_ms = _run_for(seconds)
        cpu_s = time.thread_time() - cpu_s
        if not shown:
            raise EngineError(f"no frame arrived within {seconds:.0f} s: run 'mien doctor'")
        return _live_figures(seconds, len(shown), turns_ms, cpu_s)
    finally:
        window.close()
        window.deleteLater()
        engines.close()


def measure_review(hours: float, progress: Callable[[str], None] = lambda line: None) -> ReviewFigures:
    """Open a synthetic session with two faces and scroll through it, in a window of 1280 x 800.

    Raises:
        OutputError: the session cannot be written.
    """
    application = offscreen_application()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        folder = SessionFolder(Path(scratch) / "session")
        progress(f"writing a session of {hours:g} h (half a minute per hour)")
        write_synthetic_session(folder, hours * 3600, 25.0, 2, 1)
        opens = [_open(application, folder.path, lambda page: None)[0] for _ in range(_OPENS)]
        progress("scrolling")
        steps_ms: list[float] = []
        series_ms: list[float] = []
        whole_ms: list[float] = []

        def scroll(page: ReviewPage) -> None:
            steps_ms.extend(_scroll(application, page.desk.timeline))
            page.desk.workspace.choose(WorkspaceLayout.RESEARCH)
            page.desk.show_series(True)
            series = page.desk.series
            series.zoom_out_full()
            application.processEvents()
            for _ in range(_OPENS):
                series.redraw()
                whole_ms.append(_repaint_ms(series))
            series_ms.extend(_scroll(application, series))

        _, frames = _open(application, folder.path, scroll)
    return ReviewFigures(
        hours=hours,
        frames=frames,
        open_s=round(statistics.median(opens), 3),
        open_worst_s=round(max(opens), 3),
        opens=_OPENS,
        scroll_ms=round(statistics.median(steps_ms), 2),
        scroll_p95_ms=round(steps_ms[int(0.95 * len(steps_ms))], 2),
        series_ms=round(statistics.median(series_ms), 2),
        series_p95_ms=round(series_ms[int(0.95 * len(series_ms))], 2),
        series_whole_ms=round(statistics.median(whole_ms), 2),
    )


def measure_picture(config: EngineConfig) -> float:
    """Share of a window of 1280x800, with menu and navigation, that a picture of 16:9 has in Live as first shown."""
    application = offscreen_application()
    store = PreferenceStore(None)
    page = LivePage(store, config, LiveBridge(config, "litert", "bench"))
    window = MainWindow(store, {"live": page})
    try:
        window.resize(*_SIZE)
        window.show()
        window.show_page("live")
        for _ in range(5):
            application.processEvents()
        page.view.show_image(np.zeros((720, 1280, 3), np.uint8))
        box = page.view.image_box() or QRectF()
        return round(box.width() * box.height() / (window.width() * window.height()), 3)
    finally:
        window.close()
        window.deleteLater()


def offscreen_application() -> QApplication:
    """The QApplication on the offscreen platform."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    return make_application()


def _one_face(spec: str) -> FrameSource:
    return SyntheticSource(duration_s=_CLIP_S, fps=_FPS, size=(1280, 720), live=True)


class _SyntheticEstimates:
    """A pipeline that keeps the faces of an engine but replaces their estimates by synthetic ones."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        faces = (result.faces[0] for result in synthetic_results(2 * _PERIOD_S, _FPS, 1, 1) if result.faces)
        self._synthetic = itertools.cycle(list(itertools.islice(faces, round(_PERIOD_S * _FPS))))

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        result = self._engine.process(frame)
        faces = tuple(_with_estimates(face, next(self._synthetic)) for face in result.faces)

        return dataclasses.replace(result, faces=faces)

    def process_live(self, frame: Frame) -> FrameResult:
        return self.process(frame)

    def process_all(self, frames: Sequence[Frame], tentative: bool = False) -> list[FrameResult]:
        return [self.process(frame, tentative) for frame in frames]

    def track_all(self, frames: Sequence[Frame], tentative: bool = False, snapshot: bool = False) -> Analysis:
        results = self.process_all(frames, tentative)
        if snapshot:
            results[-1] = dataclasses.replace(results[-1], snapshot=self.snapshot())
        return lambda: results

    def snapshot(self) -> str:
        return self._engine.snapshot()

    def restore(self, text: str) -> None:
        self._engine.restore(text)

    def recalibrate(self, calibration: ExpressionCalibration) -> None:
        self._engine.recalibrate(calibration)

    def close(self) -> None:
        self._engine.close()


def _open_with_synthetic_estimates(config: EngineConfig, tracker: TrackerName, still: bool) -> Engine:
    engine = Engine.open(config, tracker=tracker, still=still)
    return Engine(_SyntheticEstimates(engine), engine.expression, engine.action_units, engine.models, tracker, config)


def _with_estimates(face: FaceResult, source: FaceResult) -> FaceResult:
    units = dataclasses.replace(
        face.action_units,
        occurrence=source.action_units.occurrence,
        occurrence_std=source.action_units.occurrence_std,
    )
    return dataclasses.replace(
        face,
        expression=source.expression,
        action_units=units,
        uncertainty=source.uncertainty,
        decision=source.decision,
    )


def _fill_chart(page: LivePage, newest: RenderedFrame) -> None:
    """Fill the minute before the newest frame with synthetic rows."""
    page.chart.clear()
    steps = round(SPAN_S * _FPS)
    for index, result in enumerate(synthetic_results(SPAN_S, _FPS, 1, 2)):
        rows = rows_of(result)
        time_s = newest.result.frame.timestamp_s - (steps - index) / _FPS
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


def _open(application: QApplication, folder: Path, then: Callable[[ReviewPage], None]) -> tuple[float, int]:
    """Open a session: seconds until painted, and number of frames; ``then`` works with the page."""
    store = PreferenceStore(None)
    page = ReviewPage(store)
    window = MainWindow(store, {"review": page})
    try:
        window.resize(*_SIZE)
        window.show()
        window.show_page("review")
        application.processEvents()
        start_s = time.perf_counter()
        page.open_path(folder)
        _run_until(application, lambda: page.desk.session is not None)
        page.desk.timeline.viewport().repaint()
        open_s = time.perf_counter() - start_s
        session = page.desk.session
        frames = len(session.frames) if session is not None else 0
        then(page)
        return open_s, frames
    finally:
        window.close()
        window.deleteLater()
        application.processEvents()


def _scroll(application: QApplication, view: TimeAxisView) -> list[float]:
    """Sorted milliseconds of the steps through a session of which a tenth is in view."""
    view.zoom(_SCROLL_ZOOM)
    bar = view.horizontalScrollBar()
    steps_ms = []
    for step in range(_SCROLL_STEPS):
        bar.setValue(bar.minimum() + (bar.maximum() - bar.minimum()) * step // _SCROLL_STEPS)
        steps_ms.append(_repaint_ms(view))
        application.processEvents()
    return sorted(steps_ms)


def _repaint_ms(view: TimeAxisView) -> float:
    """Milliseconds of one painting."""
    start_s = time.perf_counter()
    view.viewport().repaint()
    return (time.perf_counter() - start_s) * 1000


def _run_for(seconds: float) -> list[float]:
    """Run the event loop; wall milliseconds of every turn that processed events."""
    dispatcher = QAbstractEventDispatcher.instance()
    turns_ms = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        start_s = time.perf_counter()
        worked = False
        while dispatcher.processEvents(QEventLoop.ProcessEventsFlag.AllEvents) and time.monotonic() < end_s:
            worked = True
        if worked:
            turns_ms.append((time.perf_counter() - start_s) * 1000)
        time.sleep(_SLEEP_S)
    return turns_ms


def _run_until(application: QApplication, done: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _LIMIT_S
    while not done():
        if time.monotonic() > deadline_s:
            raise EngineError(f"no result within {_LIMIT_S:.0f} s: run 'mien doctor'")
        application.processEvents()
        time.sleep(_SLEEP_S)
