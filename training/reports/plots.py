"""Plots of an expression report as vector pictures that can be read in light and in dark, in print and without colour.

Everything that is ink is drawn in one stand-in colour, which becomes the text colour of the page that holds the
picture. Curves differ in dash and mark as well as in colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from html import escape
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot

from training.evaluation.expression_report import CalibrationFigures, LabelFigures
from training.metrics.calibration import Bin
from training.metrics.multiclass import Figure
from training.metrics.selective import Selective

#: Stand-in for the text colour of the page.
INK: Final = "#010203"
#: Text on light plates and patterns on colours, whatever the page.
DARK: Final = "#111111"
#: Okabe and Ito, "Color Universal Design", 2008; in the order of facs.EXPRESSIONS, as on the annotated video.
COLOURS: Final = ("#c8c8c8", "#e69f00", "#56b4e9", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#f0e442")
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREEN: Final = "#009e73"
GREY: Final = "#8a8a8a"  # of the same contrast on white and on black


def styled() -> AbstractContextManager[None]:
    """The style of all plots, for a ``with`` around their making."""
    return matplotlib.rc_context(
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "svg.fonttype": "path",  # letters as shapes: no page can lack the font, no text can grow into another
            "svg.hashsalt": "mien",  # the same picture gives the same file
            "text.color": INK,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "hatch.color": DARK,
        }
    )


def inline_svg(plot: Plot, name: str, says: str) -> str:
    """The plot as an ``svg`` element for a page.

    Args:
        plot: what to draw; it is transparent and takes the text colour of the page.
        name: letters and digits, unlike those of all other plots of the page; made part of every id.
        says: what the plot shows, for those who cannot see it.
    """
    text = _svg(plot, transparent=True)
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(says)}"', 1)


def write_svg(plot: Plot, path: Path) -> None:
    """The plot as a file of its own, on white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_svg(plot, transparent=False), encoding="utf-8")


def _svg(plot: Plot, transparent: bool) -> str:
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with styled():
        plot.savefig(file, format="svg", transparent=transparent, metadata=nothing)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def reliability_diagram(raters: CalibrationFigures, hard: CalibrationFigures) -> Plot:
    """Agreement by confidence, before and after calibration, against raters and majority; below, the share of faces."""
    with styled():
        plot = Plot(figsize=(8.4, 4.6), layout="constrained")
        axes = plot.subplots(2, 2, sharex=True, sharey="row", height_ratios=(4, 1))
        for column, (figures, title) in enumerate(
            ((raters, "against the raters"), (hard, "against the majority label"))
        ):
            top, bottom = axes[0, column], axes[1, column]
            top.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="as it should be")
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
    """Error among the surest faces by their share, with the best order and no order at all at the same ``error``."""
    curve = selective.curve
    with styled():
        plot = Plot(figsize=(6.2, 3.9), layout="constrained")
        axes = plot.subplots()
        coverage = np.array(curve.coverage)
        axes.fill_between(coverage, curve.low, curve.high, color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(coverage, curve.risk, color=BLUE, label="this model, with its 95 % interval")
        best = np.maximum(coverage - (1 - error), 0) / coverage
        axes.plot(coverage, best, color=GREEN, linestyle="--", label="every error last")
        axes.axhline(error, color=GREY, linestyle=":", label="order by chance")
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
            found = [(row, getattr(part, kind.lower())) for row, part in enumerate(figures.classes)]
            shown = [(row, figure) for row, figure in found if figure is not None]
            _dots(axes, shown, shift, colour, mark, kind)
        rows = np.arange(len(figures.classes))
        axes.set_yticks(rows, [f"{part.name} ({part.n})" for part in figures.classes])
        axes.hlines(rows[:-1] + 0.5, 0, 1, color=GREY, linewidth=0.4)
        axes.invert_yaxis()
        axes.set(xlim=(-0.01, 1.01), xlabel="value with 95 % interval")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return plot


def _dots(axes: Axes, shown: Sequence[tuple[int, Figure]], shift: float, colour: str, mark: str, label: str) -> None:
    values = [figure.value for _, figure in shown]
    reach = [
        [max(0.0, figure.value - figure.low) for _, figure in shown],
        [max(0.0, figure.high - figure.value) for _, figure in shown],
    ]
    heights = [row + shift for row, _ in shown]
    axes.errorbar(
        values, heights, xerr=reach, color=colour, marker=mark, linestyle="none", markersize=4, capsize=2, label=label
    )
