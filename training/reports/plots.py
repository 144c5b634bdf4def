"""Plots of the reports as inline SVG, legible on light and dark pages, in print, and without colour.

Text and axes are drawn in a placeholder colour that becomes the text colour of the page. Curves differ in dash and
marker as well as in colour.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from html import escape
from typing import Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot

from training.evaluation.action_units import UncertaintyFigures, UnitReport
from training.evaluation.expression_report import CalibrationFigures, LabelFigures
from training.metrics.bootstrap import Figure
from training.metrics.calibration import Bin
from training.metrics.selective import Selective

#: Placeholder for the text colour of the page.
INK: Final = "#010203"
#: Text on coloured areas, whatever the page.
DARK: Final = "#111111"
#: From Okabe and Ito, "Color Universal Design", 2008.
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREEN: Final = "#009e73"
GREY: Final = "#8a8a8a"  # the same contrast on white as on black

_UNIT_COLUMNS: Final = 6
_KINDS: Final = {"epistemic": (BLUE, "-", "o"), "aleatoric": (ORANGE, "--", "s"), "total": (GREEN, ":", "D")}


def styled() -> AbstractContextManager[None]:
    """The style of all plots, as a context."""
    return matplotlib.rc_context(
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "svg.fonttype": "path",  # letters as shapes: independent of the fonts of the page
            "svg.hashsalt": "mien",  # reproducible ids
            "text.color": INK,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "hatch.color": DARK,
        }
    )


def inline_svg(plot: Plot, name: str, description: str) -> str:
    """The plot as an ``svg`` element for a page.

    Args:
        plot: transparent; takes the text colour of the page.
        name: letters and digits, unique on the page; a prefix of every id.
        description: alternative text for screen readers.
    """
    file = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with styled():
        plot.savefig(file, format="svg", transparent=True, metadata=no_metadata)
    text = "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)


def reliability_diagram(raters: CalibrationFigures, hard: CalibrationFigures) -> Plot:
    """Agreement by confidence before and after calibration, against raters and majority; below, the share of faces."""
    with styled():
        plot = Plot(figsize=(8.4, 4.6), layout="constrained")
        axes = plot.subplots(2, 2, sharex=True, sharey="row", height_ratios=(4, 1))
        for column, (figures, title) in enumerate(
            ((raters, "against the raters"), (hard, "against the majority label"))
        ):
            top, bottom = axes[0, column], axes[1, column]
            top.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
            if figures.bins_before:
                _agreement(top, figures.bins_before, ORANGE, "--", "s", "before calibration")
            _agreement(top, figures.bins, BLUE, "-", "o", "after calibration")
            top.set(title=f"{title}, n = {_total(figures.bins):,}", xlim=(0, 1.02), ylim=(0, 1.02))
            shares = [part.n / _total(figures.bins) for part in figures.bins]
            bottom.bar([part.confidence for part in figures.bins], shares, 0.04, color=BLUE)
            bottom.set(xlabel="confidence (top probability)")
        axes[0, 0].set(ylabel="agreement")
        axes[1, 0].set(ylabel="faces")
        axes[0, 0].legend(loc="upper left")
    return plot


def _agreement(axes: Axes, bins: Sequence[Bin], colour: str, line: str, mark: str, label: str) -> None:
    at = [part.confidence for part in bins]
    reach = [1.96 * part.standard_error for part in bins]
    seen = [part.agreement for part in bins]
    axes.errorbar(
        at, seen, reach, color=colour, linestyle=line, marker=mark, markersize=4, linewidth=1.2, capsize=2, label=label
    )


def _total(bins: Sequence[Bin]) -> int:
    return sum(part.n for part in bins)


def risk_coverage_plot(selective: Selective, error: float) -> Plot:
    """Error among the most confident faces by their share; the optimal and a random order have the same ``error``."""
    curve = selective.curve
    with styled():
        plot = Plot(figsize=(6.2, 3.9), layout="constrained")
        axes = plot.subplots()
        coverage = np.array(curve.coverage)
        axes.fill_between(coverage, curve.low, curve.high, color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(coverage, curve.risk, color=BLUE, label="this model, with 95 % interval")
        best = np.maximum(coverage - (1 - error), 0) / coverage
        axes.plot(coverage, best, color=GREEN, linestyle="--", label="optimal order")
        axes.axhline(error, color=GREY, linestyle=":", label="random order")
        reached = selective.coverage_at_5_risk.value
        if reached:
            axes.plot([reached], [0.05], color=ORANGE, marker="D", linestyle="none", label="5 % risk")
        axes.set(xlabel="coverage (share of faces answered)", ylabel="risk (share of errors)", xlim=(0, 1))
        axes.set_ylim(0, max(error, max(curve.high)) * 1.4 + 0.01)
        axes.legend(loc="upper left")
    return plot


def confusion_plot(figures: LabelFigures) -> Plot:
    """Faces by label and prediction: shade by the share of the label's faces, counts as numbers."""
    matrix = figures.confusion_matrix
    names = [part.name for part in figures.classes]
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    with styled():
        plot = Plot(figsize=(6.4, 4.9), layout="constrained")
        axes = plot.subplots()
        mesh = axes.pcolormesh(share, cmap="Blues", vmin=0, vmax=1, edgecolors=GREY, linewidth=0.3)
        for row, column in np.ndindex(*matrix.shape):
            colour = "#ffffff" if share[row, column] > 0.65 else DARK
            axes.text(column + 0.5, row + 0.5, f"{matrix[row, column]}", ha="center", va="center", color=colour)
        middles = np.arange(len(names)) + 0.5
        axes.set_xticks(middles, names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(middles, [f"{part.name} ({part.n})" for part in figures.classes])
        axes.invert_yaxis()
        axes.set(xlabel="prediction", ylabel="label (faces)", aspect="equal")
        plot.colorbar(mesh, ax=axes, label="share of the label's faces", shrink=0.85)
    return plot


def class_plot(figures: LabelFigures) -> Plot:
    """Precision, recall and F1 of each class with intervals."""
    kinds = (("precision", ORANGE, "s"), ("recall", BLUE, "o"), ("F1", GREEN, "D"))
    with styled():
        plot = Plot(figsize=(6.6, 0.5 * len(figures.classes) + 1.2), layout="constrained")
        axes = plot.subplots()
        for shift, (kind, colour, mark) in zip((-0.22, 0.0, 0.22), kinds, strict=True):
            found = [(row + shift, getattr(part, kind.lower())) for row, part in enumerate(figures.classes)]
            defined = [(height, figure) for height, figure in found if figure is not None]
            _dots(axes, [figure for _, figure in defined], [height for height, _ in defined], colour, mark, kind)
        rows = np.arange(len(figures.classes))
        axes.set_yticks(rows, [f"{part.name} ({part.n})" for part in figures.classes])
        axes.hlines(rows[:-1] + 0.5, 0, 1, color=GREY, linewidth=0.4)
        axes.invert_yaxis()
        axes.set(xlim=(-0.01, 1.01), xlabel="value with 95 % interval")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return plot


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


def bins_plot(figures: UncertaintyFigures) -> Plot:
    """Accuracy in 20 bins of equally many faces of rising uncertainty, a small plot per unit."""
    rows = -(-len(figures.units) // _UNIT_COLUMNS)
    lowest = min(min(unit.accuracy) for unit in figures.units)
    with styled():
        plot = Plot(figsize=(9.0, 1.55 * rows + 0.6), layout="constrained")
        grid = plot.subplots(rows, _UNIT_COLUMNS, sharex=True, sharey=True, squeeze=False)
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
        axes.set(xlabel="tenth of the faces, the most certain first", ylabel="accuracy at 0.5, mean over units")
        axes.legend(loc="lower left")
    return plot


def occurrence_plot(bins: Sequence[Bin]) -> Plot:
    """Reliability: how often a unit occurs by the probability it is given, over all units."""
    with styled():
        plot = Plot(figsize=(4.6, 4.2), layout="constrained")
        axes = plot.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfectly calibrated")
        _agreement(axes, bins, BLUE, "-", "o", "measured")
        axes.set(xlabel="occurrence probability", ylabel="share where it occurs", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(loc="upper left")
    return plot


def _dots(axes: Axes, figures: Sequence[Figure], heights: Sequence[float], colour: str, mark: str, label: str) -> None:
    values = [figure.value for figure in figures]
    reach = [
        [_length(figure.value - figure.low) for figure in figures],
        [_length(figure.high - figure.value) for figure in figures],
    ]
    axes.errorbar(
        values, heights, xerr=reach, color=colour, marker=mark, linestyle="none", markersize=4, capsize=2, label=label
    )


def _length(reach: float) -> float:
    """One side of an interval; 0 where it is not defined."""
    return max(0.0, reach) if math.isfinite(reach) else 0.0
