"""Intensity of action units against labels 0-5: does more movement give a larger number?

Rank correlation over the held-out faces that show the unit at all (label above 0): over all faces, most of which have
label 0, it would mainly say whether the unit occurs, and ties at 0 bound it far below 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.facs import unit_code
from engine.types import Float32
from training.data.action_unit_faces import UnitFaces
from training.metrics.bootstrap import Draws, Figure, draw, figure_of
from training.metrics.ranking import drawn_spearman

RESAMPLES: Final = 200
#: Faces that show a unit, from which its correlation is measured.
_LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class UnitIntensity:
    """One unit; intervals over people."""

    unit: str
    spearman: Figure  # n: faces that show it
    mean_error: float  # mean absolute difference over all labelled faces, 0-5


@dataclass(frozen=True, slots=True)
class IntensityReport:
    """Agreement of intensities with their labels."""

    faces: int  # with a label
    units: tuple[UnitIntensity, ...]
    mean: Figure  # of the correlations over units


def intensity_report(faces: UnitFaces, intensities: Float32, resamples: int = RESAMPLES) -> IntensityReport | None:
    """The figures of intensities (N, K) 0-5 in the order of ``faces.units``; None where no unit has enough labels."""
    people, owner = np.unique(faces.people, return_inverse=True)
    drawn = Draws(draw(len(people), resamples).counts[:, owner])  # (1 + B, N)
    labels = faces.graded()
    found, correlations = [], []
    for place, unit in enumerate(faces.units):
        label, ours = labels[:, place].astype(np.float64), intensities[:, place].astype(np.float64)
        shown = label > 0  # False where unknown
        if shown.sum() < _LEAST:
            continue
        values = drawn_spearman(drawn.of(shown), ours[shown], label[shown])
        correlations.append(values)
        error = float(np.nanmean(np.abs(ours - label)))
        found.append(UnitIntensity(unit_code(unit), figure_of(values, int(shown.sum())), error))
    if not found:
        return None
    known = int((~np.isnan(labels)).any(1).sum())
    return IntensityReport(known, tuple(found), figure_of(np.mean(correlations, axis=0), known))
