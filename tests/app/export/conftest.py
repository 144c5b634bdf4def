"""A session with every state of a face, opened for export."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.export.export import export
from app.export.job import ExportChoice
from app.review.notes import Exclusion, HumanLabel, Marker, Notes
from app.review.session import Session, open_session
from app.session.video import VideoSink
from engine.types import Frame
from tests.fakes.sessions import labelled_face, low_quality_face, write_session

#: Ten frames per second: nobody, happy, happy or surprised with a second face, unlike the training data, dark.
FRAMES = [
    *[()] * 5,
    *[(labelled_face(1, "happiness", level=0.7),)] * 20,
    *[(labelled_face(1, "surprise", "happiness"), labelled_face(2, "neutral", level=0.2))] * 10,
    *[(labelled_face(1),)] * 5,
    *[(low_quality_face(1),)] * 5,
]
NOTES = (
    Notes("Ada")
    .with_label(HumanLabel(1, 0.5, 1.5, "happiness"))
    .with_exclusion(Exclusion(4.0, 4.2))
    .with_marker(Marker(1.0, "=cmd|' /C calc'!A1"))
)

Write = Callable[..., Path]


def csv_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file with a header."""
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    write_session(tmp_path / "run", FRAMES)
    with open_session(tmp_path / "run") as opened:
        yield opened


@pytest.fixture
def write(session: Session, tmp_path: Path) -> Write:
    """Export one format of the session; return the folder."""

    def run(name: str, notes: Notes = NOTES, opened: Session = session, **choice: object) -> Path:
        folder = tmp_path / f"out-{name}"
        export(opened, notes, ExportChoice((name,), **choice), folder, lambda share: None, lambda: False)
        return folder

    return run


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Session]:
    """The session with a video of coarse noise, 160 x 120 pixels."""
    folder = write_session(tmp_path / "recorded", FRAMES)
    rng = np.random.default_rng(7)
    image = np.kron(rng.integers(0, 256, (15, 20, 1), np.uint8), np.ones((8, 8, 3), np.uint8))
    sink = VideoSink(folder.recording, None)
    sink.open()
    for position in range(len(FRAMES)):
        sink.write_rows(Frame(image, position, position / 10, "clip.mp4"), ())
    sink.close(completed=True)
    sink.publish()
    with open_session(folder.path) as opened:
        yield opened
