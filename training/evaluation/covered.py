"""``mien-train evaluate covered``: things that hide a face before a webcam, and whether the model says what they hide.

The things are drawn over the faces of a split (training/data/covers.py); the training of the model and of its head saw
none of them. Each face keeps its label, so what is accepted in spite of the cover can be right or wrong. Noise and
blur, which no training saw either, hide nothing: a part named there is named wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.errors import ContractError
from engine.types import COVERED_PARTS, UInt8
from training.corruptions.catalogue import FAMILIES, SEVERITIES, Strength, corrupt
from training.data.covers import DRAWN_COVERS, drawn_cover
from training.data.fer2013 import majority_labels, read_faces
from training.evaluation.estimates import estimates_of, file_estimator
from training.evaluation.routes import RouteLimits, RouteRow, route_row
from training.evaluation.uncertainty_tables import scores_of
from training.expression.export import open_network, run_outputs
from training.metrics.bootstrap import Figure, draw, proportion

#: Corruptions that no training saw, for faces of which no part is hidden.
_UNSEEN: Final = (*FAMILIES["noise"], *FAMILIES["blur"])


@dataclass(frozen=True, slots=True)
class CoveredRow:
    """One thing before the faces, or one change that hides nothing."""

    name: str
    part: str | None  # what it hides
    routes: RouteRow
    named: Figure  # share of all faces of which the right part is named; any part, if nothing is hidden
    named_of_rejected: Figure | None  # the same among the faces not assessed, where alone it is shown; None without one
    wrong_of_rejected: Figure | None  # share of the faces not assessed of which only other parts are named


@dataclass(frozen=True, slots=True)
class CoveredReport:
    """All things and changes on one split."""

    split: str
    sha256: str
    rows: tuple[CoveredRow, ...]


def evaluate_covered(model: Path, data: Path, cache: Path, split: str, count: int = 0, seed: int = 0) -> CoveredReport:
    """The report of an exported file on a split of FERPlus.

    Args:
        model: expression model with the output ``covered``.
        data: folder of FER2013 and FERPlus.
        cache: of the images' meshes.
        split: Training, PublicTest or PrivateTest.
        count: faces, drawn by the seed; 0 is all.
        seed: of the choice of faces and of the drawings.

    Raises:
        ContractError: the model has no such output, or is for another task.
        FileNotFoundError, ValueError: the data cannot be read.
    """
    _, contract, calibration = file_estimator(model)
    if all(spec.name != "covered" for spec in contract.outputs):
        raise ContractError(f"{model} does not say which part is covered: run mien-train fit covered and export it")
    network = open_network(model)
    faces = read_faces(data, split, cache, contract.crop.side_px)
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(faces.crops))[: count or None])
    limits = RouteLimits(calibration.epistemic_limit, calibration.aleatoric_limit)
    labels, draws = majority_labels(faces.votes[rows]), draw(len(rows), seed=seed)

    def measured(name: str, part: int | None, crops: UInt8) -> CoveredRow:
        landmarks = faces.landmarks[rows]
        logits, parts = run_outputs(network, crops, landmarks, ("logits", "covered"))
        scores = scores_of(estimates_of(logits, calibration.temperature))
        named = parts > 0  # (N, 3)
        right = named[:, part] if part is not None else named.any(1)
        wrong = named.any(1) & ~right if part is not None else right
        rejected = scores.epistemic > limits.epistemic
        total = int(rejected.sum())
        return CoveredRow(
            name,
            None if part is None else COVERED_PARTS[part].value,
            route_row(name, [scores], limits, draws, labels),
            proportion(int(right.sum()), len(rows)),
            proportion(int((right & rejected).sum()), total) if total else None,
            proportion(int((wrong & rejected).sum()), total) if total else None,
        )

    found = [measured("clean", None, faces.crops[rows])]
    for name, (part, _) in DRAWN_COVERS.items():
        covered = np.stack([drawn_cover(name, faces.crops[row], faces.landmarks[row], random) for row in rows])
        found.append(measured(name, COVERED_PARTS.index(part), covered))
    for name in _UNSEEN:
        changed = corrupt(faces.crops[rows], name, SEVERITIES[-1], Strength.CIFAR_C, seed)
        found.append(measured(name.replace("_", " "), None, changed))
    return CoveredReport(split, contract.sha256, tuple(found))
