"""Random draws of units and of sequences: repeatable, within their limits, and as frequent as meant."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.facs import OPEN_UNITS
from training.data.open_set import OCCURRENCE_INTENSITY
from training.open_set.draws import COMBINATIONS, STEPS, UnitDraw, draw_sequence, draw_units
from training.open_set.shapes import DISTRACTIONS

COUNT = 4000


@pytest.fixture(scope="module")
def draws() -> list[UnitDraw]:
    return [draw_units(np.random.default_rng((0, number))) for number in range(COUNT)]


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_draw_depends_only_on_the_seed(seed: int, number: int) -> None:
    first, again = (draw_units(np.random.default_rng((seed, number))) for _ in range(2))
    assert first == again


def test_combinations_are_sets_of_known_units() -> None:
    assert len(set(COMBINATIONS)) == len(COMBINATIONS)
    assert all(tuple(sorted(set(named))) == named and set(named) <= set(OPEN_UNITS) for named in COMBINATIONS)


def _scored(draw: UnitDraw) -> set[int]:
    """Units that are strong enough to occur; others are traces."""
    return {unit for unit in draw.left if draw.intensity(unit) >= OCCURRENCE_INTENSITY}


def test_mutually_exclusive_units_never_occur_together(draws: list[UnitDraw]) -> None:
    for draw in draws:
        for pair in ({5, 43}, {24, 26}, {23, 26}, {24, 25}):
            assert not pair <= _scored(draw)


def test_both_sides_show_the_same_units_one_of_them_fainter(draws: list[UnitDraw]) -> None:
    one_sided = 0
    for draw in draws:
        assert set(draw.left) == set(draw.right)
        if draw.left != draw.right:
            one_sided += 1
            shares = [min(draw.left[u], draw.right[u]) / max(draw.left[u], draw.right[u]) for u in draw.left]
            assert max(shares) == pytest.approx(min(shares))  # one share for all
            assert 0.3 - 1e-9 <= min(shares) <= 0.9
            assert len({draw.left[u] > draw.right[u] for u in draw.left}) == 1
    moved = sum(bool(draw.left) for draw in draws)
    assert one_sided / moved == pytest.approx(0.25, abs=0.03)


def test_intensities_are_those_of_the_stronger_side_and_in_range(draws: list[UnitDraw]) -> None:
    for draw in draws:
        shown = [draw.intensity(unit) for unit in draw.left]
        assert shown == [max(draw.left[unit], draw.right[unit]) for unit in draw.left]
        assert all(0 < value <= 1 for value in shown)
        assert draw.intensity(999) == 0


def test_trace_is_too_weak_to_occur_and_has_no_other_unit(draws: list[UnitDraw]) -> None:
    traces = [[value for unit in draw.left if (value := draw.intensity(unit)) < OCCURRENCE_INTENSITY] for draw in draws]
    assert {len(some) for some in traces} == {0, 1}
    assert all(0 < value < 0.9 * OCCURRENCE_INTENSITY for some in traces for value in some)
    assert 0.1 < sum(map(len, traces)) / COUNT < 0.2


def test_closed_eyes_have_an_intensity_of_at_least_0_8(draws: list[UnitDraw]) -> None:
    closed = [draw.intensity(43) for draw in draws if 43 in _scored(draw)]
    assert min(closed) >= 0.8


def test_every_unit_is_neither_rare_nor_common(draws: list[UnitDraw]) -> None:
    rates = Counter(unit for draw in draws for unit in _scored(draw))
    assert set(rates) == set(OPEN_UNITS)
    for count in rates.values():
        assert 0.05 < count / COUNT < 0.40


def test_some_faces_are_neutral_and_most_show_one_to_five_units(draws: list[UnitDraw]) -> None:
    sizes = Counter(len(_scored(draw)) for draw in draws)
    assert sizes[0] / COUNT == pytest.approx(0.10, abs=0.03)
    assert sum(sizes[size] for size in range(1, 6)) / COUNT > 0.75
    assert max(sizes) <= max(map(len, COMBINATIONS)) + 1


def test_rotations_stay_within_their_limits(draws: list[UnitDraw]) -> None:
    turns = np.array([draw.turn_deg for draw in draws])
    assert (np.abs(turns).max(0) <= (10, 15, 8)).all()
    assert turns.mean(0) == pytest.approx([0, 0, 0], abs=0.5)
    assert turns.std(0) == pytest.approx([4, 6, 3], rel=0.1)


def test_distractor_shapes_stay_within_their_limits(draws: list[UnitDraw]) -> None:
    distracted = [draw.distractions for draw in draws if draw.distractions]
    assert len(distracted) / COUNT == pytest.approx(0.3, abs=0.03)
    assert {len(some) for some in distracted} == {1, 2}
    assert {name for some in distracted for name in some} == set(DISTRACTIONS)
    for some in distracted:
        assert all(0.2 * DISTRACTIONS[name] <= weight <= DISTRACTIONS[name] for name, weight in some.items())


def test_strengths_of_lines_folds_and_teeth_stay_within_their_limits(draws: list[UnitDraw]) -> None:
    strengths = np.array([(draw.lines, draw.crease, draw.teeth) for draw in draws])
    assert (strengths.min(0) >= (0, 0.5, 0.75)).all()
    assert (strengths.max(0) <= (1, 1.5, 1.2)).all()


SEQUENCES = 50  # of each unit
SEQUENCE_UNITS = [unit for unit in OPEN_UNITS for _ in range(SEQUENCES)]


@pytest.fixture(scope="module")
def sequences() -> list[tuple[int, tuple[UnitDraw, ...]]]:
    """Growing unit and draws."""
    return [(unit, draw_sequence(unit, np.random.default_rng((0, n)))) for n, unit in enumerate(SEQUENCE_UNITS)]


def test_a_sequence_depends_only_on_its_unit_and_the_seed() -> None:
    first, again, other = (draw_sequence(12, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_the_unit_of_a_sequence_grows_from_0_to_1_in_nearly_equal_steps(
    sequences: list[tuple[int, tuple[UnitDraw, ...]]],
) -> None:
    growths = np.array([[draw.intensity(unit) for draw in draws] for unit, draws in sequences])
    assert growths.shape[1] == STEPS == 9
    assert set(growths[:, 0]) == {0.0}
    assert set(growths[:, -1]) == {1.0}
    assert np.diff(growths, axis=1).min() >= (1 - 2 * 0.3) / 8 - 1e-9
    assert np.abs(growths - np.arange(9) / 8).max() <= 0.3 / 8 + 1e-9


def test_all_else_but_the_turn_of_the_head_stays_through_a_sequence(
    sequences: list[tuple[int, tuple[UnitDraw, ...]]],
) -> None:
    turned = []
    for unit, draws in sequences:
        assert len({str((draw.distractions, draw.lines, draw.crease, draw.teeth)) for draw in draws}) == 1
        for side in ("left", "right"):
            units = [dict(getattr(draw, side)) for draw in draws]
            ours = [values.pop(unit) for values in units]
            assert all(values == units[0] for values in units)
            weaker = [own / draw.intensity(unit) for own, draw in zip(ours[1:], draws[1:], strict=True)]
            assert np.ptp(weaker) < 1e-9  # one-sided throughout or not at all
        turns = np.array([draw.turn_deg for draw in draws])
        assert (np.abs(turns).max(0) <= (10, 15, 8)).all()
        turned.append(np.abs(np.diff(turns, axis=0)))
    assert 0.3 < np.concatenate(turned).mean() < 1.0
    assert np.concatenate(turned).max() < 5


def test_about_half_of_the_sequences_show_other_units_which_fit_the_growing_one(
    sequences: list[tuple[int, tuple[UnitDraw, ...]]],
) -> None:
    context = {
        unit: [set(draws[0].left) - {unit} for grown, draws in sequences if grown == unit] for unit in OPEN_UNITS
    }
    assert np.mean([bool(units) for shown in context.values() for units in shown]) == pytest.approx(0.5, abs=0.1)
    for first, second in ((5, 43), (24, 26), (23, 26), (24, 25)):
        assert all(second not in units for units in context[first])
        assert all(first not in units for units in context[second])
        assert not any({first, second} <= units for shown in context.values() for units in shown)
    assert not set.union(*context[25]) & {9, 10, 17, 23, 24, 26}  # all of them move the lips apart or together
    assert not set.union(*context[4]) & {6, 9}  # lower the brows
    assert len(set.union(*context[12])) > 10
    lips = [draws[0].distractions for unit, draws in sequences if unit == 25]
    assert any(lips)
    assert not any("mouthFunnel" in distractions for distractions in lips)
