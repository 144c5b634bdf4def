"""The bootstrap of all resamples at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from training.metrics.bootstrap import (
    Draws,
    Figure,
    bootstrap,
    defined,
    draw,
    drawn_mean,
    figure_of,
    mean_of,
    proportion,
    ratio,
    running,
)
from training.metrics.ranking import spearman


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


@pytest.mark.parametrize(("hits", "n"), [(0, 24), (13, 13), (5, 9), (300, 1000)])
def test_the_interval_of_a_share_is_wilsons(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    found = proportion(hits, n)
    assert (found.value, found.n) == (hits / n, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_rank_correlation_with_a_constant_is_undefined() -> None:
    assert math.isnan(spearman(np.zeros(5), np.arange(5.0)))
    assert defined(bootstrap(lambda rows: spearman(np.zeros(5)[rows], np.arange(5.0)[rows]), 5)) is None


def test_draws_that_leave_a_figure_undefined_are_left_out() -> None:
    values = np.array([1.0, 2.0, np.nan])
    found = bootstrap(lambda rows: float("nan") if (rows == 0).all() else 1.0, len(values))
    assert found == Figure(1.0, 1.0, 1.0, 3)


def test_the_interval_of_a_biased_figure_holds_its_value() -> None:
    """The size of a mean that is 0 in truth can only be raised by chance, and is once more by drawing again."""
    noise = np.random.default_rng(3).normal(0, 1, (50, 40))
    noise -= noise.mean(0) * 0.98

    def size(rows) -> float:
        return float(np.abs(noise[rows].mean(0)).mean())

    plain, moved = bootstrap(size, 50), bootstrap(size, 50, biased=True)
    assert plain.low > plain.value
    assert 0 <= moved.low < moved.value < moved.high
    assert moved.high < plain.high


def test_the_interval_holds_the_value_and_shrinks_with_more_faces() -> None:
    few = bootstrap(mean_of(np.array([0, 1] * 20, np.float32)), 40)
    many = bootstrap(mean_of(np.array([0, 1] * 500, np.float32)), 1000)
    assert few.low < few.value == 0.5 < few.high
    assert many.high - many.low < few.high - few.low
    assert few.n == 40
