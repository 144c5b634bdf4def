"""AffectNet, the manually labelled part, in both of the publisher's layouts.

Arrays (since 2021): ``train_set`` and ``val_set`` with ``images/N.jpg`` (faces, 224x224 colour) and
``annotations/N_exp.npy`` (one label; ``_val``, ``_aro`` and ``_lnd`` are not read).
Lists (2017): ``Manually_Annotated_file_lists/training.csv`` and ``validation.csv`` with the columns
subDirectory_filePath, face_x, face_y, face_width, face_height, facial_landmarks, expression, valence, arousal; some
releases of validation.csv lack the header. Images are under ``Manually_Annotated_Images/`` or
``Manually_Annotated/Manually_Annotated_Images/`` and show more than the face, so they are cropped to the box.
Labels in both: 0 neutral, 1 happy, 2 sad, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; 8 none, 9 uncertain and
10 non-face are left out. Papers report the publisher's validation part as the test set.

Mollahosseini, Hasani, Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the
Wild", IEEE Transactions on Affective Computing 2017, arXiv 1708.03985. Layouts after readers in public repositories;
not tested on the data themselves.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import numpy as np

from engine.errors import SourceError
from training.data.labelled import LabelledImage, check_split, expression_of, list_lines

SPLITS: Final = ("train", "val")
_FILES: Final = {"train": "training.csv", "val": "validation.csv"}
_COLUMNS: Final = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
_LABELS: Final = (
    "neutral",
    "happiness",
    "sadness",
    "surprise",
    "fear",
    "disgust",
    "anger",
    "contempt",
    "none",
    "uncertain",
    "non-face",
)


def list_affectnet(folder: Path, split: str) -> list[LabelledImage]:
    """Images of a split that have an expression, in either layout.

    Raises:
        SourceError: ``folder`` has neither layout, an annotation is missing or a label cannot be read, or the split is
            unknown.
    """
    check_split(split, SPLITS, "AffectNet")
    arrays, listing = folder / f"{split}_set", folder / "Manually_Annotated_file_lists" / _FILES[split]
    if arrays.is_dir():
        return _from_arrays(arrays)
    if listing.is_file():
        return _from_list(folder, listing)
    raise SourceError(f"{folder} has neither {arrays.name}/ nor {listing.relative_to(folder)}: point to AffectNet")


def _from_arrays(folder: Path) -> list[LabelledImage]:
    found = []
    for path in sorted((folder / "images").glob("*.jpg")):
        annotation = folder / "annotations" / f"{path.stem}_exp.npy"
        try:
            label = str(np.load(annotation, allow_pickle=False))  # a 0-d array, text or number
        except FileNotFoundError:
            raise SourceError(f"{annotation} is missing, but {path} exists: unpack the data again") from None
        except (ValueError, EOFError):
            raise SourceError(f"{annotation} cannot be read as an array: unpack the data again") from None
        expression = expression_of(label, _LABELS, 0, str(annotation))
        if expression >= 0:
            found.append(LabelledImage(path, path.name, expression))
    return found


def _from_list(folder: Path, listing: Path) -> list[LabelledImage]:
    nested = folder / "Manually_Annotated" / "Manually_Annotated_Images"
    images = nested if nested.is_dir() else folder / "Manually_Annotated_Images"
    found = []
    for number, row in enumerate(csv.reader(list_lines(listing)), 1):
        if not row or tuple(row) == _COLUMNS:
            continue
        where = f"{listing}, line {number}"
        if len(row) != len(_COLUMNS):
            raise SourceError(f"{where}: {len(row)} columns, not {len(_COLUMNS)}: fix or delete it")
        expression = expression_of(row[6], _LABELS, 0, where)
        if expression >= 0:
            found.append(LabelledImage(images / row[0], row[0], expression, _box(row[1:5], where)))
    return found


def _box(texts: list[str], where: str) -> tuple[int, int, int, int] | None:
    """Box x0 y0 x1 y1 from x, y, width, height; None where the publisher gives no size."""
    try:
        x, y, width, height = (int(text) for text in texts)
    except ValueError:
        raise SourceError(f"{where}: the box {texts} is not four whole numbers: fix or delete it") from None
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None
