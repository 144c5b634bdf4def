"""Random poses of a face for the open set: which units, how strong, which side, how the head turns.

`draw_units` draws a single image, `draw_sequence` the images of a face on which one unit grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.facs import OPEN_UNITS
from training.open_set.shapes import DISTRACTIONS

#: Combinations from the FACS and expression literature (Ekman, Friesen and Hager, "FACS Investigator's
#: Guide", 2002; Du, Tao and Martinez, "Compound facial expressions of emotion", PNAS 2014).
COMBINATIONS: Final[tuple[tuple[int, ...], ...]] = (
    (6, 12),
    (6, 12, 25),
    (6, 12, 25, 26),
    (12, 25),
    (12, 14),
    (1, 2),
    (1, 2, 5),
    (1, 2, 5, 25, 26),
    (1, 2, 25, 26),
    (1, 4),
    (1, 4, 15),
    (1, 4, 15, 17),
    (15, 17),
    (4, 7),
    (4, 5, 7, 23),
    (4, 7, 24),
    (4, 7, 10, 25),
    (4, 5, 25, 26),
    (4, 7, 25, 26),
    (4, 5, 7, 25, 26),
    (4, 7, 10, 25, 26),
    (4, 9, 10, 25, 26),
    (4, 7, 20, 25, 26),
    (6, 7, 12, 25, 26),
    (6, 7, 12),
    (1, 2, 4, 5, 25, 26),
    (4, 9, 10, 17),
    (9, 10, 25),
    (4, 17, 24),
    (17, 23),
    (17, 24),
    (1, 2, 4, 5, 20, 25),
    (20, 25, 26),
    (4, 43),
    (7, 9),
    (4, 9, 43),
)
#: Mutually exclusive pairs; the second is dropped.
_EXCLUSIVE: Final = ((43, 5), (26, 24), (26, 23), (25, 24))
_REST, _SINGLE, _NAMED = 0.10, 0.35, 0.75  # cumulative shares; above the last one, units are drawn freely
_DROPPED: Final = 0.15  # of the members of a combination
_ADDED: Final = 0.25  # of the combinations get one unit more
_ONE_SIDED: Final = 0.25
_DISTRACTED: Final = 0.3
_MOST_DISTRACTIONS: Final = 2
#: Intensities of the drawn units; a share of the images also has a trace of one more, too weak to be scored.
_LEVELS: Final = (0.3, 1.0)
_WEAKEST: Final = 0.2
_TRACED: Final = 0.15
_TRACES: Final = (0.03, 0.17)
#: AU43 is closed eyes; half-closed eyes do not count.
_CLOSED: Final = (0.8, 1.0)
_TURN_STD_DEG: Final = (4.0, 6.0, 3.0)  # pitch, yaw, roll
_TURN_MOST_DEG: Final = (10.0, 15.0, 8.0)
#: Images of a sequence.
STEPS: Final = 9
#: Deviation of the intensities between the first and the last one from equal steps, in steps; below .5 they ascend.
_UNEVEN: Final = 0.3
#: Share of the sequences with other units, some of which are left out: about half of all remain.
_ACCOMPANIED: Final = 0.62
#: Change of the head's turn from image to image of a sequence.
_WANDER_STD_DEG: Final = (0.7, 1.0, 0.5)
#: AU4 and AU25 are labelled by their visible effect. Units and distractions that share or cancel it are left out of
#: their sequences: the label would start above 0, or stay at 0 or 1 for several images.
_SAME_EFFECT: Final[Mapping[int, frozenset[int]]] = {4: frozenset((6, 9)), 25: frozenset((9, 10, 17, 23, 24, 26))}
_SAME_DISTRACTION: Final[Mapping[int, frozenset[str]]] = {25: frozenset(("mouthFunnel",))}


@dataclass(frozen=True, slots=True)
class UnitDraw:
    """Parameters of one rendered image."""

    left: Mapping[int, float]  # unit to intensity 0-1 on the face's left side
    right: Mapping[int, float]
    distractions: Mapping[str, float]  # shape to weight
    turn_deg: tuple[float, float, float]  # pitch, yaw, roll
    lines: float  # darkness of skin lines, 0-1
    crease: float
    teeth: float
    skin: int = 0  # seed of the course and strength of skin lines; 0 is their mean

    def intensity(self, unit: int) -> float:
        """0-1, of the stronger side: FACS scores a unit that occurs on one side only."""
        return max(self.left.get(unit, 0.0), self.right.get(unit, 0.0))


def draw_units(random: np.random.Generator) -> UnitDraw:
    """One random draw; the same generator gives the same draw."""
    level = random.uniform(*_LEVELS)
    chosen = {unit: _intensity(unit, level, random) for unit in _units(random)}
    traced, trace = int(random.choice(OPEN_UNITS)), float(random.uniform(*_TRACES))
    if random.random() < _TRACED and traced not in chosen:
        chosen[traced] = trace
    left, right = _sides(random)
    distractions, turn = _distractions(random), _turn(random)
    lines, crease, teeth = _strengths(random)
    return UnitDraw(
        left=_fainter(chosen, left),
        right=_fainter(chosen, right),
        distractions=distractions,
        turn_deg=turn,
        lines=lines,
        crease=crease,
        teeth=teeth,
        skin=_skin(random),
    )


def draw_sequence(unit: int, random: np.random.Generator) -> tuple[UnitDraw, ...]:
    """``STEPS`` draws in which ``unit`` grows from 0 to 1; all else but the head's turn stays as in the first one."""
    level = random.uniform(*_LEVELS)
    accompanied = random.random() < _ACCOMPANIED
    apart = _not_with(unit)
    context = {
        other: _intensity(other, level, random) for other in _units(random) if accompanied and other not in apart
    }
    left, right = _sides(random)
    distractions = _distractions(random)
    for name in _SAME_DISTRACTION.get(unit, ()):
        distractions.pop(name, None)
    lines, crease, teeth = _strengths(random)
    growth, turns = _growth(random), _wandering(random)
    skin = _skin(random)
    return tuple(
        UnitDraw(
            left=_fainter(context | {unit: intensity}, left),
            right=_fainter(context | {unit: intensity}, right),
            distractions=distractions,
            turn_deg=turn,
            lines=lines,
            crease=crease,
            teeth=teeth,
            skin=skin,
        )
        for intensity, turn in zip(growth, turns, strict=True)
    )


def _not_with(unit: int) -> frozenset[int]:
    """Units that a sequence of ``unit`` never has as its context."""
    exclusive = {other for pair in _EXCLUSIVE if unit in pair for other in pair}
    return frozenset({unit} | exclusive) | _SAME_EFFECT.get(unit, frozenset())


def _growth(random: np.random.Generator) -> list[float]:
    """Ascending intensities (STEPS,) from 0 to 1."""
    places = np.arange(STEPS, dtype=np.float64)
    places[1:-1] += random.uniform(-_UNEVEN, _UNEVEN, STEPS - 2)
    return [float(place) for place in places / (STEPS - 1)]


def _units(random: np.random.Generator) -> list[int]:
    kind = random.random()
    if kind < _REST:
        return []
    if kind < _SINGLE:
        return [int(random.choice(OPEN_UNITS))]
    if kind < _NAMED:
        named = COMBINATIONS[int(random.integers(len(COMBINATIONS)))]
        chosen = {unit for unit in named if random.random() >= _DROPPED}
        if random.random() < _ADDED:
            chosen.add(int(random.choice(OPEN_UNITS)))
    else:
        chosen = {int(unit) for unit in random.choice(OPEN_UNITS, size=int(random.integers(2, 6)), replace=False)}
    for kept, dropped in _EXCLUSIVE:
        if kept in chosen:
            chosen.discard(dropped)
    return sorted(chosen)


def _intensity(unit: int, level: float, random: np.random.Generator) -> float:
    if unit == 43:
        return float(random.uniform(*_CLOSED))
    return float(np.clip(level * random.uniform(0.7, 1.3), _WEAKEST, 1.0))


def _sides(random: np.random.Generator) -> tuple[float, float]:
    """Shares of the intensities on the left and on the right side; the larger one is 1."""
    weak_side, weaker = random.integers(2), float(random.uniform(0.3, 0.9))
    share = weaker if random.random() < _ONE_SIDED else 1.0
    return (1.0, share) if weak_side else (share, 1.0)


def _fainter(units: Mapping[int, float], share: float) -> dict[int, float]:
    return {unit: value * share for unit, value in units.items()}


def _strengths(random: np.random.Generator) -> tuple[float, float, float]:
    """Darkness of skin lines and of creases, brightness of the teeth."""
    return float(random.random()), float(random.uniform(0.5, 1.5)), float(random.uniform(0.75, 1.2))


def _distractions(random: np.random.Generator) -> dict[str, float]:
    if random.random() >= _DISTRACTED:
        return {}
    count = int(random.integers(1, _MOST_DISTRACTIONS + 1))
    names = random.choice(sorted(DISTRACTIONS), size=count, replace=False)
    return {str(name): float(random.uniform(0.2, 1.0) * DISTRACTIONS[str(name)]) for name in names}


def _turn(random: np.random.Generator) -> tuple[float, float, float]:
    pitch, yaw, roll = np.clip(random.normal(0.0, _TURN_STD_DEG), np.negative(_TURN_MOST_DEG), _TURN_MOST_DEG)
    return float(pitch), float(yaw), float(roll)


def _skin(random: np.random.Generator) -> int:
    return int(random.integers(1, 2**31))


def _wandering(random: np.random.Generator) -> list[tuple[float, float, float]]:
    """Turns (STEPS,) of a head that moves a little from image to image, within the limits."""
    turns = [_turn(random)]
    for _ in range(STEPS - 1):
        moved = np.add(turns[-1], random.normal(0.0, _WANDER_STD_DEG))
        pitch, yaw, roll = np.clip(moved, np.negative(_TURN_MOST_DEG), _TURN_MOST_DEG)
        turns.append((float(pitch), float(yaw), float(roll)))
    return turns
