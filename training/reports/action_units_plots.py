"""Plots of the action-unit reports, in the style of training/reports/plots.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot

from training.action_units.model import Variant
from training.evaluation.action_units import UncertaintyFigures, UnitReport
from training.metrics.calibration import Bin
from training.metrics.multiclass import Figure
from training.reports.plots import BLUE, GREEN, GREY, ORANGE, styled
from training.studies.action_units import StudyPoint
from training.studies.comparison import Comparison

_COLUMNS: Final = 6
_PURPLE: Final = "#cc79a7"
_LOOKS: Final = {
    Variant.UGN_B.value: (BLUE, "-", "o"),
    Variant.UGN.value: (GREEN, "--", "D"),
    Variant.GN_D.value: (_PURPLE, "-.", "^"),
    Variant.RESNET_BL.value: (ORANGE, ":", "s"),
    Variant.RESNET.value: (GREY, "-", "x"),
}
_KINDS: Final = {"epistemic": (BLUE, "-", "o"), "aleatoric": (ORANGE, "--", "s"), "total": (GREEN, ":", "D")}


def unit_plot(report: UnitReport) -> Plot:
    """F1 and AUROC of each unit with intervals, and the F1 of always saying "present"."""
    measured = [unit for unit in report.units if unit.unit in report.mean.units]
    with styled():
        plot = Plot(figsize=(6.6, 0.34 * len(measured) + 1.2), layout="constrained")
        axes = plot.subplots()
        rows = list(range(len(measured)))
        _dots(axes, [unit.scores.f1_half for unit in measured], [row - 0.15 for row in rows], BLUE, "o", "F1 at 0.5")
        _dots(axes, [unit.scores.auroc for unit in measured], [row + 0.15 for row in rows], GREEN, "D", "AUROC")
        always = [unit.scores.f1_always for unit in measured]
        axes.plot(always, rows, color=GREY, marker="x", linestyle="none", label='F1 of always "present"')
        axes.set_yticks(rows, [f"{unit.unit} ({unit.rate:.0%})" for unit in measured])
        axes.hlines([row + 0.5 for row in rows[:-1]], 0, 1, color=GREY, linewidth=0.4)
        axes.invert_yaxis()
        axes.set(xlim=(-0.01, 1.01), xlabel="value with 95 % interval", ylabel="unit (rate)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return plot


def _dots(axes: Axes, figures: Sequence[Figure], heights: Sequence[float], colour: str, mark: str, label: str) -> None:
    values = [figure.value for figure in figures]
    reach = [_below(figures), _above(figures)]
    axes.errorbar(
        values, heights, xerr=reach, color=colour, marker=mark, linestyle="none", markersize=4, capsize=2, label=label
    )


def bins_plot(figures: UncertaintyFigures) -> Plot:
    """Accuracy in 20 bins of equally many faces of rising uncertainty, a small plot per unit."""
    rows = -(-len(figures.units) // _COLUMNS)
    lowest = min(min(unit.accuracy) for unit in figures.units)
    with styled():
        plot = Plot(figsize=(9.0, 1.55 * rows + 0.6), layout="constrained")
        grid = plot.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
        for axes, unit in zip(grid.flat, figures.units, strict=False):
            numbers = range(1, len(unit.accuracy) + 1)
            axes.plot(numbers, unit.accuracy, color=BLUE, marker="o", markersize=2.5, linewidth=1)
            axes.set_title(f"{unit.unit}  rho {unit.rho:.2f}", fontsize=9)
            axes.set(xlim=(0, len(unit.accuracy) + 1), ylim=(lowest - 0.05, 1.03))
        for axes in grid.flat[len(figures.units) :]:
            axes.set_axis_off()
        plot.supxlabel(f"bin of rising {figures.kind} uncertainty", fontsize=9)
        plot.supylabel("accuracy at 0.5", fontsize=9)
    return plot


def deciles_plot(kinds: Sequence[UncertaintyFigures]) -> Plot:
    """Accuracy by tenth of each kind of uncertainty, mean over units."""
    with styled():
        plot = Plot(figsize=(5.6, 3.4), layout="constrained")
        axes = plot.subplots()
        for figures in kinds:
            colour, line, mark = _KINDS[figures.kind]
            numbers = range(1, len(figures.deciles) + 1)
            axes.plot(numbers, figures.deciles, color=colour, linestyle=line, marker=mark, markersize=4)
            axes.lines[-1].set_label(f"{figures.kind}: {figures.gap_points.value:.1f} points apart")
        axes.set(xlabel="tenth of the faces, the surest first", ylabel="accuracy at 0.5, mean over units")
        axes.legend(loc="lower left")
    return plot


def occurrence_plot(bins: Sequence[Bin]) -> Plot:
    """Reliability: how often a unit occurs by the probability it is given, over all units."""
    with styled():
        plot = Plot(figsize=(4.6, 4.2), layout="constrained")
        axes = plot.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="as it should be")
        at, seen = [part.confidence for part in bins], [part.agreement for part in bins]
        reach = [1.96 * part.standard_error for part in bins]
        axes.errorbar(at, seen, reach, color=BLUE, marker="o", markersize=4, linewidth=1.2, capsize=2, label="measured")
        axes.set(xlabel="occurrence probability", ylabel="share where it occurs", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(loc="upper left")
    return plot


def share_plot(points: Sequence[StudyPoint]) -> Plot:
    """Mean F1 of each variant by the share of the training people."""
    plot = _series_plot(points, lambda point, aside: point.share * (1 + 0.04 * aside))
    axes = plot.axes[0]
    axes.set_xscale("log")
    shares = [point.share for point in points]
    axes.set_xticks(shares, [f"{100 * share:.3g} %" for share in shares])
    axes.minorticks_off()
    axes.set(xlabel="share of the training people")
    return plot


def noise_plot(points: Sequence[StudyPoint]) -> Plot:
    """Mean F1 of each variant by the share of turned-over training labels."""
    plot = _series_plot(points, lambda point, aside: point.flipped + 0.003 * aside)
    flips = [point.flipped for point in points]
    plot.axes[0].set_xticks(flips, [f"{100 * flip:.3g} %" for flip in flips])
    plot.axes[0].set(xlabel="share of the training labels turned over")
    return plot


def _series_plot(points: Sequence[StudyPoint], place: Callable[[StudyPoint, float], float]) -> Plot:
    """A line per variant; ``place`` moves each aside by some small steps, so that intervals can be told apart."""
    with styled():
        plot = Plot(figsize=(6.6, 4.2), layout="constrained")
        axes = plot.subplots()
        for number, (variant, (colour, line, mark)) in enumerate(_LOOKS.items()):
            found = [scores.f1 for point in points for scores in point.compared.variants if scores.variant == variant]
            axes.errorbar(
                [place(point, number - (len(_LOOKS) - 1) / 2) for point in points],
                [figure.value for figure in found],
                [_below(found), _above(found)],
                color=colour,
                linestyle=line,
                marker=mark,
                markersize=4,
                capsize=2,
                label=variant,
            )
        axes.set(ylabel="F1 at 0.5, mean over units and folds")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(_LOOKS))
    return plot


def order_plot(comparisons: Sequence[Comparison]) -> Plot:
    """Differences of mean F1 with both intervals, one row per pair."""
    with styled():
        plot = Plot(figsize=(7.2, 0.42 * len(comparisons) + 1.2), layout="constrained")
        axes = plot.subplots()
        axes.axvline(0, color=GREY, linestyle=":")
        for shift, colour, mark, label in ((-0.15, BLUE, "o", "over people"), (0.15, ORANGE, "s", "over folds")):
            kind = label.replace(" ", "_")
            figures = [
                Figure(100 * pair.difference, 100 * getattr(pair, kind).low, 100 * getattr(pair, kind).high, 0)
                for pair in comparisons
            ]
            heights = [row + shift for row in range(len(comparisons))]
            _dots(axes, figures, heights, colour, mark, label)
        axes.set_yticks(range(len(comparisons)), [f"{pair.first} less {pair.second}" for pair in comparisons])
        axes.invert_yaxis()
        axes.set(xlabel="difference of mean F1, points, with 95 % intervals")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return plot


def _below(figures: Sequence[Figure]) -> list[float]:
    return [_length(figure.value - figure.low) for figure in figures]


def _above(figures: Sequence[Figure]) -> list[float]:
    return [_length(figure.high - figure.value) for figure in figures]


def _length(reach: float) -> float:
    """Of one side of an interval: none where it is not defined."""
    return max(0.0, reach) if math.isfinite(reach) else 0.0
