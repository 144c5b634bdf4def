"""BP4D-Spontaneous: 41 people, eight tasks, occurrence of units coded on about 147,000 frames, as published.

Codes: ``AUCoding/AU_OCC/F001_T1.csv`` (or, as FERA 2015 had them, ``AUCoding/F001_T1.csv``). The first line names the
columns by unit number, the first column holds frame numbers; 0 absent, 1 present, 9 unknown. Only part of a recording
is coded.
Images: ``BP4D-training/F001/T1/2440.jpg`` (FERA 2015) or ``Sequences(2D+3D)/F001/T1/2440.jpg``; the number is padded
with zeros to a width that differs between copies.

Zhang, Yin, Cohn, Canavan, Reale, Horowitz, Liu, Girard, "BP4D-Spontaneous: a high-resolution spontaneous 3D dynamic
facial expression database", Image and Vision Computing 2014. Layout after its readers in public repositories
(docs/action_unit_sets.md); not tested on the data themselves.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.errors import SourceError
from engine.facs import BP4D_UNITS
from engine.types import UInt8
from training.data.action_unit_faces import UnitFaces
from training.data.face_sequences import CodedSequence, CodedSet, read_sequences
from training.data.jaa_folds import BP4D_FOLDS, published_fold

_CODING_FOLDERS: Final = ("AUCoding/AU_OCC", "AUCoding")
_IMAGE_FOLDERS: Final = ("BP4D-training", "Sequences(2D+3D)")
_CODING_NAME: Final = re.compile(r"([A-Z]\d{3})_(T\d+)\.csv")
_ABSENT, _PRESENT, _UNKNOWN = "0", "1", "9"


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """The codes of one recording."""

    frames: tuple[int, ...]  # T frame numbers
    occurs: npt.NDArray[np.bool_]  # (T, 12) in the order of BP4D_UNITS
    known: npt.NDArray[np.bool_]  # (T, 12) False where the code is 9


def read_bp4d(folder: Path, cache: Path, workers: int = 2, report: Callable[[str], None] | None = None) -> UnitFaces:
    """All coded frames with a reliable face; memory, ``cache`` and ``report`` as in `read_sequences`.

    A frame without a code is not read. A coded frame without an image is an error, and so is a person outside
    the published folds; missing people are only reported.

    Raises:
        SourceError: a folder or image is missing or broken, a code cannot be read, or a person is unknown.
        FaceModelError: a face network is not on this machine.
    """
    data = CodedSet("bp4d", BP4D_UNITS, BP4D_FOLDS, image_frames)
    return read_sequences(data, list_bp4d(folder), cache, workers, report)


def list_bp4d(folder: Path) -> list[CodedSequence]:
    """The coded recordings, ordered by name; every image's file is found, none is opened.

    Raises:
        SourceError: as in `read_bp4d`, except for broken images.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} does not exist: point to the folder that holds AUCoding")
    codings = _coding_files(folder)
    images = next((folder / name for name in _IMAGE_FOLDERS if (folder / name).is_dir()), None)
    if images is None:
        raise SourceError(f"{folder} has no folder {' or '.join(_IMAGE_FOLDERS)}: copy the images there")
    sequences = []
    for path, person, task in codings:
        fold = published_fold(person, BP4D_FOLDS, str(path))
        coding = read_coding(path)
        files = _images_of(images / person / task, coding.frames, path)
        sequences.append(CodedSequence(f"{person}_{task}", person, fold, files, coding.occurs, coding.known))
    return sequences


def read_coding(path: Path) -> Coding:
    """Read one file of occurrence codes.

    Raises:
        SourceError: a unit has no column, a line is short, or a number cannot be read.
    """
    rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [str(unit) for unit in BP4D_UNITS if str(unit) not in header[1:]]
    if missing:
        raise SourceError(f"{path} has no column for unit {', '.join(missing)}: take the coding of occurrence (AU_OCC)")
    columns = [header.index(str(unit), 1) for unit in BP4D_UNITS]
    frames: list[int] = []
    codes: list[list[str]] = []
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header) or not row[0].strip().isdecimal():
            raise SourceError(f"{path}, line {number}: not a frame number and {len(header) - 1} codes: copy it again")
        frames.append(int(row[0]))
        codes.append([row[column].strip() for column in columns])
        unknown = set(codes[-1]) - {_ABSENT, _PRESENT, _UNKNOWN}
        if unknown:
            raise SourceError(f"{path}, line {number}: code {min(unknown)!r} is not 0, 1 or 9: copy it again")
    if not frames:
        raise SourceError(f"{path} has no coded frame: copy it again")
    table = np.array(codes)
    return Coding(tuple(frames), table == _PRESENT, table != _UNKNOWN)


def image_frames(sequence: CodedSequence) -> Iterator[UInt8]:
    """The images of a sequence, RGB (H, W, 3), one at a time.

    Raises:
        SourceError: one is broken.
    """
    for file in sequence.files:
        image = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise SourceError(f"{file} cannot be read as an image: copy it again")
        yield np.asarray(image, np.uint8)


def _coding_files(folder: Path) -> list[tuple[Path, str, str]]:
    """Files of codes with their person and task, ordered by name."""
    for name in _CODING_FOLDERS:
        place = folder / name
        names = ((path, _CODING_NAME.fullmatch(path.name)) for path in place.iterdir()) if place.is_dir() else ()
        found = [(path, match[1], match[2]) for path, match in names if match]
        if found:
            return sorted(found)
    raise SourceError(
        f"{folder} has no codes of occurrence such as {_CODING_FOLDERS[0]}/F001_T1.csv: unpack AUCoding there"
    )


def _images_of(folder: Path, frames: tuple[int, ...], coding: Path) -> tuple[Path, ...]:
    """The image of each frame, with any number of leading zeros in its name."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is missing, but {coding} is there: unpack the images of this recording")
    numbered = {int(path.stem): path for path in sorted(folder.glob("*.jpg")) if path.stem.isdecimal()}
    absent = [frame for frame in frames if frame not in numbered]
    if absent:
        raise SourceError(
            f"{folder} has no image of frame {absent[0]} ({len(absent)} of the {len(frames)} frames in {coding.name} "
            "have none): unpack its images again, or remove these lines from the coding"
        )
    return tuple(numbered[frame] for frame in frames)
