"""Which rows the timeline has, from the top: for every face its lane, what people said of it, and its action units."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.review.lanes import FaceLane
from app.session.journal import RunHeader
from engine.types import Float64

#: Faces that are there for less stay hidden until they are asked for: mostly false finds and people passing by.
SHORT_S: Final = 1.0
#: Heights in em.
_HEIGHTS_EM: Final = {"face": 1.5, "noted": 1.3, "unit": 0.85}
_GAP_EM: Final = 0.25


class RowKind(str, Enum):
    """What stands in a row."""

    FACE = "face"  # what the model said
    NOTED = "noted"  # what people said
    UNITS = "units"  # one thin line per action unit


@dataclass(frozen=True, slots=True)
class Row:
    """One row; pixels from the top of the first."""

    kind: RowKind
    face_id: int
    lane: FaceLane
    top_px: int
    height_px: int

    @property
    def bottom_px(self) -> int:
        """Behind its last line."""
        return self.top_px + self.height_px


def is_short(lane: FaceLane, times_s: Float64) -> bool:
    """Whether a face is there for less than `SHORT_S`."""
    return bool(times_s[lane.last] - times_s[lane.first] < SHORT_S)


def lanes_shown(lanes: Sequence[FaceLane], times_s: Float64, with_short: bool) -> tuple[FaceLane, ...]:
    """Those that get rows; short ones as well where nothing else is there."""
    longer = tuple(lane for lane in lanes if not is_short(lane, times_s))
    return tuple(lanes) if with_short or not longer else longer


def unit_order(header: RunHeader) -> tuple[int, ...]:
    """Places in ``header.au_codes``: trusted units first."""
    places = range(len(header.au_codes))
    return tuple(sorted(places, key=lambda place: header.au_codes[place] not in header.au_trusted))


def rows_of_lanes(
    lanes: Sequence[FaceLane], selected: int | None, noted: Set[int], units: int, em_px: float
) -> tuple[Row, ...]:
    """All rows.

    Args:
        lanes: in the order of the rows.
        selected: the face whose action units are shown.
        noted: faces that people labelled; they and the selected one have a row for it.
        units: action units shown for the selected face; 0 = folded away.
        em_px: height of a line of text.
    """
    heights = {name: max(round(share * em_px), 4) for name, share in _HEIGHTS_EM.items()}
    gap, top = max(round(_GAP_EM * em_px), 2), 0
    rows = []
    for lane in lanes:
        kinds = [(RowKind.FACE, heights["face"])]
        if lane.face_id in noted or lane.face_id == selected:
            kinds.append((RowKind.NOTED, heights["noted"]))
        if lane.face_id == selected and units:
            kinds.append((RowKind.UNITS, units * heights["unit"]))
        for kind, height in kinds:
            rows.append(Row(kind, lane.face_id, lane, top, height))
            top += height + 1
        top += gap
    return tuple(rows)
