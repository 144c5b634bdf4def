"""From an analysed frame to the picture that a window shows: fitted into its space first, so that letters are sharp."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from app.overlay.overlay import Overlay
from app.session.rows import FaceRow
from engine.types import UInt8


def present(image: UInt8, rows: Sequence[FaceRow], overlay: Overlay | None, space_px: tuple[int, int]) -> UInt8:
    """The picture (h, w, 3) RGB as large as fits into ``space_px`` (width, height), with the overlay of its rows.

    Args:
        image: (H, W, 3) RGB; not touched.
        rows: of the same frame, in its pixels.
        overlay: None = nothing is drawn over the picture.
        space_px: both 1 or more.
    """
    height, width = image.shape[:2]
    scale = min(space_px[0] / width, space_px[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    if size == (width, height):
        canvas = np.array(image)
    else:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas = np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
    if overlay is not None:
        overlay.draw(canvas, [_scaled(row, size[0] / width, size[1] / height) for row in rows])
    return canvas


def painted_form(picture: UInt8) -> UInt8:
    """The picture (h, w, 3) RGB as (h, w, 4) BGRX, which Qt paints as it is: others it converts while it paints."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA), np.uint8)


def face_at(rows: Sequence[FaceRow], x: float, y: float) -> int | None:
    """Id of the smallest face whose box holds this point of the frame, in pixels; None where there is none."""
    hits = [(row.w * row.h, row.face_id) for row in rows if _holds(row, x, y) and row.w and row.h]
    return min(hits)[1] if hits else None


def _holds(row: FaceRow, x: float, y: float) -> bool:
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return False
    return row.x <= x <= row.x + row.w and row.y <= y <= row.y + row.h


def _scaled(row: FaceRow, x: float, y: float) -> FaceRow:
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return row
    return dataclasses.replace(row, x=row.x * x, y=row.y * y, w=row.w * x, h=row.h * y)
