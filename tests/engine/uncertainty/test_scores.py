"""The split of uncertainty: known values, and the laws that hold for any ensemble."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.uncertainty.scores import binary_decomposition, decompose, entropy

#: Weights of an ensemble (M, C), to be normalised; 0 is likely, 1e-3 keeps a row from being empty.
WEIGHTS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 8)),
    elements=st.one_of(st.just(0.0), st.floats(0.0, 1.0)),
)
SAMPLES = hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 12)), elements=st.floats(0.0, 1.0))


def _members(weights):
    filled = weights + np.where(weights.sum(1, keepdims=True) == 0, 1e-3, 0)
    return filled / filled.sum(1, keepdims=True)


def test_entropy_of_equal_shares_is_the_log_of_their_number():
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(math.log(8))


def test_entropy_counts_impossible_classes_as_nothing():
    assert entropy(np.array([0.5, 0.0, 0.5])) == pytest.approx(math.log(2))
    certain = entropy(np.array([1.0, 0.0]))
    assert certain == 0.0
    assert not np.signbit(certain)


def test_entropy_runs_along_the_axis_asked_for():
    table = np.array([[0.5, 1.0], [0.5, 0.0]])
    assert entropy(table, axis=0) == pytest.approx([math.log(2), 0.0])


def test_entropy_passes_nan_on():
    assert math.isnan(entropy(np.array([0.5, np.nan])))


def test_certain_members_that_contradict_each_other_are_purely_epistemic():
    parts = decompose(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert parts.total == pytest.approx(math.log(2))
    assert parts.aleatoric == 0.0
    assert parts.epistemic == pytest.approx(math.log(2))


def test_members_that_agree_on_a_tie_are_purely_aleatoric():
    parts = decompose(np.full((5, 4), 0.25, np.float32))
    assert parts.aleatoric == pytest.approx(math.log(4))
    assert parts.epistemic == pytest.approx(0.0, abs=1e-12)


def test_mixed_case_is_the_arithmetic_of_the_definition():
    parts = decompose(np.array([[0.5, 0.5], [1.0, 0.0]]))
    total = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert parts.total == pytest.approx(total)
    assert parts.aleatoric == pytest.approx(math.log(2) / 2)
    assert parts.epistemic == pytest.approx(total - math.log(2) / 2)


def test_a_batch_gives_what_its_faces_give_alone():
    batch = np.random.default_rng(0).dirichlet(np.ones(8), (6, 5))  # (N, M, C)
    parts = decompose(batch)
    assert parts.epistemic.shape == (6,)
    for place, members in enumerate(batch):
        assert parts.total[place] == pytest.approx(float(decompose(members).total))
        assert parts.epistemic[place] == pytest.approx(float(decompose(members).epistemic))


@given(WEIGHTS)
def test_parts_keep_their_bounds_and_their_sum(weights):
    members = _members(weights)
    parts = decompose(members)
    assert parts.epistemic >= 0
    assert -1e-12 <= parts.aleatoric <= parts.total + 1e-12
    assert parts.total <= math.log(members.shape[1]) + 1e-12
    assert parts.total == pytest.approx(float(parts.aleatoric + parts.epistemic), abs=1e-12)


@given(WEIGHTS)
def test_equal_members_have_no_epistemic_part(weights):
    members = np.repeat(_members(weights)[:1], 5, axis=0)
    assert decompose(members).epistemic == pytest.approx(0.0, abs=1e-12)


@given(WEIGHTS, st.randoms(use_true_random=False))
def test_order_of_members_and_classes_does_not_matter(weights, random):
    members = _members(weights)
    rows, columns = list(range(members.shape[0])), list(range(members.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    before, after = decompose(members), decompose(members[rows][:, columns])
    assert after.total == pytest.approx(float(before.total), abs=1e-12)
    assert after.epistemic == pytest.approx(float(before.epistemic), abs=1e-12)


def test_binary_split_equals_the_split_over_two_classes():
    samples = np.random.default_rng(1).random((20, 12))  # (S, K)
    parts = binary_decomposition(samples)
    pairs = np.stack([samples, 1 - samples], -1).transpose(1, 0, 2)  # (K, S, 2)
    same = decompose(pairs)
    assert parts.total.dtype == parts.aleatoric.dtype == parts.epistemic.dtype == np.float32
    assert parts.total == pytest.approx(same.total, rel=1e-6)
    assert parts.aleatoric == pytest.approx(same.aleatoric, rel=1e-6)
    assert parts.epistemic == pytest.approx(same.epistemic, rel=1e-5)


@given(SAMPLES)
def test_binary_parts_keep_their_bounds(samples):
    parts = binary_decomposition(samples)
    assert parts.epistemic.shape == (samples.shape[1],)
    assert (parts.epistemic >= 0).all()
    assert (parts.total <= math.log(2) + 1e-6).all()
    assert parts.total == pytest.approx(parts.aleatoric + parts.epistemic, abs=1e-6)


def test_float32_samples_near_one_lose_nothing():
    near_one = np.full((20, 1), np.float32(1 - 1e-7))
    p = float(near_one[0, 0])
    expected = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert binary_decomposition(near_one).total[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(8,), (0, 8), (5, 0), (3, 0, 8)])
def test_an_ensemble_without_members_or_classes_is_refused(shape):
    with pytest.raises(ValueError, match="at least one of each"):
        decompose(np.zeros(shape))
    with pytest.raises(ValueError, match="at least one of each"):
        binary_decomposition(np.zeros(shape))
