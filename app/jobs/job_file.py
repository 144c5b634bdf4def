"""The file that keeps the job queue between runs of the program."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from app.jobs.job_queue import Job, JobPart
from app.remedies import output_errors
from engine.files import write_text
from engine.records import json_text, load_json, read_record

_Schema: TypeAlias = Literal["mien-jobs/1"]
#: Format of the file; no other is read.
SCHEMA: Final[_Schema] = "mien-jobs/1"


@dataclass(frozen=True, slots=True)
class SavedJobs:
    """The jobs of the file."""

    jobs: tuple[Job, ...] = ()
    fault: str = ""  # a sentence if the file cannot be used


@dataclass(frozen=True, slots=True)
class _QueueFile:
    """Content of the file. ValueError if two jobs have the same id."""

    schema: _Schema
    jobs: tuple[Job, ...]

    def __post_init__(self) -> None:
        if len({job.job_id for job in self.jobs}) < len(self.jobs):
            raise ValueError("two jobs have the same id")


def write_jobs(path: Path, jobs: tuple[Job, ...]) -> None:
    """Write the jobs atomically, creating the folder.

    Raises:
        OutputError: the file cannot be written; its previous content is unchanged.
    """
    with output_errors(path):
        write_text(path, json_text(_QueueFile(SCHEMA, jobs)))


def peek_jobs(path: Path) -> SavedJobs:
    """Read the jobs of a queue that another program writes; none if the file cannot be used, which stays as it is."""
    try:
        return SavedJobs(_read(path).jobs)
    except (FileNotFoundError, ValueError):
        return SavedJobs()


def read_jobs(path: Path) -> SavedJobs:
    """Read the jobs; none if there is no file.

    A file that cannot be used is renamed to end in ``.damaged``, replacing an earlier one of that name.
    """
    try:
        return SavedJobs(_read(path).jobs)
    except FileNotFoundError:
        return SavedJobs()
    except ValueError as error:
        return SavedJobs(fault=_set_aside(path, str(error)))


def _read(path: Path) -> _QueueFile:
    """Read the file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be used.
    """
    raw = load_json(path)
    if isinstance(raw, dict) and isinstance(raw.get("jobs"), list):
        for job in raw["jobs"]:
            if isinstance(job, dict):  # files have a part since jobs can be of a part of their source
                part = job.setdefault("part", dataclasses.asdict(JobPart()))
                if isinstance(part, dict):
                    part.setdefault("baseline", False)
    return read_record(_QueueFile, raw, require_all=True)


def _set_aside(path: Path, reason: str) -> str:
    """Rename a damaged file; return the sentence for the user."""
    aside = path.with_name(f"{path.name}.damaged")
    problem = f"The saved queue cannot be read ({reason}) and starts empty"
    try:
        path.replace(aside)
    except OSError as error:
        return f"{problem}; the damaged file could not be renamed ({error.strerror})"
    return f"{problem}; the damaged file is kept as {aside.name}, and all results are unchanged"
