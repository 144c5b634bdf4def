"""Faces with expression labels, and how they are cropped from a list of image files.

Images are read in parts; only the crops stay in memory. Colour becomes grey. An image, or the publisher's box in it,
becomes a square; there the mesh network finds the face and the engine's alignment crops the canonical view, as for
FER2013. Where the network finds no face, a mean mesh is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.alignment import align_face, view
from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from engine.types import MESH_POINTS, Float32, Int64, UInt8
from training.data.meshes import MIN_PRESENCE, mean_mesh, meshes_of

#: Images in memory at a time, at most 64 KiB each.
_PART: Final = 4000
#: Most processes that find meshes; at most one per core.
_WORKERS: Final = 8
#: Larger squares are shrunk to this side: the crop has 96 px, the mesh network reads 192.
_LARGEST_PX: Final = 256
#: The square is this much larger than a publisher's box, so that a turned face keeps its real surroundings ...
_BOX_MARGIN: Final = 1.4
#: ... and this much larger than the box is the framing of FER2013 (eyes 0.36 of the side apart;
#: about 0.4 in a detector's box).
_BOX_FRAMING: Final = 1.1


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """Faces of one split in the canonical view with their labels; every reader of expression data returns them."""

    crops: UInt8  # (N, S, S) grey
    landmarks: Float32  # (N, 468, 2) 0-1 of the crop
    targets: Float32  # (N, 8) shares over EXPRESSIONS; one-hot where the publisher gives one label
    labels: Int64  # (N,) index into EXPRESSIONS; -1 where votes name no clear class
    presence: Float32  # (N,) of the mesh network; below MIN_PRESENCE a mean mesh was used
    names: npt.NDArray[np.str_]  # (N,) the publisher's names of the images
    unreadable: tuple[str, ...] = ()  # names of missing or broken images, which are left out

    def __post_init__(self) -> None:
        """Check the lengths.

        Raises:
            ValueError: they differ.
        """
        lengths = {name: len(getattr(self, name)) for name in self.__slots__ if name != "unreadable"}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"LabelledFaces needs fields of one length, not {lengths}")

    def where(self, mask: npt.NDArray[np.bool_]) -> LabelledFaces:
        """The faces for which ``mask`` (N,) is true."""
        rows = ("crops", "landmarks", "targets", "labels", "presence", "names")
        return replace(self, **{name: getattr(self, name)[mask] for name in rows})

    def summary(self) -> str:
        """Faces per class, and what was left out, in one line."""
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(EXPRESSIONS))
        classes = ", ".join(f"{name} {count}" for name, count in zip(EXPRESSIONS, counts, strict=True) if count)
        line = f"{len(self.names)} faces ({classes})"
        if self.unreadable:
            line += f"; {len(self.unreadable)} images cannot be read and are left out, first {self.unreadable[0]}"
        return line


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One face in a file."""

    path: Path
    name: str
    label: int  # index into EXPRESSIONS
    box: tuple[int, int, int, int] | None = None  # x0 y0 x1 y1 in pixels; None: the image shows little but the face


def expression_of(text: str, labels: Sequence[str], first: int, where: str) -> int:
    """Index into EXPRESSIONS of a publisher's label number, or -1 where that label is not one of them.

    ``labels`` are the publisher's labels as in EXPRESSIONS, numbered from ``first``.

    Raises:
        SourceError: the label is not a number of the list; ``where`` names the file and the line.
    """
    number = int(text) - first if text.isdecimal() else -1
    if not 0 <= number < len(labels):
        raise SourceError(f"{where}: unknown label {text!r}; labels are {first} to {first + len(labels) - 1}")
    name = labels[number]
    return EXPRESSIONS.index(name) if name in EXPRESSIONS else -1


def check_split(split: str, splits: Sequence[str], data: str) -> None:
    """Check the name of a split.

    Raises:
        SourceError: the publisher has no such split.
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


def read_images(
    images: Sequence[LabelledImage], cache: Path, side_px: int, report: Callable[[str], None] | None = None
) -> LabelledFaces:
    """Read, align and crop; missing or broken files are left out and listed.

    ``report`` gets a line per 4,000 images; the meshes are cached in ``cache``.

    Raises:
        SourceError: the list is empty, no image can be read, or the mesh network finds a face in none of the first.
        FaceModelError: the mesh network is not on this machine.
    """
    if not images:
        raise SourceError("the data set lists no image with an expression: is the folder complete?")
    count = len(images)
    crops = np.zeros((count, side_px, side_px), np.uint8)
    landmarks = np.zeros((count, MESH_POINTS, 2), np.float32)
    presence = np.zeros(count, np.float32)
    readable = np.zeros(count, np.bool_)
    mean: Float32 | None = None
    parts = -(-count // _PART)
    for part in range(parts):
        rows = [row for row in range(part, count, parts)]  # so every part has all classes, also in sorted lists
        squares = [_square(images[row]) for row in rows]
        found = [(row, square) for row, square in zip(rows, squares, strict=True) if square is not None]
        if not found:
            continue
        points, sure = meshes_of([square for _, square in found], cache, min(_WORKERS, os.cpu_count() or 1))
        if mean is None:
            mean = _mean_of(points[sure >= MIN_PRESENCE], images[found[0][0]])
        for (row, square), mesh, certain in zip(found, points, sure, strict=True):
            shape = mesh if certain >= MIN_PRESENCE else _framed(mean, images[row])
            crop, landmarks[row], _ = align_face(square, shape * len(square))
            crops[row], presence[row], readable[row] = view(crop, side_px), certain, True
        if report is not None and parts > 1:
            report(f"{readable.sum()} of {count} images read")
    if mean is None:
        raise SourceError(f"none of {count} images can be read, first {images[0].path}: is the data set unpacked?")
    labels = np.array([image.label for image in images])[readable]
    return LabelledFaces(
        crops=crops[readable],
        landmarks=landmarks[readable],
        targets=np.eye(len(EXPRESSIONS), dtype=np.float32)[labels],
        labels=labels,
        presence=presence[readable],
        names=np.array([image.name for image in images])[readable],
        unreadable=tuple(image.name for image, good in zip(images, readable, strict=True) if not good),
    )


def _mean_of(points: Float32, first: LabelledImage) -> Float32:
    if not len(points):
        raise SourceError(f"the mesh network finds no face in the first images, such as {first.path}: are they faces?")
    return mean_mesh(points)


def _framed(mean: Float32, image: LabelledImage) -> Float32:
    """The mean mesh, placed in the square by the framing of the image."""
    share = 1.0 if image.box is None else _BOX_FRAMING / _BOX_MARGIN
    return np.asarray(0.5 + (mean - 0.5) * share, np.float32)


def _square(image: LabelledImage) -> UInt8 | None:
    """The face's square, grey (S, S) with S <= 256; None for a missing or broken file."""
    try:
        content = np.frombuffer(image.path.read_bytes(), np.uint8)
    except OSError:
        return None
    try:
        grey = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # an empty file, or an image beyond OpenCV's limits
        return None
    if grey is None:
        return None
    height, width = grey.shape
    x0, y0, x1, y1 = image.box or (0, 0, width, height)
    side = max(x1 - x0, y1 - y0)
    if image.box is not None:
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
