"""The rule of evidence chosen: weights and limit of engine/tracking/evidence.py from the half ``choose``.

Every candidate of the detector, in every view, is weighed as the tracker weighs it and labelled by whether it lies on a
face. A logistic regression gives the weights, a sweep of the limit the curve. The limit lies halfway between the
highest value of a candidate without a face and the value that one in a hundred faces does not reach.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from engine.tracking.association import shape_of
from engine.tracking.detector import FaceDetector
from engine.tracking.evidence import Evidence, features_of, weigh
from engine.tracking.mesh import FaceMesh
from engine.tracking.views import BORDERED, STILL_MARGIN, WHOLE, tile_levels
from engine.types import Float32, Float64, UInt8
from training.evaluation.face_scenes import (
    CONDITIONS,
    DRAWN,
    NOT_COUNTED,
    Scene,
    drawn_image,
    faceless_frames,
    photographs,
)
from training.evaluation.faces import lies_on, scene_maker

#: Candidates from this score of the detector on.
_CANDIDATE_SCORE: Final = 0.3
#: Weight of the penalty on the squares of the weights, per candidate.
_PENALTY: Final = 0.01
_NEWTON_STEPS: Final = 60
#: Share of the faces whose values count for the limit.
_KEPT: Final = 0.99
_LEVELS: Final = (0, 1, 2, 5, 10, 20, 50)


@dataclass(frozen=True, slots=True)
class Point:
    """One limit of the rule."""

    limit: float
    found: float  # share of all faces for which some candidate passes
    false: int  # candidates without a face that pass


@dataclass(frozen=True, slots=True)
class Rule:
    """Weights, limit and what they were chosen from."""

    weights: tuple[float, ...]  # presence, check, constant
    limit: float
    faces: int
    candidates: int
    without_face: int
    curve: tuple[Point, ...]
    single: dict[str, tuple[Point, ...]]  # the same curve for each part alone


@dataclass(frozen=True, slots=True, eq=False)
class _Weighed:
    features: Float64  # (N, 2)
    face: tuple[tuple[str, int, int] | None, ...]  # which face each candidate lies on
    faces: int


def choose_rule(
    pack: Path,
    media: Path,
    scenes: int = 25,
    drawn: int = 100,
    portraits: int = 700,
    report: Callable[[str], None] = print,
) -> Rule:
    """Weigh the candidates of the half ``choose`` and fit the rule.

    Args:
        pack: faces128.npz.
        media: folder with the clips.
        scenes: per condition.
        drawn: images without faces per kind; all frames of the clips without faces are used beside them.
        portraits: photographs whose faces are pasted.
        report: receives a line per step.

    Raises:
        SourceError: a file is missing.
        FaceModelError: a face network is not on this machine.
    """
    weighed = _weigh_all(pack, media, scenes, drawn, portraits, report)
    is_face = np.array([face is not None for face in weighed.face])
    weights = fit_logistic(weighed.features, is_face)
    design = np.column_stack([weighed.features, np.ones(len(is_face))])
    curve = _curve(design @ weights, weighed)
    names = ("presence", "check")
    return Rule(
        weights=tuple(weights.tolist()),
        limit=_middle_limit(design @ weights, weighed, curve[0]),
        faces=weighed.faces,
        candidates=len(is_face),
        without_face=int((~is_face).sum()),
        curve=curve,
        single={name: _curve(weighed.features[:, column], weighed) for column, name in enumerate(names)},
    )


def fit_logistic(features: Float64, is_face: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Float64:
    """Weights (D + 1,), the constant last, of a logistic regression in which both classes count alike.

    Args:
        features: (N, D).
        is_face: (N,), both values present.
    """
    design = np.column_stack([features, np.ones(len(features))])
    sizes = np.where(is_face, is_face.sum(), (~is_face).sum())
    share = len(is_face) / 2 / sizes
    penalty = _PENALTY * len(is_face) * np.append(np.ones(features.shape[1]), 0.0)
    weights = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (share * (p - is_face)) + penalty * weights
        bend = (design.T * (share * p * (1 - p))) @ design + np.diag(penalty + 1e-9)
        weights = weights - np.linalg.solve(bend, slope)
    return np.asarray(weights, np.float64)


def _weigh_all(
    pack: Path, media: Path, scenes: int, drawn: int, portraits: int, report: Callable[[str], None]
) -> _Weighed:
    detector, network = FaceDetector(_CANDIDATE_SCORE), FaceMesh()
    rows: list[Float64] = []
    faces: list[tuple[str, int, int] | None] = []
    total = 0
    for name, each in _scenes(pack, media, scenes, drawn, portraits):
        for index, scene in enumerate(each):
            total += len(scene.boxes)
            for evidence, place in _candidates(scene, detector, network):
                if place is None and len(scene.boxes):
                    continue  # beside a face: part of a pasted head, or a face with a mesh too large to count
                rows.append(features_of(evidence))
                faces.append(None if place is None else (name, index, place))
        report(f"{name}: {len(rows)} candidates")
    return _Weighed(np.array(rows), tuple(faces), total)


def _scenes(pack: Path, media: Path, scenes: int, drawn: int, portraits: int) -> Iterator[tuple[str, Iterator[Scene]]]:
    """All scenes of the half, kind by kind."""
    maker = scene_maker(pack, media, "choose", portraits)
    for condition in CONDITIONS:
        yield condition.name, map(partial(maker.make, condition), range(scenes))
    yield "photographs", (_whole(image) for _, image in photographs(pack, "choose", 8 * scenes))
    for kind in DRAWN:
        if kind in NOT_COUNTED:
            continue
        yield kind, map(_faceless, map(partial(drawn_image, kind, "choose"), range(drawn)))
    yield "clips", map(_faceless, faceless_frames(media, "choose"))


def _faceless(image: UInt8) -> Scene:
    return Scene(image, np.empty((0, 4), np.float32))


def _whole(image: UInt8) -> Scene:
    return Scene(image, np.array([[0.08, 0.06, 0.92, 0.97]], np.float32) * image.shape[0])


def _candidates(scene: Scene, detector: FaceDetector, network: FaceMesh) -> list[tuple[Evidence, int | None]]:
    """Evidence of each candidate that has a plausible mesh, and the face on which it lies."""
    width, height = scene.image.shape[1], scene.image.shape[0]
    levels = tile_levels(width, height, STILL_MARGIN) + tile_levels(width, height)[:1]  # of stills, and of videos
    weighed = []
    for view in (WHOLE, BORDERED, *itertools.chain.from_iterable(levels)):
        for found in detector.detect(scene.image, view):
            candidate = weigh(scene.image, found, detector, network)
            if candidate is not None:
                box: Float32 = shape_of(candidate.mesh).box
                places = [place for place, truth in enumerate(scene.boxes) if lies_on(box, truth)]
                weighed.append((candidate.evidence, places[0] if places else None))
    return weighed


def _curve(values: Float64, weighed: _Weighed) -> tuple[Point, ...]:
    """The limit at which so many candidates without a face pass, and the share of faces found there."""
    without = np.sort([value for value, face in zip(values, weighed.face, strict=True) if face is None])[::-1]
    points = []
    for false in (level for level in _LEVELS if level < len(without)):
        limit = float(without[false]) + 1e-6
        found = {face for value, face in zip(values, weighed.face, strict=True) if face and value >= limit}
        points.append(Point(limit, len(found) / max(weighed.faces, 1), false))
    return tuple(points)


def _middle_limit(values: Float64, weighed: _Weighed, none_false: Point) -> float:
    """Halfway between the limit ``none_false`` and the value that `_KEPT` of the faces found there reach."""
    best: dict[tuple[str, int, int], float] = {}
    for value, face in zip(values, weighed.face, strict=True):
        if face is not None and value >= none_false.limit:
            best[face] = max(float(value), best.get(face, -np.inf))
    reached = float(np.quantile(list(best.values()), 1 - _KEPT)) if best else none_false.limit
    return (none_false.limit + reached) / 2


def curve_text(points: Sequence[Point]) -> str:
    """A curve as a line of text: false candidates and the share of faces found."""
    return ", ".join(f"{point.false}: {point.found:.3f}" for point in points)
