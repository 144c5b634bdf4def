"""One rule for whether a candidate is a face: a logistic function of what the two networks say about it.

Weights and limit are those that ``mien-train evaluate faces --fit`` chose on the half ``choose`` of its labelled set:
2,340 candidates with a plausible mesh, 456 of them on text, patterns, cars, hands, drawn animals and a cartoon. No such
candidate passes, and 94 % of the faces from 16 pixels up do; with the detector's score alone it would be 54 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.tracking.detector import NEAR_SCALE, FaceDetector
from engine.tracking.mesh import FaceMesh, FaceRoi, is_plausible, roi_from_detection, roi_from_mesh
from engine.types import FaceDetection, Float32, Float64, UInt8

#: Weights of the log odds of the detector's score, of the presence and of the near check, and the constant.
WEIGHTS: Final = (0.24, 0.74, 0.94, -1.20)
#: A candidate is a face from this value on: halfway between the highest value of one without a face (0.2) and the value
#: that one in a hundred faces does not reach (3.0).
MIN_EVIDENCE: Final = 1.6
#: A face that is too small or too coarse for the mesh network needs this score in the near and in the far check.
MIN_SMALL_CHECK: Final = 0.6
#: A candidate with less presence than this in the detector's square is dropped at once.
_HOPELESS_PRESENCE: Final = 0.01
#: Scores are clipped to keep their log odds finite; no check reports less than the second.
_SCORE_STEP: Final = 1e-3
LEAST_CHECK: Final = 0.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a candidate, all 0-1."""

    score: float  # of the detector in the view in which it was found
    presence: float  # of the mesh network in the square of its own mesh
    check: float  # of the detector in the near window; 0 = nothing found there

    @property
    def value(self) -> float:
        """Log odds of a face, up to a constant that depends on how rare faces are among candidates."""
        score, presence, check, constant = WEIGHTS
        features = features_of(self)
        return float(score * features[0] + presence * features[1] + check * features[2] + constant)

    @property
    def is_face(self) -> bool:
        """Whether the rule accepts the candidate."""
        return self.value >= MIN_EVIDENCE


def features_of(evidence: Evidence) -> Float64:
    """What the rule weighs (3,): the log odds of score, presence and check."""
    parts = (evidence.score, evidence.presence, max(evidence.check, LEAST_CHECK))
    return np.array([_log_odds(part) for part in parts])


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A place where the detector found something, with the mesh on it and the evidence that it is a face."""

    mesh: Float32  # (468, 3) frame pixels
    roi: FaceRoi  # around the mesh
    evidence: Evidence


def weigh(image: UInt8, found: FaceDetection, detector: FaceDetector, mesh_network: FaceMesh) -> Candidate | None:
    """Place the mesh on a detection, let it follow itself once, and collect the evidence.

    None when the mesh does not lie on the detection as it lies on a face: collapsed, off the middle, not upright in the
    detector's square (`is_plausible`), or without any presence.

    Args:
        image: (H, W, 3) RGB.
        found: what the detector found in it.
        detector: for the check.
        mesh_network: for mesh and presence.
    """
    square = roi_from_detection(found)
    mesh, presence = mesh_network.locate(image, square)
    own = roi_from_mesh(mesh)
    if presence < _HOPELESS_PRESENCE or not is_plausible(mesh, own, square, image):
        return None
    mesh, presence = mesh_network.locate(image, own)
    steady = roi_from_mesh(mesh)
    if not is_plausible(mesh, steady, own, image):
        return None
    check = detector.check(image, steady, LEAST_CHECK, NEAR_SCALE)
    return Candidate(mesh, steady, Evidence(found.score, presence, 0.0 if check is None else check.score))


def _log_odds(probability: float) -> float:
    clipped = min(max(probability, _SCORE_STEP), 1 - _SCORE_STEP)
    return math.log(clipped / (1 - clipped))
