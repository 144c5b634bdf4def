"""The open action-unit set that ``mien-train make-au`` renders.

Folder: ``images/00000.jpg`` (128x128 grey), ``labels.csv`` (image, person, fold, photograph, head turn in degrees,
presence of a face mesh, intensity 0-1 of each unit, and for the images of a sequence its number and the unit that
grows) and ``points.npy`` (float16, the face mesh of each image in 0-1 of its side, found by the network that the engine
runs).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.alignment import align_face
from engine.errors import OutputError, SourceError
from engine.facs import OPEN_UNITS, unit_code
from engine.types import MESH_POINTS, Float32, Int64, UInt8
from training.data.action_unit_faces import FOLDS, NO_FOLD, UnitFaces
from training.data.meshes import MIN_PRESENCE

LABELS, PICTURES, POINTS = "labels.csv", "images", "points.npy"
SIDE_PX: Final = 128
NAME: Final = "open"
#: A unit occurs from this intensity on: FACS calls the weakest fifth a trace (A), and published protocols do not
#: count it.
OCCURRENCE_INTENSITY: Final = 0.2
#: The soft target rises from 0 to 1 over this range of intensities around the threshold.
_TARGET_RANGE: Final = (0.1, 0.3)
_FACTS: Final = ("image", "person", "fold", "photograph", "pitch_deg", "yaw_deg", "roll_deg", "presence")
_COLUMNS: Final = (*_FACTS, *(unit_code(unit) for unit in OPEN_UNITS))
#: Empty for single images; sets of earlier versions lack them.
_SEQUENCE_COLUMNS: Final = ("sequence", "growing")
_UNIT_OF_CODE: Final = {unit_code(unit): unit for unit in OPEN_UNITS}


@dataclass(frozen=True, slots=True, eq=False)
class OpenAuRow:
    """One image of the set."""

    image: str
    person: str
    fold: int
    photograph: str
    turn_deg: tuple[float, float, float]  # pitch, yaw, roll, relative to the photograph
    presence: float
    intensities: Float32  # (18,) 0-1 in the order of OPEN_UNITS
    sequence: int | None = None  # number of the sequence whose image it is; None for a single image
    growing: int | None = None  # unit that grows in that sequence


@dataclass(frozen=True, slots=True, eq=False)
class GrowingFaces:
    """N images of sequences, in the order of sequences and steps."""

    crops: UInt8  # (N, 96, 96) canonical view
    labels: Float32  # (N,) intensity 0-1 of the growing unit
    units: Int64  # (N,) the growing unit
    sequences: Int64  # (N,)
    people: npt.NDArray[np.str_]  # (N,)
    fold: int  # of all people
    left_out: int  # images without a reliable face


def write_labels(path: Path, rows: Iterable[OpenAuRow]) -> None:
    """Write ``labels.csv``.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as handle:
            table = csv.writer(handle)
            table.writerow((*_COLUMNS, *_SEQUENCE_COLUMNS))
            for row in rows:
                facts = (row.image, row.person, row.fold, row.photograph, *(f"{turn:.2f}" for turn in row.turn_deg))
                sequence = ("", "") if row.growing is None else (row.sequence, unit_code(row.growing))
                levels = (f"{value:.3f}" for value in row.intensities)
                table.writerow((*facts, f"{row.presence:.4f}", *levels, *sequence))
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another folder") from None


def read_labels(path: Path) -> list[OpenAuRow]:
    """Read ``labels.csv``.

    Raises:
        SourceError: it is missing, lacks a column, is empty or has a value out of range.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            table = csv.DictReader(handle)
            absent = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
            if absent:
                raise SourceError(f"{path} has no column {absent[0]!r}: render the set again")
            rows = [_row(values) for values in table]
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: point to a folder that mien-train make-au completed") from None
    except (ValueError, TypeError, csv.Error) as error:
        raise SourceError(f"{path} is damaged ({error}): render the set again") from None
    if not rows:
        raise SourceError(f"{path} lists no images: render the set again")
    return rows


def _row(values: dict[str, str]) -> OpenAuRow:
    intensities = np.array([float(values[unit_code(unit)]) for unit in OPEN_UNITS], np.float32)
    if int(values["fold"]) not in (NO_FOLD, *FOLDS) or not ((intensities >= 0) & (intensities <= 1)).all():
        raise ValueError(f"{values['image']} has a fold or an intensity out of range")
    sequence, growing = (values.get(name, "") for name in _SEQUENCE_COLUMNS)
    if (sequence, growing) != ("", "") and growing not in _UNIT_OF_CODE:
        raise ValueError(f"{values['image']} has sequence {sequence!r} with growing unit {growing!r}")
    return OpenAuRow(
        image=values["image"],
        person=values["person"],
        fold=int(values["fold"]),
        photograph=values["photograph"],
        turn_deg=(float(values["pitch_deg"]), float(values["yaw_deg"]), float(values["roll_deg"])),
        presence=float(values["presence"]),
        intensities=intensities,
        sequence=int(sequence) if growing else None,
        growing=_UNIT_OF_CODE.get(growing),
    )


def read_open_au(folder: Path) -> UnitFaces:
    """Read the single images and crop the canonical views; those without a reliable face are left out.

    Raises:
        SourceError: a file is missing or does not fit the others, or no image has a reliable face.
    """
    rows = read_labels(folder / LABELS)
    points = _read_points(folder / POINTS, len(rows))
    kept = _reliable_single(rows)
    if not kept:
        raise SourceError(f"{folder / LABELS} has no single image with a reliable face: render it with --pictures")
    intensities = np.stack([rows[number].intensities for number in kept])
    low, high = _TARGET_RANGE
    return UnitFaces(
        units=OPEN_UNITS,
        crops=np.stack([_crop(folder / PICTURES / rows[number].image, points[number]) for number in kept]),
        occurs=intensities >= OCCURRENCE_INTENSITY,
        known=np.ones(intensities.shape, bool),
        targets=np.asarray(np.clip((intensities - low) / (high - low), 0, 1), np.float32),
        people=np.array([rows[number].person for number in kept]),
        folds=np.array([rows[number].fold for number in kept], np.int64),
        sources=np.full(len(kept), NAME),
        intensities=5 * intensities,
    )


def read_growing(folder: Path, fold: int) -> GrowingFaces:
    """Read the sequences of the people of one fold; images without a reliable face are left out.

    Raises:
        SourceError: a file is missing or does not fit the others, or no such sequence has a reliable face.
    """
    rows = read_labels(folder / LABELS)
    points = _read_points(folder / POINTS, len(rows))
    growing = [number for number, row in enumerate(rows) if row.growing is not None and row.fold == fold]
    kept = [number for number in growing if rows[number].presence >= MIN_PRESENCE]
    if not kept:
        raise SourceError(
            f"{folder} has no sequence with a reliable face of fold {fold}: render some with "
            f"mien-train make-au --pictures 0 --sequences 540 --fold {fold}"
        )
    units = np.array([rows[number].growing for number in kept], np.int64)
    intensities = np.stack([rows[number].intensities for number in kept])
    return GrowingFaces(
        crops=np.stack([_crop(folder / PICTURES / rows[number].image, points[number]) for number in kept]),
        labels=intensities[np.arange(len(kept)), np.searchsorted(OPEN_UNITS, units)],
        units=units,
        sequences=np.array([rows[number].sequence for number in kept], np.int64),
        people=np.array([rows[number].person for number in kept]),
        fold=fold,
        left_out=len(growing) - len(kept),
    )


def read_meshes(folder: Path) -> tuple[list[OpenAuRow], Float32]:
    """The images that `read_open_au` keeps, and their meshes (N, 468, 2) in the canonical view, 0-1 of its side.

    Raises:
        SourceError: as in `read_open_au`.
    """
    rows = read_labels(folder / LABELS)
    points = _read_points(folder / POINTS, len(rows))
    kept = _reliable_single(rows)
    blank = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    return [rows[number] for number in kept], np.stack([align_face(blank, points[n] * SIDE_PX)[1] for n in kept])


def _reliable_single(rows: list[OpenAuRow]) -> list[int]:
    """Numbers of the single images with a reliable face; the nine of a sequence are nearly the same one."""
    return [number for number, row in enumerate(rows) if row.growing is None and row.presence >= MIN_PRESENCE]


def _read_points(path: Path, count: int) -> Float32:
    try:
        points = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: point to a folder that mien-train make-au completed") from None
    except (ValueError, EOFError) as error:
        raise SourceError(f"{path} is damaged ({error}): render the set again") from None
    if points.shape != (count, MESH_POINTS, 2):
        raise SourceError(f"{path} holds {points.shape}, not a mesh for each of {count} images: render the set again")
    return np.asarray(points, np.float32)


def _crop(path: Path, points: Float32) -> UInt8:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (SIDE_PX, SIDE_PX):
        raise SourceError(f"{path} is missing or not a {SIDE_PX}x{SIDE_PX} image: render the set again")
    return align_face(np.asarray(image, np.uint8), points * SIDE_PX)[0]
