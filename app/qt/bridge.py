"""The bridge between the window and the running engine: live runs, and the recording of one.

Slow operations (opening a camera, ending a run, writing the tables of a recording, saving a snapshot) run on workers. A
display timer takes the newest frame, so neither the window nor the engine waits for the other. No other file of app.qt
imports the running engine.
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
from app.live.live_run import LiveRun, RenderedFrame, SourceOpener, open_live_source, open_run
from app.live.performance import Performance, PerformanceMeter
from app.live.recorder import Recorder, recording_folder
from app.live.routing_history import ExampleFace, RouteShares, RoutingHistory, with_decisions
from app.live.snapshot import Snapshot, save_snapshot
from app.overlay.overlay import OverlayParts
from app.overlay.region import WHOLE, Region
from app.qt.background import Worker
from app.qt.sentences import fault_text
from app.qt.widgets.notice_bar import Notice, NoticeAction, Severity
from app.qt.widgets.toasts import folder_action
from app.session.metadata import first_metadata
from app.session.rows import SessionHeader
from app.settings.limits import Limits, limits_of
from engine.baseline import BaselineBook
from engine.capture.source import SourceKind
from engine.config import EngineConfig, TrackerName, for_live
from engine.errors import EngineError, RuntimeStateError, SourceError, ThreadStuckError, error_of
from engine.runtime import Attachment, RuntimeState
from engine.types import FrameResult

#: Milliseconds between two polls for a new frame.
_DISPLAY_MS: Final = 15
#: Milliseconds between two attempts to reopen a lost source.
_RETRY_MS: Final = 2000
#: Milliseconds after the last slider move until the history is rerouted.
_REROUTE_MS: Final = 40
#: Seconds between two polls of the counters and of the ends of run and recording.
_METER_S: Final = 0.25
#: Seconds allowed for the tables of a recording of hours.
_TABLES_S: Final = 90.0
#: Sources that are reopened when they are lost.
_RECONNECTED: Final = (SourceKind.CAMERA, SourceKind.STREAM)


class LiveState(str, Enum):
    """State of the live view."""

    IDLE = "idle"
    OPENING = "opening"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"  # end of a file; its last frame stays
    LOST = "lost"  # camera or stream; reopened automatically
    FAILED = "failed"


class RecordState(str, Enum):
    """State of the recording."""

    OFF = "off"
    ON = "on"
    FINISHING = "finishing"  # tables and metadata are being written


class LiveRecording(QObject):
    """One recording at a time. An error ends the recording, never the run."""

    changed = Signal(object)  # RecordState
    started = Signal(object)  # pathlib.Path of the folder, for a recording that the end of the program ends
    recorded = Signal(object)  # pathlib.Path of a finished recording
    noticed = Signal(object)  # Notice
    open_requested = Signal(object)  # pathlib.Path of a recording to review

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = RecordState.OFF
        self._recorder: Recorder | None = None
        self._attachment: Attachment | None = None
        self._finisher: Worker[tuple[Attachment, Recorder], Path | None] = Worker(
            "mien-finish", _finish, self._on_finished, self._on_error
        )

    @property
    def state(self) -> RecordState:
        """State of the recording."""
        return self._state

    @property
    def duration_s(self) -> float:
        """Seconds recorded so far."""
        return self._recorder.duration_s if self._recorder is not None else 0.0

    def start(self, run: LiveRun, root: Path) -> None:
        """Record the run into a new folder below ``root``; ignored unless the state is OFF."""
        if self._state is not RecordState.OFF:
            return
        try:
            folder = recording_folder(root, run.spec, datetime.now().astimezone())
            metadata = first_metadata(run.spec, run.info, run.engine, run.header)
            self._recorder = Recorder(folder, run.header, metadata, damaged=run.damaged)
            self._attachment = run.attach(self._recorder)
        except EngineError as error:
            self._on_error(error)
            return
        self._set_state(RecordState.ON)
        self.started.emit(folder.path)

    def stop(self) -> None:
        """End the recording and write its tables in the background; ignored unless the state is ON."""
        if self._attachment is not None and self._recorder is not None and self._state is RecordState.ON:
            self._attachment.detach()
            self._set_state(RecordState.FINISHING)
            self._finisher.submit((self._attachment, self._recorder))

    def poll(self) -> None:
        """Stop if the recorder has ended on its own, as on a full disk; called by the display timer."""
        if self._attachment is not None and self._attachment.ended:
            self.stop()

    def shutdown(self) -> None:
        """Wait until everything is written; call it after the run has ended."""
        self.blockSignals(True)
        if self._attachment is not None:
            self._attachment.wait(_TABLES_S)  # before the finisher, whose own limit is shorter
        self._finisher.close()

    def _on_finished(self, folder: Path | None) -> None:
        self._release()
        if folder is None:
            text = self.tr("Nothing was recorded: no frame came.")
            self.noticed.emit(Notice(text, Severity.WARNING, "record"))
            return
        self.recorded.emit(folder)
        text = self.tr("Recording saved in {folder}.").format(folder=folder)
        open_it = NoticeAction(self.tr("Open"), lambda: self.open_requested.emit(folder))
        self.noticed.emit(Notice(text, Severity.INFO, "record", (open_it, folder_action(folder))))

    def _on_error(self, error: Exception) -> None:
        self._release()
        text = self.tr("The recording has ended: {error}").format(error=_message(error))
        self.noticed.emit(Notice(text, Severity.ERROR, "record"))

    def _release(self) -> None:
        self._recorder = self._attachment = None
        self._set_state(RecordState.OFF)

    def _set_state(self, state: RecordState) -> None:
        if state is not self._state:
            self._state = state
            self.changed.emit(state)


def _finish(recording: tuple[Attachment, Recorder]) -> Path | None:
    """Wait for the tables; return the folder, or None if nothing was recorded."""
    attachment, recorder = recording
    attachment.join()
    return recorder.folder.path if recorder.written else None


def _message(error: Exception) -> str:
    return fault_text(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True)
class _Change:
    """A request to the opener: end the current run, then open ``spec`` unless it is None."""

    number: int
    spec: str | None
    start_s: float  # where to start in a file


@dataclass(frozen=True, slots=True, eq=False)
class _Changed:
    number: int
    run: LiveRun | None
    error: Exception | None  # raised while ending or opening


class LiveBridge(QObject):
    """Opens, runs, pauses, records and ends live runs. All methods must be called on the main thread."""

    state_changed = Signal(object)  # LiveState
    presented = Signal(object)  # RenderedFrame
    rerouted = Signal()  # the last half minute has other decisions, after `set_limits`
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
        """Opens nothing before `open`; ``open_source`` and ``engines`` are replaced in tests."""
        super().__init__(parent)
        self._app_version = app_version
        self._open_source = open_source
        self._engines = engines or EngineCache(for_live(config), tracker)
        self._parts = OverlayParts()
        self._view_px = (960, 540)
        self._region = WHOLE
        self._speed = 1.0
        self._seeking = self._stay_paused = False
        self._limits: Limits | None = None  # None = the model's own
        self._calibrated: str | None = None  # source with a baseline made by hand, which its next run will not have
        self._state = LiveState.IDLE
        self._number = 0
        self._spec: str | None = None
        self._run: LiveRun | None = None
        self._running: LiveRun | None = None  # the same run, owned by the opener's thread
        self._shown: RenderedFrame | None = None
        self._history = RoutingHistory(config.routing)
        self._meter = PerformanceMeter()
        self._metered_s = 0.0
        self._opener: Worker[_Change, _Changed] = Worker("mien-open", self._change, self._on_changed, self._report)
        self._saver: Worker[Snapshot, Path] = Worker("mien-save", save_snapshot, self._on_saved, self._report)
        self.recording = LiveRecording(self)
        self.recording.noticed.connect(self.noticed)
        self._display = self._make_timer(_DISPLAY_MS, self._poll, single=False)
        self._retry = self._make_timer(_RETRY_MS, self.retry_now, single=True)
        self._rerouting = self._make_timer(_REROUTE_MS, self._reroute, single=True)

    @property
    def state(self) -> LiveState:
        """State of the live view."""
        return self._state

    @property
    def header(self) -> SessionHeader | None:
        """Header of the run with the current limits; None before the first run."""
        return self._run.header if self._run is not None else None

    @property
    def spec(self) -> str | None:
        """The source opened last, as given by the user."""
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
        """Name, backend and device of each model in use."""
        if self._run is None:
            return ()
        return tuple(f"{model.name}: {model.backend} {model.device}" for model in self._run.engine.models)

    @property
    def duration_s(self) -> float | None:
        """Length of the file in seconds; None for sources without `seek`."""
        return self._run.duration_s if self._run is not None else None

    @property
    def seeking(self) -> bool:
        """Whether the source is being opened again at another time."""
        return self._seeking

    @property
    def shown(self) -> RenderedFrame | None:
        """The frame presented last."""
        return self._shown

    def shares(self) -> RouteShares:
        """Shares of the decisions of the last half minute at the current limits."""
        return self._history.shares()

    def examples(self, most: int) -> tuple[ExampleFace, ...]:
        """Faces of the last half minute with their decisions at the current limits, from clear to unclear."""
        return self._history.examples(most)

    def performance(self) -> Performance:
        """Frame rates and stage times of the run."""
        return self._meter.figures()

    def configure(self, config: EngineConfig, tracker: TrackerName) -> None:
        """Change the engine's settings from the next `open` on."""
        self._engines.configure(for_live(config), tracker)
        self._history = RoutingHistory(config.routing)

    def open(self, spec: str) -> None:
        """End the current run, open this source and start it."""
        self._retry.stop()
        self._seeking = self._stay_paused = False
        self._spec = spec
        self._request(spec)
        self._set_state(LiveState.OPENING)

    def stop(self) -> None:
        """End the run and release the source."""
        self._retry.stop()
        self._seeking = False
        self._history.forget_pictures()
        if self._state is not LiveState.IDLE:
            self._request(None)
            self._set_state(LiveState.IDLE)

    def pause(self) -> None:
        """Pause after the current frame; ignored unless running."""
        if self._run is not None and self._state is LiveState.RUNNING:
            with contextlib.suppress(RuntimeStateError):  # the run may just have ended
                self._run.runtime.pause()
                self._set_state(LiveState.PAUSED)

    def suspend(self) -> None:
        """Pause a file; release a camera, a stream, or a source that is still being opened."""
        if self._state in (LiveState.RUNNING, LiveState.PAUSED) and self._run and not self._run.info.is_live:
            self.pause()
        elif self._state not in (LiveState.ENDED, LiveState.FAILED):
            self.stop()

    def resume(self) -> None:
        """Resume; ignored unless paused."""
        if self._run is not None and self._run.runtime.state is RuntimeState.PAUSED:
            self._run.runtime.resume()
            self._set_state(LiveState.RUNNING)

    def step(self) -> None:
        """Advance one frame; a running source is paused first."""
        if self._run is not None and self._run.runtime.state is RuntimeState.PAUSED:
            self._run.runtime.step()
        else:
            self.pause()

    def retry_now(self) -> None:
        """Reopen a lost source at once, as after a camera was plugged in."""
        if self._state is LiveState.LOST and self._spec is not None:
            self._request(self._spec)

    def shutdown(self) -> None:
        """End everything and block until all threads have ended; the bridge cannot be used afterwards.

        Raises:
            ThreadStuckError: a thread does not end.
        """
        for timer in (self._display, self._retry, self._rerouting):
            timer.stop()
        self.blockSignals(True)
        with contextlib.ExitStack() as ends:  # runs all of them in reverse order, whatever one raises
            for end in (self._engines.close, self._saver.close, self.recording.shutdown, self._end_running):
                ends.callback(end)
            ends.callback(self._opener.close)

    def set_view_size(self, width_px: int, height_px: int) -> None:
        """Set the size of the view in device pixels."""
        self._view_px = (max(width_px, 1), max(height_px, 1))
        if self._run is not None:
            self._run.renderer.space_px = self._view_px
        self._present_again()

    def set_overlay(self, parts: OverlayParts) -> None:
        """Set what is drawn over the image."""
        self._parts = parts
        if parts.blur:
            self._history.forget_pictures()
        if self._run is not None:
            self._run.renderer.parts = parts
        self._present_again()

    def set_region(self, region: Region) -> None:
        """Set the part of the image to render."""
        self._region = region
        if self._run is not None:
            self._run.renderer.region = region
        self._present_again()

    def set_speed(self, speed: float) -> None:
        """Play files at ``speed`` seconds per second, above 0."""
        self._speed = speed
        if self._run is not None:
            self._run.set_speed(speed)

    def seek(self, time_s: float) -> None:
        """Go to a time of a file, in seconds; ignored for other sources, and while recording."""
        if self._spec is None or self.duration_s is None or self.recording.state is not RecordState.OFF:
            return
        if not self._seeking:
            self._stay_paused = self._state is LiveState.PAUSED
        self._seeking = True
        self._request(self._spec, min(max(time_s, 0.0), self.duration_s))
        self._set_state(LiveState.OPENING)

    def set_limits(self, limits: Limits | None) -> None:
        """Route by these limits (None = the model's own) from the next frame on, and reroute the last half minute.

        Ignored while recording: a table has one pair of limits.
        """
        if self.recording.state is not RecordState.OFF:
            return
        self._limits = limits
        if self._run is not None:
            self._run.set_limits(limits or limits_of(self._run.calibration))
            self._rerouting.start()

    @property
    def baselines(self) -> BaselineBook | None:
        """Neutral baselines of the faces; None without a run, for unrelated images, or if the model has no usual one.

        A change counts from the next frame on.
        """
        return None if self._run is None else self._run.baselines

    def start_recording(self, root: Path) -> None:
        """Record video, journal and tables into a new folder below ``root``; ignored without an active run."""
        if self._run is not None and self._state in (LiveState.RUNNING, LiveState.PAUSED):
            self.recording.start(self._run, root)

    def save_snapshot(self, folder: Path) -> None:
        """Save the frame shown with its overlay at the resolution of the source; ignored without a frame."""
        run = self._run
        if self._shown is not None and run is not None:
            frame = run.renderer.covered(self._shown.result)
            self._saver.submit(Snapshot(folder, frame, self._shown.rows, run.header, self._parts, datetime.now()))

    # Called by timers and workers.

    def _poll(self) -> None:
        run = self._run
        if run is None:
            return
        self._take_newest(run)
        now_s = time.monotonic()
        if now_s - self._metered_s >= _METER_S:
            self._metered_s = now_s
            self._meter.sample(now_s, run.runtime.counters())
            self.recording.poll()
            self._follow(run)

    def _take_newest(self, run: LiveRun) -> None:
        newest = run.renderer.newest
        if newest is not None and newest is not self._shown:
            self._shown = newest
            self._meter.add(newest.result.times)
            self._history.add(newest.result, {} if self._parts.blur else newest.thumbnails)
            self.presented.emit(newest)

    def _follow(self, run: LiveRun) -> None:
        """Handle the end of a run that has ended on its own."""
        if self._state not in (LiveState.RUNNING, LiveState.PAUSED):
            return
        state = run.runtime.state
        if state is RuntimeState.FAILED or (run.rendering_ended and run.renderer.failed):
            self._set_state(LiveState.OPENING)
            self._request(None)
        elif state is RuntimeState.STOPPED and run.rendering_ended and run.renderer.newest is self._shown:
            self._display.stop()
            self.recording.stop()
            self._set_state(LiveState.ENDED)
            if self.state is LiveState.ENDED:  # else the page plays it again
                self._notify(self.tr("{source} has ended.").format(source=run.info.source_id), topic="source")

    def _present_again(self) -> None:
        """Redraw the frame shown if no new one will come."""
        run = self._run
        if run is None or self._state not in (LiveState.PAUSED, LiveState.ENDED):
            return
        self._take_newest(run)  # it may have come after the display timer's last turn
        if self._shown is not None:
            self._render_again(run, self._shown, self._shown.result)

    def _render_again(self, run: LiveRun, shown: RenderedFrame, result: FrameResult) -> None:
        self._shown = run.renderer.render_again(shown, result)
        self.presented.emit(self._shown)

    def _reroute(self) -> None:
        run = self._run
        if run is None:
            return
        still = self._state in (LiveState.PAUSED, LiveState.ENDED)
        if still:
            self._take_newest(run)
        self._history.reroute(run.set_limits(self._limits or limits_of(run.calibration)))
        if still and self._shown is not None:
            self._render_again(run, self._shown, with_decisions(self._shown.result, self._history.decisions()))
        self.rerouted.emit()

    def _request(self, spec: str | None, start_s: float = 0.0) -> None:
        self._number += 1
        self._display.stop()
        self.recording.stop()
        if self._run is not None and self.baselines is not None and self.baselines.made_by_hand:
            self._calibrated = self._run.spec
        self._opener.submit(_Change(self._number, spec, start_s))

    def _change(self, change: _Change) -> _Changed:
        """End the current run, then open; runs on the opener's thread."""
        error = self._end_running()
        if change.spec is not None:
            spec = change.spec
            error = error_of(lambda: self._open_run(spec, change.start_s))
        return _Changed(change.number, self._running, error)

    def _open_run(self, spec: str, start_s: float) -> None:
        settings = (self._app_version, self._limits, self._parts, self._view_px, start_s)
        self._running = open_run(spec, self._open_source, self._engines, *settings)

    def _end_running(self) -> Exception | None:
        run, self._running = self._running, None
        return error_of(run.end) if run is not None else None  # an engine that is stuck is dropped there

    def _on_changed(self, changed: _Changed) -> None:
        if changed.number != self._number:
            return  # a later request is pending, which ends this run
        if changed.run is not None:
            self._begin(changed.run)
        elif changed.error is not None and self._state is not LiveState.IDLE:
            self._fail(changed.error)
        elif isinstance(changed.error, ThreadStuckError):
            self._report(changed.error)

    def _begin(self, run: LiveRun) -> None:
        reconnected = self._state is LiveState.LOST
        self._run, self._shown = run, None
        self._history.clear()
        self._meter = PerformanceMeter()
        # What was chosen while it was opened: blur above all.
        run.renderer.parts, run.renderer.space_px, run.renderer.region = self._parts, self._view_px, self._region
        run.set_limits(self._limits or limits_of(run.calibration))
        run.set_speed(self._speed)
        run.start()
        if self._seeking and self._stay_paused:
            run.runtime.pause()
            run.runtime.step()
        self._display.start()
        self._set_state(LiveState.PAUSED if self._seeking and self._stay_paused else LiveState.RUNNING)
        self._seeking = False
        text = self.tr("{source} is back.").format(source=run.info.source_id) if reconnected else ""
        self._notify(text, topic="source")
        if self._calibrated == run.spec:
            self._notify(
                self.tr("The neutral baseline is gone: faces are not recognised again. Calibrate anew if needed."),
                topic="baseline",
            )
        self._calibrated = None

    def _fail(self, error: Exception) -> None:
        self._seeking = False
        kind = self._run.info.kind if self._run is not None and self._run.spec == self._spec else None
        if isinstance(error, SourceError) and kind in _RECONNECTED:
            self._retry.start()
            if self._state is LiveState.LOST:
                return  # already reported
            self._set_state(LiveState.LOST)
            text = self.tr("{error}. Live resumes automatically when the source is back.").format(error=error)
        else:
            self._set_state(LiveState.FAILED)
            text = _message(error)
        self._notify(text, Severity.ERROR, "source")

    def _on_saved(self, path: Path) -> None:
        text = self.tr("Picture saved: {path}").format(path=path)
        self.noticed.emit(Notice(text, Severity.INFO, "snapshot", (folder_action(path.parent),)))

    def _report(self, error: Exception) -> None:
        self._notify(fault_text(error), Severity.ERROR)

    def _notify(self, text: str, severity: Severity = Severity.INFO, topic: str = "") -> None:
        self.noticed.emit(Notice(text, severity, topic))

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
