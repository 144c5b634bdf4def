"""Whether the neutral baseline of a person helps on stills: people of a held-out fold with a neutral photograph.

Two sets share these people. Rendered images (open set) have exact labels: their baseline comes from the person's
neutral photographs, most of which they were made from. Photographs of faces128 have expressions that people named: the
baseline of each comes from the person's other neutral photographs. A still counts as STILL_FRAMES frames, which is what
three seconds of video give.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.baseline import FrameSample, estimate_baseline, logits_of, subtract
from engine.errors import ContractError
from engine.facs import unit_code
from engine.types import Float32, Float64, Int64
from training.action_units.calibration import mean_occurrence
from training.action_units.exported import ExportedActionUnits
from training.data.action_unit_faces import UnitFaces
from training.data.action_unit_sources import UnitSource
from training.metrics.bootstrap import Draws, Figure, draw, figure_of, ratio
from training.metrics.ranking import drawn_auroc

STILL_FRAMES: Final = 90
#: Units compared on photographs, which people named happy or neutral.
SMILE_UNITS: Final = (6, 12)
_RESAMPLES: Final = 1000

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StillUnit:
    """One unit with and without the baseline; intervals are over people."""

    unit: str
    auroc_off: Figure
    auroc_on: Figure
    auroc_change: Figure
    f1_change: Figure | None  # at the threshold of the contract; None: photographs have no labels of units


@dataclass(frozen=True, slots=True)
class StillsReport:
    """One set of stills."""

    name: str
    people: int
    faces: int
    units: tuple[StillUnit, ...]
    auroc_change: Figure  # of the mean over the units
    f1_change: Figure | None


def evaluate_stills(model: Path, faces: UnitFaces) -> tuple[StillsReport, ...]:
    """Both sets with a model file that has neutral logits.

    Raises:
        ContractError: it is not an action-unit model, or has none.
        ValueError: as in `compare_stills`.
    """
    network = ExportedActionUnits(model)
    calibration = network.calibration
    if not calibration.neutral:
        raise ContractError(f"{model} has no neutral logits: run mien-train export au-neutral on it")
    occurrence = mean_occurrence(network.logits(faces.crops), calibration.temperature)
    return compare_stills(
        faces, occurrence, np.array(calibration.neutral, np.float32), np.array(calibration.thresholds)
    )


def compare_stills(
    faces: UnitFaces, occurrence: Float32, usual: Float32, thresholds: Float64, resamples: int = _RESAMPLES
) -> tuple[StillsReport, ...]:
    """Both sets, of the faces of one fold; occurrence (N, K) of the model, K the units of the faces.

    Raises:
        ValueError: no person of a set has a neutral photograph.
    """
    photographs = faces.sources == UnitSource.FACES128.value
    named = faces.named()
    neutral = photographs & (named == "neutral")
    rendered = faces.sources == UnitSource.OPEN.value
    smiles = photographs & ((named == "neutral") | (named == "happiness"))
    happy = np.repeat((named == "happiness")[:, np.newaxis], len(faces.units), axis=1)
    places = [faces.units.index(unit) for unit in SMILE_UNITS if unit in faces.units]
    every = [place for place in range(len(faces.units)) if faces.known[rendered][:, place].any()]
    corrected = _corrected(faces.people, neutral, occurrence, usual)
    known = ~np.isnan(corrected).any(1)
    return (
        _compare(
            "rendered", faces, rendered & known, (occurrence, corrected), faces.occurs, every, resamples, thresholds
        ),
        _compare("photographs", faces, smiles & known, (occurrence, corrected), happy, places, resamples, None),
    )


def _corrected(people: npt.NDArray[np.str_], neutral: Flags, occurrence: Float32, usual: Float32) -> Float32:
    """Occurrences (N, K) with the baseline from the person's neutral photographs other than the face; NaN if none."""
    found = np.full_like(occurrence, np.nan)
    logits = logits_of(occurrence)
    by_person: dict[str, list[int]] = {}
    for row in np.flatnonzero(neutral):
        by_person.setdefault(str(people[row]), []).append(int(row))
    for face, person in enumerate(people):
        others = [other for other in by_person.get(str(person), ()) if other != face]
        if not others:
            continue
        sample, middle = FrameSample(), np.median(logits[others], axis=0).astype(np.float32)
        for _ in range(STILL_FRAMES):
            sample.add(middle)
        baseline = estimate_baseline(sample, usual)
        found[face] = subtract(occurrence[face], np.zeros_like(occurrence[face]), baseline)[0]
    return found


def _compare(
    name: str,
    faces: UnitFaces,
    chosen: Flags,
    values: tuple[Float32, Float32],
    real: Flags,
    places: list[int],
    resamples: int,
    thresholds: Float64 | None,
) -> StillsReport:
    if not chosen.any():
        raise ValueError(
            f"no person of the {name} set has a neutral photograph: give both sets, and a fold that has some"
        )
    people = faces.people[chosen]
    drawn = draw(len(people), resamples, groups=people)
    rows: Int64 = np.flatnonzero(chosen)
    units, aurocs, scores = [], [], []
    for place in places:
        occurs = real[rows, place]
        off, on = (_auroc(drawn, occurs, each[rows, place].astype(np.float64)) for each in values)
        aurocs.append(on - off)
        change = None
        if thresholds is not None:
            f1 = [_f1(drawn, occurs, each[rows, place] >= thresholds[place]) for each in values]
            scores.append(f1[1] - f1[0])
            change = figure_of(scores[-1], len(rows))
        before, after, gained = (figure_of(each, len(rows)) for each in (off, on, on - off))
        units.append(StillUnit(unit_code(faces.units[place]), before, after, gained, change))
    mean = figure_of(np.asarray(np.nanmean(aurocs, axis=0)), len(rows))
    f1_mean = figure_of(np.asarray(np.nanmean(scores, axis=0)), len(rows)) if scores else None
    return StillsReport(name, len(np.unique(people)), len(rows), tuple(units), mean, f1_mean)


def _auroc(drawn: Draws, occurs: Flags, scores: Float64) -> Float64:
    return drawn_auroc(drawn.of(~occurs), scores[~occurs], drawn.of(occurs), scores[occurs])


def _f1(drawn: Draws, occurs: Flags, present: Flags) -> Float64:
    hits = drawn.counts @ (occurs & present).astype(np.float64)
    return ratio(2 * hits, drawn.counts @ (occurs.astype(np.float64) + present))
