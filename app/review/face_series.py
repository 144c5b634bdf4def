"""The measured values of one face over time, at any zoom: lowest and highest value per pixel column.

Unlike an average, the two keep a peak of a single frame visible however far the user zooms out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from engine.types import Float32, Int64


class SeriesGroup(str, Enum):
    """Groups of values, each from one table of `app.review.face_timeline.RowColumns`."""

    EXPRESSIONS = "expressions"  # order of SessionHeader.expressions
    UNITS = "units"  # order of SessionHeader.au_codes
    UNCERTAINTIES = "uncertainties"  # aleatoric, epistemic, ood_score
    POSE = "pose"  # yaw, pitch, roll
    INTENSITIES = "intensities"  # 0-5, order of SessionHeader.au_codes; empty if the model grades none


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """L lines over P columns that hold a frame; NaN where the face is absent or was not assessed."""

    positions: Int64  # (P,) first frame of each column, ascending
    low: Float32  # (L, P)
    high: Float32  # (L, P)


class FaceSeries:
    """The values of one face; a group is copied on first use, line by line, which makes its envelopes fast."""

    def __init__(self, positions: npt.NDArray[np.int32], order: Int64, tables: Mapping[SeriesGroup, Float32]) -> None:
        """Take the rows of one face.

        Args:
            positions: (R,) frames of the face, ascending.
            order: (R,) their rows in the tables.
            tables: (all rows, L) per group.
        """
        self._positions, self._order, self._tables = positions, order, tables
        self._values: dict[SeriesGroup, Float32] = {}
        self._made: dict[SeriesGroup, Callable[[], Float32]] = {}

    def replace(self, group: SeriesGroup, values: Callable[[], Float32]) -> None:
        """Show other values (R, L) of a group, computed on their first use."""
        self._made[group] = values
        self._values.pop(group, None)

    def values(self, group: SeriesGroup) -> Float32:
        """(L, R) values of a group over the frames of the face; NaN = not computed."""
        if group not in self._values:
            made = self._made.get(group)
            rows = self._tables[group][self._order] if made is None else made()
            self._values[group] = np.ascontiguousarray(rows.T)
        return self._values[group]

    def values_at(self, group: SeriesGroup, position: int) -> Float32 | None:
        """(L,) values in one frame; None in a frame without the face."""
        place = int(np.searchsorted(self._positions, position))
        if place == len(self._positions) or self._positions[place] != position:
            return None
        return np.asarray(self.values(group)[:, place])

    def envelope(self, group: SeriesGroup, edges: Int64) -> Envelope:
        """Lowest and highest values of a group.

        Args:
            group: whose lines are wanted.
            edges: (W + 1,) ascending positions, as from `app.review.face_timeline.bucket_edges`; columns without a
                frame (more pixels than frames) are left out.
        """
        used = np.flatnonzero(np.diff(edges))
        starts = edges[:-1][used]
        values = self.values(group)
        low = np.full((len(values), len(used)), np.nan, np.float32)
        high = low.copy()
        rows = np.searchsorted(self._positions, np.append(starts, edges[-1:]))
        filled = np.flatnonzero(np.diff(rows))
        if len(filled):
            first = rows[filled[0]]
            part = values[:, first : rows[filled[-1] + 1]]
            low[:, filled] = np.fmin.reduceat(part, rows[filled] - first, axis=1)
            high[:, filled] = np.fmax.reduceat(part, rows[filled] - first, axis=1)
        return Envelope(starts, low, high)
