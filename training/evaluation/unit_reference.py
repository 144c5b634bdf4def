"""Action units against an independent, FACS-trained program on video clips: what no model here has learned from.

The reference is OpenFace's intensities (0-5) and occurrences per frame. It calibrates per person, so intensities are
compared within a clip, each clip centred. It is a reference, not the truth, and for measuring only: nothing may be
trained on it or chosen by it, except which units are trusted (AGREEING_R, set after its results had been seen). The
shipped file was also preferred to another one after both had been compared on it (docs/models/action_units.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from engine.action_units import sigmoid
from engine.alignment import align_face
from engine.errors import SourceError
from engine.facs import unit_code
from engine.types import Float32, Float64, UInt8
from training.action_units.exported import ExportedActionUnits
from training.evaluation.reference_clips import clips_with_reference, reference_frames
from training.metrics.bootstrap import Draws, Figure, draw, figure_of, ratio
from training.metrics.ranking import drawn_auroc

#: Units of the mean: those that the reference follows well enough and that faces in clips show.
MEAN_UNITS: Final = (1, 2, 4, 6, 12, 25, 26)
#: Our units and their column in the reference; it codes the blink (AU45) where we code closed eyes (AU43).
REFERENCE_COLUMNS: Final[dict[int, int]] = {
    unit: unit for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26)
} | {43: 45}
RESAMPLES: Final = 1000
#: Correlation within clips, and AUROC for the reference's occurrences, from which a unit counts as agreeing with it.
AGREEING_R, AGREEING_AUROC = 0.20, 0.70
_MIN_FRAMES: Final = 10
#: Mesh points: corners of the lips and outer corners of the eyes, the same side first.
_LIP_CORNERS, _EYE_CORNERS = (61, 291), (33, 263)
_SMILE: Final = unit_code(12)


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceFaces:
    """N faces of clips with the reference's codes of K units."""

    units: tuple[int, ...]  # FACS numbers
    crops: UInt8  # (N, 96, 96)
    intensities: Float64  # (N, K) 0-5
    occurs: npt.NDArray[np.bool_]  # (N, K)
    clips: npt.NDArray[np.str_]  # (N,)
    lip_corners: Float64  # (N,) `lip_corner_travel`


@dataclass(frozen=True, slots=True)
class UnitAgreement:
    """One unit; intervals are over clips."""

    unit: str
    trusted: bool
    within_clip_r: Figure  # of our occurrence with the reference's intensity, clips centred
    auroc: Figure  # of our occurrence for the reference's occurrence, all frames together
    rate: float  # share of frames in which we decide "present"
    reference_rate: float
    intensity_r: Figure | None = None  # as within_clip_r, of our intensity; None where the model has none


@dataclass(frozen=True, slots=True)
class ReferenceReport:
    """Agreement of a model with the reference."""

    model: str
    sha256: str
    clips: int
    frames: int
    units: tuple[UnitAgreement, ...]
    within_clip_r_mean7: Figure  # mean over MEAN_UNITS
    lip_corners: Figure | None = None  # rank correlation within clips of AU12's intensity with `lip_corner_travel`


def read_reference_faces(media: Path, reference: Path) -> ReferenceFaces:
    """Track and crop every clip below ``media`` that has ``<clip>.csv`` in ``reference``.

    Raises:
        SourceError: a clip cannot be read, or no clip has enough frames with a confident reference.
        FaceModelError: a face network is not on this machine.
    """
    crops, intensities, occurs, clips, corners = [], [], [], [], []
    for clip, table in clips_with_reference(media, reference):
        found = list(reference_frames(clip, table))
        if len(found) < _MIN_FRAMES:
            continue
        for each in found:
            crops.append(align_face(each.frame.image, each.track.mesh)[0])
            intensities.append([float(each.row[f"AU{column:02d}_r"]) for column in REFERENCE_COLUMNS.values()])
            occurs.append([float(each.row[f"AU{column:02d}_c"]) > 0 for column in REFERENCE_COLUMNS.values()])
            clips.append(clip.stem)
            corners.append(lip_corner_travel(each.track.mesh))
    if not clips:
        raise SourceError(f"no clip of {media} has {_MIN_FRAMES} frames in {reference}: give a folder of <clip>.csv")
    return ReferenceFaces(
        tuple(REFERENCE_COLUMNS),
        np.stack(crops),
        np.array(intensities, np.float64),
        np.array(occurs, bool),
        np.array(clips),
        np.array(corners, np.float64),
    )


def lip_corner_travel(mesh: Float32) -> float:
    """How near the corners of the lips are to the outer corners of the eyes, larger = nearer, as a smile brings them.

    Minus the mean distance on both sides over the distance of the eye corners, of a mesh (468, 3).
    """
    corners, eyes = mesh[list(_LIP_CORNERS), :2], mesh[list(_EYE_CORNERS), :2]
    return -float(np.linalg.norm(corners - eyes, axis=1).mean() / np.linalg.norm(eyes[0] - eyes[1]))


def evaluate_reference(model: Path, media: Path, reference: Path) -> ReferenceReport:
    """Agreement of a model file with the reference on all clips that have one.

    Raises:
        ContractError: the file is not an action-unit model.
        SourceError, FaceModelError: as in `read_reference_faces`.
    """
    network = ExportedActionUnits(model)
    faces = read_reference_faces(media, reference)
    occurrence = sigmoid(network.logits(faces.crops), network.calibration.temperature).mean(1)
    return compare_with_reference(network, faces, occurrence, graded=network.intensities(faces.crops))


def compare_with_reference(
    network: ExportedActionUnits,
    faces: ReferenceFaces,
    occurrence: Float32,
    resamples: int = RESAMPLES,
    graded: Float32 | None = None,
) -> ReferenceReport:
    """Agreement of occurrences (N, L), and intensities, in the order of the network's labels; others are left out."""
    contract, calibration = network.contract, network.calibration
    names, place = np.unique(faces.clips, return_inverse=True)
    drawn = draw(len(names), resamples)
    found, correlations = [], {}
    for column, unit in enumerate(faces.units):
        if unit_code(unit) not in contract.labels:
            continue
        ours_at = contract.labels.index(unit_code(unit))
        ours = occurrence[:, ours_at].astype(np.float64)
        occurs, theirs = faces.occurs[:, column], faces.intensities[:, column]
        correlations[unit] = within_group_correlation(drawn, place, ours, theirs)
        found.append(
            UnitAgreement(
                unit=unit_code(unit),
                trusted=calibration.trusted[ours_at],
                within_clip_r=figure_of(correlations[unit], len(ours)),
                auroc=_auroc(Draws(drawn.counts[:, place]), occurs, ours),
                rate=float((ours >= calibration.thresholds[ours_at]).mean()),
                reference_rate=float(occurs.mean()),
                intensity_r=_graded_r(drawn, place, graded, ours_at, theirs),
            )
        )
    mean = [correlations[unit] for unit in MEAN_UNITS if unit in correlations]
    together = np.nanmean(mean, axis=0) if len(mean) == len(MEAN_UNITS) else np.full(1, np.nan)
    return ReferenceReport(
        model=contract.name,
        sha256=contract.sha256,
        clips=len(names),
        frames=len(faces.clips),
        units=tuple(found),
        within_clip_r_mean7=figure_of(np.asarray(together), len(faces.clips)),
        lip_corners=_smile(drawn, place, graded, contract.labels, faces.lip_corners),
    )


def _graded_r(
    draws: Draws, place: npt.NDArray[np.int64], graded: Float32 | None, column: int, theirs: Float64
) -> Figure | None:
    if graded is None:
        return None
    ours = graded[:, column].astype(np.float64)
    return figure_of(within_group_correlation(draws, place, ours, theirs), len(ours))


def _smile(
    draws: Draws, place: npt.NDArray[np.int64], graded: Float32 | None, labels: tuple[str, ...], corners: Float64
) -> Figure | None:
    if graded is None or _SMILE not in labels:
        return None
    ours = graded[:, labels.index(_SMILE)].astype(np.float64)
    ranked = [_ranks_within(place, values) for values in (ours, corners)]
    return figure_of(within_group_correlation(draws, place, *ranked), len(ours))


def _ranks_within(groups: npt.NDArray[np.int64], values: Float64) -> Float64:
    """Rank (N,) of each value within its group, as a share of the group's size."""
    ranks = np.empty(len(values))
    for group in np.unique(groups):
        rows = groups == group
        ranks[rows] = rankdata(values[rows]) / rows.sum()
    return ranks


def agreeing_units(report: ReferenceReport) -> dict[int, bool]:
    """Whether model and reference agree, per FACS number of the units that both code.

    They agree if the correlation reaches AGREEING_R with its whole interval above 0, and the AUROC AGREEING_AUROC.
    """
    return {
        int(unit.unit.removeprefix("AU")): unit.within_clip_r.value >= AGREEING_R
        and unit.within_clip_r.low > 0
        and unit.auroc.value >= AGREEING_AUROC
        for unit in report.units
    }


def within_group_correlation(draws: Draws, groups: npt.NDArray[np.int64], first: Float64, second: Float64) -> Float64:
    """Pearson correlation (1 + B,) of two values (N,) centred within each group, all groups together.

    ``groups`` (N,) are row numbers of ``draws``, which resample groups. NaN where a value never varies.

    >>> ones = draw(2, 0)
    >>> groups = np.array([0, 0, 1, 1])
    >>> within_group_correlation(ones, groups, np.array([0.0, 1.0, 5.0, 6.0]), np.array([7.0, 9.0, 1.0, 3.0]))
    array([1.])
    """
    size = np.bincount(groups)
    centred = [value - (np.bincount(groups, value) / size)[groups] for value in (first, second)]
    shared, own, other = (
        draws.counts @ np.bincount(groups, product)
        for product in (centred[0] * centred[1], np.square(centred[0]), np.square(centred[1]))
    )
    return ratio(shared, np.sqrt(own * other))


def _auroc(draws: Draws, occurs: npt.NDArray[np.bool_], scores: Float64) -> Figure:
    values = drawn_auroc(draws.of(~occurs), scores[~occurs], draws.of(occurs), scores[occurs])
    return figure_of(values, len(scores))
