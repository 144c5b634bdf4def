"""Choice of the face shown in the side column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.overlay.overlay import face_at
from app.qt.widgets.drawn_panel import bold
from app.session.rows import FaceRow

#: Seconds for which a face out of view keeps its place before another one is shown.
_WAIT_S: Final = 1.5


class FaceChooser(QWidget):
    """Follows one face by id: the chosen one, else the one shown before, else the largest."""

    #: The user has chosen a face.
    chosen_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen: int | None = None
        self._ids: tuple[int, ...] = ()
        self._shown: int | None = None  # in the current frame
        self._followed: int | None = None  # the last one shown
        self._seen_s = 0.0  # time of its last frame in view
        self._label = QLabel()
        self._label.setProperty("role", "heading")
        self._next = QPushButton(self.tr("Next face"))
        self._next.clicked.connect(self.next_face)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._label, 1)
        layout.addWidget(self._next)
        self._reserve_width()
        self._update_text()

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
        ids = tuple(sorted(row.face_id for row in faces if row.face_id is not None))
        row = self._find(faces, rows[0].time_s if rows else 0.0)
        shown = row.face_id if row is not None else None
        if (ids, shown) != (self._ids, self._shown):
            self._ids, self._shown = ids, shown
            self._update_text()
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
        """Reset for another source, whose faces have other ids."""
        self._chosen = self._shown = self._followed = None
        self._ids = ()
        self._update_text()

    def next_face(self) -> None:
        """Choose the next face, cyclically."""
        if self._ids:
            later = [face for face in self._ids if self._followed is not None and face > self._followed]
            self._chosen = later[0] if later else self._ids[0]
            self.chosen_changed.emit()

    def pick(self, rows: Sequence[FaceRow], x: float, y: float) -> None:
        """Choose the smallest face whose box contains this point of the frame, in pixels."""
        found = face_at(rows, x, y)
        if found is not None:
            self._chosen = found
            self.chosen_changed.emit()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to the text size."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._reserve_width()

    def _reserve_width(self) -> None:
        """Make the label wide enough for all its texts, so that the side column does not change its width."""
        metrics = QFontMetrics(bold(self.font()))
        texts = (self._text(99, 99), self._text(99, 1), self._text(None, 99), self._text(None, 0))
        self._label.setMinimumWidth(max(map(metrics.horizontalAdvance, texts)))

    def _update_text(self) -> None:
        self._label.setText(self._text(self._shown, len(self._ids)))
        self._next.setEnabled(bool(self._ids) and self._ids != (self._shown,))

    def _text(self, shown: int | None, count: int) -> str:
        if shown is None and count:
            return self.tr("Face {id} is out of view").format(id=self._followed)
        if shown is None:
            return self.tr("No face in view")
        if count == 1:
            return self.tr("Face {id}").format(id=shown)
        return self.tr("Face {id}, one of {count}").format(id=shown, count=count)


def _of(rows: Sequence[FaceRow], face_id: int | None) -> FaceRow | None:
    return next((row for row in rows if row.face_id == face_id), None)
