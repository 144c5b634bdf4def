"""A synthetic faces128 folder whose images show the synthetic head."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2

from tests.training.fakes.head import photograph

#: The scores that decide whether a face is at rest, presence first.
SCORES: Final = (
    "presence",
    "browInnerUp",
    "browDownLeft",
    "browDownRight",
    "browOuterUpLeft",
    "browOuterUpRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthRollLower",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
)


def write_faces128(
    folder: Path,
    people: Sequence[str],
    expressions: Sequence[str] = (),
    scores: Mapping[str, Mapping[str, float]] | None = None,
) -> Path:
    """One image per entry of ``people``, each slightly brighter than the one before; scores by person, 0 by default."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    given = scores or {}
    with (
        (folder / "labels.csv").open("w", newline="") as labels,
        (folder / "blendshapes.csv").open("w", newline="") as shapes,
    ):
        label_rows, shape_rows = csv.writer(labels), csv.writer(shapes)
        label_rows.writerow(["image", "identity", "expression"])
        shape_rows.writerow(["image", *SCORES])
        for number, person in enumerate(people):
            name = f"{person}_{number:04d}.png"
            label_rows.writerow([name, person, expressions[number] if expressions else "neutral"])
            shape_rows.writerow([name, 1, *(given.get(person, {}).get(score, 0) for score in SCORES[1:])])
            cv2.imwrite(str(folder / "images" / name), photograph(100 + number))
    return folder
