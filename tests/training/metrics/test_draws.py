"""The bootstrap of all resamples at once."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics.draws import Draws, draw, drawn_mean, figure_of, ratio, running


def test_the_first_row_is_the_sample_and_the_others_draw_as_many_faces() -> None:
    draws = draw(50, resamples=20, seed=1)
    assert draws.counts.shape == (21, 50)
    assert (draws.counts[0] == 1).all()
    assert (draws.totals == 50).all()
    assert (draws.counts == draw(50, resamples=20, seed=1).counts).all()
    assert (draws.counts != draw(50, resamples=20, seed=2).counts).any()


def test_a_group_is_drawn_as_a_whole() -> None:
    groups = np.array(["a", "b", "a", "c", "b"])
    counts = draw(5, resamples=30, groups=groups).counts
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 1] == counts[:, 4]).all()
    assert (counts[:, [0, 1, 3]].sum(1) == 3).all()


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(2.0, 1.0, 400)
    figure = figure_of(drawn_mean(draw(400, 2000), values), 400)
    assert figure.value == pytest.approx(values.mean())
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * values.std() / 400**0.5, rel=0.1)


def test_intervals_over_persons_are_wider_where_persons_are_alike() -> None:
    person = np.repeat(np.arange(20), 20)
    values = person.astype(float)
    single, whole = (figure_of(drawn_mean(draw(400, 500, groups=groups), values), 400) for groups in (None, person))
    assert whole.high - whole.low > 3 * (single.high - single.low)


def test_an_undefined_resample_is_left_out_and_an_undefined_figure_is_nan() -> None:
    figure = figure_of(np.array([1.0, np.nan, 2.0, 4.0]), 3)
    assert (figure.value, figure.low, figure.high) == (1.0, pytest.approx(2 + 0.025 * 2), pytest.approx(4 - 0.025 * 2))
    assert np.isnan(figure_of(np.full(4, np.nan), 3).low)
    assert np.isnan(ratio(np.array([1.0, 4.0]), np.array([0.0, 2.0]))).tolist() == [True, False]


def test_a_part_keeps_its_resamples() -> None:
    draws = draw(6, resamples=4)
    assert (draws.of(np.array([5, 1])).counts == draws.counts[:, [5, 1]]).all()
    assert running(Draws(np.array([[1.0, 2.0, 3.0]])).counts).tolist() == [[0, 1, 3, 6]]
