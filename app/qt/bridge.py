"""The only place where the window meets the running engine.

Whatever may take long (opening a camera, ending a run, writing the tables of a recording, saving a picture) runs on a
worker. A display timer takes the newest picture, so that the window never waits for the engine nor the engine for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from app.engine_cache import EngineCache
from app.live.live_run import LiveRun, Presented, SourceOpener, open_live_source, open_run
from app.live.performance import Performance, PerformanceMeter
from app.live.routing_history import RouteShares, RoutingHistory, redecided
from app.live.snapshot import Snapshot, save_snapshot
from app.overlay.overlay import Overlay, OverlayParts
from app.overlay.presentation import painted_form, present
from app.qt.background import Worker
from app.qt.live.live_recording import LiveRecording, RecordState
from app.qt.widgets.notice_bar import Notice, Severity
from app.session.rows import SessionHeader, rows_of
from app.settings.limits import Limits, limits_of
from engine.capture.source import SourceKind
from engine.config import EngineConfig, TrackerName
from engine.errors import EngineError, RuntimeStateError, SourceError, ThreadStuckError
from engine.runtime import RuntimeState
from engine.thread_top import error_of

#: Milliseconds between two looks for a newer picture.
_DISPLAY_MS: Final = 15
#: Milliseconds between two tries to open a source that was lost.
_RETRY_MS: Final = 2000
#: Milliseconds after the last move of a slider until the past is routed anew.
_REROUTE_MS: Final = 40
#: Seconds between two looks at the counters, and at whether run and recording have ended by themselves.
_METER_S: Final = 0.25
#: Sources that come back.
_RETURNING: Final = (SourceKind.CAMERA, SourceKind.STREAM)


class LiveState(str, Enum):
    """Where the live view stands."""

    IDLE = "idle"
    OPENING = "opening"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"  # a file has come to its end; its last picture stays
    LOST = "lost"  # camera or stream; tried again by itself
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Change:
    """What the opener is to do: end what runs, then open ``spec`` unless it is None."""

    number: int
    spec: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _Changed:
    number: int
    run: LiveRun | None
    error: Exception | None  # of what was ended or could not be opened


class LiveBridge(QObject):
    """Opens, runs, pauses and ends live runs, and records them. All methods belong to the main thread."""

    state_changed = Signal(object)  # LiveState
    presented = Signal(object)  # Presented
    noticed = Signal(object)  # Notice

    def __init__(
        self,
        config: EngineConfig,
        tracker: TrackerName,
        app_version: str,
        parent: QObject | None = None,
        *,
        open_source: SourceOpener = open_live_source,
        engines: EngineCache | None = None,
    ) -> None:
        """Nothing is opened before `open`; ``open_source`` and ``engines`` are replaced in tests."""
        super().__init__(parent)
        self._app_version = app_version
        self._open_source = open_source
        self._engines = engines or EngineCache(config, tracker)
        self._parts = OverlayParts()
        self._space_px = (960, 540)
        self._limits: Limits | None = None  # None = the model's own
        self._state = LiveState.IDLE
        self._number = 0
        self._spec: str | None = None
        self._run: LiveRun | None = None
        self._running: LiveRun | None = None  # the same, as the opener's thread knows it
        self._shown: Presented | None = None
        self._history = RoutingHistory(config.routing)
        self._meter = PerformanceMeter()
        self._metered_s = 0.0
        self._opener: Worker[_Change, _Changed] = Worker("mien-open", self._change, self._on_changed, self._tell)
        self._saver: Worker[Snapshot, Path] = Worker("mien-save", save_snapshot, self._on_saved, self._tell)
        self.recording = LiveRecording(self)
        self.recording.noticed.connect(self.noticed)
        self._display = self._make_timer(_DISPLAY_MS, self._look, single=False)
        self._retry = self._make_timer(_RETRY_MS, self.try_now, single=True)
        self._rerouting = self._make_timer(_REROUTE_MS, self._reroute, single=True)

    @property
    def state(self) -> LiveState:
        """Where the live view stands."""
        return self._state

    @property
    def header(self) -> SessionHeader | None:
        """Of the run, with the limits in force; None before the first."""
        return self._run.header if self._run is not None else None

    @property
    def spec(self) -> str | None:
        """What was opened last, as the user gave it."""
        return self._spec

    @property
    def limits(self) -> Limits | None:
        """The user's limits; None = the model's own."""
        return self._limits

    @property
    def model_limits(self) -> Limits | None:
        """The model's own limits; None before the first run."""
        return limits_of(self._run.calibration) if self._run is not None else None

    @property
    def models(self) -> tuple[str, ...]:
        """What really runs: name, backend and device of each model."""
        if self._run is None:
            return ()
        return tuple(f"{model.name}: {model.backend} {model.device}" for model in self._run.engine.models)

    @property
    def shown(self) -> Presented | None:
        """What was presented last."""
        return self._shown

    def shares(self) -> RouteShares:
        """What went where in the last half minute, by the limits in force."""
        return self._history.shares()

    def performance(self) -> Performance:
        """How fast the run goes."""
        return self._meter.figures()

    def configure(self, config: EngineConfig, tracker: TrackerName) -> None:
        """Other settings of the engine, from the next `open` on."""
        self._engines.configure(config, tracker)
        self._history = RoutingHistory(config.routing)

    def open(self, spec: str) -> None:
        """End what runs and open this source; it starts by itself."""
        self._retry.stop()
        self._spec = spec
        self._ask(spec)
        self._set_state(LiveState.OPENING)

    def stop(self) -> None:
        """End the run and let go of the source."""
        self._retry.stop()
        if self._state is not LiveState.IDLE:
            self._ask(None)
            self._set_state(LiveState.IDLE)

    def pause(self) -> None:
        """Stand still after the frame at hand; nothing when it does not run."""
        if self._run is not None and self._state is LiveState.RUNNING:
            with contextlib.suppress(RuntimeStateError):  # it may come to its end this moment
                self._run.runtime.pause()
                self._set_state(LiveState.PAUSED)

    def rest(self) -> None:
        """Nobody looks: a file waits; a camera or stream, and what is still being opened, is let go of."""
        if self._state in (LiveState.RUNNING, LiveState.PAUSED) and self._run and not self._run.info.is_live:
            self.pause()
        elif self._state not in (LiveState.ENDED, LiveState.FAILED):
            self.stop()

    def resume(self) -> None:
        """Go on; nothing when it is not paused."""
        if self._run is not None and self._run.runtime.state is RuntimeState.PAUSED:
            self._run.runtime.resume()
            self._set_state(LiveState.RUNNING)

    def step(self) -> None:
        """One frame further; pauses a run that goes on."""
        if self._run is not None and self._run.runtime.state is RuntimeState.PAUSED:
            self._run.runtime.step()
        else:
            self.pause()

    def try_now(self) -> None:
        """Try a lost source at once, as when a camera was plugged in."""
        if self._state is LiveState.LOST and self._spec is not None:
            self._ask(self._spec)

    def shutdown(self) -> None:
        """End everything; the bridge cannot be used afterwards. Blocks until all threads have ended.

        Raises:
            ThreadStuckError: a thread does not end.
        """
        for timer in (self._display, self._retry, self._rerouting):
            timer.stop()
        self.blockSignals(True)
        with contextlib.ExitStack() as ends:  # runs all of them from the last on, whatever one raises
            for end in (self._engines.close, self._saver.close, self.recording.shutdown, self._end_running):
                ends.callback(end)
            ends.callback(self._opener.close)

    def set_view_size(self, width_px: int, height_px: int) -> None:
        """The space of the picture in device pixels."""
        self._space_px = (max(width_px, 1), max(height_px, 1))
        if self._run is not None:
            self._run.presenting.space_px = self._space_px
        self._present_again()

    def set_overlay(self, parts: OverlayParts) -> None:
        """What is drawn over the picture."""
        self._parts = parts
        if self._run is not None:
            self._run.presenting.parts = parts
        self._present_again()

    def set_limits(self, limits: Limits | None) -> None:
        """Route by these limits (None = the model's own) from the next frame on, and the last half minute anew.

        Nothing while a recording goes on: a table rests on one pair of limits.
        """
        if self.recording.state is not RecordState.OFF:
            return
        self._limits = limits
        if self._run is not None:
            self._run.set_limits(limits or limits_of(self._run.calibration))
            self._rerouting.start()

    def start_recording(self, root: Path) -> None:
        """Record picture, journal and tables into a new folder below ``root``; needs a run that goes on."""
        if self._run is not None and self._state in (LiveState.RUNNING, LiveState.PAUSED):
            self.recording.start(self._run, root)

    def save_snapshot(self, folder: Path) -> None:
        """Save the picture shown, with its overlay, in the size of its source; nothing when none is shown."""
        header = self.header
        if self._shown is not None and header is not None:
            result = self._shown.result
            self._saver.submit(Snapshot(folder, result.frame, self._shown.rows, header, self._parts, datetime.now()))

    # What follows comes from timers and workers.

    def _look(self) -> None:
        run = self._run
        if run is None:
            return
        newest = run.presenting.newest
        if newest is not None and newest is not self._shown:
            self._shown = newest
            self._meter.add(newest.result.times)
            self._history.add(newest.result)
            self.presented.emit(newest)
        now_s = time.monotonic()
        if now_s - self._metered_s >= _METER_S:
            self._metered_s = now_s
            self._meter.look(now_s, run.runtime.counters())
            self.recording.look()
            self._follow(run)

    def _follow(self, run: LiveRun) -> None:
        """See whether the run has ended by itself."""
        if self._state not in (LiveState.RUNNING, LiveState.PAUSED):
            return
        state = run.runtime.state
        if state is RuntimeState.FAILED or (run.presented_all and run.presenting.failed):
            self._set_state(LiveState.OPENING)
            self._ask(None)
        elif state is RuntimeState.STOPPED and run.presented_all and run.presenting.newest is self._shown:
            self._display.stop()
            self.recording.stop()
            self._set_state(LiveState.ENDED)
            self._say(self.tr("{source} has come to its end.").format(source=run.info.source_id), topic="source")

    def _present_again(self) -> None:
        """Draw the frame shown once more, where no new one will come."""
        run, shown = self._run, self._shown
        if run is None or shown is None or self._state not in (LiveState.PAUSED, LiveState.ENDED):
            return
        rows = rows_of(shown.result)
        picture = present(shown.result.frame.image, rows, Overlay(run.header, self._parts), self._space_px)
        self._shown = run.presenting.newest = Presented(shown.result, rows, painted_form(picture))
        self.presented.emit(self._shown)

    def _reroute(self) -> None:
        run = self._run
        if run is None:
            return
        self._history.reroute(run.set_limits(self._limits or limits_of(run.calibration)))
        if self._shown is not None and self._state in (LiveState.PAUSED, LiveState.ENDED):
            result = redecided(self._shown.result, self._history.decisions())
            self._shown = Presented(result, self._shown.rows, self._shown.picture)
            self._present_again()

    def _ask(self, spec: str | None) -> None:
        self._number += 1
        self._display.stop()
        self.recording.stop()
        self._opener.submit(_Change(self._number, spec))

    def _change(self, change: _Change) -> _Changed:
        """On the opener's thread: end what runs, then open."""
        error = self._end_running()
        if change.spec is not None:
            spec = change.spec
            error = error_of(lambda: self._open_run(spec))
        return _Changed(change.number, self._running, error)

    def _open_run(self, spec: str) -> None:
        how = (self._app_version, self._limits, self._parts, self._space_px)
        self._running = open_run(spec, self._open_source, self._engines, *how)

    def _end_running(self) -> Exception | None:
        run, self._running = self._running, None
        error = error_of(run.end) if run is not None else None
        if isinstance(error, ThreadStuckError):
            self._engines.abandon()
        return error

    def _on_changed(self, changed: _Changed) -> None:
        if changed.number != self._number:
            return  # something else was asked for meanwhile, and ends what was opened
        if changed.run is not None:
            self._begin(changed.run)
        elif changed.error is not None and self._state is not LiveState.IDLE:
            self._fail(changed.error)
        elif isinstance(changed.error, ThreadStuckError):
            self._tell(changed.error)

    def _begin(self, run: LiveRun) -> None:
        back = self._state is LiveState.LOST
        self._run, self._shown = run, None
        self._history.clear()
        self._meter = PerformanceMeter()
        run.start()
        self._display.start()
        self._set_state(LiveState.RUNNING)
        text = self.tr("{source} is back.").format(source=run.info.source_id) if back else ""
        self._say(text, topic="source")

    def _fail(self, error: Exception) -> None:
        kind = self._run.info.kind if self._run is not None and self._run.spec == self._spec else None
        if isinstance(error, SourceError) and kind in _RETURNING:
            self._retry.start()
            if self._state is LiveState.LOST:
                return  # told when it was lost
            self._set_state(LiveState.LOST)
            told = self.tr("{error}. It goes on by itself when the source is back.").format(error=error)
        else:
            self._set_state(LiveState.FAILED)
            told = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
        self.noticed.emit(Notice(told, Severity.ERROR, "source"))

    def _on_saved(self, path: Path) -> None:
        self._say(self.tr("Picture saved: {path}").format(path=path), topic="snapshot")

    def _tell(self, error: Exception) -> None:
        self._say(str(error), Severity.ERROR)

    def _say(self, text: str, weight: Severity = Severity.INFO, topic: str = "") -> None:
        self.noticed.emit(Notice(text, weight, topic))

    def _set_state(self, state: LiveState) -> None:
        if state is not self._state:
            self._state = state
            self.state_changed.emit(state)

    def _make_timer(self, interval_ms: int, slot: Callable[[], None], single: bool) -> QTimer:
        timer = QTimer(self)
        timer.setInterval(interval_ms)
        timer.setSingleShot(single)
        timer.timeout.connect(slot)
        return timer
