"""``mien-train evaluate members``: figures of a run that the exported file cannot give.

Each seed by itself, the distributions of ARBEx before and after fusion, and the second head on FER2013's seven labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from engine.facs import EXPRESSIONS
from engine.types import Float32, Float64, Int64
from training.data.fer2013 import FER2013_LABELS, majority_labels, read_faces
from training.evaluation.expression_report import LabelFigures, label_figures
from training.expression.fit import load_members
from training.expression.model import ArbexOutput
from training.metrics.decisions import macro_f1
from training.metrics.selective import area_under_risk_coverage
from training.studies.fusion_effect import FusionFigures, compare_fused
from training.studies.network_estimators import outputs_of

#: ARBEx's distributions: p, s, u and the fused q (SPEC 2.2).
DISTRIBUTIONS: Final = ("primary", "geometric", "attentive", "fused")


@dataclass(frozen=True, slots=True)
class OverSeeds:
    """A figure of each network, with its mean and standard deviation (n - 1)."""

    mean: float
    deviation: float
    each: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DistributionFigures:
    """One of ARBEx's distributions over the networks: on the majority faces, NLL on all faces with votes."""

    name: str
    accuracy: OverSeeds
    macro_f1: OverSeeds
    aurc: OverSeeds
    nll_votes: OverSeeds


@dataclass(frozen=True, slots=True)
class MembersReport:
    """All figures; every n is a number of faces."""

    split: str
    networks: int
    majority_n: int
    votes_n: int
    distributions: tuple[DistributionFigures, ...]
    ensemble: LabelFigures
    fusion: tuple[FusionFigures, ...]  # per network
    accuracy_gain: OverSeeds  # fused minus primary
    aurc_gain: OverSeeds  # fused minus primary; lower is better
    repaired: int  # over all networks
    broken: int
    fer2013_n: int
    fer2013_single: OverSeeds | None  # accuracy; None without a second head
    fer2013_ensemble: LabelFigures | None


def evaluate_members(run: Path, data: Path, cache: Path, split: str) -> MembersReport:
    """Evaluate the finished networks of a run on a split of FER2013 and FERPlus.

    Raises:
        FileNotFoundError: a network has not finished, or the data is missing.
    """
    networks, config = load_members(run)
    faces = read_faces(data, split, cache, config.model.input_side_px, without_votes=True)
    outputs = [output for network in networks for output in outputs_of(network, faces.crops, faces.landmarks)]
    labels = majority_labels(faces.votes)
    clear, voted = labels >= 0, faces.vote_shares.sum(1) > 0
    fusion = tuple(
        compare_fused(_values(output, "primary")[clear], _values(output, "fused")[clear], labels[clear])
        for output in outputs
    )
    second = _fer2013(outputs)
    ensemble = np.mean([_values(output, "fused") for output in outputs], axis=0)
    return MembersReport(
        split=split,
        networks=len(outputs),
        majority_n=int(clear.sum()),
        votes_n=int(voted.sum()),
        distributions=tuple(distribution_figures(name, outputs, faces.vote_shares, labels) for name in DISTRIBUTIONS),
        ensemble=label_figures(ensemble[clear], labels[clear], EXPRESSIONS),
        fusion=fusion,
        accuracy_gain=over_seeds([figures.accuracy_gain.value for figures in fusion]),
        aurc_gain=over_seeds([figures.aurc_gain.value for figures in fusion]),
        repaired=sum(figures.repaired for figures in fusion),
        broken=sum(figures.broken for figures in fusion),
        fer2013_n=len(faces.labels),
        fer2013_single=None if second is None else over_seeds(_accuracies(second, faces.labels)),
        fer2013_ensemble=None if second is None else label_figures(second.mean(0), faces.labels, FER2013_LABELS),
    )


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Mean and standard deviation of a figure over networks; 0 for a single network."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return OverSeeds(float(np.mean(values)), deviation, tuple(values))


def _accuracies(members: Float64, labels: Int64) -> list[float]:
    return [float((probabilities.argmax(1) == labels).mean()) for probabilities in members]


def _values(output: ArbexOutput, name: str) -> Float64:
    found: Float64 = getattr(output, name).double().numpy()
    return found


def distribution_figures(
    name: str, outputs: Sequence[ArbexOutput], vote_shares: Float32, labels: Int64
) -> DistributionFigures:
    """Figures of the distribution ``name`` of each network, against vote shares (N, C) and labels (N,), -1 for none."""
    clear, voted = labels >= 0, vote_shares.sum(1) > 0
    accuracy, scores, aurc, nll = [], [], [], []
    for output in outputs:
        probabilities = _values(output, name)
        predicted = probabilities.argmax(1)
        hits = (predicted == labels)[clear].astype(np.float64)
        accuracy.append(float(hits.mean()))
        scores.append(macro_f1(labels[clear], predicted[clear], len(EXPRESSIONS)))
        aurc.append(area_under_risk_coverage(probabilities.max(1)[clear], hits))
        logs = np.log(np.maximum(probabilities[voted], 1e-12))
        nll.append(float(-(vote_shares[voted] * logs).sum(1).mean()))
    return DistributionFigures(name, over_seeds(accuracy), over_seeds(scores), over_seeds(aurc), over_seeds(nll))


def _fer2013(outputs: Sequence[ArbexOutput]) -> Float64 | None:
    """Probabilities (M, N, 7) of the second heads; None without such heads."""
    logits = [output.fer2013_logits for output in outputs if output.fer2013_logits is not None]
    if not logits:
        return None
    found: Float64 = torch.stack(logits).double().softmax(-1).numpy()
    return found
