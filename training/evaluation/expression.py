"""``mien-train evaluate expression``: the figures of a model, each with its size and interval.

Every choice is made on PublicTest; PrivateTest is read once per released model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from engine.types import MESH_POINTS, Float32, Int64, UInt8
from training.data.fer2013 import read_faces
from training.evaluation.estimates import Estimates, estimates_of, file_estimator
from training.evaluation.expression_report import ExpressionReport, measure, model_facts
from training.expression.landmark_maps import LANDMARK_POINTS, MIRROR

#: Members' probabilities are taken to be at least this where logits are made of them again.
_LEAST: Final = 1e-30


def evaluate_expression(model: Path, data: Path, cache: Path, split: str) -> ExpressionReport:
    """All figures of a model file on a split.

    Raises:
        ContractError: it has no contract, or is not an expression model.
        FileNotFoundError, ValueError: the data cannot be read.
    """
    estimate, contract, calibration = file_estimator(model)
    faces = read_faces(data, split, cache, contract.crop.side_px)
    judged = estimate(faces.crops, faces.landmarks)
    flipped = estimate(*mirrored(faces.crops, faces.landmarks))
    facts = model_facts(contract.name, contract.sha256, contract.trained, contract.data, calibration)
    before = before_calibration(judged, calibration.temperature)
    return measure(facts, split, faces, judged, before, flipped.probabilities)


def mirrored(crops: UInt8, landmarks: Float32) -> tuple[UInt8, Float32]:
    """Crops (N, S, S) and landmarks (N, 468, 2) of the faces in a mirror.

    The points of `LANDMARK_POINTS`, which the models read, take the numbers of their partners; the others do not.
    """
    points = np.array(LANDMARK_POINTS)
    partner: Int64 = np.arange(MESH_POINTS)
    partner[points] = points[list(MIRROR)]
    turned = landmarks[:, partner]
    turned[..., 0] = 1 - turned[..., 0]
    return np.ascontiguousarray(crops[:, :, ::-1]), turned


def before_calibration(judged: Estimates, temperature: float) -> Estimates | None:
    """The estimates at temperature 1; None for a model without members.

    T ln p is the logit up to a constant per face and member, to which the softmax does not answer.
    """
    if judged.members is None:
        return None
    return estimates_of(np.float32(temperature) * np.log(np.maximum(judged.members, np.float32(_LEAST))), 1.0)
