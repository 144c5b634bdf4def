"""``mien-train evaluate au-growth``: does a unit that grows on a held-out face give a curve that grows?

Measured on sequences of ``make-au`` against the renderer's intensity of the growing unit, for the intensity of a model
and for its probability of occurrence, which needs no grading: only what intensity ranks better does it earn. Intensity
is also ranked with the first image of each sequence as the neutral baseline of its face (`engine.baseline`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.action_units import sigmoid
from engine.baseline import above_neutral
from engine.errors import ContractError
from engine.facs import OPEN_UNITS, unit_code
from engine.types import Float32, Float64, Int64
from training.action_units.exported import ExportedActionUnits
from training.data.open_set import GrowingFaces, read_growing
from training.evaluation.action_units import mean_defined
from training.metrics.bootstrap import Draws, Figure, draw, drawn_mean, figure_of
from training.metrics.ranking import Flags, drawn_spearman, spearman

RESAMPLES: Final = 1000
#: Images whose logits are sampled at once: all samples of a large set would fill the memory.
_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class GrowthScores:
    """How one output follows the growing unit; intervals over people."""

    pooled: Figure  # rank correlation over all images of the unit's sequences, people together; n: images
    within: Figure  # mean over sequences of the rank correlation in each; a curve that does not move has 0
    not_falling: Figure  # share of the steps in which the label rises and the output does not fall; n: steps


@dataclass(frozen=True, slots=True)
class NeutralScores:
    """Rank correlation, people together, of the intensity above that of each sequence's first image (weight 1)."""

    pooled: Figure  # over all images, as in `GrowthScores`; the first of each sequence have 0 by definition
    later: Figure  # over all images but these


@dataclass(frozen=True, slots=True)
class UnitGrowth:
    """The sequences in which one unit grows."""

    unit: str
    sequences: int
    people: int
    occurrence: GrowthScores
    intensity: GrowthScores | None  # None: the model grades nothing
    neutral: NeutralScores | None


@dataclass(frozen=True, slots=True)
class GrowthReport:
    """Figures of one model file on the sequences of held-out people; means over units."""

    model: str
    sha256: str
    test_fold: int
    images: int
    sequences: int
    people: int
    left_out: int  # images without a reliable face
    units: tuple[UnitGrowth, ...]
    occurrence: GrowthScores
    intensity: GrowthScores | None
    gain: GrowthScores | None  # intensity minus occurrence, on the same resamples
    neutral: NeutralScores | None


@dataclass(frozen=True, slots=True, eq=False)
class _DrawnScores:
    """The fields of `GrowthScores` over resamples, (1 + B,) or (1 + B, K)."""

    pooled: Float64
    within: Float64
    not_falling: Float64

    def figures(self, images: int, sequences: int, steps: int) -> GrowthScores:
        return GrowthScores(
            figure_of(self.pooled, images), figure_of(self.within, sequences), figure_of(self.not_falling, steps)
        )


def evaluate_growth(
    model: Path,
    folder: Path,
    test_fold: int,
    resamples: int = RESAMPLES,
    threads: int = 1,
    report: Callable[[str], None] = print,
) -> GrowthReport:
    """Figures of a model file on the sequences of one fold in a folder of ``make-au``.

    Raises:
        ContractError: the file is not an action-unit model, or lacks a unit.
        SourceError: as in `read_growing`.
    """
    network = ExportedActionUnits(model, threads)
    missing = [unit_code(unit) for unit in OPEN_UNITS if unit_code(unit) not in network.contract.labels]
    if missing:
        raise ContractError(f"{network.contract.name} has no output for {', '.join(missing)}: give a model of 18 units")
    faces = read_growing(folder, test_fold)
    report(f"{len(faces.people)} images of {len(np.unique(faces.sequences))} sequences")
    occurrence, intensity = _outputs(network, faces)
    return growth_report(faces, occurrence, intensity, network.contract.name, network.contract.sha256, resamples)


def _outputs(network: ExportedActionUnits, faces: GrowingFaces) -> tuple[Float32, Float32 | None]:
    """Occurrence 0-1 and intensity 0-5 of the growing unit of each image (N,)."""
    places = [network.contract.labels.index(unit_code(unit)) for unit in OPEN_UNITS]
    column = np.array([places[OPEN_UNITS.index(int(unit))] for unit in faces.units])
    parts = []
    for start in range(0, len(column), _AT_ONCE):
        sampled = sigmoid(network.logits(faces.crops[start : start + _AT_ONCE]), network.calibration.temperature)
        parts.append(sampled.mean(1))
    rows = np.arange(len(column))
    graded = network.intensities(faces.crops)
    return np.concatenate(parts)[rows, column], None if graded is None else graded[rows, column]


def growth_report(
    faces: GrowingFaces,
    occurrence: Float32,
    intensity: Float32 | None,
    model: str,
    sha256: str,
    resamples: int = RESAMPLES,
) -> GrowthReport:
    """The figures of outputs (N,) for the growing unit of each image; ``intensity`` is None for a model without."""
    people, owner = np.unique(faces.people, return_inverse=True)
    drawn = Draws(draw(len(people), resamples).counts[:, owner])  # (1 + B, N)
    chosen = [unit for unit in OPEN_UNITS if (faces.units == unit).any()]
    outputs = [occurrence] if intensity is None else [occurrence, intensity]
    scores = [[_scores(faces, output, faces.units == unit, drawn) for unit in chosen] for output in outputs]
    counts = [_counts(faces, faces.units == unit) for unit in chosen]
    figures = [[drawn_unit.figures(*n) for drawn_unit, n in zip(of, counts, strict=True)] for of in scores]
    means = [_mean(of) for of in scores]
    totals = (len(owner), sum(n[1] for n in counts), sum(n[2] for n in counts))
    neutral = None if intensity is None else _with_neutral(faces, intensity, chosen, drawn)
    units = tuple(
        UnitGrowth(
            unit=unit_code(unit),
            sequences=counts[place][1],
            people=len(np.unique(owner[faces.units == unit])),
            occurrence=figures[0][place],
            intensity=figures[1][place] if len(figures) > 1 else None,
            neutral=None if neutral is None else neutral[place],
        )
        for place, unit in enumerate(chosen)
    )
    return GrowthReport(
        model=model,
        sha256=sha256,
        test_fold=faces.fold,
        images=totals[0],
        sequences=totals[1],
        people=len(people),
        left_out=faces.left_out,
        units=units,
        occurrence=means[0].figures(*totals),
        intensity=means[1].figures(*totals) if len(means) > 1 else None,
        gain=_difference(means[1], means[0]).figures(*totals) if len(means) > 1 else None,
        neutral=None if neutral is None else neutral[-1],
    )


def _scores(faces: GrowingFaces, output: Float32, rows: Flags, drawn: Draws) -> _DrawnScores:
    """Scores of the images under a mask (N,), those of one unit."""
    ours, labels = output.astype(np.float64), faces.labels.astype(np.float64)
    firsts, within = [], []
    for places in _curves(faces, rows):
        firsts.append(places[0])
        found = spearman(ours[places], labels[places])
        within.append(0.0 if np.isnan(found) else found)
    starts = _rising(faces, rows)
    kept = ours[starts + 1] >= ours[starts]
    return _DrawnScores(
        pooled=_pooled(faces, output, rows, drawn),
        within=drawn_mean(drawn.of(np.array(firsts, np.int64)), np.array(within)),
        not_falling=drawn_mean(drawn.of(starts), kept),
    )


def _with_neutral(faces: GrowingFaces, intensity: Float32, units: list[int], drawn: Draws) -> tuple[NeutralScores, ...]:
    """The scores of each unit, and last their means."""
    first = np.append(True, faces.sequences[1:] != faces.sequences[:-1])
    above = above_neutral(intensity, intensity[first][np.cumsum(first) - 1])
    figures = []
    for images in (np.ones_like(first), ~first):
        rows = [images & (faces.units == unit) for unit in units]
        found = [_pooled(faces, above, each, drawn) for each in rows]
        counts = [int(each.sum()) for each in rows]
        found.append(mean_defined(np.stack(found, -1)))
        figures.append([figure_of(*each) for each in zip(found, [*counts, sum(counts)], strict=True)])
    return tuple(NeutralScores(*each) for each in zip(*figures, strict=True))


def _pooled(faces: GrowingFaces, output: Float32, rows: Flags, drawn: Draws) -> Float64:
    """Rank correlation with the label over the images under a mask (N,), and over their resamples (1 + B,)."""
    ours, labels = output[rows].astype(np.float64), faces.labels[rows].astype(np.float64)
    return _centred(drawn_spearman(drawn.of(rows), ours, labels))


def _centred(values: Float64) -> Float64:
    """Resamples (1 + B,) shifted so that their mean is the value of the sample.

    A resample holds fewer people, some of them twice, and people who start at different heights disturb each other's
    ranks less: without the shift the interval may lie above the value.
    """
    resampled = values[1:]
    seen = resampled[~np.isnan(resampled)]
    shift = seen.mean() - values[0] if len(seen) else 0.0
    return np.append(values[:1], resampled - shift)


def _counts(faces: GrowingFaces, rows: Flags) -> tuple[int, int, int]:
    """Images, sequences and steps that are measured."""
    return int(rows.sum()), len(_curves(faces, rows)), len(_rising(faces, rows))


def _curves(faces: GrowingFaces, rows: Flags) -> list[Int64]:
    """Rows of each sequence in which the label moves: elsewhere there is nothing to follow."""
    places = [np.flatnonzero(rows & (faces.sequences == number)) for number in np.unique(faces.sequences[rows])]
    return [each for each in places if np.ptp(faces.labels[each]) > 0]


def _rising(faces: GrowingFaces, rows: Flags) -> Int64:
    """Rows (n,) whose next row is of the same sequence and has a larger label."""
    together = (faces.sequences[1:] == faces.sequences[:-1]) & rows[:-1]
    return np.flatnonzero(together & (faces.labels[1:] > faces.labels[:-1]))


def _mean(scores: list[_DrawnScores]) -> _DrawnScores:
    """Means over units."""
    return _DrawnScores(
        pooled=mean_defined(np.stack([each.pooled for each in scores], -1)),
        within=mean_defined(np.stack([each.within for each in scores], -1)),
        not_falling=mean_defined(np.stack([each.not_falling for each in scores], -1)),
    )


def _difference(first: _DrawnScores, second: _DrawnScores) -> _DrawnScores:
    return _DrawnScores(
        first.pooled - second.pooled, first.within - second.within, first.not_falling - second.not_falling
    )
