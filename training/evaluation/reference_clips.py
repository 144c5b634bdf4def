"""Clips with per-frame CSV files of an independent program (OpenFace): frames in which both it and we see one face."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.capture.video_file import VideoFileSource
from engine.config import TrackingConfig
from engine.tracking.tracker import FaceTracker
from engine.types import FaceTrack, Frame

MIN_CONFIDENCE: Final = 0.7
_SUFFIXES: Final = (".mkv", ".mp4", ".gif")
_BOX: Final = ("bx0", "by0", "bx1", "by1")
#: The two boxes are of the same face if their centres are nearer than this share of its size.
_SAME_FACE: Final = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceFrame:
    """One face in one frame."""

    row: dict[str, str]  # of the reference
    frame: Frame
    track: FaceTrack  # ours


def clips_with_reference(media: Path, reference: Path) -> list[tuple[Path, Path]]:
    """Clips below ``media`` and the ``<clip>.csv`` of each in ``reference``; those without one are left out."""
    clips = sorted(path for path in media.rglob("*") if path.suffix in _SUFFIXES)
    pairs = [(clip, reference / f"{clip.stem}.csv") for clip in clips]
    return [(clip, table) for clip, table in pairs if table.is_file()]


def reference_frames(clip: Path, table: Path) -> Iterator[ReferenceFrame]:
    """Track a clip; yields the frames in which the reference is confident and a track of ours is at its place.

    Raises:
        SourceError: the clip cannot be read.
        FaceModelError: a face network is not on this machine.
    """
    rows = confident_rows(table)
    tracker = FaceTracker(TrackingConfig())
    with VideoFileSource(clip) as source:
        while (frame := source.read()) is not None:
            tracks, row = tracker.track(frame), rows.get(frame.index)
            same = [] if row is None else [track for track in tracks if is_same_face(row, track)]
            if row is not None and same:
                yield ReferenceFrame(row, frame, same[0])


def confident_rows(table: Path) -> dict[int, dict[str, str]]:
    """Rows of a reference by frame, without those of which it is not confident."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        int(row["frame"]): row for row in rows if row["success"] == "1" and float(row["confidence"]) >= MIN_CONFIDENCE
    }


def is_same_face(row: dict[str, str], track: FaceTrack) -> bool:
    """Whether a track of ours is at the place of the reference's face."""
    box = np.array([float(row[name]) for name in _BOX])
    size = math.sqrt(float(np.prod(track.box[2:] - track.box[:2])))
    return bool(np.abs(box[:2] + box[2:] - track.box[:2] - track.box[2:]).max() / 2 < _SAME_FACE * size)
