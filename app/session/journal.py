"""What is kept of every analysed frame: one row per face, and the journal that is written while a run goes on.

The journal (JSON Lines) starts with a header line that holds what is the same for all rows. Then follow, in the order
of the frames, one line per frame with its rows and, about once per second of video, one line with the state of the
pipeline. A run that broke off continues behind the last state line and so gives the same table as one that did not.

What stands in a row: a face that is seen badly (``low_quality``) has its place, quality and head pose and nothing
else; a face unlike the training data (``reject``) has also the uncertainties that say so. Labels, probabilities and
action units of both stay empty: they are not assessed. A frame without a face has one row, ``no_face``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any, Final, Protocol

from engine.errors import OutputError
from engine.types import FaceResult, Frame, FrameResult, Reason, Route

#: Version of the journal's form; 2 says which action units are trusted.
JOURNAL_FORMAT: Final = 2
#: Seconds of video between two states of the pipeline in the journal, and of wall time between two fsyncs.
SNAPSHOT_EVERY_S: Final = 1.0
SYNC_EVERY_S: Final = 1.0

NO_FACE: Final = "no_face"
LOW_QUALITY: Final = "low_quality"


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What is the same for every row of a run."""

    source_id: str
    app_version: str
    model_sha256: str  # of the expression model; both models stand in metadata.json
    expressions: tuple[str, ...]  # order of FaceRow.probabilities
    au_codes: tuple[int, ...]  # order of FaceRow.occurrence
    au_thresholds: tuple[float, ...]  # occurrence above which a unit counts as present
    au_trusted: tuple[int, ...]  # those of au_codes that may be built on; the others are shown greyed and marked
    tau_accept: float  # nats of aleatoric uncertainty; above it a face is ambiguous
    tau_ood: float  # on the scale of ood_score; above it a face is not assessed
    settings: dict[str, str] = field(default_factory=dict)  # must be the same for a resumed run


@dataclass(frozen=True, slots=True)
class FaceRow:
    """One face of one analysed frame; None and empty tuples mean "not computed". Floats have 6 significant digits."""

    frame: int
    pts_s: float | None
    time_s: float
    decision: str  # accept, ambiguous, reject, low_quality or no_face
    latency_ms: float  # processing time of the whole frame
    face_id: int | None = None
    x: float | None = None  # left edge of the box, frame pixels
    y: float | None = None
    w: float | None = None
    h: float | None = None
    det_score: float | None = None
    quality: float | None = None
    quality_reasons: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # the labels shown, likeliest first: one for accept, two or more for ambiguous
    shares: tuple[float, ...] = ()  # their calibrated probabilities, averaged over time as the decision is
    probabilities: tuple[float, ...] = ()  # of this frame alone, order of RunHeader.expressions
    ood_score: float | None = None
    aleatoric: float | None = None  # nats
    epistemic: float | None = None  # nats
    occurrence: tuple[float, ...] = ()  # order of RunHeader.au_codes
    occurrence_std: tuple[float, ...] = ()
    yaw: float | None = None  # degrees
    pitch: float | None = None
    roll: float | None = None


#: Order of a row in the journal.
ROW_FIELDS: Final = tuple(item.name for item in fields(FaceRow))


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One frame of a journal."""

    frame: int
    stage_ms: tuple[float, ...]  # tracking, alignment, expression, action units, routing
    rows: tuple[FaceRow, ...]


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a broken run can go on."""

    frame: int  # the last frame that is kept
    snapshot: str  # state of the pipeline after it
    length: int  # bytes of the journal up to and with the state line


def rows_of(result: FrameResult) -> tuple[FaceRow, ...]:
    """The rows of one analysed frame: one per face, or a single one that says that there is no face."""
    if not result.faces:
        frame = result.frame
        total_ms = _digits(result.times.total_ms)
        return (FaceRow(frame.index, _seconds(frame.pts_s), round(frame.timestamp_s, 6), NO_FACE, total_ms),)
    return tuple(_face_row(result, face) for face in result.faces)


def _face_row(result: FrameResult, face: FaceResult) -> FaceRow:
    frame, track, quality = result.frame, face.track, face.aligned.quality
    decision = face.decision
    seen = decision.reason is not Reason.LOW_QUALITY
    assessed = decision.route is not Route.REJECT
    x0, y0, x1, y1 = (float(value) for value in track.box)
    return FaceRow(
        frame=frame.index,
        pts_s=_seconds(frame.pts_s),
        time_s=round(frame.timestamp_s, 6),
        face_id=track.track_id,
        x=_digits(x0),
        y=_digits(y0),
        w=_digits(x1 - x0),
        h=_digits(y1 - y0),
        det_score=_digits(track.score),
        quality=_digits(quality.score),
        quality_reasons=tuple(reason.value for reason in quality.reasons),
        decision=decision.route.value if seen else LOW_QUALITY,
        labels=decision.labels,
        shares=tuple(map(_digits, decision.shares)),
        probabilities=tuple(map(_digits, face.expression.probabilities.tolist())) if assessed else (),
        ood_score=_digits(face.uncertainty.ood_score) if seen else None,
        aleatoric=_digits(face.uncertainty.aleatoric) if seen else None,
        epistemic=_digits(face.uncertainty.epistemic) if seen else None,
        occurrence=tuple(map(_digits, face.action_units.occurrence.tolist())) if assessed else (),
        occurrence_std=tuple(map(_digits, face.action_units.occurrence_std.tolist())) if assessed else (),
        yaw=_digits(track.pose.yaw_deg),
        pitch=_digits(track.pose.pitch_deg),
        roll=_digits(track.pose.roll_deg),
        latency_ms=_digits(result.times.total_ms),
    )


def _digits(value: float) -> float:
    """Six significant digits: what a float32 holds, and the same in the journal and in every table."""
    return float(format(value, ".6g"))


def _seconds(value: float | None) -> float | None:
    """Microseconds: enough for a film of many hours, where six digits would not be."""
    return None if value is None else round(value, 6)


class SnapshotPipeline(Protocol):
    """A pipeline whose state can be written down."""

    def process(self, frame: Frame) -> FrameResult:
        """The result for one frame."""

    def snapshot(self) -> str:
        """State after the last frame."""


class JournaledPipeline:
    """A pipeline that hands its state along with a result about once per second of video.

    The state is taken on the inference thread right after its frame, since the recorder lags behind that thread.
    """

    def __init__(self, pipeline: SnapshotPipeline) -> None:
        self._pipeline = pipeline
        self._last_s: float | None = None  # time of the last frame with a state

    def process(self, frame: Frame) -> FrameResult:
        """Result of the pipeline, with its state when one is due."""
        result = self._pipeline.process(frame)
        if self._last_s is None:
            self._last_s = frame.timestamp_s
        if frame.timestamp_s - self._last_s < SNAPSHOT_EVERY_S:
            return result
        self._last_s = frame.timestamp_s
        return FrameResult(result.frame, result.faces, result.times, self._pipeline.snapshot())


class JournalSink:
    """Writes the journal: flushed after every frame, on the disk within a second."""

    def __init__(self, path: Path, header: RunHeader, resume: ResumePoint | None = None) -> None:
        self._path = path
        self._header = header
        self._resume = resume
        self._file: IO[str] | None = None
        self._synced = 0.0

    def open(self) -> None:
        """Start the journal, or cut it behind the resume point and go on there.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            if self._resume is None:
                self._file = self._path.open("w", encoding="utf-8")
                self._put({"journal": JOURNAL_FORMAT, "header": _as_json(self._header), "fields": list(ROW_FIELDS)})
            else:
                os.truncate(self._path, self._resume.length)
                self._file = self._path.open("a", encoding="utf-8")
                self._put({"resumed_at": self._resume.frame + 1})
            self._file.flush()
        except OSError as error:
            raise write_failed(self._path, error) from error

    def write(self, result: FrameResult) -> None:
        """Add a frame.

        Raises:
            OutputError: the disk is full or gone; all frames before this one stay readable.
        """
        times, rows = result.times, rows_of(result)
        stages = (times.tracking_ms, times.alignment_ms, times.expression_ms, times.action_units_ms, times.routing_ms)
        line = {
            "frame": result.frame.index,
            "ms": [round(value, 3) for value in stages],
            "rows": [_as_list(row) for row in rows],
        }
        try:
            self._put(line)
            if result.snapshot is not None:
                self._put({"frame": result.frame.index, "snapshot": result.snapshot})
            self._flush()
        except OSError as error:
            raise write_failed(self._path, error) from error

    def close(self, completed: bool) -> None:
        """Bring all to the disk; a run that was not completed can go on from there.

        Raises:
            OutputError: the last frames cannot be written.
        """
        handle, self._file = self._file, None
        if handle is None:
            return
        try:
            with handle:
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise write_failed(self._path, error) from error

    def _put(self, line: dict[str, Any]) -> None:
        if self._file is None:
            raise OutputError(f"{self._path} is not open: call open() before write()")
        self._file.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")

    def _flush(self) -> None:
        if self._file is None:
            return
        self._file.flush()
        now = time.monotonic()
        if now - self._synced >= SYNC_EVERY_S:
            os.fsync(self._file.fileno())
            self._synced = now


def read_header(path: Path) -> RunHeader:
    """The header of a journal.

    Raises:
        OutputError: no journal of this version.
    """
    first = next((line for line, _ in _lines(path)), None)
    if first is None or first.get("journal") != JOURNAL_FORMAT or first.get("fields") != list(ROW_FIELDS):
        raise _no_journal(path)
    raw: Any = first.get("header")
    try:
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
        return RunHeader(**values)
    except (AttributeError, TypeError) as error:
        raise _no_journal(path) from error


def read_journal(path: Path) -> Iterator[JournalEntry]:
    """The frames of a journal in their order; a last line that was not written whole is left out.

    Raises:
        OutputError: the file cannot be read, or a line inside it is damaged.
    """
    for line, _ in _lines(path):
        if "rows" in line:
            yield JournalEntry(line["frame"], tuple(line["ms"]), tuple(map(_as_row, line["rows"])))


def resumed_frames(path: Path) -> list[int]:
    """First frame of every resumed part of a journal."""
    return [line["resumed_at"] for line, _ in _lines(path) if "resumed_at" in line]


def find_resume_point(path: Path) -> ResumePoint | None:
    """The last state line of a journal; None when it has none, so that the run starts again.

    Raises:
        OutputError: the file cannot be read, or a line inside it is damaged.
    """
    last = None
    for line, length in _lines(path):
        if "snapshot" in line:
            last = ResumePoint(line["frame"], line["snapshot"], length)
    return last


def write_failed(path: Path, error: OSError) -> OutputError:
    """The error for a file that cannot be written: what, why, and what to do."""
    reason = error.strerror or str(error)
    return OutputError(f"{path} cannot be written ({reason}): free space or choose another --out, then use --resume")


def _no_journal(path: Path) -> OutputError:
    return OutputError(f"{path} is no journal that this version reads: use --force to start again")


def _as_list(row: FaceRow) -> list[Any]:
    return [getattr(row, name) for name in ROW_FIELDS]


def _as_row(raw: list[Any]) -> FaceRow:
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in raw]
    return FaceRow(*values)


def _as_json(header: RunHeader) -> dict[str, Any]:
    return {item.name: getattr(header, item.name) for item in fields(header)}


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Whole lines with the file's length up to and with each."""
    length = 0
    try:
        with path.open("rb") as handle:
            for raw in handle:
                length += len(raw)
                line = _parse(raw)
                if line is None:
                    if handle.read(1):
                        raise OutputError(f"{path} is damaged at byte {length - len(raw)}: use --force to start again")
                    return
                yield line, length
    except OSError as error:
        raise OutputError(f"{path} cannot be read ({error.strerror}): use --force to start again") from error


def _parse(raw: bytes) -> dict[str, Any] | None:
    """A line as JSON; None when it was not written whole."""
    if not raw.endswith(b"\n"):
        return None
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None
