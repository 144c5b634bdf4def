"""The threads: one that captures, one that infers, one for each sink. The only file of the engine that makes threads.

Live frames go through a slot that keeps the newest; file frames wait in a bounded queue, so that a slow pipeline holds
the file back. In the same way a slow sink holds a file back and drops results of a live source, and every drop counts.

A thread that fails leaves its error for the caller and stops what feeds it; what follows it finishes what it was given.
So nothing that was computed is lost, and all threads end by themselves whether or not somebody waits for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, Protocol

from engine.capture.source import FrameSource
from engine.config import RuntimeConfig
from engine.errors import ConfigError, RuntimeStateError, ThreadStuckError
from engine.handover import BlockingQueue, DroppingQueue, Handover, LatestSlot
from engine.sink import FrameSink, SinkCounters, SinkLane
from engine.thread_top import error_of
from engine.types import Frame, FrameResult


class FramePipeline(Protocol):
    """What the inference thread runs."""

    def process(self, frame: Frame) -> FrameResult:
        """The result for one frame."""


class RuntimeState(str, Enum):
    """Life of a runtime."""

    IDLE = "idle"  # not started
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"  # told to stop, threads still end
    STOPPED = "stopped"  # all threads have ended without an error
    FAILED = "failed"  # a thread failed; the others have ended or are about to


#: The states in which each command is legal.
_LEGAL: Final[dict[str, tuple[RuntimeState, ...]]] = {
    "start": (RuntimeState.IDLE,),
    "pause": (RuntimeState.RUNNING,),
    "resume": (RuntimeState.PAUSED,),
    "step": (RuntimeState.PAUSED,),
    "attach": (RuntimeState.IDLE, RuntimeState.RUNNING, RuntimeState.PAUSED),
    # A run may end by itself just before the caller stops it, so that stopping an ended run is no mistake.
    "stop": tuple(state for state in RuntimeState if state is not RuntimeState.IDLE),
    "wait": tuple(state for state in RuntimeState if state is not RuntimeState.IDLE),
}


@dataclass(frozen=True, slots=True)
class RuntimeCounters:
    """What became of the frames so far; once all ended, captured = processed + dropped + failed (0 or 1)."""

    captured: int
    processed: int
    dropped: int  # captured, but never processed
    sinks: tuple[SinkCounters, ...]  # in the order of the sinks


class Attachment:
    """A sink that joined a run that was going on. Its failure does not end the run; whoever attached it joins it."""

    def __init__(self, lane: SinkLane, is_completed: Callable[[], bool]) -> None:
        """Made by `Runtime.attach`."""
        self._lane = lane
        self._is_completed = is_completed
        self._detached = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"mien-attached-{type(lane.sink).__name__}")
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the sink has closed: it failed, was detached, or the run has ended."""
        return not self._thread.is_alive()

    @property
    def counters(self) -> SinkCounters:
        """What became of the results for this sink."""
        return self._lane.counters()

    def detach(self) -> None:
        """Give it no more results; those that wait are still written. Does not wait. A second call does nothing."""
        self._detached = True
        self._lane.results.end()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the sink has closed, whatever became of it; whether it has."""
        self._thread.join(timeout_s)
        return self.ended

    def join(self, timeout_s: float | None = None) -> SinkCounters:
        """Wait until the sink has closed, after `detach` or the end of the run.

        Raises:
            ThreadStuckError: it has not closed in time.
            Exception: the error that the sink failed with.
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise ThreadStuckError(
                f"{self._thread.name} did not end within {timeout_s} s: check the disk that it writes to"
            )
        if self._error is not None:
            raise self._error
        return self.counters

    def _run(self) -> None:
        self._error = error_of(lambda: self._lane.run(lambda: self._detached or self._is_completed()))
        self._lane.results.close()  # inference must not wait for a sink that is gone


class Runtime:
    """Runs a source through a pipeline into sinks. One run each; commands may come from any thread.

    The source is closed at the end of a run, the pipeline is not.
    """

    def __init__(
        self, source: FrameSource, pipeline: FramePipeline, sinks: Sequence[FrameSink], config: RuntimeConfig
    ) -> None:
        """Take over the source; nothing runs before `start`.

        Raises:
            ConfigError: a queue without places.
        """
        if min(config.file_queue, config.sink_queue) < 1:
            raise ConfigError(
                f"runtime: file_queue is {config.file_queue} and sink_queue {config.sink_queue}: set both to 1 or more"
            )
        self._source = source
        self._pipeline = pipeline
        self._config = config
        live = source.info.is_live
        self._frames: Handover[Frame] = LatestSlot() if live else BlockingQueue(config.file_queue)
        self._lanes = [SinkLane(sink, self._queue()) for sink in sinks]
        self._attached: tuple[SinkLane, ...] = ()  # replaced, never changed: inference reads it without the lock
        self._inference_ended = False
        self._lock = threading.Lock()
        self._state = RuntimeState.IDLE
        self._error: Exception | None = None
        self._threads: list[threading.Thread] = []
        self._alive = 0
        self._going = threading.Event()  # cleared while paused
        self._all_ended = threading.Event()
        self._exhausted = False
        self._captured = 0
        self._processed = 0
        self._latest: FrameResult | None = None

    @property
    def state(self) -> RuntimeState:
        """Where the run stands."""
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
            self._going.set()
            self._add("mien-capture", self._capture, self._frames.end)
            self._add("mien-inference", self._infer, self._end_inference)
            for place, lane in enumerate(self._lanes):
                name = f"mien-sink-{place}-{type(lane.sink).__name__}"
                self._add(name, partial(lane.run, self._completed), partial(self._end_sink, lane))
            self._alive = len(self._threads)
            for thread in reversed(self._threads):
                thread.start()

    def pause(self) -> None:
        """Let inference stand still after the frame at hand. A file waits; a live source is read on and dropped.

        Raises:
            RuntimeStateError: not running.
        """
        with self._lock:
            self._check("pause")
            self._state = RuntimeState.PAUSED
            self._going.clear()

    def resume(self) -> None:
        """Go on: with the next frame of a file, with the newest of a live source.

        Raises:
            RuntimeStateError: not paused.
        """
        with self._lock:
            self._check("resume")
            self._state = RuntimeState.RUNNING
            self._going.set()

    def step(self) -> None:
        """Process one frame and stand still again; steps that come faster than frames are processed count as one.

        Raises:
            RuntimeStateError: not paused.
        """
        with self._lock:
            self._check("step")
            self._going.set()

    def attach(self, sink: FrameSink, newest_only: bool = False) -> Attachment:
        """Let a sink join the run: it gets the results from the next one on, on a thread of its own.

        Whoever attaches to a run that is then never started must detach by himself.

        Args:
            sink: opened, written and closed on that thread.
            newest_only: a result that the sink is too slow for gives way to a newer one, as a window wants it;
                else results wait as they do for the other sinks.

        Raises:
            RuntimeStateError: the run is over, or being stopped.
        """
        with self._lock:
            self._check("attach")
            lane = SinkLane(sink, LatestSlot() if newest_only else self._queue())
            if self._inference_ended:
                lane.results.end()
            self._attached = (*(old for old in self._attached if not old.results.ended), lane)
        return Attachment(lane, self._completed)

    def stop(self) -> None:
        """End the run: frames not yet processed are dropped, results that wait for sinks are still written.

        Raises:
            RuntimeStateError: not started.
            ThreadStuckError: a thread has not ended within ``stop_s``.
            Exception: the error that a thread failed with.
        """
        with self._lock:
            self._check("stop")
            if self._state in (RuntimeState.RUNNING, RuntimeState.PAUSED):
                self._state = RuntimeState.STOPPING
        self._halt()
        deadline_s = time.monotonic() + self._config.stop_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        if stuck:
            raise ThreadStuckError(
                f"{', '.join(stuck)} did not end within {self._config.stop_s} s: "
                "end the program, and check the device or disk that it waits for"
            ) from self._error
        self._raise_error()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run has ended, by itself or by `stop`; whether it has.

        Raises:
            RuntimeStateError: not started.
            Exception: the error that a thread failed with.
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
        """The newest result, for a window; None before the first."""
        return self._latest

    def counters(self) -> RuntimeCounters:
        """What became of the frames so far."""
        sinks = tuple(lane.counters() for lane in self._lanes)
        return RuntimeCounters(self._captured, self._processed, self._frames.dropped, sinks)

    def _queue(self) -> Handover[FrameResult]:
        if self._source.info.is_live:
            return DroppingQueue(self._config.sink_queue)
        return BlockingQueue(self._config.file_queue)

    def _check(self, command: str) -> None:
        legal = _LEGAL[command]
        if self._state not in legal:
            needed = " or ".join(state.value for state in legal)
            raise RuntimeStateError(f"cannot {command} a run that is {self._state.value}: it must be {needed}")

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _halt(self) -> None:
        """Let no more frame in: capture and inference end after what they are at."""
        self._frames.close()
        self._going.set()
        self._source.interrupt()

    # What follows runs on the threads.

    def _add(self, name: str, work: Callable[[], None], end: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=self._guard, args=(work, end), name=name))

    def _guard(self, work: Callable[[], None], end: Callable[[], None]) -> None:
        """Run ``work``, keep its error, then tell the neighbours with ``end``."""
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
            self._going.set()  # a run that failed while paused ends too

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

    def _infer(self) -> None:
        while (frame := self._next_frame()) is not None:
            result = self._pipeline.process(frame)
            self._processed += 1
            self._latest = result
            for lane in (*self._lanes, *self._attached):
                lane.results.put(result)

    def _next_frame(self) -> Frame | None:
        self._going.wait()
        with self._lock:
            if self._state is RuntimeState.PAUSED:  # woken for a single step
                self._going.clear()
        return self._frames.get()

    def _end_inference(self) -> None:
        with self._lock:
            self._inference_ended = True
            attached = self._attached
        for lane in (*self._lanes, *attached):
            lane.results.end()
        self._halt()  # nobody takes frames any more

    def _end_sink(self, lane: SinkLane) -> None:
        lane.results.close()  # inference must not wait for a sink that has failed
        self._halt()

    def _completed(self) -> bool:
        """Whether every frame of a file was processed, or a live source, which has no end, was told to stop."""
        if self.state is RuntimeState.FAILED:
            return False
        return self._source.info.is_live or (self._exhausted and self._frames.dropped == 0)
