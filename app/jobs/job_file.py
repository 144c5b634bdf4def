"""The file in which the queue of jobs outlives the program."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Final, get_args

from app.jobs.job_queue import EngineChoice, Job, JobResult, JobState
from app.session.journal import write_failed
from app.session.table import written_whole
from engine.config import TrackerName

#: Name of the format; another one is not read.
SCHEMA: Final = "mien-jobs/1"


@dataclasses.dataclass(frozen=True, slots=True)
class ReadJobs:
    """What the file held."""

    jobs: tuple[Job, ...] = ()
    fault: str = ""  # a sentence when it could not be used


def write_jobs(path: Path, jobs: tuple[Job, ...]) -> None:
    """Write the jobs whole or not at all; the folder is made.

    Raises:
        OutputError: the file cannot be written; what it held before stays.
    """
    raw = {"schema": SCHEMA, "jobs": [dataclasses.asdict(job) for job in jobs]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failed(path, error) from error
    with written_whole(path) as part:
        part.write_text(json.dumps(raw, indent=1, default=str) + "\n", encoding="utf-8")


def read_jobs(path: Path) -> ReadJobs:
    """The jobs of the file; none when there is no file. Never an error.

    A file that cannot be used is renamed to end in ``.damaged``, in place of one that was renamed before.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ReadJobs()
    except (OSError, UnicodeDecodeError) as error:
        return ReadJobs(fault=_kept_aside(path, str(error)))
    try:
        return ReadJobs(_jobs_of(json.loads(text)))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return ReadJobs(fault=_kept_aside(path, f"{type(error).__name__}: {error}"))


def _kept_aside(path: Path, reason: str) -> str:
    aside = path.with_name(f"{path.name}.damaged")
    told = f"The list of jobs in {path} cannot be read ({reason}): it starts empty"
    try:
        path.replace(aside)
    except OSError as error:
        return f"{told}, and the file could not be kept ({error.strerror})"
    return f"{told}; the file is kept as {aside.name}, and all results are where they were"


def _jobs_of(raw: Any) -> tuple[Job, ...]:
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise ValueError(f"not of the format {SCHEMA}")
    jobs = tuple(_job_of(item) for item in _of(list, raw["jobs"]))
    if len({job.job_id for job in jobs}) < len(jobs):
        raise ValueError("two jobs have one id")
    return jobs


def _job_of(raw: Any) -> Job:
    item: dict[str, Any] = dict(_of(dict, raw))
    fields = {field.name for field in dataclasses.fields(Job)}
    if set(item) != fields:
        raise ValueError(f"a job has the fields {', '.join(sorted(set(item) ^ fields))} too much or too little")
    engine, result = item["engine"], item["result"]
    return Job(
        job_id=_of(int, item["job_id"]),
        spec=_of(str, item["spec"]),
        folder=Path(_of(str, item["folder"])),
        preset=_of(str, item["preset"]),
        totals={name: _count(count) for name, count in _of(dict, item["totals"]).items()},
        state=JobState(item["state"]),
        done=_count(item["done"]) or 0,
        total=_count(item["total"]),
        tries=_count(item["tries"]) or 0,
        engine=None if engine is None else _engine_of(_of(dict, engine)),
        afresh=_of(bool, item["afresh"]),
        result=None if result is None else _result_of(_of(dict, result)),
        fault=_of(str, item["fault"]),
    )


def _engine_of(raw: dict[str, Any]) -> EngineChoice:
    backend, tracker = raw["backend"], raw["tracker"]
    if tracker not in get_args(TrackerName):
        raise ValueError(f"there is no tracker {tracker!r}")
    return EngineChoice(None if backend is None else _of(str, backend), tracker, _of(int, raw["threads"]))


def _result_of(raw: dict[str, Any]) -> JobResult:
    return JobResult(_of(int, raw["frames"]), _of(int, raw["faces"]), _of(int, raw["rows"]))


def _count(raw: Any) -> int | None:
    if raw is not None and _of(int, raw) < 0:
        raise ValueError(f"{raw} frames")
    return None if raw is None else int(raw)


def _of(kind: type, raw: Any) -> Any:
    if type(raw) is not kind:
        raise TypeError(f"{raw!r:.40} is not {kind.__name__}")
    return raw
