"""Whether the neutral baseline of a person helps: units against an independent program on clips, with and without.

The reference (training/evaluation/unit_reference.py) calibrates per person, so a baseline can only bring our
occurrences nearer to its own. Occurrences of all frames together are compared: a shift of a person's logits changes
them, and hardly the correlation within a clip. A person is a track here. Nothing is chosen by these clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.baseline import FrameSample, estimate_baseline, logits_of, looks_neutral, subtract
from engine.capture.video_file import VideoFileSource
from engine.config import ActionUnitsConfig, EngineConfig
from engine.engine import Engine
from engine.errors import SourceError
from engine.facs import unit_code
from engine.types import BaselineState, FaceResult, Float32, Float64, Int64, Route, UnitBaseline
from training.evaluation.reference_clips import clips_with_reference, confident_rows, is_same_face
from training.evaluation.unit_reference import MEAN_UNITS, REFERENCE_COLUMNS, RESAMPLES, within_group_correlation
from training.metrics.bootstrap import Draws, Figure, draw, figure_of, ratio
from training.metrics.ranking import drawn_auroc

#: Ways to find the neutral frames of a person.
#: `REFERENCE` takes frames in which the reference codes none of MEAN_UNITS: it looks at what it is judged by.
OFF, LIVE, WHOLE, QUARTILE, REFERENCE = "off", "auto, live", "auto, whole track", "lower quartile", "by the reference"
ARMS: Final = (OFF, LIVE, WHOLE, QUARTILE, REFERENCE)
_QUARTILE: Final = 0.25

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class BaselineFaces:
    """N assessed faces of clips, of all frames, and the reference's codes of some of them."""

    occurrence: Float32  # (N, K) of the model
    live: Float32  # (N, K) with the automatic baseline of a live run
    neutral: Flags  # (N,) the expression model accepts the face as neutral
    tracks: Int64  # (N,) number of the track over all clips
    clips: npt.NDArray[np.str_]  # (N,)
    coded: Flags  # (N,) the reference codes this face; False: the next two are 0
    occurs: Flags  # (N, R) by the reference
    intensities: Float64  # (N, R) 0-5


@dataclass(frozen=True, slots=True)
class ArmUnit:
    """One unit under one arm; intervals are over clips."""

    unit: str
    auroc: Figure
    f1: Figure  # at the threshold of the contract
    rate: float  # share of frames in which we decide "present"
    reference_rate: float
    within_clip_r: Figure
    auroc_change: Figure  # against `OFF`, paired over clips, like the next
    f1_change: Figure


@dataclass(frozen=True, slots=True)
class BaselineArm:
    """One way to find neutral frames."""

    arm: str
    tracks: int  # with a baseline
    units: tuple[ArmUnit, ...]
    auroc_mean7: Figure
    f1_mean7: Figure
    rate_error_mean7: Figure  # |our rate - the reference's|, mean over MEAN_UNITS
    auroc_change: Figure  # of the mean, against `OFF`, paired over clips; so are the next two
    f1_change: Figure
    rate_error_change: Figure


@dataclass(frozen=True, slots=True)
class BaselineReport:
    """All arms on the same frames."""

    model_sha256: str
    clips: int
    tracks: int
    frames: int
    arms: tuple[BaselineArm, ...]


def evaluate_baseline(media: Path, reference: Path, models: Path, resamples: int = RESAMPLES) -> BaselineReport:
    """Compare all arms on the clips that have a reference, with both models of a folder.

    Raises:
        SourceError: a clip cannot be read, or no clip has a reference.
        FaceModelError, ModelError: a network is not on this machine.
    """
    with Engine.open(EngineConfig(action_units=ActionUnitsConfig("auto")), models_folder=models) as engine:
        contract = engine.action_units
        calibration = contract.calibration
        units = [unit for unit in REFERENCE_COLUMNS if unit_code(unit) in contract.labels]
        faces = _read(engine, media, reference)
    places = [contract.labels.index(unit_code(unit)) for unit in units]
    thresholds = np.array(calibration.thresholds)[places]
    usual = np.array(calibration.neutral, np.float32)
    return compare_arms(faces, units, places, thresholds, usual, contract.sha256, resamples)


def _read(engine: Engine, media: Path, reference: Path) -> BaselineFaces:
    rows: list[tuple[FaceResult, str, dict[str, str] | None]] = []
    tracks: list[int] = []
    for clip, table in clips_with_reference(media, reference):
        engine.reset()
        first = max(tracks, default=-1) + 1
        for face, row in _faces(engine, clip, confident_rows(table)):
            rows.append((face, clip.stem, row))
            tracks.append(first + face.track.track_id)
    if not rows:
        raise SourceError(f"no clip of {media} has a table in {reference}: give a folder of <clip>.csv")
    columns = list(REFERENCE_COLUMNS.values())
    coded = np.array([row is not None for _, _, row in rows])
    found = [face for face, _, _ in rows]
    return BaselineFaces(
        np.array([face.action_units.occurrence for face in found]),
        np.array([_corrected(face.action_units.occurrence, face.baseline) for face in found]),
        np.array([looks_neutral(face.decision.route.value, face.decision.labels) for face in found]),
        np.array(tracks, np.int64),
        np.array([clip for _, clip, _ in rows]),
        coded,
        np.array([[float((row or {}).get(f"AU{unit:02d}_c", 0)) > 0 for unit in columns] for _, _, row in rows]),
        np.array([[float((row or {}).get(f"AU{unit:02d}_r", 0)) for unit in columns] for _, _, row in rows]),
    )


def _faces(
    engine: Engine, clip: Path, rows: dict[int, dict[str, str]]
) -> Iterator[tuple[FaceResult, dict[str, str] | None]]:
    """The assessed faces of a clip with the reference's row of each."""
    with VideoFileSource(clip) as source:
        while (frame := source.read()) is not None:
            row = rows.get(frame.index)
            for face in engine.process(frame).faces:
                if face.decision.route is not Route.REJECT:
                    yield face, row if row is not None and is_same_face(row, face.track) else None


def compare_arms(
    faces: BaselineFaces,
    units: list[int],
    places: list[int],
    thresholds: Float64,
    usual: Float32,
    sha256: str = "",
    resamples: int = RESAMPLES,
) -> BaselineReport:
    """All arms on the coded faces.

    Args:
        faces: of all clips.
        units: FACS numbers of R units, those of the reference that the model has.
        places: their places in the model's order.
        thresholds: (R,) above which a unit is present.
        usual: (K,) neutral logits of the model.
        sha256: of the model.
        resamples: of the bootstrap over clips.
    """
    coded = faces.coded
    clips, place = np.unique(faces.clips[coded], return_inverse=True)
    drawn = draw(len(clips), resamples)
    columns = [list(REFERENCE_COLUMNS).index(unit) for unit in units]
    occurs, intensities = faces.occurs[coded][:, columns], faces.intensities[coded][:, columns]
    arms, off = [], None
    for arm in ARMS:
        occurrence, tracks = _arm(arm, faces, usual)
        scores = occurrence[coded][:, places].astype(np.float64)
        measured = _Measured(drawn, place, scores, scores >= thresholds, occurs, intensities)
        off = off or measured
        arms.append(_report(arm, tracks, units, measured, off))
    return BaselineReport(sha256, len(clips), len(np.unique(faces.tracks[coded])), int(coded.sum()), tuple(arms))


def _arm(arm: str, faces: BaselineFaces, usual: Float32) -> tuple[Float32, int]:
    """Occurrences (N, K) under an arm, and the number of tracks that have a baseline."""
    if arm == OFF:
        return faces.occurrence, 0
    if arm == LIVE:
        changed = (faces.live != faces.occurrence).any(1)
        return faces.live, len(np.unique(faces.tracks[changed]))
    corrected, known = faces.occurrence.copy(), 0
    for track in np.unique(faces.tracks):
        own = np.flatnonzero(faces.tracks == track)
        baseline = _baseline(arm, faces, own, usual)
        corrected[own] = _corrected(faces.occurrence[own], baseline)
        known += baseline.state is BaselineState.KNOWN
    return corrected, known


def _baseline(arm: str, faces: BaselineFaces, own: Int64, usual: Float32) -> UnitBaseline:
    """The baseline of the track with the rows ``own``."""
    logits, sample = logits_of(faces.occurrence[own]), FrameSample()
    if arm == QUARTILE:  # every frame at the lower quartile of each unit: as many frames, all alike
        quartile = np.quantile(logits, _QUARTILE, axis=0).astype(np.float32)
        chosen = np.repeat(quartile[np.newaxis], len(own), axis=0)
    elif arm == REFERENCE:
        coded = [list(REFERENCE_COLUMNS).index(unit) for unit in MEAN_UNITS]
        chosen = logits[faces.coded[own] & ~faces.occurs[own][:, coded].any(1)]
    else:
        chosen = logits[faces.neutral[own]]
    for frame in chosen:
        sample.add(frame)
    return estimate_baseline(sample, usual)


def _corrected(occurrence: Float32, baseline: UnitBaseline) -> Float32:
    return subtract(occurrence, np.zeros_like(occurrence), baseline)[0]


class _Measured:
    """Figures (1 + B,) of each unit, resampled over clips."""

    def __init__(
        self, drawn: Draws, place: Int64, scores: Float64, present: Flags, occurs: Flags, intensities: Float64
    ) -> None:
        weights = Draws(drawn.counts[:, place])
        self.n = len(scores)
        self.auroc, self.f1, self.rate, self.theirs, self.within = [], [], [], [], []
        for column in range(scores.shape[1]):
            score, ours, real = scores[:, column], present[:, column], occurs[:, column]
            self.auroc.append(drawn_auroc(weights.of(~real), score[~real], weights.of(real), score[real]))
            hits = weights.counts @ (ours & real).astype(np.float64)
            either = weights.counts @ (ours.astype(np.float64) + real)
            self.f1.append(ratio(2 * hits, either))
            self.rate.append(ratio(weights.counts @ ours.astype(np.float64), weights.totals))
            self.theirs.append(ratio(weights.counts @ real.astype(np.float64), weights.totals))
            self.within.append(within_group_correlation(drawn, place, score, intensities[:, column]))


def _report(arm: str, tracks: int, units: list[int], measured: _Measured, off: _Measured) -> BaselineArm:
    n = measured.n
    found = tuple(
        ArmUnit(
            unit=unit_code(unit),
            auroc=figure_of(measured.auroc[column], n),
            f1=figure_of(measured.f1[column], n),
            rate=float(measured.rate[column][0]),
            reference_rate=float(measured.theirs[column][0]),
            within_clip_r=figure_of(measured.within[column], n),
            auroc_change=figure_of(measured.auroc[column] - off.auroc[column], n),
            f1_change=figure_of(measured.f1[column] - off.f1[column], n),
        )
        for column, unit in enumerate(units)
    )
    main = [column for column, unit in enumerate(units) if unit in MEAN_UNITS]
    means = [_means(each, main) for each in (measured, off)]
    changes = [now - before for now, before in zip(*means, strict=True)]
    return BaselineArm(arm, tracks, found, *(figure_of(values, n) for values in (*means[0], *changes)))


def _means(measured: _Measured, columns: list[int]) -> tuple[Float64, Float64, Float64]:
    """Means (1 + B,) over units of AUROC, F1 and the error of the rate."""
    errors = [np.abs(measured.rate[column] - measured.theirs[column]) for column in columns]
    parts = [measured.auroc[column] for column in columns], [measured.f1[column] for column in columns], errors
    auroc, f1, error = (np.asarray(np.nanmean(each, axis=0), np.float64) for each in parts)
    return auroc, f1, error
