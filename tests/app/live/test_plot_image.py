"""Plots of the strip chart: where lines, limits and hatching are drawn, and where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from app.live.plot_image import Plot, PlotStyle, plot_image
from app.live.trace import SPAN_S
from engine.types import Float64, UInt8

BACKGROUND, HATCH, LIMIT, RED = (250, 250, 250), (90, 90, 90), (0, 0, 0), (220, 0, 0)
STYLE = PlotStyle(BACKGROUND, HATCH, LIMIT, {"a": RED}, 1, 3)
WIDTH, HEIGHT = 241, 61
TIMES = np.linspace(-SPAN_S, 0.0, 61)


def drawn(plot: Plot, style: PlotStyle = STYLE) -> UInt8:
    image = plot_image(plot, style, WIDTH, HEIGHT)
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image.flags["C_CONTIGUOUS"]
    return image


def inked(image: UInt8) -> Float64:
    """Where something is drawn."""
    return (image != BACKGROUND).any(axis=2)


def test_an_empty_plot_is_blank() -> None:
    assert not inked(drawn(Plot(np.zeros(0), {}))).any()
    assert not inked(drawn(Plot(TIMES, {"a": np.full(61, np.nan)}))).any()


@pytest.mark.parametrize(("value", "row"), [(0.0, HEIGHT - 1), (0.5, 30), (1.0, 0)])
def test_a_line_is_at_its_value_over_the_whole_width(value: float, row: int) -> None:
    places = inked(drawn(Plot(TIMES, {"a": np.full(61, value)})))
    rows, columns = np.nonzero(places)
    assert abs(rows.mean() - row) < 1.5
    assert (columns.min(), columns.max()) == (0, WIDTH - 1)


def test_values_outside_the_scale_are_clipped_to_its_edge() -> None:
    assert inked(drawn(Plot(TIMES, {"a": np.full(61, 7.0)})))[:2].any()


def test_nan_breaks_a_line() -> None:
    values = np.full(61, 0.5)
    values[20:41] = np.nan
    columns = inked(drawn(Plot(TIMES, {"a": values}))).any(axis=0)
    assert columns[:76].all()
    assert not columns[80:160].any()
    assert columns[165:].all()


def test_a_short_history_is_at_the_right() -> None:
    columns = inked(drawn(Plot(TIMES[-11:], {"a": np.full(11, 0.5)}))).any(axis=0)
    assert not columns[:198].any()
    assert columns[202:].all()


def test_a_wider_line_covers_more_rows() -> None:
    plot = Plot(TIMES, {"a": np.full(61, 0.5)})
    wide = PlotStyle(BACKGROUND, HATCH, LIMIT, {"a": RED}, 3, 3)
    narrow_rows, wide_rows = (inked(drawn(plot, style)).any(axis=1).sum() for style in (STYLE, wide))
    assert wide_rows == narrow_rows + 2


def test_a_limit_is_a_dashed_line_at_its_value() -> None:
    image = drawn(Plot(np.zeros(0), {}, limit=0.25))
    rows, columns = np.nonzero((image == LIMIT).all(axis=2))
    assert set(rows) == {45}
    assert 0.4 < len(columns) / WIDTH < 0.6
    assert inked(image).sum() == len(columns)


@pytest.mark.parametrize("limit", [-1.0, 2.0])
def test_a_limit_outside_the_scale_can_be_drawn(limit: float) -> None:
    drawn(Plot(np.zeros(0), {}, limit=limit))


def test_hatching_fills_only_its_spans_and_is_diagonal() -> None:
    image = drawn(Plot(np.zeros(0), {}, hatched=((-45.0, -30.0),)))
    places = (image == HATCH).all(axis=2)
    columns = np.flatnonzero(places.any(axis=0))
    assert (columns.min(), columns.max()) == (60, 119)
    assert (places[0, 60:119] == places[1, 59:118])[1:].all()
    assert 0.4 < places[:, 60:120].mean() < 0.6


def test_a_moment_is_slashed_wide_enough_to_be_seen() -> None:
    assert inked(drawn(Plot(np.zeros(0), {}, hatched=((-10.0, -10.0),)))).any()


def test_lines_lie_over_the_slashes() -> None:
    image = drawn(Plot(TIMES, {"a": np.full(61, 0.5)}, hatched=((-60.0, 0.0),)))
    assert (image[30] != HATCH).any(axis=1).all()
