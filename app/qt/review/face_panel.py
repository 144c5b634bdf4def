"""What the model says of the chosen face in the frame shown."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.overlay.overlay import STANDING_LINE
from app.qt.widgets.action_unit_panel import ActionUnitPanel
from app.qt.widgets.drawn_panel import told
from app.qt.widgets.expression_panel import ExpressionPanel
from app.qt.widgets.page_parts import text_label
from app.session.journal import FaceRow, RunHeader


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
        layout.addWidget(text_label(told(STANDING_LINE), "dim"))
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
