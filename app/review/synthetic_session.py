"""Synthetic sessions for benchmarks and tests, written without camera or networks.

Each face drifts from expression to expression; its results are routed like the engine's: one label, competing labels,
unlike the training data, low quality. The files are written by the same code as those of real sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.session.folder import SessionFolder
from app.session.journal import JournalSink
from app.session.metadata import FrameCounts, Metadata, SourceRecord, now_utc, write_metadata
from app.session.rows import SessionHeader
from app.session.table import write_tables
from engine.facs import EXPRESSIONS, OPEN_UNITS
from engine.types import (
    MESH_POINTS,
    AlignedFace,
    AUEstimate,
    Decision,
    ExpressionEstimate,
    FaceQuality,
    FaceResult,
    FaceTrack,
    Float32,
    Frame,
    FrameResult,
    HeadPose,
    QualityReason,
    Reason,
    Route,
    StageTimes,
    SteadyEstimate,
    TrackState,
    Uncertainty,
)

#: Source id in the header.
SOURCE_ID: Final = "clip.mp4"
_SIZE_PX: Final = (1280, 720)
_UNITS: Final = len(OPEN_UNITS)
_ALEATORIC_LIMIT: Final = 1.05
#: Time constant of the drift in seconds.
_MEMORY_S: Final = 1.5
#: Approximate size of one face in a state line of the shipped pipeline.
_STATE_BYTES: Final = 7000
_SQUARE: Final = np.zeros((_UNITS, _UNITS), np.float32)
_ZEROS: Final = np.zeros(_UNITS, np.float32)
_CROP: Final = np.zeros((2, 2), np.uint8)
_MESH: Final = np.zeros((MESH_POINTS, 3), np.float32)
_POINTS: Final = np.zeros((MESH_POINTS, 2), np.float32)
_CODES: Final = np.array(OPEN_UNITS, np.int64)


def write_synthetic_session(folder: SessionFolder, duration_s: float, fps: float, faces: int, seed: int) -> None:
    """Write a completed session without video; ``faces`` are present most of the time and get a new id on return.

    The same arguments produce the same rows.

    Raises:
        OutputError: the folder cannot be written.
    """
    folder.clear()
    folder.make()
    header = synthetic_header()
    sink = JournalSink(folder.journal, header)
    sink.open()
    for result in synthetic_results(duration_s, fps, faces, seed):
        sink.write(result)
    sink.close(completed=True)
    counts = write_tables(folder.journal, folder.csv, folder.parquet)
    write_metadata(folder.metadata, _metadata(header, fps, counts.frames, counts.faces))


def synthetic_header() -> SessionHeader:
    """Header with the label order of the shipped models, and round limits."""
    return SessionHeader(
        source_id=SOURCE_ID,
        app_version="synthetic",
        model_sha256="0" * 64,
        expressions=EXPRESSIONS,
        au_codes=OPEN_UNITS,
        au_thresholds=(0.5,) * _UNITS,
        au_trusted=OPEN_UNITS,
        aleatoric_limit=_ALEATORIC_LIMIT,
        ood_limit=0.95,
        settings={"source file": "", "tracker": "synthetic"},
    )


def synthetic_results(duration_s: float, fps: float, faces: int, seed: int) -> Iterator[FrameResult]:
    """The results of a synthetic session, frame by frame."""
    rng = np.random.default_rng(seed)
    people = [_SyntheticPerson(rng, fps, place) for place in range(faces)]
    next_id = 1
    image = np.zeros((1, 1, 3), np.uint8)
    times = StageTimes(8.0, 0.4, 2.5, 2.0, 0.1)
    since_state = 0.0
    for index in range(round(duration_s * fps)):
        shown = []
        for person in people:
            next_id = person.step(next_id)
            if person.face_id is not None:
                shown.append(person.result())
        since_state += 1.0 / fps
        state = "s" * (_STATE_BYTES * len(shown)) if since_state >= 1.0 else None
        since_state = 0.0 if state is not None else since_state
        time_s = index / fps
        yield FrameResult(Frame(image, index, time_s, SOURCE_ID, time_s), tuple(shown), times, state)


@dataclass(slots=True)
class _Chance:
    """Random ends of states with a given mean duration."""

    rng: np.random.Generator
    fps: float

    def ends(self, mean_s: float) -> bool:
        """Whether a state of this mean duration ends within the frame."""
        return bool(self.rng.random() < 1.0 / (mean_s * self.fps))


class _SyntheticPerson:
    """One synthetic person, whose face comes and goes."""

    def __init__(self, rng: np.random.Generator, fps: float, place: int) -> None:
        self.face_id: int | None = None
        self._rng = rng
        self._chance = _Chance(rng, fps)
        self._keep = float(np.exp(-1.0 / (_MEMORY_S * fps)))
        self._target = np.zeros(len(EXPRESSIONS))
        self._logits = np.zeros(len(EXPRESSIONS))
        self._units = np.zeros(_UNITS)
        self._unit_target = np.zeros(_UNITS)
        self._reason: Reason | None = None  # why the face is not assessed
        self._left_px = 80.0 + 300.0 * place % 1000

    def step(self, next_id: int) -> int:
        """Advance by one frame; a returning face takes ``next_id``. Return the next free id."""
        if self.face_id is None:
            if not self._chance.ends(8.0):
                return next_id
            self.face_id, next_id = next_id, next_id + 1
        elif self._chance.ends(600.0):
            self.face_id = None
            return next_id
        if self._chance.ends(5.0):
            self._target = self._rng.normal(0.0, 3.0, len(EXPRESSIONS))
            self._unit_target = self._rng.beta(0.6, 1.8, _UNITS)
        if self._reason is None and self._chance.ends(45.0):
            self._reason = Reason.LOW_QUALITY if self._rng.random() < 0.6 else Reason.UNLIKE_TRAINING_DATA
        elif self._reason is not None and self._chance.ends(3.0):
            self._reason = None
        noise = self._rng.normal(0.0, 0.05, len(EXPRESSIONS))
        self._logits = self._keep * self._logits + (1.0 - self._keep) * self._target + noise
        self._units = self._keep * self._units + (1.0 - self._keep) * self._unit_target
        self._left_px = float(np.clip(self._left_px + self._rng.normal(0.0, 1.0), 0.0, _SIZE_PX[0] - 200.0))
        return next_id

    def result(self) -> FaceResult:
        """The result of this frame. ValueError while the face is absent."""
        if self.face_id is None:
            raise ValueError("an absent face has no result")
        shares = np.exp(self._logits - self._logits.max())
        shares /= shares.sum()
        aleatoric = float(-(shares * np.log(shares + 1e-12)).sum())
        reason = self._reason or (Reason.COMPETING_LABELS if aleatoric > _ALEATORIC_LIMIT else Reason.CLEAR)
        bad = reason is Reason.LOW_QUALITY
        quality = FaceQuality(0.2, (QualityReason.TURNED_AWAY,)) if bad else FaceQuality(0.8)
        box = np.array([self._left_px, 200.0, self._left_px + 180.0, 420.0], np.float32)
        probabilities = shares.astype(np.float32)
        strange = 0.99 if reason is Reason.UNLIKE_TRAINING_DATA else 0.4
        return FaceResult(
            FaceTrack(self.face_id, TrackState.CONFIRMED, box, _MESH, HeadPose(4.0, -3.0, 1.0), 0.95, 1.0),
            AlignedFace(self.face_id, _CROP, _POINTS, np.eye(2, 3), quality),
            ExpressionEstimate(probabilities[None], probabilities),
            _units(self._units.astype(np.float32)),
            uncertainty := Uncertainty(aleatoric + 0.02, aleatoric, 0.02, strange),
            _decision(reason, SteadyEstimate(shares, uncertainty)),
        )


def _units(occurrence: Float32) -> AUEstimate:
    return AUEstimate(_CODES, occurrence, occurrence * np.float32(0.1), _ZEROS, _ZEROS, _SQUARE, _SQUARE, _SQUARE)


def _decision(reason: Reason, steady: SteadyEstimate) -> Decision:
    shares = steady.probabilities
    order = np.argsort(-shares).tolist()
    if reason is Reason.CLEAR:
        chosen, route = order[:1], Route.ACCEPT
    elif reason is Reason.COMPETING_LABELS:
        chosen, route = order[: 3 if shares[order[2]] > 0.25 else 2], Route.AMBIGUOUS
    else:
        chosen, route = [], Route.REJECT
    return Decision(
        route, reason, tuple(EXPRESSIONS[place] for place in chosen), tuple(float(shares[p]) for p in chosen), steady
    )


def _metadata(header: SessionHeader, fps: float, frames: int, faces: int) -> Metadata:
    return Metadata(
        source=SourceRecord(SOURCE_ID, "video", None, *_SIZE_PX, fps, "cfr"),
        app_version=header.app_version,
        models=(),
        thresholds={"tau_accept": header.aleatoric_limit, "tau_ood": header.ood_limit},
        calibration={},
        labels=header.expressions,
        au_codes=header.au_codes,
        au_trusted=header.au_trusted,
        tracker="synthetic",
        config={},
        start=now_utc(),
        end=now_utc(),
        frames=FrameCounts(frames, frames, 0, 0),
        faces=faces,
        completed=True,
    )
