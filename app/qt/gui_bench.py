"""Measuring the window: what a live frame costs its thread, and how long a long session takes to open.

Everything runs in this process without a screen; the engine is the real one.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QApplication

from app.output import OutputFolder
from app.qt.application import make_application
from app.qt.live.bridge import LiveBridge, LiveState
from app.qt.live.live_page import LivePage
from app.qt.main_window import MainWindow
from app.qt.preference_store import PreferenceStore
from app.qt.review.review_page import ReviewPage
from app.review.made_session import make_session
from engine.capture.source import FrameSource
from engine.capture.synthetic import SyntheticSource
from engine.config import EngineConfig
from engine.errors import EngineError

#: The window, in pixels.
_SIZE: Final = (1280, 800)
#: Seconds before the measuring, in which caches and charts fill.
_WARM_UP_S: Final = 3.0
#: The demo clip is stretched so that its first passage, with one face that moves and tilts, lasts for a minute.
_CLIP_S: Final = 300.0
#: Longest wait for anything.
_LIMIT_S: Final = 120.0
_SESSION_HOURS: Final = 2.0
_OPENS: Final = 5
_SCROLL_STEPS: Final = 120
#: Seconds between two turns of the event loop, which is turned by hand so that each can be timed.
_NAP_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Main-thread milliseconds per frame shown, everything counted: timers, panels, charts, painting."""

    frames: int
    seconds: float
    busy_ms: float  # wall time of the event loop; its waits for the interpreter and for a core are in it
    cpu_ms: float  # processor time of the main thread
    turn_p95_ms: float  # of one turn of the event loop
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


def measure_live(seconds: float, config: EngineConfig, tell: Callable[[str], None] = lambda line: None) -> LiveFigures:
    """A live run of 1280 x 720 at 30 frames per second with one face, in a window of 1280 x 800.

    Raises:
        EngineError: the engine cannot be opened.
    """
    application = offscreen_application()
    store = PreferenceStore(None)
    bridge = LiveBridge(config, "litert", "bench", open_source=_one_face)
    page = LivePage(store, config, bridge)
    window = MainWindow(store, {"live": page})
    faults: list[str] = []
    shown: list[int] = []
    bridge.noticed.connect(lambda notice: faults.append(notice.text) if notice.text else None)
    bridge.presented.connect(lambda presented: shown.append(presented.result.frame.index))
    try:
        window.resize(*_SIZE)
        window.show()
        window.show_page("live")
        tell("opening the engine")
        page.open_source("one face")
        _run_until(application, lambda: bool(shown) or bridge.state is LiveState.FAILED)
        if not shown:
            raise EngineError(faults[-1] if faults else "no picture came: run 'mien doctor'")
        _run_for(application, _WARM_UP_S)
        tell(f"measuring for {seconds:.0f} s")
        shown.clear()
        cpu_s = time.thread_time()
        turns_ms = _run_for(application, seconds)
        cpu_s = time.thread_time() - cpu_s
        return _live_figures(seconds, len(shown), turns_ms, cpu_s)
    finally:
        window.close()
        window.deleteLater()


def measure_review(tell: Callable[[str], None] = lambda line: None) -> ReviewFigures:
    """Open a made session of two hours and scroll through it, in a window of 1280 x 800.

    Raises:
        OutputError: the session cannot be written.
    """
    application = offscreen_application()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        folder = OutputFolder(Path(scratch) / "session")
        tell("writing a session of two hours (about a minute)")
        make_session(folder, _SESSION_HOURS * 3600, 25.0, 2, 1)
        opens = [_open(application, folder.path, scroll=False)[0] for _ in range(_OPENS)]
        tell("scrolling")
        _, steps_ms, frames = _open(application, folder.path, scroll=True)
    return ReviewFigures(
        hours=_SESSION_HOURS,
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
    return SyntheticSource(duration_s=_CLIP_S, fps=30.0, size=(1280, 720), live=True)


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


def _run_for(application: QApplication, seconds: float) -> list[float]:
    """Run the event loop; milliseconds of every turn, those that found nothing to do among them."""
    turns_ms = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        begun_s = time.perf_counter()
        application.processEvents()
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
