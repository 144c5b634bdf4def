"""Save one frame with its overlay as PNG, in the size of its source."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2

from app.overlay.overlay import Overlay, OverlayParts, present
from app.remedies import output_errors
from app.session.rows import FaceRow, SessionHeader
from engine.errors import Remedy
from engine.files import atomic_write, make_private
from engine.types import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A frame to be saved."""

    folder: Path
    frame: Frame  # already blurred if faces are to be blurred
    rows: tuple[FaceRow, ...]  # of the frame
    header: SessionHeader
    parts: OverlayParts
    taken: datetime


def save_snapshot(snapshot: Snapshot) -> Path:
    """Write ``mien-<time>.png`` atomically; it always has the disclaimer, since it is shown outside the window.

    Raises:
        OutputError: the folder cannot be written.
    """
    image = snapshot.frame.image
    parts = dataclasses.replace(snapshot.parts, disclaimer=True, blur=False)
    annotated = present(image, snapshot.rows, Overlay(snapshot.header, parts), (image.shape[1], image.shape[0]))
    encoded = cv2.imencode(".png", cv2.cvtColor(annotated, cv2.COLOR_RGB2BGR))[1]
    path = snapshot.folder / f"mien-{snapshot.taken:%Y%m%d-%H%M%S-%f}.png"
    with output_errors(path, Remedy.FREE_SPACE_OR_OTHER_FOLDER):
        make_private(snapshot.folder)
        with atomic_write(path) as part:
            part.write_bytes(encoded.tobytes())
    return path
