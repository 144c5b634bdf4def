"""Records of a benchmark: what one run gives, and what is reported of several."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.config import Precision

#: What a worker measures: latency in real time or as fast as possible, or processor time by stage.
RunKind = Literal["live", "stages"]


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Runtime of the models; None = as the settings have it."""

    backend: str | None = None
    precision: Precision | None = None  # of a GPU
    threads: int | None = None

    @property
    def label(self) -> str:
        """Name in tables."""
        return " ".join(filter(None, (self.backend or "default", self.precision)))


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip to measure with."""

    name: str
    path: str
    width_px: int
    height_px: int
    fps: float
    faces: int | None  # in each frame; None = not known


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker runs in a process of its own."""

    kind: RunKind
    clip: Clip
    choice: EngineChoice
    folder: str  # for what it writes
    launched_s: float  # time.time() when its process was started
    fps: float = 0.0  # rate of a live source; 0 = a file, as fast as possible
    seconds: float = 10.0
    warm_up_s: float = 2.0
    video: bool = True


@dataclass(frozen=True, slots=True)
class Spread:
    """Several runs of one figure."""

    median: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class AnnotateRun:
    """One run of ``mien annotate`` in a process of its own, from its start to its end, with start-up and tables."""

    frames: int
    faces_per_frame: float
    fps: float  # frames / total_s
    steady_fps: float  # after the warm-up, without start and tables
    total_s: float
    first_result_s: float  # from the start of the process to the first frame in the journal
    cpu_ms: float  # processor time of the process per frame, with start-up and tables
    steady_cpu_ms: float | None  # after the warm-up, with tables; None where the system does not report it
    peak_rss_mb: float
    stage_wall_ms: dict[str, Percentiles]  # as the journal has them: with waiting for a core
    models: list[str]  # with backend and device


@dataclass(frozen=True, slots=True)
class LiveRun:
    """One run of the engine's threads with journal and video, in real time or as fast as possible."""

    fps_in: float  # captured
    fps_out: float  # processed
    captured: int
    processed: int
    dropped: int  # captured, never processed
    recorder_dropped: int  # processed, but not recorded
    faces_per_frame: float
    latency: Percentiles  # from capture to result
    cpu_ms: float  # processor time of the process per processed frame
    cores: float  # processor time / wall time
    first_result_s: float  # from the start of the process
    rss_mb: float  # at the end
    rss_growth_mb: float | None  # from the first tenth of the run to the last, medians; None below 60 s
    measured_s: float


@dataclass(frozen=True, slots=True)
class StageRun:
    """Processor time of the whole process in each stage, milliseconds per frame, one stage at a time."""

    frames: int
    faces_per_frame: float
    cpu_ms: dict[str, float]  # decode, the stages of the engine, overlay, encode, journal, tables


@dataclass(frozen=True, slots=True)
class GpuUse:
    """What nvidia-smi reports during a run."""

    utilisation_percent: float  # mean
    memory_mb: float  # highest
    power_w: float | None  # mean; None if the GPU does not report it


@dataclass(frozen=True, slots=True)
class Energy:
    """What tegrastats reports during a run."""

    power_w: float  # mean
    energy_j: float
    rails: str  # those that were added up


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else the machine did during a run."""

    foreign_cores: float | None  # processor time of other programs / wall time; None where it is not reported
    gpu: GpuUse | None = None
    energy: Energy | None = None


@dataclass(frozen=True, slots=True)
class CaseFigures:
    """All runs of one clip on one runtime."""

    clip: Clip
    choice: EngineChoice
    annotate: list[AnnotateRun]
    paced: list[LiveRun]
    fast: list[LiveRun]
    stages: list[StageRun]
    surroundings: list[Surroundings]  # of the runs of annotate
    paced_surroundings: list[Surroundings]

    def of_annotate(self, field: str) -> Spread | None:
        """Spread of a field of AnnotateRun."""
        return spread([getattr(run, field) for run in self.annotate])

    def of_paced(self, field: str) -> Spread | None:
        """Spread of a field of the paced LiveRun; p50_ms, p95_ms and p99_ms are those of the latency."""
        return spread([_value(run, field) for run in self.paced])

    def of_fast(self, field: str) -> Spread | None:
        """Spread of a field of the LiveRun as fast as possible."""
        return spread([_value(run, field) for run in self.fast])

    def stage_cpu_ms(self) -> dict[str, float]:
        """Medians by stage, and ``other``: what annotate takes above their sum (handover, threads, progress)."""
        if not self.stages:
            return {}
        table = {name: statistics.median(run.cpu_ms[name] for run in self.stages) for name in self.stages[0].cpu_ms}
        whole = self.of_annotate("steady_cpu_ms")
        if whole is not None:
            table["other"] = whole.median - sum(table.values())
        return {name: round(value, 3) for name, value in table.items()}


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured."""

    processor: str
    cores: int
    system: str
    python: str
    load_1m: float | None  # before the first run


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Everything that ``mien bench --json`` writes; medians and stages are derived, see `CaseFigures`."""

    app_version: str
    date: str
    machine: Machine
    paced_fps: float
    seconds: float
    warm_up_s: float
    video: bool
    cases: list[CaseFigures]


def spread(values: Sequence[float | None]) -> Spread | None:
    """Median, lowest and highest; None without values.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0, runs=3)
    """
    present = [value for value in values if value is not None]
    if not present:
        return None
    return Spread(statistics.median(present), min(present), max(present), len(present))


def _value(run: LiveRun, field: str) -> float:
    value: float = getattr(run.latency if field.endswith("_ms") and field != "cpu_ms" else run, field)
    return value
