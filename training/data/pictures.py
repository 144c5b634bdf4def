"""From a list of labelled picture files to faces in the canonical view, in parts: only the crops stay in memory.

Colour pictures become grey. A picture, or the publisher's box in it, becomes a square; there the mesh network finds the
face and the engine's alignment cuts the view, as for FER2013. Where the network sees no face, the mean mesh stands in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.alignment import align_face, view
from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from engine.types import MESH_POINTS, Float32, UInt8
from training.data.labelled import LabelledFaces
from training.data.meshes import MIN_PRESENCE, mean_mesh, meshes_of

#: Pictures that are in memory at a time, at most 64 KiB each.
_PART: Final = 4000
#: Processes that look for meshes, as far as the machine has cores.
_WORKERS: Final = 8
#: Larger squares are shrunk to this side: the crop has 96 px, the mesh network reads 192.
_LARGEST_PX: Final = 256
#: The square is this much larger than a publisher's box, so that a turned face keeps its real surroundings ...
_BOX_MARGIN: Final = 1.4
#: ... and this much larger than the box is the framing of FER2013 (FER2013's eyes stand 0.36 of the side apart, those
#: of a detector's box about 0.4).
_BOX_FRAMING: Final = 1.1


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One face in a file."""

    path: Path
    name: str
    label: int  # index into EXPRESSIONS
    box: tuple[int, int, int, int] | None = None  # x0 y0 x1 y1 in pixels; None: the picture holds little but the face


def expression_of(text: str, labels: Sequence[str], first: int, where: str) -> int:
    """Index into EXPRESSIONS of a publisher's label number, or -1 where that label is no expression.

    ``labels`` are the publisher's labels in our words, numbered from ``first``.

    Raises:
        SourceError: the label is no number of the list; ``where`` names the file and the line.
    """
    number = int(text) - first if text.isdecimal() else -1
    if not 0 <= number < len(labels):
        raise SourceError(f"{where}: unknown label {text!r}; labels are {first} to {first + len(labels) - 1}")
    name = labels[number]
    return EXPRESSIONS.index(name) if name in EXPRESSIONS else -1


def need_split(split: str, splits: Sequence[str], data: str) -> None:
    """Refuse a split that the publisher does not have.

    Raises:
        SourceError: always then.
    """
    if split not in splits:
        raise SourceError(f"{data} has no split {split!r}: use {' or '.join(splits)}")


def list_lines(path: Path) -> list[str]:
    """Lines of a publisher's list.

    Raises:
        SourceError: it is missing.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: point to the folder in the publisher's layout") from None


def read_pictures(
    pictures: Sequence[LabelledPicture], cache: Path, side_px: int, report: Callable[[str], None] | None = None
) -> LabelledFaces:
    """Read, align and crop; files that are missing or broken are left out and named.

    ``report`` gets a line per 4,000 pictures; ``cache`` keeps the meshes, so that a second reading is fast.

    Raises:
        SourceError: the list is empty, no picture can be read, or the mesh network sees a face in none of the first.
        FaceModelError: the mesh network is not on this machine.
    """
    if not pictures:
        raise SourceError("the data set lists no picture with an expression: is the folder complete?")
    count = len(pictures)
    crops = np.zeros((count, side_px, side_px), np.uint8)
    landmarks = np.zeros((count, MESH_POINTS, 2), np.float32)
    presence = np.zeros(count, np.float32)
    readable = np.zeros(count, np.bool_)
    stand_in: Float32 | None = None
    parts = -(-count // _PART)
    for part in range(parts):
        rows = [row for row in range(part, count, parts)]  # every part holds all classes, also in sorted lists
        squares = [_square(pictures[row]) for row in rows]
        found = [(row, square) for row, square in zip(rows, squares, strict=True) if square is not None]
        if not found:
            continue
        points, sure = meshes_of([square for _, square in found], cache, min(_WORKERS, os.cpu_count() or 1))
        if stand_in is None:
            stand_in = _stand_in(points[sure >= MIN_PRESENCE], pictures[found[0][0]])
        for (row, square), mesh, certain in zip(found, points, sure, strict=True):
            shape = mesh if certain >= MIN_PRESENCE else _framed(stand_in, pictures[row])
            crop, landmarks[row], _ = align_face(square, shape * len(square))
            crops[row], presence[row], readable[row] = view(crop, side_px), certain, True
        if report is not None and parts > 1:
            report(f"{readable.sum()} of {count} pictures read")
    if stand_in is None:
        raise SourceError(f"none of {count} pictures can be read, first {pictures[0].path}: is the data set unpacked?")
    labels = np.array([picture.label for picture in pictures])[readable]
    return LabelledFaces(
        crops=crops[readable],
        landmarks=landmarks[readable],
        targets=np.eye(len(EXPRESSIONS), dtype=np.float32)[labels],
        labels=labels,
        presence=presence[readable],
        names=np.array([picture.name for picture in pictures])[readable],
        unreadable=tuple(picture.name for picture, good in zip(pictures, readable, strict=True) if not good),
    )


def _stand_in(points: Float32, first: LabelledPicture) -> Float32:
    if not len(points):
        raise SourceError(f"the mesh network sees no face in the first pictures, such as {first.path}: are they faces?")
    return mean_mesh(points)


def _framed(stand_in: Float32, picture: LabelledPicture) -> Float32:
    """The mean mesh at the place in the square where the picture's own framing puts the face."""
    share = 1.0 if picture.box is None else _BOX_FRAMING / _BOX_MARGIN
    return np.asarray(0.5 + (stand_in - 0.5) * share, np.float32)


def _square(picture: LabelledPicture) -> UInt8 | None:
    """The face's square, grey (S, S) with S <= 256; None where the file is missing, broken or ends before the box."""
    try:
        content = np.frombuffer(picture.path.read_bytes(), np.uint8)
    except OSError:
        return None
    try:
        grey = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # an empty file, or a picture beyond OpenCV's limits
        return None
    if grey is None:
        return None
    height, width = grey.shape
    x0, y0, x1, y1 = picture.box or (0, 0, width, height)
    side = max(x1 - x0, y1 - y0)
    if picture.box is not None:
        side = round(side * _BOX_MARGIN)
    left, top = (x0 + x1 - side) // 2, (y0 + y1 - side) // 2
    inside = grey[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.size == 0:
        return None
    below, right = max(top + side - height, 0), max(left + side - width, 0)
    square = cv2.copyMakeBorder(inside, max(-top, 0), below, max(-left, 0), right, cv2.BORDER_REPLICATE)
    if side > _LARGEST_PX:
        square = cv2.resize(square, (_LARGEST_PX, _LARGEST_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(square, np.uint8)
