"""Small pictures of the faces of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from app.session.rows import FaceRow
from engine.types import UInt8

#: Margin around the box of the mesh, as a share of its larger side.
_MARGIN: Final = 0.12


def face_thumbnails(image: UInt8, rows: Sequence[FaceRow], side_px: int) -> dict[int, UInt8]:
    """Cut each face out of its frame.

    Args:
        image: (H, W, 3) RGB.
        rows: of the same frame, in its pixels.
        side_px: side of the pictures.

    Returns:
        A contiguous (side_px, side_px, 3) picture by face id; none for a box that lies outside the image.
    """
    found = {}
    for row in rows:
        if row.face_id is None or row.x is None or row.y is None or row.w is None or row.h is None:
            continue
        half = max((0.5 + _MARGIN) * max(row.w, row.h), 1.0)
        x, y = row.x + row.w / 2, row.y + row.h / 2
        left, top = max(round(x - half), 0), max(round(y - half), 0)
        part = image[top : max(round(y + half), 0), left : max(round(x + half), 0)]
        if part.size:
            picture = cv2.resize(part, (side_px, side_px), interpolation=cv2.INTER_AREA)
            found[row.face_id] = np.ascontiguousarray(picture, np.uint8)
    return found
