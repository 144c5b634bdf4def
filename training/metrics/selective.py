"""Answering only the surest faces: how many errors are left at which coverage, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.types import Float64
from training.metrics.multiclass import (
    Figure,
    area_under_generalised_risk_coverage,
    area_under_risk_coverage,
    auroc,
    bootstrap,
    coverage_at_risk,
    defined,
    error_fpr95,
    errors_among_surest,
    excess_aurc,
    risk_at_coverage,
)

#: Coverages at which the risk-coverage curve is written down.
_CURVE: Final = np.arange(1, 101) / 100
_CURVE_RESAMPLES: Final = 300


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Error (risk) among the surest faces, by the share of faces answered (coverage), with 95 % intervals."""

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Selective:
    """How well the top probability ranks right answers before errors; None without an error, or nothing but errors."""

    aurc: Figure
    excess_aurc: Figure
    augrc: Figure
    error_auroc: Figure | None
    error_fpr95: Figure | None
    coverage_at_5_risk: Figure
    risk_at_80_coverage: Figure
    curve: RiskCoverage


def selective_figures(confidence: Float64, correct: Float64) -> Selective:
    """Confidence (N,) against ``correct`` (N,), 1 or 0."""

    def figure(measured: Callable[[Float64, Float64], float]) -> Figure:
        return bootstrap(lambda rows: measured(confidence[rows], correct[rows]), len(correct))

    return Selective(
        aurc=figure(area_under_risk_coverage),
        excess_aurc=figure(excess_aurc),
        augrc=figure(area_under_generalised_risk_coverage),
        error_auroc=defined(figure(_error_auroc)),
        error_fpr95=defined(figure(error_fpr95)),
        coverage_at_5_risk=figure(lambda sure, right: coverage_at_risk(sure, right, 0.05)),
        risk_at_80_coverage=figure(lambda sure, right: risk_at_coverage(sure, right, 0.8)),
        curve=_curve(confidence, correct),
    )


def _error_auroc(confidence: Float64, correct: Float64) -> float:
    right, wrong = confidence[correct > 0], confidence[correct == 0]
    return auroc(wrong, right) if len(right) and len(wrong) else float("nan")


def _curve(confidence: Float64, correct: Float64) -> RiskCoverage:
    counts = np.ceil(_CURVE * len(correct) - 1e-9).astype(np.int64)
    random = np.random.default_rng(0)
    drawn = [random.integers(0, len(correct), len(correct)) for _ in range(_CURVE_RESAMPLES)]
    risks = [errors_among_surest(confidence[rows], correct[rows])[counts - 1] / counts for rows in drawn]
    low, high = np.percentile(risks, [2.5, 97.5], axis=0)
    risk = errors_among_surest(confidence, correct)[counts - 1] / counts
    return RiskCoverage(*(tuple(map(float, line)) for line in (counts / len(correct), risk, low, high)))
