"""Short clips of a face, and what a batch with workers needs."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.annotate import AnnotateOptions
from app.cluster.records import Item, Report, WorkerSetup
from engine.backends.model_file import model_path
from engine.config import EngineConfig
from engine.errors import EngineError

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def models(face_models: None) -> None:
    """The trained models of the checkout."""
    try:
        for task in ("expression", "action_units"):
            model_path(task)
    except EngineError as error:
        pytest.skip(f"needs the trained models: {error}")


def write_face_clips(folder: Path, count: int, frames: int = 10) -> list[Path]:
    """Clips of 320 x 240 with the face of the demo, at another place in each."""
    portrait = cv2.imread(str(ROOT / "assets" / "demo" / "portrait.jpg"), cv2.IMREAD_COLOR_RGB)
    face = cv2.resize(portrait, (200, 200 * portrait.shape[0] // portrait.shape[1]))[:240]
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"clip{number:04d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for step in range(frames):
                image = np.full((240, 320, 3), 20 * number % 255, np.uint8)
                left = (10 * number + step) % 120
                image[: len(face), left : left + 200] = face
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = step, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return paths


def setup_of(**options: bool) -> WorkerSetup:
    return WorkerSetup(AnnotateOptions("1", video=False, **options), EngineConfig(), "litert")


def items_of(paths: list[Path], out: Path) -> list[Item]:
    return [
        Item(place, str(path), str(out / path.stem), size_bytes=path.stat().st_size) for place, path in enumerate(paths)
    ]


def table_of(session: Path | str) -> list[dict[str, str]]:
    """Rows without the one column that differs from run to run."""
    with (Path(session) / "faces.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        del row["latency_ms"]
    return rows


@dataclass
class Recorder:
    """A BatchListener that remembers; ``on_progress`` is called with each report of progress."""

    on_progress: Callable[[Item], None] = lambda item: None
    losses: list[int] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    def progress(self, item: Item, share: float) -> None:
        assert 0 <= share <= 1
        self.on_progress(item)

    def lost(self, item: Item, reason: str) -> None:
        self.losses.append(item.place)

    def ended(self, item: Item, report: Report) -> None:
        assert item.place == report.place
        self.reports.append(report)


class Killer:
    """Kills the process that holds the session of an item, once."""

    def __init__(self) -> None:
        self.killed: int | None = None

    def __call__(self, item: Item) -> None:
        if self.killed is None:
            lock = Path(item.folder) / "session.lock"
            try:
                pid = json.loads(lock.read_text())["pid"]
            except (OSError, ValueError):
                return
            assert pid != os.getpid()
            os.kill(pid, signal.SIGKILL)
            self.killed = item.place
