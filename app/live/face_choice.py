"""Choice of the face whose details are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.overlay.overlay import face_at
from app.session.rows import FaceRow

#: Seconds for which a face out of view keeps its place before another one is shown.
_WAIT_S: Final = 1.5


class FaceChoice:
    """Follows one face by id: the chosen one, else the one shown before, else the largest."""

    def __init__(self) -> None:
        self._chosen: int | None = None
        self._ids: tuple[int, ...] = ()
        self._followed: int | None = None  # the last one shown
        self._seen_s = 0.0  # time of its last frame in view

    @property
    def chosen(self) -> int | None:
        """Id of the face chosen by the user; None = the largest."""
        return self._chosen

    @property
    def followed(self) -> int | None:
        """Id of the face shown last, in view or not; None = none yet."""
        return self._followed

    def choose(self, rows: Sequence[FaceRow]) -> FaceRow | None:
        """The row to show among those of one frame; None without a face, or while waiting for one out of view."""
        faces = [row for row in rows if row.face_id is not None]
        self._ids = tuple(sorted(row.face_id for row in faces if row.face_id is not None))
        return self._find(faces, rows[0].time_s if rows else 0.0)

    def _find(self, faces: Sequence[FaceRow], now_s: float) -> FaceRow | None:
        row = _of(faces, self._chosen) or _of(faces, self._followed)
        waiting = self._followed is not None and 0.0 <= now_s - self._seen_s < _WAIT_S
        if row is None and faces and not waiting:
            row = faces[0]
        if row is not None:
            self._followed, self._seen_s = row.face_id, now_s
        return row

    def forget(self) -> None:
        """Reset for another source, whose faces have other ids."""
        self._chosen = self._followed = None
        self._ids = ()

    def choose_id(self, face_id: int) -> None:
        """Choose a face by its id."""
        self._chosen = face_id

    def next_face(self) -> None:
        """Choose the next face, cyclically."""
        if self._ids:
            later = [face for face in self._ids if self._followed is not None and face > self._followed]
            self._chosen = later[0] if later else self._ids[0]

    def pick(self, rows: Sequence[FaceRow], x: float, y: float) -> None:
        """Choose the smallest face whose box contains this point of the frame, in pixels."""
        found = face_at(rows, x, y)
        if found is not None:
            self._chosen = found


def _of(rows: Sequence[FaceRow], face_id: int | None) -> FaceRow | None:
    return next((row for row in rows if row.face_id == face_id), None)
