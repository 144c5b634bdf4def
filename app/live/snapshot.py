"""Saving one picture with its overlay as PNG, in the size of its source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2

from app.overlay.overlay import Overlay, OverlayParts, present
from app.session.rows import FaceRow, SessionHeader
from app.session.table import written_whole
from engine.errors import OutputError, Remedy
from engine.types import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What is to be saved."""

    folder: Path
    frame: Frame
    rows: tuple[FaceRow, ...]  # of the frame
    header: SessionHeader
    parts: OverlayParts
    taken: datetime


def save_snapshot(snapshot: Snapshot) -> Path:
    """Write ``mien-<time>.png`` whole or not at all; the standing line is always on it, since it leaves the window.

    Raises:
        OutputError: the folder cannot be written.
    """
    image = snapshot.frame.image
    parts = OverlayParts(snapshot.parts.boxes, snapshot.parts.chips, snapshot.parts.units, disclaimer=True)
    picture = present(image, snapshot.rows, Overlay(snapshot.header, parts), (image.shape[1], image.shape[0]))
    encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    path = snapshot.folder / f"mien-{snapshot.taken:%Y%m%d-%H%M%S-%f}.png"
    try:
        snapshot.folder.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            part.write_bytes(encoded.tobytes())
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", Remedy.FREE_SPACE_OR_OTHER_FOLDER) from error
    except OutputError as error:
        error.remedy = Remedy.FREE_SPACE_OR_OTHER_FOLDER
        raise
    return path
