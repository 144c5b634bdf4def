"""Which face of the picture is shown beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.overlay.presentation import face_at
from app.session.journal import FaceRow

#: A face that goes out of view is waited for so long before another one takes its place.
_WAIT_S: Final = 1.5


class FaceChooser(QWidget):
    """Follows one face by its id: the one that was chosen, else the one shown before, else the largest."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen: int | None = None
        self._ids: tuple[int, ...] = ()
        self._shown: int | None = None  # in the frame at hand
        self._followed: int | None = None  # the last that was shown at all
        self._seen_s = 0.0  # when it was in view last
        self._label = QLabel()
        self._label.setProperty("role", "heading")
        self._next = QPushButton(self.tr("Next face"))
        self._next.clicked.connect(self.go_on)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._label, 1)
        layout.addWidget(self._next)
        self._write()

    @property
    def chosen(self) -> int | None:
        """Id of the face that the user chose; None = the largest."""
        return self._chosen

    @property
    def followed(self) -> int | None:
        """Id of the face that was shown last, whether or not it is in view; None = there was none."""
        return self._followed

    def choose(self, rows: Sequence[FaceRow]) -> FaceRow | None:
        """The row to show, of those of one frame; None where there is no face, or where one is waited for."""
        faces = [row for row in rows if row.face_id is not None]
        ids = tuple(sorted(row.face_id for row in faces if row.face_id is not None))
        row = self._find(faces, rows[0].time_s if rows else 0.0)
        shown = row.face_id if row is not None else None
        if (ids, shown) != (self._ids, self._shown):
            self._ids, self._shown = ids, shown
            self._write()
        return row

    def _find(self, faces: Sequence[FaceRow], now_s: float) -> FaceRow | None:
        row = _of(faces, self._chosen) or _of(faces, self._followed)
        waiting = self._followed is not None and 0.0 <= now_s - self._seen_s < _WAIT_S
        if row is None and faces and not waiting:
            row = faces[0]
        if row is not None:
            self._followed, self._seen_s = row.face_id, now_s
        return row

    def forget(self) -> None:
        """Another source comes, whose faces have other ids."""
        self._chosen = self._shown = self._followed = None
        self._ids = ()
        self._write()

    def go_on(self) -> None:
        """Choose the next face; after the last comes the first."""
        if self._ids:
            later = [face for face in self._ids if self._followed is not None and face > self._followed]
            self._chosen = later[0] if later else self._ids[0]

    def pick(self, rows: Sequence[FaceRow], x: float, y: float) -> None:
        """Choose the smallest face whose box holds this point of the frame, in pixels."""
        found = face_at(rows, x, y)
        if found is not None:
            self._chosen = found

    def _write(self) -> None:
        count = len(self._ids)
        if self._shown is None and self._ids:
            text = self.tr("Face {id} is out of view").format(id=self._followed)
        elif self._shown is None:
            text = self.tr("No face in view")
        elif count == 1:
            text = self.tr("Face {id}").format(id=self._shown)
        else:
            text = self.tr("Face {id}, one of {count}").format(id=self._shown, count=count)
        self._label.setText(text)
        self._next.setEnabled(bool(self._ids) and self._ids != (self._shown,))


def _of(rows: Sequence[FaceRow], face_id: int | None) -> FaceRow | None:
    return next((row for row in rows if row.face_id == face_id), None)
