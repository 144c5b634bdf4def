"""The panel of the faces: a card per face, and the expression and the action units of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QVBoxLayout, QWidget

from app.overlay.disclaimer import DISCLAIMER
from app.qt import theme
from app.qt.translation import translated
from app.qt.widgets.expression_panel import ExpressionPanel
from app.qt.widgets.face_cards import FaceCards
from app.qt.widgets.face_map import FaceMap
from app.qt.widgets.page_parts import settle, text_label
from app.session.rows import NO_FACE, FaceRow, SessionHeader
from app.settings.limits import Limits
from engine.types import UInt8

#: From this width on, in em, the details are beside the cards.
_WIDE_EM: Final = 34.0


class FaceColumn(QWidget):
    """Cards above the details of the followed face, or beside them in a wide panel."""

    #: Id of the face whose card was clicked.
    face_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards, self.expression, self.map = FaceCards(), ExpressionPanel(), FaceMap()
        self._sentence_height = 0
        self.cards.chosen.connect(self.face_chosen)
        self.standing_line = text_label(translated(DISCLAIMER), "dim")
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.cards)
        column.addWidget(self.standing_line)
        column.addStretch(1)
        self._layout = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(left)
        self._layout.addWidget(self.expression)
        self._layout.addWidget(self.map)
        self._layout.addStretch(1)

    def set_header(self, header: SessionHeader | None) -> None:
        """Use the labels and limits of a session; None: no session."""
        self.expression.set_header(header)
        self.map.set_header(header)
        self.forget()

    def set_names(self, names: Mapping[int, str]) -> None:
        """Show names beside the numbers of faces, by face id; for the next frame."""
        self.cards.set_names(names)

    def set_limits(self, limits: Limits) -> None:
        """Move the marks of the limits."""
        self.expression.set_limits(limits)

    def show_faces(
        self, rows: Sequence[FaceRow], followed: int | None, pictures: Mapping[int, UInt8]
    ) -> FaceRow | None:
        """Show the faces of one frame, and the details of the followed one; return its row.

        Args:
            rows: of the frame; empty before the first one.
            followed: id of the face; it may be out of view.
            pictures: see `FaceCards.show_faces`.
        """
        self.cards.show_faces(rows, followed, pictures)
        row = next((row for row in rows if row.face_id == followed and row.decision != NO_FACE), None)
        self.expression.show_row(row)
        self.map.show_row(row)
        sentence = self.expression.uncertainty.sentence
        if sentence.minimumHeight() != self._sentence_height:
            self._sentence_height = sentence.minimumHeight()
            settle(sentence)
        return row

    def forget(self) -> None:
        """Show no face, as for another source."""
        self.cards.forget()
        self.expression.show_row(None)
        self.map.show_row(None)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Choose the direction."""
        super().resizeEvent(event)
        self._reflow()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to the text size."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._reflow()

    def _reflow(self) -> None:
        wide = self.width() >= _WIDE_EM * theme.em(self)
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if direction is not self._layout.direction():
            self._layout.setDirection(direction)
        for place, stretch in enumerate((2, 4, 0, 0) if wide else (0, 0, 0, 1)):
            self._layout.setStretch(place, stretch)
