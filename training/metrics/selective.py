"""Selective prediction: the error among the most confident faces by coverage, with intervals (SPEC 7.4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import Float64
from training.metrics.bootstrap import Figure, bootstrap, defined, draw, figure_of
from training.metrics.ranking import drawn_auroc

#: Coverages at which the risk-coverage curve is sampled.
_CURVE: Final = np.arange(1, 101) / 100
_CURVE_RESAMPLES: Final = 300


def errors_among_surest(confidence: Float64, correct: Float64) -> Float64:
    """Errors (N,) among the k = 1 ... N faces of highest confidence, ``correct`` (N,) being 1 or 0.

    Errors are spread evenly over faces of equal confidence, which is their mean over all orders.
    """
    order = np.argsort(-confidence, kind="stable")
    errors = np.cumsum(1.0 - correct[order])
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))  # last face of each group of equals
    spread = np.interp(np.arange(1, len(order) + 1), np.append(0, ends + 1), np.append(0.0, errors[ends]))
    return np.asarray(spread, np.float64)


def area_under_risk_coverage(confidence: Float64, correct: Float64) -> float:
    """AURC: mean over coverages k/N of the error among the k most confident faces (Geifman et al., ICLR 2019).

    >>> area_under_risk_coverage(np.array([0.9, 0.8, 0.7]), np.array([1.0, 0.0, 1.0]))
    0.27777777777777773
    """
    errors = errors_among_surest(confidence, correct)
    return float(np.mean(errors / np.arange(1, len(errors) + 1)))


def excess_aurc(confidence: Float64, correct: Float64) -> float:
    """E-AURC: AURC less that of the order with every error last (Geifman et al., ICLR 2019, sec. 3)."""
    return area_under_risk_coverage(confidence, correct) - area_under_risk_coverage(correct, correct)


def area_under_generalised_risk_coverage(confidence: Float64, correct: Float64) -> float:
    """AUGRC: mean over coverages k/N of (errors among the k most confident) / N, 0 to 0.5.

    Traub et al., "Overcoming Common Flaws in the Evaluation of Selective Classification Systems", NeurIPS 2024.
    """
    return float(np.mean(errors_among_surest(confidence, correct)) / len(correct))


def error_fpr95(confidence: Float64, correct: Float64) -> float:
    """Share of the errors above the highest confidence limit that keeps 95 % of the right predictions (FPR95).

    NaN without errors, or without right predictions.
    """
    right, wrong = confidence[correct > 0], confidence[correct == 0]
    if not len(right) or not len(wrong):
        return float("nan")
    limit = np.quantile(right, 0.05, method="inverted_cdf")
    return float((wrong >= limit).mean())


def coverage_at_risk(confidence: Float64, correct: Float64, risk: float) -> float:
    """The largest coverage k/N at which the error among the k most confident is at most ``risk``; 0 if there is none.

    Faces of equal confidence are accepted together: no limit on the confidence separates them.
    """
    errors = errors_among_surest(confidence, correct)
    counts = np.arange(1, len(errors) + 1)
    ranked = np.sort(confidence)[::-1]
    reachable = np.append(np.diff(ranked) != 0, True) & (errors / counts <= risk)
    return float(counts[reachable].max(initial=0) / len(errors))


def risk_at_coverage(confidence: Float64, correct: Float64, coverage: float) -> float:
    """Error among the fewest most confident faces that reach this coverage."""
    count = math.ceil(coverage * len(correct) - 1e-9)  # 0.8 * 5 is 4 despite rounding
    return float(errors_among_surest(confidence, correct)[count - 1] / count)


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Error (risk) among the surest faces, by the share of faces answered (coverage), with 95 % intervals."""

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Selective:
    """How well the top probability ranks right predictions before errors; None where all are right, or all wrong."""

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
        error_auroc=defined(_error_auroc(confidence, correct > 0)),
        error_fpr95=defined(figure(error_fpr95)),
        coverage_at_5_risk=figure(lambda sure, right: coverage_at_risk(sure, right, 0.05)),
        risk_at_80_coverage=figure(lambda sure, right: risk_at_coverage(sure, right, 0.8)),
        curve=_curve(confidence, correct),
    )


def _error_auroc(confidence: Float64, right: npt.NDArray[np.bool_]) -> Figure:
    """AUROC of confidence for right against wrong predictions."""
    draws = draw(len(confidence))
    values = drawn_auroc(draws.of(~right), confidence[~right], draws.of(right), confidence[right])
    return figure_of(values, len(confidence))


def _curve(confidence: Float64, correct: Float64) -> RiskCoverage:
    counts = np.ceil(_CURVE * len(correct) - 1e-9).astype(np.int64)
    random = np.random.default_rng(0)
    drawn = [random.integers(0, len(correct), len(correct)) for _ in range(_CURVE_RESAMPLES)]
    risks = [errors_among_surest(confidence[rows], correct[rows])[counts - 1] / counts for rows in drawn]
    low, high = np.percentile(risks, [2.5, 97.5], axis=0)
    risk = errors_among_surest(confidence, correct)[counts - 1] / counts
    return RiskCoverage(*(tuple(map(float, line)) for line in (counts / len(correct), risk, low, high)))
