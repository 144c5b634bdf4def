"""A contact sheet for each unit, for visual checks (AU4 lowers the brows, AU12 pulls the lip corners)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.errors import OutputError
from engine.facs import OPEN_UNITS, UNIT_NAMES, unit_code
from engine.types import UInt8
from training.open_set.draws import UnitDraw
from training.open_set.resting_faces import RestingFaces
from training.open_set.studio import Sitting, Studio

_HEADING_PX: Final = 24
_MARGIN_PX: Final = 44
_INK, _PAPER = 20, 245


def write_sheets(
    resting: RestingFaces,
    studio: Studio,
    folder: Path,
    seed: int,
    people: int = 8,
    intensities: Sequence[float] = (0.0, 0.2, 0.5, 1.0),
    units: Sequence[int] = OPEN_UNITS,
) -> None:
    """Write ``AU1.png`` and so on: people in columns, intensities in rows, lines and folds at their middle strength.

    Raises:
        OutputError: the folder cannot be written.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(resting.names))[:people])
    sittings = [
        studio.sit(resting.photographs[row], resting.points_px[row], int(resting.sides_px[row])) for row in rows
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for unit in units:
        path = folder / f"{unit_code(unit)}.png"
        if not cv2.imwrite(str(path), _sheet(unit, sittings, intensities)):
            raise OutputError(f"{path} cannot be written: choose another folder")


def _sheet(unit: int, sittings: Sequence[Sitting], intensities: Sequence[float]) -> UInt8:
    rows = [np.hstack([_shot(sitting, unit, step) for sitting in sittings]) for step in intensities]
    sheet = np.pad(np.vstack(rows), ((_HEADING_PX, 0), (_MARGIN_PX, 0)), constant_values=_PAPER)
    _write(sheet, f"{unit_code(unit)} {UNIT_NAMES[unit]}", 4, 16)
    height = len(rows[0])
    for place, step in enumerate(intensities):
        _write(sheet, f"{step:.1f}", 4, _HEADING_PX + place * height + height // 2)
    return np.asarray(sheet, np.uint8)


def _shot(sitting: Sitting, unit: int, intensity: float) -> UInt8:
    shown = {unit: intensity}
    return sitting.shoot(UnitDraw(shown, shown, {}, (0.0, 0.0, 0.0), lines=0.5, crease=1.0, teeth=1.0)).image


def _write(sheet: UInt8, text: str, x: int, y: int) -> None:
    cv2.putText(sheet, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
