"""What the model says of the chosen face in the frame shown."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.qt.page_parts import text_label
from app.qt.panels.action_unit_panel import ActionUnitPanel
from app.qt.panels.expression_panel import ExpressionPanel
from engine.recording import FaceRow, RunHeader


class FacePanel(QWidget):
    """Expression and action units of one face."""

    def __init__(self, next_face: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.expression = ExpressionPanel()
        self.units = ActionUnitPanel()
        kept = self.expression.chip.sizePolicy()
        kept.setRetainSizeWhenHidden(True)  # nothing jumps while a face comes and goes
        self.expression.chip.setSizePolicy(kept)
        self._name = text_label("", "heading")
        button = QPushButton(next_face.text())
        button.setToolTip(next_face.toolTip())
        button.clicked.connect(next_face.trigger)
        head = QHBoxLayout()
        head.addWidget(self._name, 1)
        head.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addLayout(head)
        layout.addWidget(self.expression)
        layout.addWidget(self.units)
        layout.addStretch(1)

    def set_header(self, header: RunHeader | None) -> None:
        """Take over what is the same for a whole session; None: no session."""
        self.expression.set_header(header)
        self.units.set_header(header)
        self.show_face(None, ())

    def show_face(self, face_id: int | None, rows: Sequence[FaceRow]) -> None:
        """Show this face of a frame's rows; a face that is not there is told as such."""
        mine = next((row for row in rows if row.face_id == face_id and face_id is not None), None)
        if face_id is None:
            text = self.tr("No face is chosen")
        elif mine is None and rows:
            text = self.tr("Face {number}: not in this frame").format(number=face_id)
        else:
            text = self.tr("Face {number}").format(number=face_id)
        if text != self._name.text():
            self._name.setText(text)
        self.expression.chip.setVisible(mine is not None)  # the line above says that the face is not there
        self.expression.show_row(mine)
        self.units.show_row(mine)

    @staticmethod
    def face_at(rows: Sequence[FaceRow], x: float, y: float) -> int | None:
        """The smallest face whose box holds this point of the frame, in pixels."""
        hits = [row for row in rows if _holds(row, x, y)]
        return min(hits, key=lambda row: (row.w or 0.0) * (row.h or 0.0)).face_id if hits else None


def _holds(row: FaceRow, x: float, y: float) -> bool:
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return False
    return row.x <= x <= row.x + row.w and row.y <= y <= row.y + row.h
