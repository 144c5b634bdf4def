"""A contact sheet of images that RLPS removed and, for comparison, of some that it kept."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.errors import OutputError
from engine.types import Int64, UInt8
from training.data.keep_list import KeepList
from training.rlps.images import ImageSet

_COLUMNS: Final = 12
_IMAGE_PX: Final = 96
_TILE_PX: Final = (120, 152)  # width, height: the image and three lines
_LINE_PX: Final = 15
_HEADING_PX: Final = 34
_INK, _PAPER = 20, 245
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


def write_contact_sheet(
    faces: ImageSet, found: KeepList, path: Path, removed: int = 96, kept: int = 36, seed: int = 0
) -> None:
    """Write a PNG: removed images, lowest keep probability first, then kept ones drawn at random.

    Below each image: its label or votes, the classifiers' prediction, keep probability and reward.

    Raises:
        OutputError: the file cannot be written.
    """
    gone = np.flatnonzero(~found.keep)
    worst = gone[np.lexsort((found.reward[gone], found.keep_probability[gone]))][:removed]
    left = np.flatnonzero(found.keep)
    drawn = np.sort(np.random.default_rng(seed).permutation(left)[:kept])
    sheet = np.concatenate(
        [
            _heading(f"Removed, lowest keep probability first: {len(worst)} of {len(gone)}"),
            _tiles(faces, found, worst),
            _heading(f"Kept, drawn at random: {len(drawn)} of {len(left)}"),
            _tiles(faces, found, drawn),
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), sheet):
        raise OutputError(f"{path} cannot be written: give a PNG file in a writable folder")


def caption(faces: ImageSet, found: KeepList, place: int) -> tuple[str, str, str]:
    """The three lines below an image: its target, the prediction, and the two scores."""
    target, seen = found.targets[place], found.probabilities[place]
    named = [label for label in np.argsort(-target, kind="stable")[:2] if target[label] > 0]
    label = " ".join(f"{faces.names[each][:5]} {target[each]:.1f}" for each in named)
    top = int(seen.argmax())
    return (
        f"is {label}",
        f"looks {faces.names[top][:5]} {seen[top]:.2f}",
        f"keep {found.keep_probability[place]:.2f} r {found.reward[place]:.2f}",
    )


def _heading(text: str) -> UInt8:
    band = np.full((_HEADING_PX, _COLUMNS * _TILE_PX[0]), _PAPER, np.uint8)
    cv2.putText(band, text, (8, _HEADING_PX - 12), _FONT, 0.6, _INK, 1, cv2.LINE_AA)
    return band


def _tiles(faces: ImageSet, found: KeepList, places: npt.NDArray[np.integer] | Int64) -> UInt8:
    width, height = _TILE_PX
    rows = max(1, -(-len(places) // _COLUMNS))
    band = np.full((rows * height, _COLUMNS * width), _PAPER, np.uint8)
    for index, place in enumerate(places):
        y, x = (index // _COLUMNS) * height, (index % _COLUMNS) * width + (width - _IMAGE_PX) // 2
        image = cv2.resize(faces.crops[place], (_IMAGE_PX, _IMAGE_PX), interpolation=cv2.INTER_CUBIC)
        band[y : y + _IMAGE_PX, x : x + _IMAGE_PX] = image
        for number, line in enumerate(caption(faces, found, int(place))):
            foot = (x - 8, y + _IMAGE_PX + 13 + number * _LINE_PX)
            cv2.putText(band, line, foot, _FONT, 0.36, _INK, 1, cv2.LINE_AA)
    return band
