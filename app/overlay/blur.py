"""Which parts of a frame to blur so that no face stays recognisable, and the blur itself.

Errors are on the safe side. Between two frames of a track its box is interpolated. A track that ends and one that
starts nearby within a few seconds count as one. Beyond both ends of a track its box stays for a while and grows. A
frame in which no face was found or interpolated is blurred whole, because the faces in it are unknown.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from app.session.rows import FaceRow
from engine.types import Float64, UInt8

#: Margin around the box of the face mesh, as a share of its sides: it covers hair, ears and chin.
MARGIN: Final = 0.4
#: Growth of the margin per second without the face, and its limit.
_GROWTH_PER_S: Final = 0.5
_MOST_MARGIN: Final = 1.5
#: Seconds for which a box stays before the first and after the last frame of its track. A new face is reported after
#: 0.15 s; a face that turns away is lost before it has left.
BEFORE_S: Final = 1.0
AFTER_S: Final = 2.0
#: A track that starts within this many seconds and box widths of another one's end continues it.
LINK_S: Final = 10.0
LINK_WIDTHS: Final = 2.0
#: Cells along the longer side of a blurred face, and of a frame that is blurred whole.
_FACE_CELLS: Final = 6
_FRAME_CELLS: Final = 8

#: Left, top, right, bottom in pixels.
Box = tuple[float, float, float, float]


@dataclass(slots=True)
class _Track:
    """Boxes of one face, by position."""

    positions: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)


class FaceCover:
    """Boxes to blur in each frame. Add every frame in order, then call `link` once."""

    def __init__(self, times_s: Float64) -> None:
        """``times_s`` (N,): time of each position in seconds."""
        self._times_s = times_s
        self._tracks: dict[int, _Track] = {}
        self._unknown: set[int] = set()  # positions with a face whose box is not known
        self._first_s = self._last_s = np.zeros(0)

    def add(self, position: int, rows: Iterable[FaceRow]) -> None:
        """Add the faces of a frame."""
        for row in rows:
            if row.face_id is None:
                continue
            box = _box_of(row)
            if box is None:
                self._unknown.add(position)
                continue
            track = self._tracks.setdefault(row.face_id, _Track())
            track.positions.append(position)
            track.boxes.append(box)

    def link(self) -> None:
        """Join each track that ends to the nearest one that starts soon afterwards nearby."""
        by_start = sorted(self._tracks.values(), key=lambda track: track.positions[0])
        starts_s = [float(self._times_s[track.positions[0]]) for track in by_start]
        joined: set[int] = set()
        tracks: list[_Track] = []
        for place, track in enumerate(by_start):
            if place in joined:
                continue
            while True:
                following = self._next_of(track, by_start, starts_s, joined)
                if following is None:
                    break
                joined.add(following)
                track.positions += by_start[following].positions
                track.boxes += by_start[following].boxes
            tracks.append(track)
        self._tracks = dict(enumerate(tracks))
        self._first_s = np.array([self._times_s[track.positions[0]] for track in tracks], np.float64)
        self._last_s = np.array([self._times_s[track.positions[-1]] for track in tracks], np.float64)

    def boxes_at(self, position: int) -> tuple[Box, ...] | None:
        """Boxes with their margins; None = blur the whole frame."""
        if position in self._unknown:
            return None
        known, held = [], []
        now_s = self._times_s[position]
        near = (self._first_s - BEFORE_S <= now_s) & (now_s <= self._last_s + AFTER_S)
        for track in map(self._tracks.__getitem__, np.flatnonzero(near).tolist()):
            first, last = track.positions[0], track.positions[-1]
            if first <= position <= last:
                known.append(self._inside(track, position))
            else:
                box = self._outside(track, position)
                held += [] if box is None else [box]
        return (*known, *held) if known else None

    def _next_of(self, track: _Track, by_start: list[_Track], starts_s: list[float], joined: set[int]) -> int | None:
        """Index of the track that continues one; None if there is none."""
        end, end_box = track.positions[-1], track.boxes[-1]
        end_s = float(self._times_s[end])
        low, high = bisect.bisect_right(starts_s, end_s), bisect.bisect_right(starts_s, end_s + LINK_S)
        reach = LINK_WIDTHS * max(end_box[2] - end_box[0], end_box[3] - end_box[1])
        near = [
            (_distance(end_box, by_start[place].boxes[0]), place)
            for place in range(low, high)
            if place not in joined and by_start[place].positions[0] > end
        ]
        near = [item for item in near if item[0] <= reach]
        return min(near)[1] if near else None

    def _inside(self, track: _Track, position: int) -> Box:
        """The box of a frame of a track, interpolated where the face was lost."""
        place = bisect.bisect_left(track.positions, position)
        if track.positions[place] == position:
            return _grown(track.boxes[place], MARGIN)
        before, after = track.positions[place - 1], track.positions[place]
        start_s, now_s, end_s = (float(self._times_s[index]) for index in (before, position, after))
        share = (now_s - start_s) / max(end_s - start_s, 1e-9)
        pairs = zip(track.boxes[place - 1], track.boxes[place], strict=True)
        left, top, right, bottom = ((1.0 - share) * old + share * new for old, new in pairs)
        return _grown((left, top, right, bottom), _margin_after(min(now_s - start_s, end_s - now_s)))

    def _outside(self, track: _Track, position: int) -> Box | None:
        """The first or last box for a while before or after the track; None beyond."""
        now_s = float(self._times_s[position])
        early_s = float(self._times_s[track.positions[0]]) - now_s
        late_s = now_s - float(self._times_s[track.positions[-1]])
        if 0.0 < early_s <= BEFORE_S:
            return _grown(track.boxes[0], _margin_after(early_s))
        if 0.0 < late_s <= AFTER_S:
            return _grown(track.boxes[-1], _margin_after(late_s))
        return None


class LiveCover:
    """Boxes to blur in frames as they come, when later frames are not known.

    A face that is lost stays covered for a while by its last box, which grows. A frame without a face is blurred whole.
    A face that has just come into view beside another one is uncovered until it is reported, after 0.15 s.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Box, float]] = {}  # last box of each face, and its time
        self._now_s = -math.inf

    def boxes(self, rows: Iterable[FaceRow]) -> tuple[Box, ...] | None:
        """Boxes of one frame with their margins; None = blur the whole frame."""
        faces = [row for row in rows if row.face_id is not None]
        if not faces:
            return None
        now_s = faces[0].time_s
        if now_s < self._now_s - AFTER_S:  # another part of the source; a snapshot is of a frame a little older
            self._seen.clear()
        self._now_s = now_s
        for row in faces:
            box = _box_of(row)
            if box is None or row.face_id is None:
                return None
            self._seen[row.face_id] = (box, now_s)
        self._seen = {face: (box, at_s) for face, (box, at_s) in self._seen.items() if now_s - at_s <= AFTER_S}
        return tuple(_grown(box, _margin_after(max(now_s - at_s, 0.0))) for box, at_s in self._seen.values())


def blur_faces(image: UInt8, boxes: tuple[Box, ...] | None) -> UInt8:
    """A copy of an image (H, W, 3) whose boxes, or the whole of which, cannot be recognised.

    Each area is averaged over a few cells, so what was in them is lost. A box without a pixel inside the image means
    that boxes and image do not belong together, so the whole image is blurred.
    """
    blurred: UInt8 = image.copy()
    height, width = image.shape[:2]
    if boxes is None:
        boxes = ((0.0, 0.0, float(width), float(height)),)
        cells = _FRAME_CELLS
    else:
        cells = _FACE_CELLS
    for left, top, right, bottom in boxes:
        x0, y0 = max(math.floor(left), 0), max(math.floor(top), 0)
        x1, y1 = min(math.ceil(right), width), min(math.ceil(bottom), height)
        if x0 >= x1 or y0 >= y1:
            return blur_faces(image, None)
        blurred[y0:y1, x0:x1] = _averaged(image[y0:y1, x0:x1], cells)
    return blurred


def _averaged(area: UInt8, cells: int) -> UInt8:
    """An area averaged over cells, with soft edges between them."""
    height, width = area.shape[:2]
    scale = cells / max(height, width)
    small = cv2.resize(
        area, (max(round(width * scale), 1), max(round(height * scale), 1)), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _box_of(row: FaceRow) -> Box | None:
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return None
    box = (row.x, row.y, row.x + row.w, row.y + row.h)
    return box if all(map(math.isfinite, box)) and row.w > 0 and row.h > 0 else None


def _grown(box: Box, margin: float) -> Box:
    left, top, right, bottom = box
    across, down = margin * (right - left), margin * (bottom - top)
    return (left - across, top - down, right + across, bottom + down)


def _margin_after(seconds: float) -> float:
    return min(MARGIN + _GROWTH_PER_S * seconds, _MOST_MARGIN)


def _distance(one: Box, other: Box) -> float:
    """Distance of the centres in pixels."""
    across = (one[0] + one[2] - other[0] - other[2]) / 2
    down = (one[1] + one[3] - other[1] - other[3]) / 2
    return math.hypot(across, down)
