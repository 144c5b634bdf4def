"""Paired comparison of variants: differences, intervals, verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.studies.variant_comparison import (
    HIGHER,
    INCONCLUSIVE,
    LOWER,
    FoldDecisions,
    compare_variants,
    over_folds,
)

ORDER = ("good", "middling", "poor")


def fold(seed: int, people: int = 60, errors: tuple[float, ...] = (0.05, 0.15, 0.15)) -> FoldDecisions:
    """Three variants with these error rates on two units, four faces per person."""
    random = np.random.default_rng(seed)
    occurs = random.random((4 * people, 2)) < 0.4
    decisions = {
        name: occurs ^ (random.random(occurs.shape) < error) for name, error in zip(ORDER, errors, strict=True)
    }
    return FoldDecisions(np.repeat(np.arange(people), 4).astype(str), np.ones(occurs.shape, bool), occurs, decisions)


def f1(occurs: np.ndarray, decided: np.ndarray) -> float:
    return float(2 * (occurs & decided).sum() / (occurs.sum() + decided.sum()))


def test_scores_are_means_over_units_and_folds() -> None:
    folds = [fold(0), fold(1)]
    found = compare_variants((1, 12), folds, ORDER, resamples=10)
    each = [[f1(part.occurs[:, unit], part.decisions["good"][:, unit]) for unit in range(2)] for part in folds]
    scores = found.variants[0]
    assert scores.f1.value == pytest.approx(sum(map(sum, each)) / 4)
    assert scores.f1_by_fold == pytest.approx([sum(row) / 2 for row in each])
    assert [unit.unit for unit in scores.units] == ["AU1", "AU12"]
    assert scores.units[0].f1 == pytest.approx((each[0][0] + each[1][0]) / 2)
    right = [(part.occurs == part.decisions["good"]).mean() for part in folds]
    assert scores.accuracy.value == pytest.approx(sum(right) / 2)


def test_clear_difference_is_higher_and_no_difference_is_inconclusive() -> None:
    found = compare_variants((1, 12), [fold(seed) for seed in range(3)], ORDER, resamples=200)
    pairs = {(pair.first, pair.second): pair for pair in found.comparisons}
    assert set(pairs) == {("good", "middling"), ("good", "poor"), ("middling", "poor")}
    clear, equal = pairs["good", "middling"], pairs["middling", "poor"]
    assert (clear.over_people.verdict, equal.over_people.verdict) == (HIGHER, INCONCLUSIVE)
    assert clear.difference == pytest.approx(found.variants[0].f1.value - found.variants[1].f1.value)
    assert clear.over_people.low < clear.difference < clear.over_people.high
    assert (clear.neighbours, pairs["good", "poor"].neighbours) == (True, False)
    assert found.found_order[0] == "good"
    assert not found.order_appears  # the second step is inconclusive


def test_order_appears_if_every_step_of_it_is_higher() -> None:
    folds = [fold(seed, errors=(0.02, 0.15, 0.35)) for seed in range(2)]
    assert compare_variants((1, 12), folds, ORDER, 100).order_appears
    turned = compare_variants((1, 12), folds, ORDER[::-1], 100)
    assert not turned.order_appears
    assert turned.found_order == ORDER
    assert {pair.over_people.verdict for pair in turned.comparisons} == {LOWER}


def test_both_variants_of_a_pair_are_resampled_with_the_same_people() -> None:
    """Two variants with the same decisions differ by 0 on every resample, even with few people."""
    part = fold(0, people=5)
    same = replace(part, decisions={name: part.decisions["poor"] for name in ORDER})
    pair = compare_variants((1, 12), [same], ORDER, 50).comparisons[0]
    assert (pair.over_people.low, pair.over_people.high) == (0.0, 0.0)
    assert pair.over_people.verdict == INCONCLUSIVE


def test_unit_with_one_label_in_a_fold_is_averaged_over_the_other_folds() -> None:
    whole, part = fold(0), fold(1)
    part.occurs[:, 1] = False
    found = compare_variants((1, 12), [whole, part], ORDER, 5).variants[0]
    assert found.units[1].f1 == pytest.approx(f1(whole.occurs[:, 1], whole.decisions["good"][:, 1]))
    assert found.f1_by_fold[1] == pytest.approx(f1(part.occurs[:, 0], part.decisions["good"][:, 0]))


def test_interval_over_folds_is_students() -> None:
    found = over_folds((0.01, 0.02, 0.03))
    reach = 4.303 * 0.01 / 3**0.5
    assert (found.low, found.high) == pytest.approx((0.02 - reach, 0.02 + reach))
    assert found.verdict == INCONCLUSIVE
    assert over_folds((0.0299, 0.03, 0.0301)).verdict == HIGHER
    assert over_folds((-0.03, -0.0301)).verdict == LOWER


def test_single_fold_has_no_interval_over_folds() -> None:
    found = over_folds((0.2,))
    assert np.isnan([found.low, found.high]).all()
    assert found.verdict == INCONCLUSIVE
