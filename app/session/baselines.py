"""Neutral baselines of the faces of a session: which frames they come from, their estimation, and their record.

The journal has the values of the model only. A baseline is estimated from it when the session ends, over the whole
track, and subtracted from every row of the face in what is made from the journal. A person is a track here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.session.rows import FaceRow, SessionHeader
from engine.baseline import FrameSample, estimate_baseline, frame_values, looks_neutral
from engine.capture.source import SAME_TIME_S
from engine.capture.time_range import TimeRange, parse_time
from engine.errors import ConfigError
from engine.facs import HIGHEST_INTENSITY
from engine.types import NO_BASELINE, BaselineState, Float32, UnitBaseline

#: The baselines of a recording come from what was shown while it ran.
LIVE: Final = "live"
#: No logit is larger, so no shift is.
MAX_LOGIT: Final = 80.0


@dataclass(frozen=True, slots=True)
class NeutralFrames:
    """Which frames show a neutral face."""

    span_s: tuple[float, float] | None = None  # start and end since the first frame; None: frames accepted as neutral

    @property
    def text(self) -> str:
        """As `parse_baseline` reads it; times in seconds."""
        return "auto" if self.span_s is None else "-".join(f"{time_s:.9g}" for time_s in self.span_s)

    def has(self, row: FaceRow) -> bool:
        """Whether a row counts: its units were estimated, and it is in the range or looks neutral."""
        if not row.occurrence:
            return False
        if self.span_s is None:
            return looks_neutral(row.decision, row.labels)
        start_s, end_s = self.span_s
        return start_s - SAME_TIME_S <= row.time_s < end_s - SAME_TIME_S


@dataclass(frozen=True, slots=True)
class FaceBaseline:
    """The baseline of one face in metadata.json."""

    face_id: int
    state: str  # known or unknown, see BaselineState
    frames: int  # neutral frames that it was estimated from
    shift: tuple[float, ...] = ()  # logits, order of au_codes: what was subtracted; empty if unknown
    error: tuple[float, ...] = ()  # standard error of the shift
    intensity: tuple[float, ...] = ()  # 0-5, what was subtracted from intensities; empty if the model grades none


@dataclass(frozen=True, slots=True)
class SessionBaselines:
    """All baselines of a session in metadata.json."""

    frames: str  # auto, START-END in seconds, or live
    faces: tuple[FaceBaseline, ...]

    def by_face(self) -> dict[int, UnitBaseline]:
        """The baselines by face id."""
        return {face.face_id: _baseline_of(face) for face in self.faces}


def parse_baseline(text: str) -> NeutralFrames | None:
    """The neutral frames that a text names: ``off`` (None), ``auto``, or a range such as ``0:05-0:12``.

    >>> parse_baseline("0:05-12").text
    '5-12'

    Raises:
        ConfigError: it is none of them, or the range is empty.
    """
    if text in ("off", "auto"):
        return None if text == "off" else NeutralFrames()
    start, dash, end = text.partition("-")
    if not dash:
        raise ConfigError(f"{text} is not a baseline: give off, auto, or the times of neutral frames such as 0:05-0:12")
    span_s = parse_time(start), parse_time(end)
    TimeRange(*span_s)  # refuses an empty one
    return NeutralFrames(span_s)


def find_baselines(rows: Iterable[FaceRow], frames: NeutralFrames, usual: Float32) -> dict[int, UnitBaseline]:
    """The baseline of every face in the rows of a session, in memory that is bounded for each face (`FrameSample`).

    ``usual`` (K,) are the model's neutral logits. Faces with too few neutral frames have an unknown baseline.
    """
    samples: defaultdict[int, FrameSample] = defaultdict(FrameSample)
    for row in rows:
        if row.face_id is None:
            continue
        sample = samples[row.face_id]
        if frames.has(row):
            sample.add(frame_values(*(np.array(each, np.float32) for each in (row.occurrence, row.intensity))))
    return {face_id: estimate_baseline(sample, usual) for face_id, sample in samples.items()}


def record_of(frames: str, baselines: Mapping[int, UnitBaseline]) -> SessionBaselines:
    """The record of baselines; six digits, as in the tables."""
    return SessionBaselines(
        frames,
        tuple(
            FaceBaseline(
                face_id, each.state.value, each.frames, *map(_numbers, (each.shift, each.error, each.intensity))
            )
            for face_id, each in sorted(baselines.items())
        ),
    )


def fits(baselines: Mapping[int, UnitBaseline], header: SessionHeader) -> bool:
    """Whether every shift has a value for each unit of a session."""
    return all(each.shift is None or len(each.shift) == len(header.au_codes) for each in baselines.values())


def with_baselines(rows: Iterable[FaceRow], baselines: Mapping[int, UnitBaseline]) -> tuple[FaceRow, ...]:
    """The rows with the baselines of their faces; faces without one are left as they are."""
    return tuple(
        row if row.face_id is None else row.with_baseline(baselines.get(row.face_id, NO_BASELINE)) for row in rows
    )


def _numbers(values: Float32 | None) -> tuple[float, ...]:
    return () if values is None else tuple(float(format(value, ".6g")) for value in values.tolist())


def _baseline_of(face: FaceBaseline) -> UnitBaseline:
    is_sound = (
        len(face.shift) == len(face.error)
        and len(face.intensity) in (0, len(face.shift))  # sessions of earlier versions have none
        and all(abs(value) <= MAX_LOGIT for value in face.shift + face.error)
        and all(0 <= value <= HIGHEST_INTENSITY for value in face.intensity)
    )
    if face.state != BaselineState.KNOWN.value or not is_sound:  # a file may hold anything
        return UnitBaseline(BaselineState.UNKNOWN, face.frames)
    shift, error, intensity = (np.array(each, np.float32) for each in (face.shift, face.error, face.intensity))
    return UnitBaseline(BaselineState.KNOWN, face.frames, shift, error, intensity if face.intensity else None)
