"""The files of faces128: its tables and its pictures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.errors import SourceError
from engine.types import Float32, UInt8

#: Side of the pictures.
SIDE_PX: Final = 128


def read_table(path: Path, columns: tuple[str, ...]) -> dict[str, list[str]]:
    """Named columns of a table, as texts.

    Raises:
        SourceError: the file is missing, lacks a column or has no rows.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: point to the unpacked faces128 folder") from None
    absent = [name for name in columns if not rows or name not in rows[0]]
    if absent:
        raise SourceError(f"{path} has no column {absent[0]!r} or no rows: unpack the data again")
    return {name: [row[name] for row in rows] for name in columns}


def read_numbers(folder: Path, name: str, texts: list[str]) -> Float32:
    """A column (N,) of blendshapes.csv as numbers.

    Raises:
        SourceError: a text is no number.
    """
    try:
        return np.array(texts, np.float32)
    except ValueError as error:
        raise SourceError(f"{folder / 'blendshapes.csv'}: column {name!r} is not all numbers ({error})") from None


def read_picture(path: Path) -> UInt8:
    """A picture (128, 128) in grey.

    Raises:
        SourceError: it is missing, no picture or of another size.
    """
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (SIDE_PX, SIDE_PX):
        raise SourceError(f"{path} is missing or no {SIDE_PX}x{SIDE_PX} picture: unpack the data again")
    return np.asarray(image, np.uint8)
