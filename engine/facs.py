"""Expression labels and FACS action units: their order and names, the same everywhere.

Sources: FERPlus (Barsoum et al., ICMI 2016) for the expression order; FACS (Ekman, Friesen and Hager, 2002) for the
names of the units; BP4D (Zhang et al., 2014) for the twelve units that the first model reports.
"""

from __future__ import annotations

from typing import Final

#: Order of every probability vector over expressions (FERPlus, less "unknown" and "not a face").
EXPRESSIONS: Final[tuple[str, ...]] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)

#: Adjectives for display, in the order of EXPRESSIONS: they describe the face, never what the person feels.
EXPRESSION_ADJECTIVES: Final[tuple[str, ...]] = (
    "neutral",
    "happy",
    "surprised",
    "sad",
    "angry",
    "disgusted",
    "fearful",
    "contemptuous",
)

#: Intensity of a unit at its maximum, grade E of FACS; 0: it is absent.
HIGHEST_INTENSITY: Final = 5.0

#: FACS numbers of the twelve BP4D units, in the paper's order.
BP4D_UNITS: Final[tuple[int, ...]] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)

#: FACS numbers of the eight DISFA units, in the paper's order.
DISFA_UNITS: Final[tuple[int, ...]] = (1, 2, 4, 6, 9, 12, 25, 26)

#: FACS numbers of the units of the open set and of the shipped model, in the order of their vectors.
OPEN_UNITS: Final[tuple[int, ...]] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 43)

#: FACS number to FACS name.
UNIT_NAMES: Final[dict[int, str]] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}


def unit_code(number: int) -> str:
    """FACS code of a unit: ``unit_code(12) == "AU12"``."""
    return f"AU{number}"
