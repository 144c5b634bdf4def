"""Which tiles of a video are searched next: those that wait longest, and sooner those in which something changed.

A face that comes in changes the image where it comes in, so its tile is due within a few searches; a tile that shows
what it showed when it was last searched can wait.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.records import read_record
from engine.tracking.views import BORDERED, View, video_tiles
from engine.types import Float32, UInt8

#: A changed tile waits as if for so many times as long.
_URGENCY: Final = 8
#: A tile has changed if so many cells of its part of the thumbnail differ by more than this many grey levels.
_CHANGED_CELLS: Final = 2
_CHANGED_BY: Final = 16
#: Changes this near to a known face, in sizes of its box from the middle, are that person's movements.
_OWN_REACH: Final = (1.2, 2.0)
#: If more than this share of the tiles changed, the camera moves.
_MOVING_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Saved:
    """The state of `ViewTurns` as it is saved."""

    waited: tuple[int, ...]
    shifted: tuple[bool, ...]
    searched: tuple[int, int, str] | None  # rows, columns, base64 of the thumbnail

    def __post_init__(self) -> None:
        if len(self.waited) != len(self.shifted) or any(waited < 0 for waited in self.waited):
            raise ValueError("the turns of the views do not fit together")


class ViewTurns:
    """The order of the tiles, and of the image with a border, over the searches of one video."""

    def __init__(self) -> None:
        self._waited: tuple[int, ...] = ()  # turns since each view was searched
        self._shifted: tuple[bool, ...] = ()  # whether each view is next searched a little further right and down
        #: Whether the last call of `next` found changes in some part of the image that no known face explains, ...
        self.hurried = False
        #: ... or in most of it: the camera moves, or the light changes.
        self.moving = False
        self._searched: UInt8 | None = None  # thumbnail (h, w), each tile as it was when it was last searched

    def count(self, width: int, height: int) -> int:
        """How many views take turns."""
        return len(video_tiles(width, height)) + 1

    def next(
        self,
        width: int,
        height: int,
        thumbnail: UInt8,
        count: int,
        alternate: bool = False,
        known: Sequence[Float32] = (),
    ) -> list[View]:
        """The views whose turn it is.

        Args:
            width: of the image in pixels.
            height: of the image in pixels.
            thumbnail: (h, w) grey levels of the image, of the same size for every image of a video.
            count: how many; all if there are fewer.
            alternate: search each tile every other time a little further right and down. For few views per search it
                takes too long until a face that has just come lies well in a tile.
            known: boxes (4,) of the faces that are followed, whose movements are no reason to search.
        """
        views = (BORDERED, *video_tiles(width, height))
        if len(self._waited) != len(views) or self._searched is None or self._searched.shape != thumbnail.shape:
            self._waited, self._shifted = (0,) * len(views), (True,) * len(views)
            self._searched = thumbnail.copy()
        changed = np.abs(thumbnail.astype(np.int16) - self._searched) > _CHANGED_BY
        for box in known:
            changed[_around(box, width, height, thumbnail)] = False
        parts = [_part(view, width, height, thumbnail) for view in views]
        pairs = zip(views, parts, strict=True)
        urgent = [view.box is not None and np.count_nonzero(changed[part]) >= _CHANGED_CELLS for view, part in pairs]
        self.moving = bool(sum(urgent) > _MOVING_SHARE * len(views))
        self.hurried = any(urgent) and not self.moving
        order = [(waited + 1) * (_URGENCY if hurry else 1) for waited, hurry in zip(self._waited, urgent, strict=True)]
        chosen = sorted(range(len(views)), key=lambda place: (-order[place], place))[:count]
        self._waited = tuple(0 if place in chosen else waited + 1 for place, waited in enumerate(self._waited))
        for place in chosen:
            if views[place].box is not None:
                self._searched[parts[place]] = thumbnail[parts[place]]
        shifted = (BORDERED, *video_tiles(width, height, shifted=True))
        found = [(shifted if alternate and self._shifted[place] else views)[place] for place in chosen]
        self._shifted = tuple((place in chosen) != shift for place, shift in enumerate(self._shifted))
        return found

    def restart(self, thumbnail: UInt8) -> None:
        """All views, not shifted, have been searched in the image with this thumbnail (h, w)."""
        count = len(self._waited)
        self._waited, self._shifted, self._searched = (0,) * count, (True,) * count, thumbnail.copy()

    def snapshot(self) -> dict[str, Any]:
        """The state as values of JSON."""
        searched = None
        if self._searched is not None:
            rows, columns = self._searched.shape
            searched = [rows, columns, base64.b64encode(self._searched.tobytes()).decode("ascii")]
        return {"waited": list(self._waited), "shifted": list(self._shifted), "searched": searched}

    def restore(self, state: object) -> None:
        """Take the state of `snapshot` back.

        Raises:
            ValueError: it is damaged.
        """
        saved = read_record(_Saved, state, require_all=True, field="turns")
        searched = None
        if saved.searched is not None:
            rows, columns, packed = saved.searched
            if min(rows, columns) < 1:
                raise ValueError(f"a thumbnail of {rows} x {columns} pixels")
            flat = np.frombuffer(base64.b64decode(packed, validate=True), np.uint8)
            searched = flat.reshape(rows, columns).copy()
        self._waited, self._shifted, self._searched = saved.waited, saved.shifted, searched


def _around(box: Float32, width: int, height: int, thumbnail: UInt8) -> tuple[slice, slice]:
    """The cells of the thumbnail (h, w) that show the person with this face."""
    middle, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    x, y = middle.tolist()
    reach_x, reach_y = (size * _OWN_REACH).tolist()
    corners = (round(x - reach_x), round(y - reach_y), round(x + reach_x), round(y + reach_y))
    return _part(View(corners), width, height, thumbnail)


def _part(view: View, width: int, height: int, thumbnail: UInt8) -> tuple[slice, slice]:
    """The cells of the thumbnail (h, w) that show a view."""
    x0, y0, x1, y1 = view.box or (0, 0, width, height)
    rows, columns = thumbnail.shape
    across = slice(max(x0, 0) * columns // width, max(-(-x1 * columns // width), 0))
    return slice(max(y0, 0) * rows // height, max(-(-y1 * rows // height), 0)), across
