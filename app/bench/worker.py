"""What a benchmark runs in a process of its own: ``python -m app.bench.worker JOB.json RESULT.json``."""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from app.bench.figures import Job, LiveRun, Percentiles, StageRun
from app.bench.probes import own_rss_mb, program_cpu_s
from app.cli_options import engine_settings
from app.overlay.overlay import Overlay
from app.session.journal import JournalSink
from app.session.journal_lines import STAGES
from app.session.metadata import session_header
from app.session.rows import SessionHeader, rows_of
from app.session.table import write_tables
from app.session.video import VideoSink
from engine.capture.opening import open_source
from engine.capture.source import FrameSource, WrappedSource
from engine.config import EngineConfig
from engine.engine import Engine
from engine.errors import BackendError, SourceError
from engine.files import write_text
from engine.hindsight import GROUP_FRAMES
from engine.records import json_text, load_json, read_record
from engine.runtime import FrameSink, Runtime
from engine.types import Frame, FrameResult

_VERSION: Final = "bench"
#: Images kept in memory for the stages, in bytes.
_MAX_BYTES: Final = 256 << 20
#: First frames of the stages that do not count: buffers are allocated, faces are found.
_COLD_FRAMES: Final = 10
#: How long a thread may take to stop: on a busy machine the recorders still write what is queued.
_STOP_S: Final = 60.0
#: Growth of memory is not reported below this duration in seconds.
_GROWTH_S: Final = 60.0
#: Seconds between two looks at the memory.
_LOOK_S: Final = 1.0


class EndlessSource(WrappedSource):
    """A clip as a camera: begins again at its end; frames are numbered on and stamped when they are read.

    With a rate, a frame is due at its time and is never waited for afterwards, as with a camera; without, the clip is
    read as fast as it is taken.
    """

    def __init__(self, clip: str, fps: float) -> None:
        """Open the clip; ``fps`` 0 = as fast as possible.

        Raises:
            SourceError: it cannot be read, or has no frames.
        """
        super().__init__(open_source(clip))
        self._clip = clip
        self._fps = fps
        self._index = 0
        self._start_s: float | None = None
        self.captured_s: dict[int, float] = {}  # when each frame was handed over, by its index
        self.info = dataclasses.replace(self._source.info, is_live=fps > 0, frame_count=None, duration_s=None)

    def read(self) -> Frame | None:
        """The next frame; None after `interrupt`."""
        frame = self._source.read()
        if frame is None and not self._interrupted.is_set():
            self._source.close()
            self._source = open_source(self._clip)
            frame = self._source.read()
            if frame is None and not self._interrupted.is_set():
                raise SourceError(f"{self._clip} has no frames: choose another clip")
        if frame is None or self._interrupted.is_set():
            return None
        now_s = time.perf_counter()
        if self._start_s is None:
            self._start_s = now_s
        time_s = self._index / (self._fps or self.info.fps or 30.0)
        if self._fps:
            self._interrupted.wait(max(self._start_s + time_s - now_s, 0.0))
        index, self._index = self._index, self._index + 1
        self.captured_s[index] = time.perf_counter()
        return dataclasses.replace(frame, index=index, timestamp_s=time_s, pts_s=None)


class LatencySink:
    """Takes the time of each result."""

    def __init__(self) -> None:
        self.results: list[tuple[int, float, int]] = []  # index, time, faces

    def open(self) -> None:
        """Do nothing."""

    def write(self, result: FrameResult) -> None:
        """Take the time."""
        self.results.append((result.frame.index, time.perf_counter(), len(result.faces)))

    def close(self, completed: bool) -> None:
        """Do nothing."""


def config_of(job: Job) -> EngineConfig:
    """Settings of the engine: those of annotate for the same choice."""
    choice = job.choice
    config = engine_settings(None, choice.backend, choice.threads)
    if choice.precision is not None:
        config = dataclasses.replace(config, gpu=dataclasses.replace(config.gpu, precision=choice.precision))
    return dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, stop_s=_STOP_S))


def run_live(job: Job) -> LiveRun:
    """Run the threads of the engine with a journal and, if wanted, a video.

    Raises:
        EngineError: the engine or the clip cannot be opened, or no frame was processed after the warm-up.
    """
    folder = Path(job.folder)
    with Engine.open(config_of(job)) as engine:
        source = EndlessSource(job.clip.path, job.fps)
        header = session_header(job.clip.path, source, engine, _VERSION)
        clock = LatencySink()
        sinks: list[FrameSink] = [clock, JournalSink(folder / "journal.jsonl", header)]
        if job.video:
            sinks.append(VideoSink(folder / "annotated.mp4", header))
        runtime = Runtime(source, engine, sinks, engine.config.runtime)
        runtime.start()
        try:
            memory = _run_for(runtime, job.warm_up_s)
            before, start_s, cpu_s = runtime.counters(), time.perf_counter(), program_cpu_s()
            memory = _run_for(runtime, job.seconds)
            after, end_s, cpu_s = runtime.counters(), time.perf_counter(), program_cpu_s() - cpu_s
        finally:
            runtime.stop()
    passed_s = end_s - start_s
    inside = [(index, at_s, faces) for index, at_s, faces in clock.results if start_s <= at_s < end_s]
    processed = after.processed - before.processed
    if not inside or not processed:
        raise BackendError(f"no frame was processed within {job.seconds:g} s: use a longer --seconds")
    latencies = [1000 * (at_s - source.captured_s[index]) for index, at_s, _ in inside]
    launched = time.time() - job.launched_s - time.perf_counter()  # perf_counter of a moment + this = since the launch
    return LiveRun(
        fps_in=round((after.captured - before.captured) / passed_s, 2),
        fps_out=round(processed / passed_s, 2),
        captured=after.captured - before.captured,
        processed=processed,
        dropped=after.dropped - before.dropped,
        recorder_dropped=sum(sink.dropped for sink in after.sinks[1:]) - sum(sink.dropped for sink in before.sinks[1:]),
        faces_per_frame=round(statistics.fmean(faces for _, _, faces in inside), 2),
        latency=Percentiles(*np.percentile(latencies, (50, 95, 99)).round(2).tolist()),
        cpu_ms=round(1000 * cpu_s / processed, 3),
        cores=round(cpu_s / passed_s, 3),
        first_result_s=round(clock.results[0][1] + launched, 3),
        rss_mb=round(own_rss_mb() or 0.0, 1),
        rss_growth_mb=growth(memory, passed_s),
        measured_s=round(passed_s, 2),
    )


def growth(memory_mb: list[float], seconds: float) -> float | None:
    """Median of the last tenth of the readings less that of the first tenth; None for a run below a minute."""
    if seconds < _GROWTH_S or len(memory_mb) < 20:
        return None
    tenth = len(memory_mb) // 10
    return round(statistics.median(memory_mb[-tenth:]) - statistics.median(memory_mb[:tenth]), 2)


def _run_for(runtime: Runtime, seconds: float) -> list[float]:
    """Let the run go on; resident memory in MB, once per second."""
    memory, end_s = [], time.perf_counter() + seconds
    while (left_s := end_s - time.perf_counter()) > 0:
        if runtime.wait(min(left_s, _LOOK_S)):
            break  # it has failed, which `stop` reports
        memory.append(own_rss_mb() or 0.0)
    return memory


def run_stages(job: Job) -> StageRun:
    """Measure the processor time of the process, with all its threads, in one stage after the other.

    Raises:
        EngineError: the engine or the clip cannot be opened, or the clip is too short.
    """
    decode_ms, frames = _decode(job)
    if len(frames) <= _COLD_FRAMES:
        raise SourceError(f"{job.clip.name} has {len(frames)} frames, more than {_COLD_FRAMES} are needed")
    folder = Path(job.folder)
    with Engine.open(config_of(job), clock=time.process_time) as engine:
        with open_source(job.clip.path) as source:
            header = session_header(job.clip.path, source, engine, _VERSION)
        results = list(_processed(engine, frames))[_COLD_FRAMES:]
    table = {"decode": decode_ms}
    for name in STAGES:
        table[name] = statistics.fmean(getattr(result.times, f"{name}_ms") for result in results)
    table["overlay"] = _overlay_ms(results, header)
    if job.video:
        table["encode"] = _sink_ms(VideoSink(folder / "stages.mp4", header), results) - table["overlay"]
    else:
        del table["overlay"]
    journal = folder / "stages.jsonl"
    table["journal"] = _sink_ms(JournalSink(journal, header), results)
    start_s = time.process_time()
    write_tables(journal, folder / "stages.csv", folder / "stages.parquet")
    table["tables"] = 1000 * (time.process_time() - start_s) / len(results)
    return StageRun(
        frames=len(results),
        faces_per_frame=round(statistics.fmean(len(result.faces) for result in results), 2),
        cpu_ms={name: round(value, 4) for name, value in table.items()},
    )


def _processed(engine: Engine, frames: list[Frame]) -> Iterator[FrameResult]:
    """Process frames in groups as annotate does, but one stage after the other."""
    for start in range(0, len(frames), GROUP_FRAMES):
        yield from engine.process_all(frames[start : start + GROUP_FRAMES])


def _decode(job: Job) -> tuple[float, list[Frame]]:
    """Processor milliseconds per frame of reading the clip, and its first frames, as many as memory allows."""
    limit = max(_MAX_BYTES // (3 * job.clip.width_px * job.clip.height_px), _COLD_FRAMES + 1)
    count = 0
    start_s = program_cpu_s()
    with open_source(job.clip.path) as source:
        for _ in _first(source, job.clip.fps * job.seconds):
            count += 1
    passed_s = program_cpu_s() - start_s
    with open_source(job.clip.path) as source:
        frames = list(_first(source, min(limit, job.clip.fps * job.seconds)))
    return 1000 * passed_s / max(count, 1), frames


def _first(source: FrameSource, count: float) -> Iterator[Frame]:
    for number, frame in enumerate(source, start=1):
        yield frame
        if number >= count:
            return


def _overlay_ms(results: list[FrameResult], header: SessionHeader) -> float:
    overlay, passed_s = Overlay(header), 0.0
    for result in results:
        canvas, rows = result.frame.image.copy(), rows_of(result)
        start_s = time.process_time()
        overlay.draw(canvas, rows)
        passed_s += time.process_time() - start_s
    return 1000 * passed_s / len(results)


def _sink_ms(sink: FrameSink, results: list[FrameResult]) -> float:
    start_s = time.process_time()
    sink.open()
    for result in results:
        sink.write(result)
    sink.close(completed=True)
    return 1000 * (time.process_time() - start_s) / len(results)


def main(job_file: str, result_file: str) -> None:
    """Run a job and write its record."""
    job = read_record(Job, load_json(Path(job_file)))
    result = run_live(job) if job.kind == "live" else run_stages(job)
    write_text(Path(result_file), json_text(result))


if __name__ == "__main__":
    main(*sys.argv[1:3])
