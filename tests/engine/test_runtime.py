"""The threads of a run: every command in every state, order and drops, failures of each part, and stopping."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from engine.capture.source import FrameSource, SourceInfo, SourceKind
from engine.config import RuntimeConfig
from engine.errors import OutputError, RuntimeStateError, SourceError, ThreadStuckError
from engine.runtime import Runtime, RuntimeState
from engine.types import Frame, FrameResult, StageTimes

#: Far longer than any step here takes; a test that reaches it fails.
LIMIT_S = 10.0


class Source(FrameSource):
    """Frames from memory. ``gate``: one release per frame; ``endless``: waits for an interrupt after the last."""

    def __init__(self, count, live=False, endless=False, gated=False, error=None):
        super().__init__()
        self.info = SourceInfo("fake", SourceKind.VIDEO, 4, 4, count, None, None, is_live=live)
        self._left = iter(range(count))
        self._endless = endless
        self._error = error
        self.gate = threading.Semaphore(0) if gated else None
        self.drained = threading.Event()
        self.closed = 0
        self.shut = threading.Semaphore(0)

    def read(self):
        while self.gate and not self._interrupted.is_set() and not self.gate.acquire(timeout=0.01):
            pass
        if self._interrupted.is_set():
            return None
        index = next(self._left, None)
        if index is not None:
            return Frame(np.zeros((4, 4, 3), np.uint8), index, index / 25, "fake")
        self.drained.set()
        if self._error:
            raise self._error
        if self._endless:
            self._interrupted.wait(LIMIT_S)
        return None

    def close(self):
        self.closed += 1
        self.shut.release()


class Pipeline:
    """``gate``: one release per frame; ``entered``: one per frame started; fails at frame ``fails_at``."""

    def __init__(self, gated=False, fails_at=None):
        self.gate = threading.Semaphore(0) if gated else None
        self.entered = threading.Semaphore(0)
        self._fails_at = fails_at
        self.seen = []

    def process(self, frame):
        self.entered.release()
        if self.gate:
            assert self.gate.acquire(timeout=LIMIT_S)
        if frame.index == self._fails_at:
            raise ZeroDivisionError("deliberate failure")
        self.seen.append(frame.index)
        return FrameResult(frame, (), StageTimes(0, 0, 0, 0, 0))


class Sink:
    """Records frame numbers; ``wrote``: one release per result; ``fails_in``: open, write or close."""

    def __init__(self, gated=False, fails_in=None):
        self.gate = threading.Semaphore(0) if gated else None
        self.entered = threading.Semaphore(0)
        self.wrote = threading.Semaphore(0)
        self._fails_in = fails_in
        self.calls = []
        self.frames = []

    def _call(self, name):
        self.calls.append(name)
        if self._fails_in == name:
            raise OutputError(f"{name} deliberate failure")

    def open(self):
        self._call("open")

    def write(self, result):
        self.entered.release()
        if self.gate:
            assert self.gate.acquire(timeout=LIMIT_S)
        self._call("write")
        self.frames.append(result.frame.index)
        self.wrote.release()

    def close(self, completed):
        self.completed = completed
        self._call("close")


@pytest.fixture
def run():
    """Create a runtime; after the test, open every gate and stop it."""
    created = []

    def make(source, pipeline=None, *sinks, **settings):
        pipeline = pipeline or Pipeline()
        runtime = Runtime(source, pipeline, sinks, RuntimeConfig(**settings))
        created.append((runtime, [part.gate for part in (source, pipeline, *sinks) if part.gate]))
        return runtime

    yield make
    for runtime, gates in created:
        for gate in gates:
            gate.release(1000)
        if runtime.state not in (RuntimeState.IDLE, RuntimeState.STOPPED, RuntimeState.FAILED):
            runtime.stop()


def _until(semaphore, times=1):
    for _ in range(times):
        assert semaphore.acquire(timeout=LIMIT_S)


# Commands and states


@pytest.mark.parametrize("command", ["pause", "resume", "stop", "wait"])
def test_an_idle_run_accepts_only_start(run, command):
    runtime = run(Source(0))
    with pytest.raises(RuntimeStateError, match=f"cannot {command} a run that is idle"):
        getattr(runtime, command)()
    assert runtime.state is RuntimeState.IDLE


def test_start_idle_run_runs(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    assert runtime.state is RuntimeState.RUNNING


def test_start_running_run_fails_with_command_state_and_remedy(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    with pytest.raises(RuntimeStateError, match="cannot start a run that is running: it must be idle"):
        runtime.start()


def test_pause_running_run_pauses(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    runtime.pause()
    assert runtime.state is RuntimeState.PAUSED


def test_pause_paused_run_fails(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    runtime.pause()
    with pytest.raises(RuntimeStateError, match="cannot pause a run that is paused: it must be running"):
        runtime.pause()


def test_resume_paused_run_runs(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    runtime.pause()
    runtime.resume()
    assert runtime.state is RuntimeState.RUNNING


def test_resume_running_run_fails(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    with pytest.raises(RuntimeStateError, match="cannot resume a run that is running: it must be paused"):
        runtime.resume()


def test_stop_running_run_stops(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    runtime.stop()
    assert runtime.state is RuntimeState.STOPPED


def test_stop_paused_run_stops(run):
    runtime = run(Source(9, gated=True))
    runtime.start()
    runtime.pause()
    runtime.stop()
    assert runtime.state is RuntimeState.STOPPED


def test_stop_stopped_run_does_nothing(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    runtime.stop()
    runtime.stop()
    assert runtime.state is RuntimeState.STOPPED


@pytest.mark.parametrize("command", ["start", "pause", "resume"])
def test_a_stopped_run_cannot_continue(run, command):
    runtime = run(Source(0))
    runtime.start()
    runtime.wait(LIMIT_S)
    with pytest.raises(RuntimeStateError, match=f"cannot {command} a run that is stopped"):
        getattr(runtime, command)()


@pytest.mark.parametrize("command", ["start", "pause", "resume"])
def test_a_failed_run_cannot_continue(run, command):
    runtime = run(Source(0, error=SourceError("lost")))
    runtime.start()
    with pytest.raises(SourceError):
        runtime.wait(LIMIT_S)
    with pytest.raises(RuntimeStateError, match=f"cannot {command} a run that is failed"):
        getattr(runtime, command)()


def test_wait_is_false_during_the_run_and_true_after_it(run):
    runtime = run(Source(1, endless=True))
    runtime.start()
    assert runtime.wait(timeout_s=0.001) is False
    runtime.stop()
    assert runtime.wait(LIMIT_S) is True


def test_a_run_that_ends_by_itself_is_stopped_and_leaves_no_thread(run):
    source = Source(3)
    runtime = run(source)
    runtime.start()
    assert runtime.wait(LIMIT_S)
    assert runtime.state is RuntimeState.STOPPED
    assert source.closed == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mien-")]


def test_threads_have_names_and_only_inference_may_be_abandoned_at_the_end_of_the_program(run):
    sink = Sink()
    runtime = run(Source(1, endless=True), None, sink)
    runtime.start()
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("mien-")]
    names = ["mien-capture", "mien-inference", "mien-sink-0-Sink", "mien-watchdog"]
    assert sorted(thread.name for thread in ours) == names
    assert [thread.name for thread in ours if thread.daemon] == ["mien-inference"]


# Order, drops, counters


def test_every_frame_of_a_file_reaches_every_sink_in_order(run):
    pipeline, sinks = Pipeline(), (Sink(), Sink())
    runtime = run(Source(60), pipeline, *sinks, file_queue=2)
    runtime.start()
    assert runtime.latest() is None or runtime.latest().frame.index >= 0
    runtime.wait(LIMIT_S)
    assert pipeline.seen == list(range(60))
    assert [sink.frames for sink in sinks] == [list(range(60))] * 2
    assert all(sink.calls[0] == "open" and sink.calls[-1] == "close" and sink.completed for sink in sinks)
    counters = runtime.counters()
    assert (counters.captured, counters.processed, counters.dropped) == (60, 60, 0)
    assert [(sink.written, sink.dropped) for sink in counters.sinks] == [(60, 0)] * 2
    assert runtime.latest().frame.index == 59


def test_slow_inference_slows_a_file_down(run):
    source, pipeline = Source(60, gated=True), Pipeline(gated=True)
    runtime = run(source, pipeline, file_queue=2)
    runtime.start()
    source.gate.release(1000)
    for _ in range(60):
        _until(pipeline.entered)
        counters = runtime.counters()
        assert counters.captured <= counters.processed + 1 + 2 + 1  # in the pipeline, in the queue, held by capture
        pipeline.gate.release()
    runtime.wait(LIMIT_S)
    assert pipeline.seen == list(range(60))


def test_slow_inference_of_a_live_source_takes_the_newest_frame_and_counts_the_others(run):
    source, pipeline = Source(100, live=True, gated=True), Pipeline(gated=True)
    runtime = run(source, pipeline)
    runtime.start()
    source.gate.release()
    _until(pipeline.entered)  # frame 0 is in the pipeline
    source.gate.release(1000)
    assert source.drained.wait(LIMIT_S)  # frames 1 to 99 have been offered
    pipeline.gate.release(1000)
    runtime.wait(LIMIT_S)
    assert pipeline.seen == [0, 99]
    counters = runtime.counters()
    assert (counters.captured, counters.processed, counters.dropped) == (100, 2, 98)


def test_a_slow_sink_slows_a_file_down_and_receives_everything(run):
    slow, fast = Sink(gated=True), Sink()
    pipeline = Pipeline()
    runtime = run(Source(60), pipeline, slow, fast, file_queue=2)
    runtime.start()
    for written in range(60):
        _until(slow.entered)
        assert len(pipeline.seen) <= written + 1 + 2 + 1  # in the sink, in its queue, held by inference
        slow.gate.release()
    runtime.wait(LIMIT_S)
    assert slow.frames == fast.frames == list(range(60))


def test_dropped_results_of_a_live_source_are_counted(run):
    source, pipeline, sink = Source(20, live=True, gated=True), Pipeline(), Sink(gated=True)
    runtime = run(source, pipeline, sink, sink_queue=3)
    runtime.start()
    source.gate.release()
    _until(sink.entered)
    _until(pipeline.entered)
    for _ in range(19):  # one at a time, so that none is dropped before the pipeline
        source.gate.release()
        _until(pipeline.entered)
    source.gate.release()
    assert source.drained.wait(LIMIT_S)
    sink.gate.release(1000)
    runtime.wait(LIMIT_S)
    counters = runtime.counters().sinks[0]
    assert runtime.counters().processed == 20
    assert counters.written + counters.dropped == 20
    assert counters.dropped >= 20 - 1 - 3 - 1
    assert sink.frames[:2] == [0, 1]


def test_a_paused_file_waits_and_loses_nothing(run):
    source, pipeline = Source(30, gated=True), Pipeline(gated=True)
    runtime = run(source, pipeline, file_queue=2)
    runtime.start()
    source.gate.release(1000)
    _until(pipeline.entered)
    runtime.pause()
    pipeline.gate.release(1000)  # the current frame is finished, then nothing
    assert not pipeline.entered.acquire(timeout=0.05)
    runtime.resume()
    runtime.wait(LIMIT_S)
    assert pipeline.seen == list(range(30))


def test_a_paused_live_source_continues_with_the_newest_frame(run):
    source, pipeline = Source(30, live=True, gated=True), Pipeline(gated=True)
    runtime = run(source, pipeline)
    runtime.start()
    source.gate.release()
    _until(pipeline.entered)
    runtime.pause()
    pipeline.gate.release(1000)
    source.gate.release(1000)
    assert source.drained.wait(LIMIT_S)
    runtime.resume()
    runtime.wait(LIMIT_S)
    assert pipeline.seen == [0, 29]


# Failures


@pytest.mark.parametrize("live", [False, True])
def test_a_lost_source_is_raised_after_all_earlier_frames_are_written(run, live):
    pipeline, sink = Pipeline(), Sink()
    runtime = run(Source(5, live=live, error=SourceError("camera 0 was unplugged")), pipeline, sink)
    runtime.start()
    with pytest.raises(SourceError, match="unplugged"):
        runtime.wait(LIMIT_S)
    assert runtime.state is RuntimeState.FAILED
    assert pipeline.seen[-1] == 4
    assert sink.frames == pipeline.seen
    assert sink.completed is False


def test_a_source_lost_while_paused_ends_the_run(run):
    source, pipeline = Source(1, live=True, gated=True, error=SourceError("unplugged")), Pipeline(gated=True)
    runtime = run(source, pipeline)
    runtime.start()
    source.gate.release()
    _until(pipeline.entered)
    runtime.pause()
    pipeline.gate.release()  # inference finishes its frame and pauses
    source.gate.release()
    with pytest.raises(SourceError, match="unplugged"):
        runtime.wait(LIMIT_S)


def test_a_failing_pipeline_ends_the_run_after_the_results_before_it_are_written(run):
    source, sink = Source(50, endless=True), Sink()
    runtime = run(source, Pipeline(fails_at=3), sink)
    runtime.start()
    with pytest.raises(ZeroDivisionError, match="deliberate failure"):
        runtime.wait(LIMIT_S)
    assert sink.frames == [0, 1, 2]
    assert sink.completed is False
    assert source.closed == 1
    counters = runtime.counters()
    assert counters.captured == counters.processed + counters.dropped + 1


@pytest.mark.parametrize(("failing", "calls"), [("open", ["open"]), ("write", ["open", "write", "close"])])
def test_a_failing_sink_ends_the_run_and_the_other_sink_is_closed(run, failing, calls):
    broken, whole, pipeline = Sink(fails_in=failing), Sink(), Pipeline()
    runtime = run(Source(50, endless=True), pipeline, broken, whole)
    runtime.start()
    with pytest.raises(OutputError, match=f"{failing} deliberate failure"):
        runtime.wait(LIMIT_S)
    assert broken.calls == calls
    assert whole.calls[-1] == "close"
    assert whole.completed is False
    assert whole.frames == pipeline.seen


def test_a_sink_that_fails_with_a_full_queue_does_not_block_inference(run):
    pipeline, broken = Pipeline(), Sink(gated=True, fails_in="write")
    runtime = run(Source(50), pipeline, broken, file_queue=1)
    runtime.start()
    _until(pipeline.entered, 3)  # one result in the sink, one in its queue, one held by inference
    broken.gate.release()
    with pytest.raises(OutputError, match="write deliberate failure"):
        runtime.wait(LIMIT_S)


def test_an_error_on_closing_a_sink_is_raised(run):
    runtime = run(Source(2), None, Sink(fails_in="close"))
    runtime.start()
    with pytest.raises(OutputError, match="close deliberate failure"):
        runtime.wait(LIMIT_S)
    assert runtime.state is RuntimeState.FAILED


def test_stop_raises_the_error_of_a_thread_too(run):
    runtime = run(Source(0, error=SourceError("lost")))
    runtime.start()
    with pytest.raises(SourceError, match="lost"):
        runtime.wait(LIMIT_S)
    with pytest.raises(SourceError, match="lost"):
        runtime.stop()


def test_the_first_of_two_errors_is_raised(run):
    runtime = run(Source(3), Pipeline(fails_at=1), Sink(fails_in="close"))
    runtime.start()
    with pytest.raises(ZeroDivisionError):
        runtime.wait(LIMIT_S)


# Stopping


def test_stop_while_the_source_waits_for_a_frame(run):
    source = Source(1, endless=True)
    runtime = run(source)
    runtime.start()
    assert source.drained.wait(LIMIT_S)
    runtime.stop()
    assert source.closed == 1


def test_stop_while_capture_waits_for_room(run):
    source, pipeline, sink = Source(50), Pipeline(gated=True), Sink()
    runtime = run(source, pipeline, sink, file_queue=1)
    runtime.start()
    _until(pipeline.entered)
    stopping = threading.Thread(target=runtime.stop)
    stopping.start()
    pipeline.gate.release()  # only the current frame
    stopping.join(LIMIT_S)
    assert runtime.state is RuntimeState.STOPPED
    assert sink.frames == pipeline.seen == [0]
    assert sink.completed is False
    counters = runtime.counters()
    assert counters.captured == counters.processed + counters.dropped


def test_a_file_read_to_its_end_but_stopped_before_all_was_processed_is_not_complete(run):
    source, pipeline, sink = Source(3), Pipeline(gated=True), Sink()
    runtime = run(source, pipeline, sink)
    runtime.start()
    _until(pipeline.entered)
    _until(source.shut)
    stopping = threading.Thread(target=runtime.stop)
    stopping.start()
    pipeline.gate.release()
    stopping.join(LIMIT_S)
    assert runtime.counters().dropped == 2
    assert sink.frames == [0]
    assert sink.completed is False


def test_stop_writes_the_results_queued_for_a_sink(run):
    source, pipeline, sink = Source(3, endless=True), Pipeline(), Sink(gated=True)
    runtime = run(source, pipeline, sink)
    runtime.start()
    _until(pipeline.entered, 3)
    _until(sink.entered)
    assert source.drained.wait(LIMIT_S)
    stopping = threading.Thread(target=runtime.stop)
    stopping.start()
    sink.gate.release(1000)
    stopping.join(LIMIT_S)
    assert sink.frames == pipeline.seen == [0, 1, 2]


def test_a_live_run_that_is_stopped_counts_as_complete_and_a_file_does_not(run):
    for live in (True, False):
        sink = Sink()
        runtime = run(Source(2, live=live, endless=True), None, sink)
        runtime.start()
        _until(sink.wrote)
        runtime.stop()
        assert sink.completed is live


def test_a_stuck_thread_is_named_in_an_error_and_can_be_waited_for_again(run):
    pipeline = Pipeline(gated=True)
    runtime = run(Source(1), pipeline, stop_s=0.02)
    runtime.start()
    _until(pipeline.entered)
    with pytest.raises(ThreadStuckError, match=r"mien-inference did not end within 0\.02 s"):
        runtime.stop()
    assert runtime.state is RuntimeState.STOPPING
    pipeline.gate.release()
    assert runtime.wait(LIMIT_S)
    assert runtime.state is RuntimeState.STOPPED


@pytest.mark.parametrize("live", [True, False])
def test_only_a_live_source_may_leave_analysis_out(run, live):
    calls = []

    class Pace(Pipeline):
        def process_live(self, frame):
            calls.append(frame.index)
            return super().process(frame)

    runtime = run(Source(5, live=live), Pace())
    runtime.start()
    assert runtime.wait(LIMIT_S)
    assert bool(calls) == live
