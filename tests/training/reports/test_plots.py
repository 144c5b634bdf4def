"""Plots: what they show, that no text is cut off, and how they are embedded in a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Plot

from tests.training.fakes.expression import fake_report
from training.reports.plots import (
    INK,
    class_plot,
    confusion_plot,
    inline_svg,
    reliability_diagram,
    risk_coverage_plot,
)

PLOTS: dict[str, Callable[[int], Plot]] = {
    "reliability": lambda members: reliability_diagram(fake_report(members).raters, fake_report(members).hard),
    "risk": lambda members: risk_coverage_plot(fake_report(members).selective, 0.2),
    "confusion": lambda members: confusion_plot(fake_report(members).majority),
    "classes": lambda members: class_plot(fake_report(members).majority),
}


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("members", [1, 3])
def test_no_text_is_cut_off(name: str, members: int) -> None:
    plot = PLOTS[name](members)
    canvas = FigureCanvasAgg(plot)
    canvas.draw()
    width, height = canvas.get_width_height()
    box = plot.get_tightbbox(canvas.get_renderer())  # inches, around all that is drawn
    assert box.x0 >= -0.02
    assert box.y0 >= -0.02
    assert box.x1 <= width / plot.dpi + 0.02
    assert box.y1 <= height / plot.dpi + 0.02


def test_confusion_plot_has_every_count() -> None:
    figures = fake_report().majority
    (axes, _) = confusion_plot(figures).axes
    counts = [text.get_text() for text in axes.texts]
    assert counts == [str(count) for count in figures.confusion_matrix.ravel()]


def test_curves_differ_in_more_than_colour() -> None:
    axes = risk_coverage_plot(fake_report().selective, 0.2).axes[0]
    forms = [(line.get_linestyle(), line.get_marker()) for line in axes.get_lines()]
    assert len(set(forms)) == len(forms)


def test_inline_plot_uses_the_text_colour_and_unique_ids() -> None:
    first = inline_svg(PLOTS["risk"](3), "first", "shows <risk>")
    second = inline_svg(PLOTS["risk"](3), "second", "the same")
    root = ElementTree.fromstring(first)
    assert root.get("aria-label") == "shows <risk>"
    assert INK not in first
    assert "currentColor" in first
    named = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (first, second)]
    assert not named[0] & named[1]
    meant = set(re.findall(r'(?:url\(#|href="#)([^")]+)', first))
    assert meant <= named[0]


def test_same_plot_gives_the_same_bytes() -> None:
    assert inline_svg(PLOTS["classes"](3), "a", "text") == inline_svg(PLOTS["classes"](3), "a", "text")
