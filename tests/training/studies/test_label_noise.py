"""Turned-over labels: as many as asked for, always the same, among the known ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.fake_action_unit_labels import fake_labels
from training.data.action_unit_faces import UnitFaces
from training.studies.label_noise import flip_labels


def faces() -> UnitFaces:
    random = np.random.default_rng(0)
    return fake_labels(random.random((200, 3)) < 0.3, random.random((200, 3)) < 0.8)


@given(st.floats(0, 1))
def test_exactly_the_share_of_each_unit_is_turned_over(share: float) -> None:
    before, after = faces(), flip_labels(faces(), share)
    turned = before.occurs != after.occurs
    assert turned.sum(0).tolist() == [round(share * n) for n in before.known.sum(0)]
    assert not (turned & ~before.known).any()
    assert (after.targets == np.where(turned, 1 - before.targets, before.targets)).all()


@given(st.floats(0, 1), st.floats(0, 1))
def test_labels_of_a_smaller_share_are_among_those_of_a_larger(one: float, other: float) -> None:
    small, large = (flip_labels(faces(), share).occurs != faces().occurs for share in sorted((one, other)))
    assert not (small & ~large).any()


def test_the_seed_decides() -> None:
    first, again, other = (flip_labels(faces(), 0.2, seed).occurs for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        flip_labels(faces(), share)
