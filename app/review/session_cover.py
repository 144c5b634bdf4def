"""What to blur in the frames of a session, without reading the whole session first."""

from __future__ import annotations

from typing import Final

import numpy as np

from app.overlay.blur import LINK_S, Box, FaceCover
from app.review.session import Session

#: Seconds whose cover is kept; the cover of a span also uses the frames that can change it, on both sides.
_SPAN_S: Final = 10.0
_AROUND_S: Final = LINK_S + 2.0


class SessionCover:
    """As `FaceCover`, for spans of a session on demand."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._span: int | None = None
        self._first = 0  # position of the first frame of the cover
        self._cover = FaceCover(np.zeros(0))

    def boxes_at(self, position: int) -> tuple[Box, ...] | None:
        """Boxes with their margins; None = blur the whole frame."""
        times_s = self._session.times_s
        span = int(times_s[position] // _SPAN_S)
        if span != self._span:
            edges = (span * _SPAN_S - _AROUND_S, (span + 1) * _SPAN_S + _AROUND_S)
            first, end = np.searchsorted(times_s, edges).tolist()
            self._span, self._first, self._cover = span, first, FaceCover(times_s[first:end])
            for place in range(first, end):
                self._cover.add(place - first, self._session.rows_at(place))
            self._cover.link()
        return self._cover.boxes_at(position - self._first)
