"""The split of uncertainty: known values, laws that hold for any ensemble, and the place among validation faces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.backends.contract import ExpressionCalibration
from engine.types import ExpressionEstimate
from engine.uncertainty import assess_uncertainty, binary_decomposition, decompose, entropy, ood_score

#: Weights of an ensemble (M, C), to be normalised; zeros are frequent, and an all-zero row becomes 1e-3.
WEIGHTS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 8)),
    elements=st.one_of(st.just(0.0), st.floats(0.0, 1.0)),
)
#: Epistemic parts of validation faces.
VALUES = hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(0.0, 2.0))
SAMPLES = hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 12)), elements=st.floats(0.0, 1.0))


def _members(weights):
    filled = weights + np.where(weights.sum(1, keepdims=True) == 0, 1e-3, 0)
    return filled / filled.sum(1, keepdims=True)


def test_entropy_of_equal_shares_is_the_log_of_their_number():
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(math.log(8))


def test_impossible_classes_add_no_entropy():
    assert entropy(np.array([0.5, 0.0, 0.5])) == pytest.approx(math.log(2))
    certain = entropy(np.array([1.0, 0.0]))
    assert certain == 0.0
    assert not np.signbit(certain)


def test_entropy_is_taken_along_the_given_axis():
    table = np.array([[0.5, 1.0], [0.5, 0.0]])
    assert entropy(table, axis=0) == pytest.approx([math.log(2), 0.0])


def test_entropy_propagates_nan():
    assert math.isnan(entropy(np.array([0.5, np.nan])))


def test_certain_but_contradicting_members_are_purely_epistemic():
    parts = decompose(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert parts.total == pytest.approx(math.log(2))
    assert parts.aleatoric == 0.0
    assert parts.epistemic == pytest.approx(math.log(2))


def test_members_that_agree_on_a_tie_are_purely_aleatoric():
    parts = decompose(np.full((5, 4), 0.25, np.float32))
    assert parts.aleatoric == pytest.approx(math.log(4))
    assert parts.epistemic == pytest.approx(0.0, abs=1e-12)


def test_a_mixed_case_follows_the_definition():
    parts = decompose(np.array([[0.5, 0.5], [1.0, 0.0]]))
    total = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert parts.total == pytest.approx(total)
    assert parts.aleatoric == pytest.approx(math.log(2) / 2)
    assert parts.epistemic == pytest.approx(total - math.log(2) / 2)


def test_a_batch_gives_the_results_of_its_faces():
    batch = np.random.default_rng(0).dirichlet(np.ones(8), (6, 5))  # (N, M, C)
    parts = decompose(batch)
    assert parts.epistemic.shape == (6,)
    for place, members in enumerate(batch):
        assert parts.total[place] == pytest.approx(float(decompose(members).total))
        assert parts.epistemic[place] == pytest.approx(float(decompose(members).epistemic))


@given(WEIGHTS)
def test_parts_stay_in_bounds_and_add_up(weights):
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
def test_the_order_of_members_and_classes_does_not_matter(weights, random):
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
def test_binary_parts_stay_in_bounds_and_add_up(samples):
    parts = binary_decomposition(samples)
    assert parts.epistemic.shape == (samples.shape[1],)
    assert (parts.epistemic >= 0).all()
    assert (parts.total <= math.log(2) + 1e-6).all()
    assert parts.total == pytest.approx(parts.aleatoric + parts.epistemic, abs=1e-6)


def test_float32_samples_near_one_keep_their_precision():
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


def test_ood_score_is_the_share_of_smaller_faces():
    quantiles = (0.0, 0.1, 0.2, 0.3, 0.4)
    assert ood_score(0.2, quantiles) == 2 / 4
    assert ood_score(0.25, quantiles) == pytest.approx(2.5 / 4)
    assert ood_score(-1.0, quantiles) == 0.0
    assert ood_score(9.0, quantiles) == 1.0


def test_ood_score_does_not_count_equal_faces_as_smaller():
    quantiles = (0.0, 0.0, 0.0, 0.5, 1.0)
    assert ood_score(0.0, quantiles) == 0.0
    assert ood_score(1e-9, quantiles) == pytest.approx(2 / 4)


@given(VALUES, st.floats(0.0, 3.0), st.floats(0.0, 3.0))
def test_ood_score_never_falls_and_stays_between_0_and_1(values, first, second):
    quantiles = tuple(np.sort(np.append(values, values[0])))
    low, high = sorted((first, second))
    assert 0.0 <= ood_score(low, quantiles) <= ood_score(high, quantiles) <= 1.0


def test_an_assessment_has_the_split_and_the_ood_score():
    members = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    calibration = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 2 * math.log(2)), "fake faces")
    uncertainty = assess_uncertainty(ExpressionEstimate(members, members.mean(0)), calibration)
    assert uncertainty.total == uncertainty.epistemic == pytest.approx(math.log(2))
    assert uncertainty.aleatoric == 0.0
    assert uncertainty.ood_score == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ood_score(math.nan, (0.0, 1.0)), "epistemic nan"),
        (lambda: ood_score(0.1, (1.0,)), "1 quantiles"),
        (lambda: ood_score(0.1, (1.0, 0.0)), "must rise"),
    ],
)
def test_a_value_that_cannot_be_placed_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
