"""Association: the laws of pairing, without any network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tracking.association import (
    Expected,
    associate,
    cheapest_pairs,
    cost,
    distinct,
    is_detected_at,
    is_same_face,
    shape_of,
)
from engine.types import FaceDetection, Float32, Float64

MeshMaker = Callable[..., Float32]
UNPAIRED = 2.5


def _matrices() -> st.SearchStrategy[Float64]:
    price = st.one_of(st.floats(0, 4), st.just(math.inf))
    return st.tuples(st.integers(0, 4), st.integers(0, 4)).flatmap(
        lambda shape: st.lists(price, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
            lambda values: np.array(values, np.float64).reshape(shape)
        )
    )


def _price(costs: Float64, pairs: dict[int, int]) -> float:
    alone = len(costs) - len(pairs)
    return sum(float(costs[row, column]) for row, column in pairs.items()) + alone * UNPAIRED


@given(_matrices())
def test_no_other_pairing_is_cheaper(costs: Float64) -> None:
    rows, columns = costs.shape
    choices = [*range(columns), *[None] * rows]
    cheapest = min(
        _price(costs, {row: column for row, column in enumerate(chosen) if column is not None})
        for chosen in itertools.permutations(choices, rows)
    )
    assert _price(costs, cheapest_pairs(costs, UNPAIRED)) == pytest.approx(cheapest)


@given(_matrices())
def test_pairs_are_one_to_one_and_never_impossible(costs: Float64) -> None:
    pairs = cheapest_pairs(costs, UNPAIRED)
    assert len(set(pairs.values())) == len(pairs)
    assert all(math.isfinite(costs[row, column]) for row, column in pairs.items())


def test_eight_faces_that_all_compete_are_paired_exactly() -> None:
    costs = np.abs(np.subtract.outer(np.arange(8.0), (np.arange(8.0) * 3) % 8)) / 8
    assert cheapest_pairs(costs, UNPAIRED) == {row: (row * 3) % 8 for row in range(8)}  # 3 is its own inverse mod 8


def test_sixty_four_faces_are_paired_in_no_time(make_mesh: MeshMaker) -> None:
    meshes = [make_mesh(60 + 70 * (place % 8), 60 + 70 * (place // 8), 50) for place in range(64)]
    known = [Expected(shape_of(mesh), 0.5) for mesh in meshes]
    order = np.random.default_rng(0).permutation(64)
    pairs = associate(known, [shape_of(meshes[place]) for place in order])
    assert {row: int(order[column]) for row, column in pairs.items()} == {place: place for place in range(64)}


def test_nobody_gives_up_its_own_place_to_help_another(make_mesh: MeshMaker) -> None:
    # The first face is where it was, the second is hidden, and a stranger stands where the first could just have got.
    first, second = Expected(shape_of(make_mesh(200, 200)), 0.03), Expected(shape_of(make_mesh(150, 200)), 0.03)
    seen = [shape_of(make_mesh(201, 200)), shape_of(make_mesh(255, 200))]
    assert math.isfinite(cost(first, seen[1]))
    assert math.isfinite(cost(second, seen[0]))
    assert associate([first, second], seen) == {0: 0}


def test_cost_grows_with_distance_and_with_a_change_of_size(make_mesh: MeshMaker) -> None:
    known = Expected(shape_of(make_mesh(200, 200)), 0.03)
    prices = [cost(known, shape_of(make_mesh(200 + step, 200))) for step in (0, 10, 30, 50)]
    assert prices[0] == pytest.approx(0, abs=1e-6)
    assert prices == sorted(prices)
    assert cost(known, shape_of(make_mesh(200, 200, 130))) > cost(known, shape_of(make_mesh(200, 200, 110)))


def test_reach_grows_while_a_face_is_unseen_but_has_an_end(make_mesh: MeshMaker) -> None:
    known, near, far = shape_of(make_mesh(200, 200)), shape_of(make_mesh(300, 200)), shape_of(make_mesh(420, 200))
    assert cost(Expected(known, 0.03), near) == math.inf
    assert math.isfinite(cost(Expected(known, 0.5), near))
    assert cost(Expected(known, 60.0), far) == math.inf
    assert cost(Expected(known, 60.0), shape_of(make_mesh(200, 200, 200))) == math.inf


def test_a_handicap_decides_between_equals(make_mesh: MeshMaker) -> None:
    shape = shape_of(make_mesh(200, 200))
    assert associate([Expected(shape, 0.0, 0.1), Expected(shape, 0.0)], [shape]) == {1: 0}
    assert associate([Expected(shape, 0.0), Expected(shape, 0.0, 0.1)], [shape]) == {0: 0}


def test_nothing_to_pair_is_no_error(make_mesh: MeshMaker) -> None:
    shape = shape_of(make_mesh(200, 200))
    assert associate([], [shape]) == {}
    assert associate([Expected(shape, 0.0)], []) == {}


@given(st.permutations(range(5)))
def test_pairs_follow_the_faces_whatever_their_order(make_mesh: MeshMaker, order: list[int]) -> None:
    known = [Expected(shape_of(make_mesh(100 + 90 * place, 200 + 7 * place)), 0.03) for place in range(5)]
    seen = [shape_of(make_mesh(104 + 90 * place, 198 + 7 * place)) for place in order]
    assert associate(known, seen) == {place: order.index(place) for place in range(5)}


def test_meshes_on_one_face_are_one_and_neighbours_are_two(make_mesh: MeshMaker) -> None:
    face = shape_of(make_mesh(200, 200))
    assert is_same_face(face, shape_of(make_mesh(212, 205, 108)))
    assert not is_same_face(face, shape_of(make_mesh(250, 200)))
    assert not is_same_face(face, shape_of(make_mesh(200, 200, 180)))  # a face in front of a far one


@given(st.permutations(range(4)))
def test_of_several_meshes_on_a_face_the_surest_stays(make_mesh: MeshMaker, order: list[int]) -> None:
    meshes = [make_mesh(200, 200), make_mesh(206, 200), make_mesh(195, 203), make_mesh(400, 200)]
    scores = [0.7, 0.9, 0.8, 0.6]
    kept = distinct([shape_of(meshes[index]) for index in order], [scores[index] for index in order])
    assert [order[index] for index in kept] == [1, 3]


def test_a_detection_belongs_to_the_mesh_under_its_eyes_and_mouth(make_mesh: MeshMaker) -> None:
    mesh = make_mesh(200, 200)
    landmarks = np.zeros((6, 2), np.float32)
    landmarks[:4] = mesh[[33, 362, 1, 13], :2] + 5
    detection = FaceDetection(np.zeros(4, np.float32), landmarks, 0.9)
    assert is_detected_at(detection, mesh, 100.0)
    assert not is_detected_at(detection, make_mesh(260, 200), 100.0)


def test_a_shape_moves_without_changing(make_mesh: MeshMaker) -> None:
    moved, there = shape_of(make_mesh(200, 200)).moved(30, -10), shape_of(make_mesh(230, 190))
    np.testing.assert_allclose(moved.box, there.box, atol=1e-3)
    np.testing.assert_allclose(moved.points, there.points, atol=1e-3)
    assert moved.size_px == pytest.approx(there.size_px, rel=1e-5)
