"""One rule for whether a candidate is a face: a logistic function of what the two networks say about it.

The weights are those of a logistic regression as in training/evaluation/face_rule.py (``mien-train evaluate faces
--fit``) on 496 candidates of its half ``choose``, 382 of them on faces. Those without a face lay on 123 drawn images:
text, patterns, shapes, hands, animals, robots, and heads drawn with human proportions, which came nearest. The score of
the view in which a candidate was found, and how near mesh and detector agree, say nothing more (weights below 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.tracking.association import detected_distance, shape_of
from engine.tracking.detector import NEAR_SCALE, FaceDetector
from engine.tracking.mesh import FaceMesh, FaceRoi, is_plausible, roi_from_detection, roi_from_mesh
from engine.types import FaceDetection, Float32, Float64, UInt8

#: Weights of the log odds of presence and check, and the constant.
WEIGHTS: Final = (0.46, 0.18, -4.06)
#: A small candidate is a face from the first value on, one of at least so many pixels from the second: coarse pixels
#: hide what tells drawn faces from real ones. On the labelled set one drawn head of human proportions reached 2.6, and
#: nothing else without a face more than -1.0; of 150 photographs as they are one stays below 0.
MIN_EVIDENCE: Final = 1.5
MIN_EVIDENCE_LARGE: Final = 0.0
LARGE_PX: Final = 64.0
#: The detector's points and the mesh lie at most this far apart, in sizes of the face, if a check found anything.
_MAX_DISTANCE: Final = 0.2
#: The most that a candidate is worth if they do not.
_NO_AGREEMENT: Final = -1.0
#: A face that is too small or too coarse for the mesh network needs this score in the near and in the far check, and
#: more in a still, where it cannot be seen again.
MIN_SMALL_CHECK: Final = 0.65
MIN_SMALL_CHECK_STILL: Final = 0.75
#: A candidate with less presence than this in the detector's square is dropped at once.
_HOPELESS_PRESENCE: Final = 0.01
#: Presences are clipped to keep their log odds finite. The step is fine because the network is surer of a face (0.999
#: and more) than of a drawn one (0.99): in the log odds lies most of what tells them apart.
_PRESENCE_STEP: Final = 1e-6
#: No check reports less than this.
LEAST_CHECK: Final = 0.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a candidate."""

    presence: float  # 0-1 of the mesh network in the square of its own mesh
    check: float  # 0-1 of the detector in the near window; 0 = nothing found there
    distance: float  # between the points of that check and of the mesh, in sizes of the face

    @property
    def value(self) -> float:
        """Log odds of a face, up to a constant that depends on how rare faces are among candidates."""
        presence, check = features_of(self).tolist()
        value: float = WEIGHTS[0] * presence + WEIGHTS[1] * check + WEIGHTS[2]
        return value if self.check == 0 or self.distance <= _MAX_DISTANCE else min(value, _NO_AGREEMENT)


def least_evidence(size_px: float) -> float:
    """The value of evidence from which a candidate of this size (root of the area of its box) is a face."""
    return MIN_EVIDENCE_LARGE if size_px >= LARGE_PX else MIN_EVIDENCE


def features_of(evidence: Evidence) -> Float64:
    """What the rule weighs (2,): the log odds of presence and check."""
    presence = _log_odds(min(max(evidence.presence, _PRESENCE_STEP), 1 - _PRESENCE_STEP))
    check = _log_odds(min(max(evidence.check, LEAST_CHECK), 1 - LEAST_CHECK))
    return np.array([presence, check])


def evidence_of(mesh: Float32, presence: float, check: FaceDetection | None) -> Evidence:
    """Presence and a check put together.

    Args:
        mesh: (468, 3) frame pixels.
        presence: 0-1.
        check: the face that the detector found in the square of the mesh; None = nothing.
    """
    if check is None:
        return Evidence(presence, 0.0, math.inf)
    return Evidence(presence, check.score, detected_distance(check, mesh, shape_of(mesh).size_px))


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A place where the detector found something, with the mesh on it and the evidence that it is a face."""

    mesh: Float32  # (468, 3) frame pixels
    roi: FaceRoi  # around the mesh
    evidence: Evidence

    @property
    def is_face(self) -> bool:
        """Whether the rule accepts the candidate."""
        return self.evidence.value >= least_evidence(shape_of(self.mesh).size_px)


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
    return Candidate(mesh, steady, evidence_of(mesh, presence, check))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
