"""Runs written by the engine's own writers, frame by frame as a test tells them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.review.synthetic_session import made_header
from app.session.folder import SessionFolder
from app.session.journal import JournalSink
from app.session.metadata import Metadata, SourceRecord, write_metadata
from app.session.table import write_tables
from engine.facs import OPEN_UNITS
from engine.types import FaceQuality, FaceResult, Frame, FrameResult, QualityReason, Reason, Route, StageTimes
from tests.app.made import make_face

UNITS = len(OPEN_UNITS)
IMAGE = np.zeros((4, 4, 3), np.uint8)


def face(face_id: int, *labels: str, level: float = 0.5) -> FaceResult:
    """One label: accepted; more: they compete; none: unlike the training data. ``level`` = occurrence of all units."""
    route = (Route.REJECT, Route.ACCEPT)[len(labels)] if len(labels) < 2 else Route.AMBIGUOUS
    reason = {
        Route.ACCEPT: Reason.CLEAR,
        Route.AMBIGUOUS: Reason.COMPETING_LABELS,
        Route.REJECT: Reason.UNLIKE_TRAINING_DATA,
    }
    shares = tuple(0.6 / 2**place for place in range(len(labels)))
    return make_face(
        route, reason[route], labels, shares, track_id=face_id, units=OPEN_UNITS, occurrence=(level,) * UNITS
    )


def badly_seen(face_id: int) -> FaceResult:
    bad = FaceQuality(0.2, (QualityReason.DARK,))
    return make_face(
        Route.REJECT, Reason.LOW_QUALITY, (), (), face_id, quality=bad, units=OPEN_UNITS, occurrence=(0.5,) * UNITS
    )


def write_run(
    path: Path,
    frames: Sequence[tuple[FaceResult, ...]],
    *,
    times_s: Sequence[float] | None = None,
    indices: Sequence[int] | None = None,
    pts_from_s: float | None = 100.0,
    state_bytes: int = 0,
    tables: bool = True,
    completed: bool = True,
    source: str = "made.mp4",
    kind: str = "video",
    mark: str = "",
) -> SessionFolder:
    """A folder as a run leaves it; 10 frames per second, presentation times from ``pts_from_s`` on."""
    folder = SessionFolder(path)
    folder.make()
    header = dataclasses.replace(made_header(), source_id=Path(source).name, settings={"source file": mark})
    sink = JournalSink(folder.journal, header)
    sink.open()
    for place, faces in enumerate(frames):
        time_s = place / 10 if times_s is None else times_s[place]
        frame = Frame(
            IMAGE,
            place if indices is None else indices[place],
            time_s,
            header.source_id,
            None if pts_from_s is None else pts_from_s + time_s,
        )
        state = "s" * state_bytes if state_bytes and place % 10 == 9 else None
        sink.write(FrameResult(frame, faces, StageTimes(1.0, 0.5, 2.0, 1.25, 0.25), state))
    sink.close(completed=True)
    if tables:
        write_tables(folder.journal, folder.csv, folder.parquet)
    write_metadata(
        folder.metadata,
        Metadata(
            SourceRecord(source, kind, None, 160, 120, 10.0, "cfr"),
            header.app_version,
            (),
            {},
            {},
            header.expressions,
            header.au_codes,
            header.au_trusted,
            "made",
            {},
            "2024-01-01T00:00:00+00:00",
            completed=completed,
        ),
    )
    return folder
