"""``mien-train evaluate landmarks``: what a model file reads from the landmarks, by giving it another face's.

Each face keeps its image and gets the landmarks of the next face in a random order. A branch that matters loses
accuracy by it (ARBEx 3.2: the landmarks guide the attention).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.types import Float32
from training.data.fer2013 import majority_labels, read_faces
from training.evaluation.estimates import file_estimator
from training.metrics.bootstrap import Figure, bootstrap, mean_of, proportion


@dataclass(frozen=True, slots=True)
class LandmarkFigures:
    """With the face's own landmarks, another face's, and the mean face's."""

    split: str
    sha256: str
    accuracy: Figure  # majority labels
    accuracy_swapped: Figure
    accuracy_mean_face: Figure
    lost_points: Figure  # own minus swapped, percentage points, paired by face
    labels_changed: Figure  # share of all faces
    largest_change: float  # of a probability


def evaluate_landmarks(model: Path, data: Path, cache: Path, split: str, seed: int = 0) -> LandmarkFigures:
    """The figures on a split of FERPlus.

    Raises:
        ContractError: the file has no contract, or is not an expression model.
        FileNotFoundError, ValueError: the data cannot be read.
    """
    estimate, contract, _ = file_estimator(model)
    faces = read_faces(data, split, cache, contract.crop.side_px)
    own = estimate(faces.crops, faces.landmarks).probabilities
    swapped = estimate(faces.crops, swapped_landmarks(faces.landmarks, seed)).probabilities
    mean = np.repeat(faces.landmarks.mean(0, keepdims=True), len(own), 0)
    average = estimate(faces.crops, mean).probabilities
    labels = majority_labels(faces.votes)
    clear = labels >= 0
    hits, others, means = ((p.argmax(1) == labels)[clear].astype(np.float64) for p in (own, swapped, average))
    n = len(hits)
    return LandmarkFigures(
        split=split,
        sha256=contract.sha256,
        accuracy=bootstrap(mean_of(hits), n),
        accuracy_swapped=bootstrap(mean_of(others), n),
        accuracy_mean_face=bootstrap(mean_of(means), n),
        lost_points=bootstrap(mean_of(100 * (hits - others)), n),
        labels_changed=proportion(int((own.argmax(1) != swapped.argmax(1)).sum()), len(own)),
        largest_change=float(np.abs(own - swapped).max()),
    )


def swapped_landmarks(landmarks: Float32, seed: int = 0) -> Float32:
    """Landmarks (N, 468, 2) such that every face has those of another one, for N of at least 2."""
    order = np.random.default_rng(seed).permutation(len(landmarks))
    others = np.empty_like(landmarks)
    others[order] = landmarks[np.roll(order, 1)]
    return others
