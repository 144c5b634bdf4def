"""Synthetic frames, faces and results with round numbers."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from engine.facs import BP4D_UNITS, EXPRESSIONS
from engine.types import (
    MESH_POINTS,
    AlignedFace,
    AUEstimate,
    Decision,
    ExpressionEstimate,
    FaceQuality,
    FaceResult,
    FaceTrack,
    Frame,
    FrameResult,
    HeadPose,
    Reason,
    Route,
    StageTimes,
    SteadyEstimate,
    TrackState,
    Uncertainty,
)

UNITS: Final = len(BP4D_UNITS)


def fake_frame(index: int = 0, width: int = 160, height: int = 120, fps: float = 10.0) -> Frame:
    """A grey frame whose level is its index, with presentation times that start at 1 s."""
    image = np.full((height, width, 3), index % 200, np.uint8)
    return Frame(image, index, index / fps, "clip.mp4", index / fps + 1.0)


def fake_face(
    route: Route = Route.ACCEPT,
    reason: Reason = Reason.CLEAR,
    labels: tuple[str, ...] = ("happiness",),
    shares: tuple[float, ...] = (0.82,),
    track_id: int = 1,
    box: tuple[float, float, float, float] = (40.0, 30.0, 100.0, 100.0),
    quality: FaceQuality | None = None,
    level: float = 0.25,
    units: tuple[int, ...] = BP4D_UNITS,
    occurrence: tuple[float, ...] | None = None,
    graded: bool = False,
) -> FaceResult:
    """One face. ``occurrence`` (K,) rises to ``level`` from unit to unit unless given; its deviation is a tenth.

    ``graded``: with intensities, four times the occurrence.
    """
    mesh = np.zeros((MESH_POINTS, 3), np.float32)
    track = FaceTrack(
        track_id, TrackState.CONFIRMED, np.array(box, np.float32), mesh, HeadPose(10.0, -5.0, 1.5), 0.9, 1.0
    )
    probabilities = np.full(8, (1.0 - 0.5) / 7, np.float32)
    probabilities[1] = 0.5
    count = len(units)
    means = np.linspace(0.0, level, count, dtype=np.float32) if occurrence is None else np.array(occurrence, np.float32)
    square = np.zeros((count, count), np.float32)
    return FaceResult(
        track,
        AlignedFace(
            track_id,
            np.zeros((96, 96), np.uint8),
            np.zeros((MESH_POINTS, 2), np.float32),
            np.eye(2, 3),
            quality or FaceQuality(0.75),
        ),
        ExpressionEstimate(np.tile(probabilities, (5, 1)), probabilities),
        AUEstimate(
            np.array(units, np.int64),
            means,
            means / 10,
            means,
            means,
            square,
            square,
            square,
            4 * means if graded else None,
        ),
        Uncertainty(0.5, 0.4, 0.1, level),
        Decision(route, reason, labels, shares, fake_steady(labels, shares, level)),
    )


def fake_steady(labels: tuple[str, ...] = (), shares: tuple[float, ...] = (), level: float = 0.25) -> SteadyEstimate:
    """Probabilities with these shares and the rest spread evenly; 0.45 and 0.1 nats."""
    given = dict(zip(labels, shares, strict=True))
    rest = (1.0 - sum(shares)) / (len(EXPRESSIONS) - len(given))
    probabilities = np.array([given.get(name, rest) for name in EXPRESSIONS])
    return SteadyEstimate(probabilities, Uncertainty(0.55, 0.45, 0.1, level))


def plain_decision(decision: Decision) -> tuple[object, ...]:
    """A decision as a tuple that can be compared."""
    steady = decision.steady
    average = None if steady is None else (steady.probabilities.tolist(), dataclasses.astuple(steady.uncertainty))
    return (decision.route, decision.reason, decision.labels, decision.shares, average)


def fake_result(frame: Frame, *faces: FaceResult, snapshot: str | None = None) -> FrameResult:
    """A result with round stage times, 5 ms in all."""
    return FrameResult(frame, faces, StageTimes(1.0, 0.5, 2.0, 1.25, 0.25), snapshot)
