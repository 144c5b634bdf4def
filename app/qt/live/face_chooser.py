"""Which face of the picture is shown beside it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from engine.recording import FaceRow


class FaceChooser(QWidget):
    """Follows one face by its id; the largest as long as nobody has chosen, or when the chosen one is gone."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._chosen: int | None = None
        self._ids: tuple[int, ...] = ()
        self._shown: int | None = None
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
    def shown(self) -> int | None:
        """Id of the face that was shown last; None = there was none."""
        return self._shown

    def choose(self, rows: Sequence[FaceRow]) -> FaceRow | None:
        """The row to show, of those of one frame; None where there is no face."""
        faces = [row for row in rows if row.face_id is not None]
        ids = tuple(sorted(row.face_id for row in faces if row.face_id is not None))
        row = next((row for row in faces if row.face_id == self._chosen), faces[0] if faces else None)
        shown = row.face_id if row is not None else None
        if (ids, shown) != (self._ids, self._shown):
            self._ids, self._shown = ids, shown
            self._write()
        return row

    def go_on(self) -> None:
        """Choose the next face; after the last comes the first."""
        if self._ids:
            later = [face for face in self._ids if self._shown is not None and face > self._shown]
            self._chosen = later[0] if later else self._ids[0]

    def pick(self, rows: Sequence[FaceRow], x: float, y: float) -> None:
        """Choose the smallest face whose box holds this point of the frame, in pixels."""
        hits = [row for row in rows if _holds(row, x, y)]
        if hits:
            self._chosen = min(hits, key=lambda row: (row.w or 0.0) * (row.h or 0.0)).face_id

    def _write(self) -> None:
        count = len(self._ids)
        if self._shown is None:
            text = self.tr("No face in view")
        elif count == 1:
            text = self.tr("Face {id}").format(id=self._shown)
        else:
            text = self.tr("Face {id}, one of {count}").format(id=self._shown, count=count)
        self._label.setText(text)
        self._next.setEnabled(count > 1)


def _holds(row: FaceRow, x: float, y: float) -> bool:
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return False
    return row.x <= x <= row.x + row.w and row.y <= y <= row.y + row.h
