"""Runs the cases of a benchmark, each measurement in a process of its own."""

from __future__ import annotations

import dataclasses
import datetime
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from app.bench.annotate_run import measure_annotate, run_child
from app.bench.clips import make_clip
from app.bench.figures import (
    AnnotateRun,
    BenchReport,
    CaseFigures,
    Clip,
    EngineChoice,
    Job,
    LiveRun,
    StageRun,
    Surroundings,
)
from app.bench.probes import Probes, machine
from engine.backends.registry import BACKENDS, GPU_BACKENDS, is_installed
from engine.capture.opening import open_source
from engine.capture.source import SourceKind
from engine.config import Precision
from engine.errors import ConfigError
from engine.files import write_text
from engine.records import json_text, load_json, read_record, read_value

#: What can be measured: the whole command, latency in real time, latency as fast as possible, processor time by stage.
PARTS: Final = ("annotate", "paced", "fast", "stages")
#: Seconds of a drawn clip at most; a longer run in real time repeats it.
_CLIP_S: Final = 20.0
_Result = TypeVar("_Result", LiveRun, StageRun)


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What is measured."""

    sizes: tuple[str, ...] = ("720p",)
    faces: tuple[int, ...] = (1,)
    clip: str | None = None  # of the user, instead of sizes and faces
    choices: tuple[EngineChoice, ...] = (EngineChoice(),)
    parts: tuple[str, ...] = PARTS
    seconds: float = 10.0
    warm_up_s: float = 2.0
    repeats: int = 3
    paced_fps: float = 30.0
    video: bool = True


def measure(plan: BenchPlan, app_version: str, progress: Callable[[str], None] = lambda line: None) -> BenchReport:
    """Run a plan. The repeats are interleaved, so that a slow minute of the machine falls on all cases.

    Args:
        plan: what is measured.
        app_version: for the report.
        progress: receives a line per run.

    Raises:
        EngineError: a run failed; its message is included.
    """
    here = machine()
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        folder = Path(scratch)
        clips = _clips(plan, folder, progress)
        cases = [CaseFigures(clip, choice, [], [], [], [], [], []) for clip in clips for choice in plan.choices]
        for number in range(plan.repeats):
            for case in cases:
                progress(f"{case.clip.name}, {case.choice.label}, run {number + 1} of {plan.repeats}")
                _run_case(case, plan, folder)
    return BenchReport(
        app_version, date, here, plan.paced_fps, plan.seconds, plan.warm_up_s, plan.video, [*map(_named, cases)]
    )


def clip_of(source: str) -> Clip:
    """A clip of the user.

    Raises:
        SourceError: it cannot be opened.
        ConfigError: it is live, or images.
    """
    with open_source(source) as opened:
        info = opened.info
    if info.is_live or info.kind not in (SourceKind.VIDEO, SourceKind.SYNTHETIC):
        raise ConfigError(f"{source} is not a video: choose a video file, or leave the clip out")
    if info.kind is SourceKind.VIDEO:
        source = str(Path(source).absolute())  # the processes that read it run in another folder
    return Clip(info.source_id, source, info.width_px, info.height_px, info.fps or 30.0, None)


def run_job(job: Job, record: type[_Result]) -> _Result:
    """Run a worker and read its result.

    Raises:
        OutputError: it failed; its message is included.
    """
    folder = Path(job.folder)
    job_file, result_file = folder / "job.json", folder / "result.json"
    write_text(job_file, json_text(job))
    command = [sys.executable, "-m", "app.bench.worker", str(job_file), str(result_file)]
    run_child(command, folder / "messages.txt", lambda pid, now_s: None, f"the {job.kind} run")
    return read_record(record, load_json(result_file))


def _clips(plan: BenchPlan, folder: Path, progress: Callable[[str], None]) -> list[Clip]:
    if plan.clip is not None:
        return [clip_of(plan.clip)]
    clips = []
    for size in plan.sizes:
        for faces in plan.faces:
            seconds = min(plan.seconds, _CLIP_S)
            progress(f"drawing a clip: {size}, {faces} faces, {seconds:g} s")
            clips.append(make_clip(folder, size, faces, seconds))
    return clips


def _run_case(case: CaseFigures, plan: BenchPlan, scratch: Path) -> None:
    """Run each part of a case once and append what it gives."""
    if "annotate" in plan.parts:
        run, around = _observed(lambda: measure_annotate(case.clip.path, case.choice, plan.video, plan.warm_up_s))
        case.annotate.append(run)
        case.surroundings.append(around)
    if "paced" in plan.parts:
        live, around = _observed(lambda: _worker(case, plan, scratch, LiveRun, plan.paced_fps))
        case.paced.append(live)
        case.paced_surroundings.append(around)
    if "fast" in plan.parts:
        case.fast.append(_worker(case, plan, scratch, LiveRun, 0.0))
    if "stages" in plan.parts:
        case.stages.append(_worker(case, plan, scratch, StageRun, 0.0))


_Run = TypeVar("_Run", AnnotateRun, LiveRun)


def _observed(run: Callable[[], _Run]) -> tuple[_Run, Surroundings]:
    probes = Probes()
    probes.start()
    try:
        result = run()
    finally:
        around = probes.stop()
    return result, around


def _worker(case: CaseFigures, plan: BenchPlan, scratch: Path, record: type[_Result], fps: float) -> _Result:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        job = Job(
            kind="live" if record is LiveRun else "stages",
            clip=case.clip,
            choice=case.choice,
            folder=folder,
            launched_s=time.time(),
            fps=fps,
            seconds=plan.seconds,
            warm_up_s=plan.warm_up_s,
            video=plan.video,
        )
        return run_job(job, record)


def _named(case: CaseFigures) -> CaseFigures:
    """The case without the path of a clip that is deleted at the end."""
    return dataclasses.replace(case, clip=dataclasses.replace(case.clip, path=case.clip.name))


def installed_choices(
    backends: Sequence[str], precisions: Sequence[str], threads: int | None
) -> tuple[EngineChoice, ...]:
    """The runtimes to measure.

    Args:
        backends: names of backends; "all" = every one that is installed; none = as the settings have it.
        precisions: of the backends on a GPU; the others ignore it. None = as the settings have it.
        threads: per model; None = as the settings have it.

    Raises:
        ConfigError: a name or a precision is unknown.
    """
    if "all" in backends:
        backends = [name for name in BACKENDS if is_installed(name)]
    unknown = [name for name in backends if name not in BACKENDS]
    if unknown:
        raise ConfigError(f"unknown backend {', '.join(unknown)}: known are {', '.join(BACKENDS)} and all")
    wanted = [read_value(Precision, precision, ConfigError, field="--precision") for precision in precisions]
    choices: list[EngineChoice] = []
    names: Sequence[str | None] = backends or (None,)
    for name in names:
        for precision in wanted if wanted and (name is None or name in GPU_BACKENDS) else [None]:
            choices.append(EngineChoice(name, precision, threads))
    return tuple(choices)
