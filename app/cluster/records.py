"""What travels between the program and its workers, as JSON: nothing is pickled."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal, TypeVar

from app.annotate import AnnotateOptions
from app.batch import ItemState
from app.session.table import TableCounts
from engine.config import EngineConfig, TrackerName
from engine.records import read_record

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class WorkerChoice:
    """Who annotates."""

    count: int | None  # None = one for each CPU of the cluster
    on: Literal["ray"] | None = None  # None = processes of this machine
    address: str | None = None  # of the cluster
    gpus: float = 0.0  # share of a GPU for each actor


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What all sources of a batch have in common."""

    options: AnnotateOptions
    settings: EngineConfig
    tracker: TrackerName
    formats: tuple[str, ...] = ()  # of exports, written to each session
    recursive: bool = False  # images of subfolders belong to the source of their folder


@dataclass(frozen=True, slots=True)
class Item:
    """One source, and the folder of its session."""

    place: int  # in the batch, from 0
    spec: str  # a path, or an address that fsspec reads
    folder: str  # likewise
    file: str | None = None  # see GivenSource
    size_bytes: int | None = None
    again: bool = False  # an earlier worker failed or was lost with it

    @property
    def weight(self) -> int:
        """Share of the batch, for the ETA: a video takes time in proportion to its size."""
        return max(self.size_bytes or 0, 1)


@dataclass(frozen=True, slots=True)
class Report:
    """How a source ended."""

    place: int
    state: ItemState
    counts: TableCounts | None = None
    fault: str | None = None  # what part of the source was lost
    problem: str = ""  # with its remedy on the command line
    is_bug: bool = False
    traceback: str = ""  # of a bug, or what the cluster reports about a lost worker
    blocks: bool = False  # every other source would fail too
    remarks: tuple[str, ...] = ()  # of its exports
    written: tuple[str, ...] = ()  # files of its exports; of a session at an address, all its files


@dataclass(frozen=True, slots=True)
class Progressed:
    """A worker has analysed ``done`` of ``total`` frames of its source; None if the total is unknown."""

    worker: int
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A source of a worker has ended."""

    worker: int
    report: Report


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker has ended unexpectedly, with the source that it had."""

    worker: int
    reason: str
    detail: str = ""  # several lines, such as a traceback


def to_json(record: WorkerSetup | Item | Report) -> str:
    """A record as one line."""
    return json.dumps(dataclasses.asdict(record), default=str, allow_nan=False)


def from_json(kind: type[_Record], text: str | bytes) -> _Record:
    """The record of a line.

    Raises:
        ValueError: it is not one.
    """
    return read_record(kind, json.loads(text))
