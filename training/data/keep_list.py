"""The keep list that ``mien-train fit rlps`` writes and ``mien-train fit expression --keep`` reads."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.files import atomic_write
from engine.types import Float32, Int64

#: ``reason`` of a removed image: another expression clearly fits, or none does; of a kept one: only a floor.
OTHER_LABEL, NO_LABEL, FLOOR = "other_label", "nothing_fits", "floor"
#: Out-of-fold probability from which another expression fits clearly.
CLEAR: Final = 0.5
_COLUMNS: Final = ("row", "keep", "keep_probability", "reward", "looks_like", "looks_like_probability", "reason")


@dataclass(frozen=True, slots=True, eq=False)
class KeepList:
    """A decision for each of N images and the values behind it."""

    rows: Int64  # (N,) row in the published order of the data set
    keep: npt.NDArray[np.bool_]  # (N,)
    keep_probability: Float32  # (N,) of the policy, 0-1
    reward: Float32  # (N,) <target, p>
    probabilities: Float32  # (N, C) p, of the classifiers of the method
    targets: Float32  # (N, C)
    floored: npt.NDArray[np.bool_]  # (N,) kept only because of a floor

    def reasons(self) -> list[str]:
        """The reason per image; empty for what the policy itself keeps."""
        top = self.probabilities.argmax(1)
        places = np.arange(len(top))
        other = (self.targets[places, top] == 0) & (self.probabilities[places, top] >= CLEAR)
        kept = np.where(self.floored, FLOOR, "")
        return [str(reason) for reason in np.where(self.keep, kept, np.where(other, OTHER_LABEL, NO_LABEL))]


def write_keep_list(found: KeepList, names: tuple[str, ...], path: Path) -> None:
    """Write the CSV, one line per image in the order of the rows."""
    top = found.probabilities.argmax(1)
    reasons = found.reasons()
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as handle:
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


def read_keep_list(path: Path, rows: Int64) -> npt.NDArray[np.bool_]:
    """Mask (N,) of the images to train on, for the images with these row numbers (N,).

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is not a keep list, or lists other images than ``rows``.
    """
    with path.open(newline="", encoding="utf-8") as handle:
        lines = csv.DictReader(handle)
        if not {"row", "keep"} <= set(lines.fieldnames or ()):
            raise ValueError(f"{path} has no columns row and keep; give a list that mien-train fit rlps wrote")
        listed = {_number(path, line["row"]): _flag(path, line["row"], line["keep"]) for line in lines}
    missing = [int(row) for row in rows if int(row) not in listed]
    if missing:
        raise ValueError(
            f"{path} lacks {len(missing)} of {len(rows)} training images (first: row {missing[0]}); "
            "make the list from the same data with mien-train fit rlps"
        )
    if len(listed) > len(rows):
        raise ValueError(
            f"{path} lists {len(listed)} images, the training set has {len(rows)}; "
            "make the list from the same data with mien-train fit rlps"
        )
    mask = np.array([listed[int(row)] for row in rows], bool)
    if not mask.any():
        raise ValueError(f"{path} keeps no image")
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
