"""The strip chart as a picture: every word has room of its own."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Plot
from matplotlib.patches import Rectangle

from tests.training.fake_expression_report import made_strip
from training.reports.strip_chart import Strip
from training.reports.strip_plot import draw_strip


def words(plot: Plot) -> list[str]:
    return [text.get_text() for axes in plot.axes for text in axes.texts]


@pytest.mark.parametrize("seconds", [0.1, 1.0, 8.0, 300.0])
def test_words_do_not_overlap_and_stay_inside(seconds: float) -> None:
    plot = draw_strip(made_strip(seconds))
    canvas = plot.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    texts = [text for axes in plot.axes for text in axes.texts]
    texts += [text for axes in plot.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)


def test_what_is_shown_stands_in_words() -> None:
    said = words(draw_strip(made_strip()))
    assert {"sad", "sad or neutral", "not assessed", "happy"} <= set(said)
    assert {"sadness", "happiness"} <= set(said)  # names of the areas


def test_narrow_stretches_stay_without_words() -> None:
    strip = made_strip()
    flicker = tuple(strip.decisions[0] if row % 2 else strip.decisions[-1] for row in range(80))
    said = words(draw_strip(dataclasses.replace(strip, decisions=flicker)))
    assert not {"sad", "happy"} & set(said)


def test_routes_differ_in_pattern_and_fill_the_time() -> None:
    strip = made_strip()
    band = draw_strip(strip).axes[-1]
    parts = [patch for patch in band.patches if isinstance(patch, Rectangle)]
    assert [part.get_hatch() or "" for part in parts] == ["", "////", "..", ""]
    ends = [part.get_x() + part.get_width() for part in parts]
    assert [part.get_x() for part in parts[1:]] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(8.0)


def test_limits_and_both_uncertainties_are_drawn() -> None:
    strip = made_strip()
    plot = draw_strip(strip)
    for axes, values, limit in ((plot.axes[2], strip.aleatoric, 0.4), (plot.axes[3], strip.epistemic, 0.03)):
        raw, averaged, line = axes.get_lines()
        assert np.asarray(raw.get_ydata()) == pytest.approx(values)
        assert np.asarray(averaged.get_ydata()) == pytest.approx(strip.averaged(values))
        assert list(np.asarray(line.get_ydata())) == [limit, limit]


def test_a_model_without_epistemic_part_is_drawn() -> None:
    strip = made_strip()
    flat: Strip = dataclasses.replace(strip, epistemic=np.zeros(80), max_epistemic=0.0)
    assert draw_strip(flat).axes[3].get_ylim()[1] > 0


def test_the_title_names_clip_and_model() -> None:
    plot = draw_strip(dataclasses.replace(made_strip(), faces=3))
    assert plot.get_suptitle() == "made.mp4: 80 frames; the face seen longest of 3; model made"
