"""Positions of the units in their graph: as on a face, without overlap, reachable with the arrow keys."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from app.live.unit_layout import MIN_LINK, links_of, neighbour, row_count, unit_positions
from engine.facs import BP4D_UNITS, DISFA_UNITS, OPEN_UNITS, UNIT_NAMES


@pytest.mark.parametrize(
    "codes", [OPEN_UNITS, BP4D_UNITS, DISFA_UNITS, tuple(UNIT_NAMES), (*OPEN_UNITS, 11, 18, 22, 27, 28)]
)
def test_units_do_not_overlap(codes: tuple[int, ...]) -> None:
    places = unit_positions(codes)
    assert places.shape == (len(codes), 2)
    assert places.min() >= 0.0
    assert places.max() <= 1.0
    for (first, a), (second, b) in itertools.combinations(zip(codes, places, strict=True), 2):
        assert abs(a[0] - b[0]) > 0.2 or abs(a[1] - b[1]) > 0.12, f"AU{first} and AU{second}"


def test_units_are_where_they_are_on_a_face() -> None:
    height = dict(zip(OPEN_UNITS, unit_positions(OPEN_UNITS)[:, 1], strict=True))
    brows, eyes, mouth, chin = (1, 2, 4), (5, 7, 43), (10, 12, 20), (17,)
    for above, below in itertools.pairwise((brows, eyes, mouth, chin)):
        assert max(height[unit] for unit in above) < min(height[unit] for unit in below)


def test_no_units_have_no_positions() -> None:
    assert unit_positions(()).shape == (0, 2)


def test_units_without_a_fixed_position_are_in_extra_rows() -> None:
    assert row_count(OPEN_UNITS) == 6
    assert row_count((*OPEN_UNITS, 11)) == 7
    assert row_count((*OPEN_UNITS, 11, 18, 22, 27, 28)) == 8


def test_links_are_pairs_of_units_above_the_minimum() -> None:
    adjacency = np.array([[0.9, MIN_LINK, 0.01], [MIN_LINK, 0.8, 0.3], [0.01, 0.3, 0.7]], np.float32)
    assert links_of(adjacency).tolist() == [[0, 1], [1, 2]]


def test_a_graph_without_links() -> None:
    assert links_of(np.eye(4, dtype=np.float32)).shape == (0, 2)


def test_arrows_go_to_the_nearest_unit_and_stop_at_the_edge() -> None:
    places = np.array([[0.0, 0.0], [0.5, 0.1], [1.0, 0.0], [0.5, 1.0]])
    assert neighbour(places, 0, 1, 0) == 1
    assert neighbour(places, 1, 1, 0) == 2
    assert neighbour(places, 2, 1, 0) == 2
    assert neighbour(places, 1, 0, 1) == 3
    assert neighbour(places, 3, 0, -1) == 1


def test_arrows_reach_every_unit() -> None:
    places = unit_positions(OPEN_UNITS)
    reached, waiting = {0}, [0]
    while waiting:
        at = waiting.pop()
        for step in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            there = neighbour(places, at, *step)
            if there not in reached:
                reached.add(there)
                waiting.append(there)
    assert reached == set(range(len(OPEN_UNITS)))
