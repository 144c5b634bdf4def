"""The service: opens the source again after each loss, runs the engine on it, and reports its state."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from app.engine_cache import EngineCache
from app.live.live_run import SourceOpener
from app.serve.config import ServeConfig
from app.serve.messages import ClockedSource, LiveFrame, MessageMaker
from app.serve.state import LiveFigures, LiveOutput, LiveStatistics, ServiceState, ServiceStatus
from app.serve.systemd import Watchdog
from app.session.metadata import session_header
from engine.capture.opening import is_path_spec
from engine.capture.redaction import redact_url
from engine.capture.source import FrameSource
from engine.engine import Engine
from engine.errors import SourceError, ThreadStuckError, error_of
from engine.facs import unit_code
from engine.runtime import Attachment, Runtime
from engine.types import FrameResult

#: Pause before the source is opened again: doubled with each failure in a row.
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 5.0
#: A run without a new frame or result for so long is ended and begun again.
STALL_S: Final = 10.0
_TICK_S: Final = 0.25
#: For a source that is being opened when the service is stopped.
_OPEN_STOP_S: Final = 1.0


class LiveService:
    """Publishes the results of one source until it is stopped. `run` may be called once."""

    def __init__(
        self,
        config: ServeConfig,
        engines: EngineCache,
        open_source: SourceOpener,
        app_version: str,
        watchdog: Watchdog | None = None,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            config: all settings; those of the outputs are not used here.
            engines: opens the engine.
            open_source: opens the source, a recording in real time.
            app_version: version of the program.
            watchdog: of the service manager.
            log: receives one line per change of state, without passwords.
        """
        self._config = config
        self._engines = engines
        self._open_source = open_source
        self._version = app_version
        self._watchdog = watchdog or Watchdog()
        self._log = log
        self._outputs: tuple[LiveOutput, ...] = ()
        self._statistics = LiveStatistics()
        self._stop = threading.Event()
        shown = redact_url(config.source) if "://" in config.source else config.source
        self._status = ServiceStatus(time.time(), config.camera, shown, ServiceState.STARTING, None, 0, 0)

    def status(self) -> ServiceStatus:
        """State of the source; callable from any thread."""
        return self._status

    def figures(self) -> LiveFigures:
        """Rates and counts; callable from any thread."""
        return self._statistics.figures()

    def outputs(self) -> Sequence[LiveOutput]:
        """The outputs in use; callable from any thread."""
        return self._outputs

    def stop(self) -> None:
        """End `run` within three seconds; callable from any thread and from signal handlers."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def run(self, outputs: Sequence[LiveOutput]) -> None:
        """Serve until `stop`, or until a recording has ended. Opens and closes the outputs.

        Raises:
            ConfigError, FaceModelError, ModelError, BackendError: an output or the engine cannot be opened.
            ThreadStuckError: a thread of the run does not end: the program must.
        """
        with contextlib.ExitStack() as closing:
            for output in outputs:
                output.open()
                closing.callback(output.close)
                self._log(f"{self._config.camera}: {output.name} at {output.address}")
            self._outputs = tuple(outputs)
            try:
                self._report(ServiceState.STARTING)
                self._serve()
            finally:
                self._watchdog.stopping()
                if self._status.state is not ServiceState.ENDED:
                    self._report(ServiceState.STOPPED)

    def _serve(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            begun_s = time.monotonic()
            try:
                if self._run_once():
                    self._report(ServiceState.ENDED)
                    return
                problem = "the source has ended"
            except SourceError as error:
                problem = error.problem
            if self._stop.is_set():
                return
            if time.monotonic() - begun_s > STALL_S:
                pause_s = FIRST_PAUSE_S  # it had worked for a while
            self._report(ServiceState.LOST, problem)
            self._stop.wait(pause_s)
            pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)

    def _run_once(self) -> bool:
        """Open the source and serve it until it ends; returns whether it is a recording, played to its end.

        Raises:
            SourceError: it cannot be opened or read, or has stalled.
        """
        source = self._open()
        if source is None:
            return False
        clocked = ClockedSource(source)
        try:
            engine = self._engines.engine_for(source)
            engine.reset()
            sink = self._sink(clocked, engine)
            runtime = Runtime(clocked, engine, (), engine.config.runtime)
        except BaseException:
            source.close()
            raise
        is_recording = is_path_spec(self._config.source)
        attachment = runtime.attach(sink, newest_only=True)
        self._statistics.begin_run()
        runtime.start()
        try:
            ended = self._watch(runtime, attachment)
        finally:
            self._end(runtime, attachment)
        attachment.join(0)  # raises the error of an output, if there was one
        return ended and is_recording

    def _open(self) -> FrameSource | None:
        """Open the source on a thread, because a silent address takes long; None after `stop`.

        Raises:
            SourceError: it cannot be opened.
            ThreadStuckError: it is still being opened some time after `stop`.
        """
        opened: list[FrameSource] = []

        def work() -> None:
            opened.append(self._open_source(self._config.source))

        errors: list[Exception | None] = []
        thread = threading.Thread(target=lambda: errors.append(error_of(work)), name="mien-open")
        thread.start()
        while thread.is_alive() and not self._stop.is_set():
            thread.join(_TICK_S)
        thread.join(_OPEN_STOP_S)
        if thread.is_alive():
            raise ThreadStuckError(f"{self._status.source} is still being opened: end the program")
        if errors and errors[0] is not None:
            raise errors[0]
        if self._stop.is_set():
            opened[0].close()
            return None
        return opened[0]

    def _sink(self, source: ClockedSource, engine: Engine) -> _PublishingSink:
        header = session_header(self._config.source, source, engine, self._version)
        codes = header.au_codes if self._config.all_units else header.au_trusted
        self._status = dataclasses.replace(
            self._status,
            source=header.source_id,
            labels=header.expressions,
            au=tuple(map(unit_code, codes)),
            model=f"sha256:{engine.expression.sha256}",
            au_model=f"sha256:{engine.action_units.sha256}",
        )
        maker = MessageMaker(
            self._config.camera, header, engine.action_units.sha256, source.captured_s, self._config.all_units
        )
        return _PublishingSink(maker, self._outputs, self._statistics)

    def _watch(self, runtime: Runtime, attachment: Attachment) -> bool:
        """Wait until the run ends by itself (True) or `stop` is called (False).

        Raises:
            SourceError: the source is lost or has stalled.
        """
        captured = processed = 0
        captured_at_s = processed_at_s = time.monotonic()
        while not self._stop.is_set():
            if runtime.wait(_TICK_S):
                return True
            if attachment.ended:
                return False
            counters, now_s = runtime.counters(), time.monotonic()
            self._statistics.sample(counters, attachment.counters.dropped)
            if counters.captured > captured:
                captured, captured_at_s = counters.captured, now_s
            if counters.processed > processed:
                processed, processed_at_s = counters.processed, now_s
            if processed and self._status.state is not ServiceState.RUNNING:
                was_lost = self._status.state is ServiceState.LOST
                self._report(ServiceState.RUNNING, None, reconnects=self._status.reconnects + was_lost)
            rate = self._statistics.figures().performance.fps_out
            self._watchdog.tick(captured, processed, f"{self._config.camera}: {rate:.1f} frames per second")
            self._check_stall(now_s - captured_at_s, now_s - processed_at_s)
        return False

    def _check_stall(self, since_frame_s: float, since_result_s: float) -> None:
        if max(since_frame_s, since_result_s) < STALL_S:
            return
        self._status = dataclasses.replace(self._status, stalls=self._status.stalls + 1)
        what = "frame" if since_frame_s >= STALL_S else "result"
        raise SourceError(f"{self._status.source} gave no {what} for {STALL_S:.0f} s: check the camera")

    def _end(self, runtime: Runtime, attachment: Attachment) -> None:
        try:
            runtime.stop()
        finally:
            attachment.detach()
            if not attachment.wait(_OPEN_STOP_S):
                raise ThreadStuckError("an output does not take messages: end the program")

    def _report(self, state: ServiceState, problem: str | None = None, reconnects: int | None = None) -> None:
        """Change the state, and publish and log it if it is new."""
        before = self._status
        self._status = status = dataclasses.replace(
            before,
            t=time.time(),
            state=state,
            problem=problem,
            reconnects=before.reconnects if reconnects is None else reconnects,
        )
        text = f"{status.camera}: {state.value}" + (f" ({problem})" if problem else "")
        self._watchdog.report(text)
        if (before.state, before.problem) != (state, problem) or state is ServiceState.STARTING:
            self._log(text)
            for output in self._outputs:
                output.report(status)


class _PublishingSink:
    """Gives each result to all outputs. The runtime drops older results if it is late, so it never slows inference."""

    def __init__(self, maker: MessageMaker, outputs: Sequence[LiveOutput], statistics: LiveStatistics) -> None:
        self._maker = maker
        self._outputs = outputs
        self._statistics = statistics

    def open(self) -> None:
        """Do nothing."""

    def write(self, result: FrameResult) -> None:
        """Publish a result."""
        frame: LiveFrame = self._maker.frame(result)
        self._statistics.add(frame)
        for output in self._outputs:
            output.send(frame)

    def close(self, completed: bool) -> None:
        """Do nothing: the outputs are closed with the service."""
