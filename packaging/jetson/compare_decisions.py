"""Compare the decisions of two sessions of the same source, such as those of two processors.

    python packaging/jetson/compare_decisions.py FACES.CSV OTHER.CSV

The exit status is 1 if a frame has other faces, or a face another decision or other labels.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: What makes up a decision.
_DECISION: Final = ("decision", "set")
#: Beginnings of the names of columns with numbers that are compared: probabilities, uncertainties, action units, box.
_NUMBERS: Final = ("p_", "confidence", "ood_score", "aleatoric", "epistemic", "au_")
_PIXELS: Final = ("x", "y", "w", "h")

Rows = dict[tuple[str, str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Counts of faces (rows with their frame), and the largest differences."""

    faces: int  # in both
    missing: int  # in one of the two only
    same: int  # of the faces in both, with the same decision and labels
    probability: float  # largest difference of probabilities, uncertainties and occurrences
    box_px: float

    @property
    def agrees(self) -> bool:
        """Whether every face and every decision is the same."""
        return self.missing == 0 and self.same == self.faces > 0


def compare(first: Path, second: Path) -> Comparison:
    """Compare two faces.csv row by row, by frame and face id.

    Raises:
        OSError, KeyError: a file cannot be read, or is no table of faces.
    """
    one, two = _rows(first), _rows(second)
    both = sorted(one.keys() & two.keys())
    same = sum(all(one[key][name] == two[key][name] for name in _DECISION) for key in both)
    return Comparison(
        faces=len(both),
        missing=len(one.keys() ^ two.keys()),
        same=same,
        probability=max((_difference(one[key], two[key], _NUMBERS) for key in both), default=0.0),
        box_px=max((_difference(one[key], two[key], _PIXELS) for key in both), default=0.0),
    )


def _rows(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {(row["frame"], row["face_id"]): row for row in csv.DictReader(file)}


def _difference(one: dict[str, str], two: dict[str, str], names: tuple[str, ...]) -> float:
    """Largest difference of the columns that both rows have; those of another decision are empty in one of them."""
    prefixes = tuple(name for name in names if name.endswith("_"))
    columns = [name for name in one if (name in names or name.startswith(prefixes)) and one[name] and two[name]]
    return max((abs(float(one[name]) - float(two[name])) for name in columns), default=0.0)


def main() -> int:
    """Print the comparison."""
    result = compare(Path(sys.argv[1]), Path(sys.argv[2]))
    print(  # noqa: T201 (a script)
        f"{result.same} of {result.faces} faces have the same decision and labels, "
        f"{result.missing} are in one table only; largest difference {result.probability:.2g} "
        f"(probabilities, uncertainties, action units), {result.box_px:.2g} px (box)"
    )
    return 0 if result.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
