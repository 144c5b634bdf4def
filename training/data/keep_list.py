"""The cleaned list that ``mien-train fit rlps`` writes and ``mien-train fit expression --keep`` reads."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import Float32, Int64

#: ``reason`` of a removed picture: another expression plainly fits it, or none does; of a kept one: a floor alone.
OTHER_LABEL, NOTHING_FITS, FLOOR = "other_label", "nothing_fits", "floor"
#: An out-of-fold probability from here up is "plainly".
PLAIN: Final = 0.5
_COLUMNS: Final = ("row", "keep", "keep_probability", "reward", "looks_like", "looks_like_probability", "reason")


@dataclass(frozen=True, slots=True, eq=False)
class KeepList:
    """A decision for each of N pictures, with what it rests on."""

    rows: Int64  # (N,) row in the published order of the data set
    keep: npt.NDArray[np.bool_]  # (N,)
    keep_probability: Float32  # (N,) of the policy
    reward: Float32  # (N,) <target, p>
    probabilities: Float32  # (N, C) p, of classifiers that the method names
    targets: Float32  # (N, C)
    floored: npt.NDArray[np.bool_]  # (N,) kept by a floor alone

    def reasons(self) -> list[str]:
        """A word per picture; empty for what the policy itself keeps."""
        top = self.probabilities.argmax(1)
        places = np.arange(len(top))
        other = (self.targets[places, top] == 0) & (self.probabilities[places, top] >= PLAIN)
        kept = np.where(self.floored, FLOOR, "")
        return [str(word) for word in np.where(self.keep, kept, np.where(other, OTHER_LABEL, NOTHING_FITS))]


def write_keep_list(found: KeepList, names: tuple[str, ...], path: Path) -> None:
    """Write the CSV, one line per picture in the order of the rows, under a temporary name first."""
    top = found.probabilities.argmax(1)
    reasons = found.reasons()
    partial = path.with_suffix(".part")
    with partial.open("w", newline="", encoding="utf-8") as handle:
        lines = csv.writer(handle)
        lines.writerow(_COLUMNS)
        for place in np.argsort(found.rows, kind="stable"):
            lines.writerow(
                (
                    found.rows[place],
                    int(found.keep[place]),
                    f"{found.keep_probability[place]:.4f}",
                    f"{found.reward[place]:.4f}",
                    names[top[place]],
                    f"{found.probabilities[place, top[place]]:.4f}",
                    reasons[place],
                )
            )
    partial.replace(path)


def read_keep_list(path: Path, rows: Int64) -> npt.NDArray[np.bool_]:
    """Mask (N,) of the pictures to train on, for the pictures with these row numbers (N,).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no such list, or speaks of other pictures than ``rows``.
    """
    with path.open(newline="", encoding="utf-8") as handle:
        lines = csv.DictReader(handle)
        if not {"row", "keep"} <= set(lines.fieldnames or ()):
            raise ValueError(f"{path} has no columns row and keep; give a list that mien-train fit rlps wrote")
        said = {_number(path, line["row"]): _flag(path, line["row"], line["keep"]) for line in lines}
    missing = [int(row) for row in rows if int(row) not in said]
    if missing:
        raise ValueError(
            f"{path} says nothing of {len(missing)} of {len(rows)} training pictures (first: row {missing[0]}); "
            "make the list from the same data with mien-train fit rlps"
        )
    if len(said) > len(rows):
        raise ValueError(
            f"{path} lists {len(said)} pictures, the training set has {len(rows)}; "
            "make the list from the same data with mien-train fit rlps"
        )
    mask = np.array([said[int(row)] for row in rows], bool)
    if not mask.any():
        raise ValueError(f"{path} keeps no picture")
    return mask


def _number(path: Path, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{path}: row {text!r} is not a number") from None


def _flag(path: Path, row: str, text: str | None) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{path}: keep of row {row} is {text!r}, not 0 or 1")
    return text == "1"
