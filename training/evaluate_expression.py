"""``mien-train evaluate expression``: the figures of the exported file, each with its size and interval.

Every choice is made on PublicTest; PrivateTest is read once per released model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from engine.backends.contract import ExpressionCalibration, ModelContract, read_contract
from engine.expression import softmax
from engine.facs import EXPRESSIONS
from engine.types import Float32, Float64, Int64, UInt8
from engine.uncertainty.calibration import expected_calibration_error
from engine.uncertainty.scores import decompose, entropy
from training.datasets.fer2013 import FerFaces, majority_labels, read_faces
from training.export.expression import run_model
from training.metrics.multiclass import (
    Figure,
    area_under_risk_coverage,
    auroc,
    bootstrap,
    confusion_matrix,
    macro_f1,
    mean_of,
    spearman,
)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Calibrated probabilities and uncertainties of a set of faces."""

    members: Float32  # (N, M, C)
    probabilities: Float64  # (N, C)
    aleatoric: Float64  # (N,) nats
    epistemic: Float64  # (N,) nats


def judge(logits: Float32, temperature: float) -> Judged:
    """Logits (N, M, C) to probabilities and uncertainties."""
    members = softmax(logits, temperature)
    parts = decompose(members)
    return Judged(members, members.astype(np.float64).mean(1), np.asarray(parts.aleatoric), np.asarray(parts.epistemic))


def evaluate_expression(model: Path, data: Path, cache: Path, split: str) -> dict[str, Any]:
    """Report of a model file on a split, as plain values for JSON."""
    contract = read_contract(model)
    calibration = contract.calibration
    if not isinstance(calibration, ExpressionCalibration):
        raise TypeError(f"{model} is a model for {contract.task}, not for expression")
    faces = read_faces(data, split, cache, contract.crop.side_px)
    logits = run_model(model, faces)
    judged = judge(logits, calibration.temperature)
    return {
        "model": contract.name,
        "sha256": contract.sha256,
        "split": split,
        "labels": list(EXPRESSIONS),
        **_accuracy(judged, faces),
        **_calibration(judged, logits, faces),
        **_uncertainty(judged, faces),
        **_routes(judged, faces, calibration),
        "corruption_auroc": _corruptions(model, faces, judged, contract),
        "members": _members(judged, faces),
        "mesh_found": float((faces.presence >= 0.5).mean()),
    }


def _accuracy(judged: Judged, faces: FerFaces) -> dict[str, Any]:
    labels = majority_labels(faces.votes)
    clear = labels >= 0
    alone = clear & ~faces.in_other_split
    predicted = judged.probabilities.argmax(1)
    hits = (predicted == labels).astype(np.float64)
    kept, named = labels[clear], predicted[clear]
    matrix = confusion_matrix(kept, named, len(EXPRESSIONS))
    recall = np.diag(matrix) / np.maximum(matrix.sum(1), 1)

    def f1_of(rows: Int64) -> float:
        return macro_f1(kept[rows], named[rows], len(EXPRESSIONS))

    return {
        "majority_accuracy": bootstrap(mean_of(hits[clear].astype(np.float32)), int(clear.sum())),
        "majority_accuracy_without_copies": bootstrap(mean_of(hits[alone].astype(np.float32)), int(alone.sum())),
        "macro_f1": bootstrap(f1_of, int(clear.sum())),
        "balanced_accuracy": float(recall.mean()),
        "recall": dict(zip(EXPRESSIONS, recall.tolist(), strict=True)),
        "faces_per_class": dict(zip(EXPRESSIONS, matrix.sum(1).tolist(), strict=True)),
        "confusion_matrix": matrix,
        "aurc": area_under_risk_coverage(judged.probabilities.max(1)[clear], hits[clear]),
        "chance_accuracy": float(matrix.sum(1).max() / matrix.sum()),
    }


def _calibration(judged: Judged, logits: Float32, faces: FerFaces) -> dict[str, Any]:
    votes = faces.vote_shares
    raw = judge(logits, 1.0).probabilities
    clear = majority_labels(faces.votes) >= 0
    probabilities = judged.probabilities
    return {
        "ece_raters": expected_calibration_error(probabilities, votes),
        "ece_raters_uncalibrated": expected_calibration_error(raw, votes),
        "ece_majority": expected_calibration_error(probabilities[clear], votes[clear], against="majority"),
        "nll_votes": float(-(votes * np.log(np.maximum(probabilities, 1e-12))).sum(1).mean()),
    }


def _uncertainty(judged: Judged, faces: FerFaces) -> dict[str, Any]:
    disagreement = np.asarray(entropy(faces.vote_shares))

    def against(score: Float64) -> Figure:
        return bootstrap(lambda rows: spearman(score[rows], disagreement[rows]), len(score), resamples=300)

    return {
        "spearman_aleatoric_vote_entropy": against(judged.aleatoric),
        "spearman_epistemic_vote_entropy": against(judged.epistemic),
    }


def _routes(judged: Judged, faces: FerFaces, calibration: ExpressionCalibration) -> dict[str, Any]:
    """Shares of the three routes for still pictures, and the accuracy of what is accepted."""
    rejected = judged.epistemic > calibration.max_epistemic
    ambiguous = ~rejected & (judged.aleatoric > calibration.max_aleatoric)
    accepted = ~rejected & ~ambiguous
    labels = majority_labels(faces.votes)
    clear = accepted & (labels >= 0)
    hits = (judged.probabilities.argmax(1) == labels)[clear].astype(np.float32)
    return {
        "share_accept": float(accepted.mean()),
        "share_ambiguous": float(ambiguous.mean()),
        "share_reject": float(rejected.mean()),
        "accepted_accuracy": bootstrap(mean_of(hits), int(clear.sum())),
    }


def _members(judged: Judged, faces: FerFaces) -> dict[str, float]:
    labels = majority_labels(faces.votes)
    clear = labels >= 0
    single = [(judged.members[:, m].argmax(1) == labels)[clear].mean() for m in range(judged.members.shape[1])]
    return {"accuracy_mean": float(np.mean(single)), "accuracy_sd": float(np.std(single, ddof=1))}


#: Changes that no training picture has, at the model's own resolution; strengths are those that SPEC 4.3 B names.
_CHANGES: Final[dict[str, Callable[[UInt8, np.random.Generator], UInt8]]] = {
    "gaussian_noise_0.10": lambda crop, random: _noisy(crop, 0.10, random),
    "gaussian_noise_0.38": lambda crop, random: _noisy(crop, 0.38, random),
    "blur_sigma_3px": lambda crop, _: np.asarray(cv2.GaussianBlur(crop, (0, 0), 3.0), np.uint8),
    "lower_half_covered": lambda crop, _: _covered(crop),
    "upside_down": lambda crop, _: np.ascontiguousarray(crop[::-1]),
}


def _noisy(crop: UInt8, deviation: float, random: np.random.Generator) -> UInt8:
    noise = random.normal(0, deviation * 255, crop.shape)
    noisy: UInt8 = np.clip(crop + noise, 0, 255).astype(np.uint8)
    return noisy


def _covered(crop: UInt8) -> UInt8:
    changed: UInt8 = np.array(crop)
    changed[len(crop) // 2 :] = 128
    return changed


def _corruptions(model: Path, faces: FerFaces, clean: Judged, contract: ModelContract) -> dict[str, Any]:
    """AUROC of each uncertainty for telling changed faces from clean ones (first 1,000 faces, fixed seed)."""
    few = dataclasses.replace(
        faces, **{field.name: getattr(faces, field.name)[:1000] for field in dataclasses.fields(faces)}
    )
    random = np.random.default_rng(0)
    temperature = contract.calibration.temperature
    found = {}
    for name, change in _CHANGES.items():
        crops = np.stack([change(crop, random) for crop in few.crops])
        changed = judge(run_model(model, dataclasses.replace(few, crops=crops)), temperature)
        found[name] = {
            "epistemic": auroc(clean.epistemic, changed.epistemic),
            "aleatoric": auroc(clean.aleatoric, changed.aleatoric),
        }
    return found
