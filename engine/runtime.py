"""The threads of a run: capture, inference, and one for each sink. Other threads of the engine: engine/overlap.py.

Live frames pass through a slot that keeps the newest; file frames wait in a bounded queue, so a slow pipeline slows the
file down. Likewise a slow sink slows a file down and drops results of a live source; every drop is counted.

A watchdog abandons an inference thread that is stuck in a frame, as in a driver that hangs, and starts another with a
new pipeline, where the caller can make one; too often within a minute, or without a new pipeline, the run fails.

A thread that fails stores its error for the caller and stops its producer; its consumers finish what they were given.
So no computed result is lost, and all threads end by themselves whether or not a caller waits for them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, Protocol, runtime_checkable

from engine.capture.source import FrameSource
from engine.config import RuntimeConfig
from engine.errors import RuntimeStateError, ThreadStuckError, error_of
from engine.handover import BlockingQueue, DroppingQueue, Handover, LatestSlot
from engine.types import Frame, FrameResult

#: Inference that was stuck is restarted at most so often ...
MAX_RESTARTS: Final = 5
#: ... within so many seconds.
RESTART_WINDOW_S: Final = 60.0
#: Making a new pipeline may take so much longer than a frame.
_REBUILD_S: Final = 20.0
#: The watchdog looks so often while inference may become stuck.
_LOOKS: Final = 10
#: Images that wait in one queue of a file at most: two groups of frames (engine/hindsight.py), whatever their size.
_QUEUE_BYTES: Final = 128 << 20


class FramePipeline(Protocol):
    """What the inference thread runs: an `engine.engine.Engine`, or a wrapper around one."""

    def process(self, frame: Frame) -> FrameResult:
        """Process one frame."""


@runtime_checkable
class LivePipeline(Protocol):
    """A pipeline that can leave work out to keep pace with a live source."""

    def process_live(self, frame: Frame) -> FrameResult:
        """Process one frame."""


@runtime_checkable
class DelayedPipeline(Protocol):
    """A pipeline that returns results later than their frames: `engine.hindsight.Hindsight`."""

    def feed(self, frame: Frame) -> Sequence[FrameResult]:
        """Process one frame; return the results that are final, in order."""

    def flush(self) -> Sequence[FrameResult]:
        """Return all other results; called once, after the last frame of a source that was read to its end."""

    def end(self) -> Sequence[FrameResult]:
        """End threads of its own; return what they had in progress. Called once, last, whatever ended the run.

        An error counts if nothing failed before.
        """


class _Immediate:
    """A pipeline without delay."""

    def __init__(self, pipeline: FramePipeline, live: bool) -> None:
        self._process: Callable[[Frame], FrameResult] = pipeline.process
        if live and isinstance(pipeline, LivePipeline):
            self._process = pipeline.process_live

    def feed(self, frame: Frame) -> Sequence[FrameResult]:
        return (self._process(frame),)

    def flush(self) -> Sequence[FrameResult]:
        return ()

    def end(self) -> Sequence[FrameResult]:
        return ()


def _delayed(pipeline: FramePipeline | DelayedPipeline, live: bool) -> DelayedPipeline:
    return pipeline if isinstance(pipeline, DelayedPipeline) else _Immediate(pipeline, live)


class FrameSink(Protocol):
    """Consumes the results of a run in their order.

    The runtime gives each sink a thread of its own, from which all calls come.
    """

    def open(self) -> None:
        """Called once, before the first result. If it raises, nothing else is called."""

    def write(self, result: FrameResult) -> None:
        """Called for each result. If it raises, `close` is next."""

    def close(self, completed: bool) -> None:
        """Called once, at the end; ``completed``: the source was read to its end and nothing failed."""


class RuntimeState(str, Enum):
    """State of a run."""

    IDLE = "idle"  # not started
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"  # stop was called, threads are still ending
    STOPPED = "stopped"  # all threads have ended without an error
    FAILED = "failed"  # a thread failed; the others have ended or are about to


#: The states in which each command is legal.
_LEGAL: Final[dict[str, tuple[RuntimeState, ...]]] = {
    "start": (RuntimeState.IDLE,),
    "pause": (RuntimeState.RUNNING,),
    "resume": (RuntimeState.PAUSED,),
    "step": (RuntimeState.PAUSED,),
    "attach": (RuntimeState.IDLE, RuntimeState.RUNNING, RuntimeState.PAUSED),
    # A run may end by itself just before the caller stops it: stopping an ended run is legal.
    "stop": tuple(state for state in RuntimeState if state is not RuntimeState.IDLE),
    "wait": tuple(state for state in RuntimeState if state is not RuntimeState.IDLE),
}


@dataclass(frozen=True, slots=True)
class SinkCounters:
    """Results of one sink so far."""

    written: int
    dropped: int


@dataclass(frozen=True, slots=True)
class RuntimeCounters:
    """Frames of a run so far; after its end, captured = processed + dropped + failed.

    Frames fail in which inference was stuck, and one if inference ended with an error.
    """

    captured: int
    processed: int
    dropped: int  # captured, but never processed
    sinks: tuple[SinkCounters, ...]  # in the order of the sinks
    restarts: int = 0  # of inference that was stuck


class _SinkWorker:
    """A sink and the queue of results waiting for it."""

    def __init__(self, sink: FrameSink, results: Handover[FrameResult]) -> None:
        self.name = type(sink).__name__
        self.results = results
        self._sink = sink
        self._written = 0

    def counters(self) -> SinkCounters:
        return SinkCounters(self._written, self.results.dropped)

    def run(self, is_completed: Callable[[], bool]) -> None:
        """Open the sink, write results until the end mark, close the sink; called on its thread."""
        self._sink.open()
        completed = False
        try:
            while (result := self.results.get()) is not None:
                self._sink.write(result)
                self._written += 1
            completed = is_completed()
        finally:
            self._sink.close(completed)


class Attachment:
    """A sink attached to a run in progress. Its failure does not end the run; the caller of `attach` joins it."""

    def __init__(self, worker: _SinkWorker, is_completed: Callable[[], bool]) -> None:
        """Created by `Runtime.attach`."""
        self._worker = worker
        self._is_completed = is_completed
        self._detached = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"mien-attached-{worker.name}")
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the sink has closed: it failed, was detached, or the run has ended."""
        return not self._thread.is_alive()

    @property
    def counters(self) -> SinkCounters:
        """Results of this sink so far."""
        return self._worker.counters()

    def detach(self) -> None:
        """Send no more results; those in the queue are still written. Does not wait. A second call does nothing."""
        self._detached = True
        self._worker.results.end()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the sink has closed, with or without an error; False on timeout."""
        self._thread.join(timeout_s)
        return self.ended

    def join(self, timeout_s: float | None = None) -> SinkCounters:
        """Wait until the sink has closed, after `detach` or the end of the run.

        Raises:
            ThreadStuckError: it has not closed in time.
            Exception: the error that ended the sink.
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise ThreadStuckError(f"{self._thread.name} did not end within {timeout_s} s: check the disk it writes to")
        if self._error is not None:
            raise self._error
        return self.counters

    def _run(self) -> None:
        self._error = error_of(lambda: self._worker.run(lambda: self._detached or self._is_completed()))
        self._worker.results.close()  # inference must not wait for a sink that has ended


class Runtime:
    """Runs a source through a pipeline into sinks, once. Commands may come from any thread.

    The source is closed at the end of the run, the pipeline is not.
    """

    def __init__(
        self,
        source: FrameSource,
        pipeline: FramePipeline | DelayedPipeline,
        sinks: Sequence[FrameSink],
        config: RuntimeConfig,
        rebuild: Callable[[], FramePipeline | DelayedPipeline] | None = None,
    ) -> None:
        """Take ownership of the source; nothing runs before `start`.

        Args:
            source: closed at the end of the run.
            pipeline: not closed.
            sinks: each gets every result.
            config: queues and limits.
            rebuild: makes a pipeline in place of one that is stuck, on the thread that runs it; the old one is never
                used again, but its thread may still be inside it. None = a stuck pipeline fails the run.
        """
        self._source = source
        live = source.info.is_live
        self._pipeline = _delayed(pipeline, live)
        self._rebuild = rebuild
        self._config = config
        self._frames: Handover[Frame] = (
            LatestSlot() if live else BlockingQueue(config.file_queue, _QUEUE_BYTES, lambda frame: frame.image.nbytes)
        )
        self._sinks = [_SinkWorker(sink, self._queue()) for sink in sinks]
        self._attached: tuple[_SinkWorker, ...] = ()  # replaced, never changed: inference reads it without the lock
        self._inference_ended = threading.Event()
        self._inference = 0  # number of the inference thread in use; earlier ones are abandoned
        self._busy_s: float | None = None  # when the frame in the pipeline was given to it
        self._restarts: deque[float] = deque(maxlen=MAX_RESTARTS)  # times
        self._restarted = 0
        self._lock = threading.Lock()
        self._state = RuntimeState.IDLE
        self._error: Exception | None = None
        self._threads: list[threading.Thread] = []
        self._alive = 0
        self._unpaused = threading.Event()
        self._all_ended = threading.Event()
        self._exhausted = False
        self._captured = 0
        self._processed = 0
        self._latest: FrameResult | None = None

    @property
    def state(self) -> RuntimeState:
        """Current state of the run."""
        with self._lock:
            return self._state

    def start(self) -> None:
        """Start all threads.

        Raises:
            RuntimeStateError: started before.
        """
        with self._lock:
            self._check("start")
            self._state = RuntimeState.RUNNING
            self._unpaused.set()
            self._add("mien-capture", self._capture, self._frames.end)
            self._threads.append(self._inference_thread())
            self._add("mien-watchdog", self._watch, lambda: None)
            for place, worker in enumerate(self._sinks):
                name = f"mien-sink-{place}-{worker.name}"
                self._add(name, partial(worker.run, self._completed), partial(self._end_sink, worker))
            self._alive = len(self._threads)
            for thread in reversed(self._threads):
                thread.start()

    def pause(self) -> None:
        """Pause inference after the current frame. A file waits; frames of a live source are dropped meanwhile.

        Raises:
            RuntimeStateError: not running.
        """
        with self._lock:
            self._check("pause")
            self._state = RuntimeState.PAUSED
            self._unpaused.clear()

    def resume(self) -> None:
        """Continue with the next frame of a file, or the newest of a live source.

        Raises:
            RuntimeStateError: not paused.
        """
        with self._lock:
            self._check("resume")
            self._state = RuntimeState.RUNNING
            self._unpaused.set()

    def step(self) -> None:
        """Process one frame and pause again; steps requested while a frame is processed count as one.

        Raises:
            RuntimeStateError: not paused.
        """
        with self._lock:
            self._check("step")
            self._unpaused.set()

    def attach(self, sink: FrameSink, newest_only: bool = False) -> Attachment:
        """Add a sink to the run; it receives the next result and all later ones, on a thread of its own.

        If the run is then never started, the caller must detach the sink.

        Args:
            sink: opened, written and closed on that thread.
            newest_only: drop results that the sink is too slow for in favour of newer ones, as a display needs;
                otherwise results wait as for the other sinks.

        Raises:
            RuntimeStateError: the run has ended or is stopping.
        """
        with self._lock:
            self._check("attach")
            worker = _SinkWorker(sink, LatestSlot() if newest_only else self._queue())
            if self._inference_ended.is_set():
                worker.results.end()
            self._attached = (*(old for old in self._attached if not old.results.ended), worker)
        return Attachment(worker, self._completed)

    def stop(self) -> None:
        """End the run: queued frames are dropped, queued results are still written.

        Raises:
            RuntimeStateError: not started.
            ThreadStuckError: a thread has not ended within ``stop_s``.
            Exception: the error that ended a thread.
        """
        with self._lock:
            self._check("stop")
            if self._state in (RuntimeState.RUNNING, RuntimeState.PAUSED):
                self._state = RuntimeState.STOPPING
            threads = tuple(self._threads)
        self._halt()
        deadline_s = time.monotonic() + self._config.stop_s
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        stuck = [thread.name for thread in threads if thread.is_alive() and thread.name != "mien-watchdog"]
        if stuck:
            raise ThreadStuckError(
                f"{', '.join(stuck)} did not end within {self._config.stop_s} s: "
                "end the program, and check the device or disk it waits for"
            ) from self._error
        self._raise_error()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run has ended, by itself or by `stop`; False on timeout.

        Raises:
            RuntimeStateError: not started.
            Exception: the error that ended a thread.
        """
        with self._lock:
            self._check("wait")
        if not self._all_ended.wait(timeout_s):
            return False
        for thread in self._threads:
            thread.join()
        self._raise_error()
        return True

    def latest(self) -> FrameResult | None:
        """The newest result; None before the first."""
        return self._latest

    def counters(self) -> RuntimeCounters:
        """Frames and results so far."""
        sinks = tuple(worker.counters() for worker in self._sinks)
        return RuntimeCounters(self._captured, self._processed, self._frames.dropped, sinks, self._restarted)

    def _queue(self) -> Handover[FrameResult]:
        if self._source.info.is_live:
            return DroppingQueue(self._config.sink_queue)
        return BlockingQueue(self._config.file_queue, _QUEUE_BYTES, lambda result: result.frame.image.nbytes)

    def _check(self, command: str) -> None:
        legal = _LEGAL[command]
        if self._state not in legal:
            needed = " or ".join(state.value for state in legal)
            raise RuntimeStateError(f"cannot {command} a run that is {self._state.value}: it must be {needed}")

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _halt(self) -> None:
        """Accept no more frames: capture and inference end after their current frame."""
        self._frames.close()
        self._unpaused.set()
        self._source.interrupt()

    # The methods below run on the threads.

    def _add(self, name: str, work: Callable[[], None], end: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=self._guard, args=(work, end), name=name))

    def _guard(self, work: Callable[[], None], end: Callable[[], None]) -> None:
        """Run ``work``, store its error, then notify the neighbouring threads with ``end``."""
        try:
            error = error_of(work)
            if error is not None:
                self._fail(error)
        finally:
            end()
            self._leave()

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._state = RuntimeState.FAILED
            self._error = self._error or error
            self._unpaused.set()  # a run that failed while paused ends too

    def _leave(self) -> None:
        with self._lock:
            self._alive -= 1
            if self._alive:
                return
            if self._state is not RuntimeState.FAILED:
                self._state = RuntimeState.STOPPED
        self._all_ended.set()

    def _capture(self) -> None:
        try:
            while (frame := self._source.read()) is not None:
                self._captured += 1
                self._frames.put(frame)
            self._exhausted = self.state in (RuntimeState.RUNNING, RuntimeState.PAUSED)  # else it was interrupted
        finally:
            self._source.close()

    def _inference_thread(self) -> threading.Thread:
        # Its own guard: when it is abandoned, it must neither fail nor end the run. A daemon, so that an abandoned one
        # does not keep the program alive; `stop` and `wait` join it like the others.
        return threading.Thread(
            target=self._guard_inference, args=(self._inference,), name="mien-inference", daemon=True
        )

    def _guard_inference(self, number: int) -> None:
        try:
            error = error_of(partial(self._infer, number))
            if error is not None and self._is_current(number):
                self._fail(error)
        finally:
            if self._is_current(number):
                self._end_inference()
                self._leave()

    def _infer(self, number: int) -> None:
        if number and self._rebuild is not None:
            self._busy_s = time.monotonic() + _REBUILD_S
            pipeline = _delayed(self._rebuild(), self._source.info.is_live)
            if not self._is_current(number):
                return
            self._pipeline = pipeline
        pipeline = self._pipeline
        self._busy_s = None
        first = error_of(partial(self._feed, number, pipeline))
        last = error_of(lambda: self._deliver(self._watched(number, pipeline.end) or ()))
        error = first or last
        if error is not None:
            raise error

    def _feed(self, number: int, pipeline: DelayedPipeline) -> None:
        """Process frames until there are no more, or the thread was abandoned."""
        while (frame := self._next_frame()) is not None:
            results = self._watched(number, partial(pipeline.feed, frame))
            if results is None:
                return
            self._processed += 1
            self._deliver(results)
        if self._completed():
            self._deliver(self._watched(number, pipeline.flush) or ())

    def _watched(self, number: int, work: Callable[[], Sequence[FrameResult]]) -> Sequence[FrameResult] | None:
        """Results of the pipeline; None if the thread was abandoned meanwhile."""
        with self._lock:
            if number == self._inference:
                self._busy_s = time.monotonic()
        results = work()
        with self._lock:
            if number != self._inference:
                return None
            self._busy_s = None
        return results

    def _is_current(self, number: int) -> bool:
        with self._lock:
            return number == self._inference

    def _watch(self) -> None:
        while not self._inference_ended.wait(self._config.stuck_s / _LOOKS):
            error = self._replace_stuck(time.monotonic())
            if error is not None:
                self._fail(error)
                self._end_inference()
                self._leave()  # in place of the abandoned thread

    def _replace_stuck(self, now_s: float) -> ThreadStuckError | None:
        """If inference is stuck, abandon its thread and start another; an error if that is not possible."""
        with self._lock:
            if self._busy_s is None or now_s - self._busy_s < self._config.stuck_s:
                return None
            self._busy_s = None
            self._inference += 1
            self._threads = [thread for thread in self._threads if thread.name != "mien-inference"]
            recent = [time_s for time_s in self._restarts if now_s - time_s < RESTART_WINDOW_S]
            if self._rebuild is not None and len(recent) < MAX_RESTARTS:
                self._restarts.append(now_s)
                self._restarted += 1
                self._threads.append(self._inference_thread())
                self._threads[-1].start()
                return None
        often = f", {len(recent)} restarts within {RESTART_WINDOW_S:.0f} s did not help" if recent else ""
        return ThreadStuckError(
            f"inference was stuck for {self._config.stuck_s:g} s{often}: "
            "check the GPU and its driver, or choose another backend"
        )

    def _deliver(self, results: Sequence[FrameResult]) -> None:
        for result in results:
            self._latest = result
            for worker in (*self._sinks, *self._attached):
                worker.results.put(result)

    def _next_frame(self) -> Frame | None:
        self._unpaused.wait()
        with self._lock:
            if self._state is RuntimeState.PAUSED:  # woken for a single step
                self._unpaused.clear()
        return self._frames.get()

    def _end_inference(self) -> None:
        with self._lock:
            self._inference_ended.set()
            attached = self._attached
        for worker in (*self._sinks, *attached):
            worker.results.end()
        self._halt()  # no thread takes frames any more

    def _end_sink(self, worker: _SinkWorker) -> None:
        worker.results.close()  # inference must not wait for a sink that has failed
        self._halt()

    def _completed(self) -> bool:
        """Whether every frame of a file was processed, or a live source, which has no end, was stopped."""
        if self.state is RuntimeState.FAILED:
            return False
        return self._source.info.is_live or (self._exhausted and self._frames.dropped == 0)
