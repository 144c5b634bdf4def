"""Weak labels of action units on real faces, from expressions that people named.

Published shares of people who show a unit with an expression are a prior on the labels; posterior regularisation
(Ganchev, Graca, Gillenwater and Taskar, "Posterior Regularization for Structured Latent Variable Models", JMLR 2010)
turns it into labels per face. Of all distributions whose mean over the faces of each expression obeys the published
shares, it takes the one nearest to a model's own (smallest KL divergence). For independent units this is the model's
logit plus a constant per unit and expression:

    q_k(x) = sigmoid(logit p_k(x) + sum_e v_e(x) lambda_ek)          v: shares of the votes for the expressions e

so that voters decide how often a unit occurs with an expression, and the model on which faces. Learning units from
expressions alone follows Peng and Wang, CVPR 2018, and Zhang, Dong, Hu and Ji, CVPR 2018.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from engine.action_units import sigmoid
from engine.alignment import CROP_SIDE_PX
from engine.facs import EXPRESSIONS, OPEN_UNITS
from engine.types import Float32, Float64, UInt8
from training.action_units.exported import ExportedActionUnits
from training.data.action_unit_faces import NO_FOLD, WEAK, UnitFaces
from training.data.fer2013 import read_faces

#: Units of each expression: Du, Tao and Martinez, "Compound facial expressions of emotion", PNAS 2014, table 1. Units
#: shown by most people (more than 70 %) have 1, those in brackets their share. Contempt: EMFACS. Neutral has none.
#: AU11, in brackets for sadness, is none of our units.
PRIOR: Final[dict[str, dict[int, float]]] = {
    "neutral": {},
    "happiness": {12: 1, 25: 1, 6: 0.51},
    "surprise": {1: 1, 2: 1, 25: 1, 26: 1, 5: 0.66},
    "sadness": {4: 1, 15: 1, 1: 0.60, 6: 0.50, 17: 0.67},
    "anger": {4: 1, 7: 1, 24: 1, 10: 0.26, 17: 0.52, 23: 0.29},
    "disgust": {9: 1, 10: 1, 17: 1, 4: 0.31, 24: 0.26},
    "fear": {1: 1, 4: 1, 20: 1, 25: 1, 2: 0.57, 5: 0.63, 26: 0.33},
    "contempt": {14: 1},
}
#: Bracketed units of PRIOR that are part of the expression's prototype in EMFACS (Ekman, Friesen and Hager, "FACS
#: Investigator's Guide", 2002): they count as shown by most people.
PROTOTYPES: Final[dict[str, tuple[int, ...]]] = {
    "happiness": (6,),
    "surprise": (5,),
    "sadness": (1,),
    "anger": (23,),
    "fear": (2, 5, 26),
}
#: Bounds on the mean: the shares are of posed faces, and faces in the wild show an expression more faintly. A unit of
#: most people occurs on at least half of the faces, one in brackets on half its share up to a little more than it; any
#: other, which fewer than a fifth of the people showed, on at most a fifth.
_MOST, _OTHERS, _MARGIN = 0.5, 0.2, 0.1
_SWEEPS: Final = 80
_LARGEST_STEP: Final = 1.0
_LARGEST_SHIFT: Final = 8.0


def prior_bounds(units: tuple[int, ...] = OPEN_UNITS) -> tuple[Float64, Float64]:
    """Lowest and highest mean (8, K) of each unit over the faces of each expression, in the order of EXPRESSIONS."""
    low, high = np.zeros((len(EXPRESSIONS), len(units))), np.full((len(EXPRESSIONS), len(units)), _OTHERS)
    for row, expression in enumerate(EXPRESSIONS):
        for unit, share in PRIOR[expression].items():
            if unit not in units:
                continue
            column = units.index(unit)
            by_most = share == 1 or unit in PROTOTYPES.get(expression, ())
            low[row, column] = _MOST if by_most else share / 2
            high[row, column] = 1.0 if by_most else share + _MARGIN
    return low, high


def fit_shifts(occurrence: Float32, shares: Float32, low: Float64, high: Float64) -> Float64:
    """Smallest shifts lambda (E, K) with which the mean of each unit over each expression is within its bounds.

    Args:
        occurrence: (N, K) probabilities 0-1 of a model.
        shares: (N, E) shares of the votes.
        low: (E, K) lower bounds, as of `prior_bounds`.
        high: (E, K) upper bounds.
    """
    own = _logit(occurrence)
    weights = shares.astype(np.float64)
    totals = np.maximum(weights.sum(0), 1e-9)
    shifts = np.zeros_like(low)
    for _ in range(_SWEEPS):
        for row in range(len(shifts)):
            q = _sigmoid(own + weights @ shifts)
            mean = weights[:, row] @ q / totals[row]
            slope = np.maximum(np.square(weights[:, row]) @ (q * (1 - q)) / totals[row], 1e-4)
            # Newton's step to the shift nearest to 0 with which the mean is within its bounds
            wanted = np.clip(0.0, shifts[row] + (low[row] - mean) / slope, shifts[row] + (high[row] - mean) / slope)
            step = np.clip(wanted - shifts[row], -_LARGEST_STEP, _LARGEST_STEP)
            shifts[row] = np.clip(shifts[row] + step, -_LARGEST_SHIFT, _LARGEST_SHIFT)
    return shifts


def weak_targets(occurrence: Float32, shares: Float32, shifts: Float64) -> Float32:
    """Probabilities (N, K) of the units given the model's (N, K) and the votes' shares (N, E)."""
    return np.asarray(_sigmoid(_logit(occurrence) + shares.astype(np.float64) @ shifts), np.float32)


def read_weak_faces(folder: Path, cache: Path, labeller: ExportedActionUnits) -> UnitFaces:
    """Training faces of FERPlus with weak labels of all units of the model that labels them.

    They have no names of people: each image is one, in the training folds only.

    Raises:
        FileNotFoundError, ValueError: as in `read_table` of fer2013.
    """
    faces = read_faces(folder, "Training", cache, CROP_SIDE_PX)
    units = tuple(int(label.removeprefix("AU")) for label in labeller.contract.labels)
    targets = _labelled(labeller, faces.crops, faces.vote_shares, units)
    count = len(faces.rows)
    return UnitFaces(
        units=units,
        crops=faces.crops,
        occurs=targets >= 0.5,
        known=np.ones(targets.shape, bool),
        targets=targets,
        people=np.array([f"{WEAK}:{row}" for row in faces.rows]),
        folds=np.full(count, NO_FOLD, np.int64),
        sources=np.full(count, WEAK),
        weak=np.ones(targets.shape, bool),
    )


def with_weak_units(faces: UnitFaces, labeller: ExportedActionUnits) -> UnitFaces:
    """The faces, with weak labels of unknown units where people named the expression; others are unchanged."""
    named = np.isin(faces.named(), EXPRESSIONS)
    if not named.any():
        return faces
    shares = (faces.named()[named, np.newaxis] == np.array(EXPRESSIONS)).astype(np.float32)
    missing = np.zeros(faces.known.shape, bool)
    missing[named] = ~faces.known[named]
    targets = faces.targets.copy()
    targets[named] = _labelled(labeller, faces.crops[named], shares, faces.units)
    return replace(
        faces,
        occurs=np.where(missing, targets >= 0.5, faces.occurs),
        known=faces.known | missing,
        targets=np.where(missing, targets, faces.targets),
        weak=faces.probable() | missing,
    )


def _labelled(labeller: ExportedActionUnits, crops: UInt8, shares: Float32, units: tuple[int, ...]) -> Float32:
    occurrence = sigmoid(labeller.logits(crops), labeller.calibration.temperature).mean(1)
    return weak_targets(occurrence, shares, fit_shifts(occurrence, shares, *prior_bounds(units)))


def _logit(p: Float32) -> Float64:
    clipped = np.clip(p.astype(np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _sigmoid(x: Float64) -> Float64:
    return np.asarray(1 / (1 + np.exp(-x)))
