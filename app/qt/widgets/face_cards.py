"""One card per face: its picture, its decision, and the direction of the head; a click chooses the face."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import QCoreApplication, QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QSizePolicy, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.decision_chip import DecisionChip
from app.qt.widgets.drawn_panel import DrawnPanel, bold
from app.qt.widgets.page_parts import settle
from app.session.rows import NO_FACE, FaceRow
from engine.types import UInt8

#: Side of the picture in em.
_PICTURE_EM: Final = 3.0
#: Angles of the head are given in steps of this many degrees; below the first step nothing is said.
_STEP_DEG: Final = 5.0
_FRONTAL_DEG: Final = 10.0
#: Seconds for which the place of a face that is gone stays, so that the panels below do not jump.
_KEEP_S: Final = 3.0
#: Passes of the layout at most.
_PASSES: Final = 3


class FaceHead(DrawnPanel):
    """Picture, name and head direction of a face."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._picture: UInt8 | None = None
        self._name = self._pose = ""

    @property
    def name(self) -> str:
        """The name shown."""
        return self._name

    @property
    def pose(self) -> str:
        """The direction of the head as text."""
        return self._pose

    def show_face(self, name: str, pose: str, picture: UInt8 | None) -> None:
        """Show a face; ``picture`` is (S, S, 3) RGB."""
        if (name, pose) != (self._name, self._pose) or picture is not self._picture:
            self._name, self._pose, self._picture = name, pose, picture
            self.setAccessibleName(f"{name}. {pose}".removesuffix(". "))
            self.redraw()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The picture with text beside it."""
        em = theme.em(self)
        return QSize(round(11 * em), round((_PICTURE_EM + 0.3) * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The same height, a little narrower."""
        return self.sizeHint() - QSize(round(theme.em(self)), 0)

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw all."""
        colours, em = theme.current(), theme.em(self)
        place = QRectF(0.3 * em, 0.2 * em, _PICTURE_EM * em, _PICTURE_EM * em)
        if self._picture is None:
            painter.setPen(QPen(colours.colour("dim"), 1, Qt.PenStyle.DotLine))
            painter.drawRect(place)
        else:
            side = self._picture.shape[0]
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, QImage(self._picture.data, side, side, 3 * side, QImage.Format.Format_RGB888))
        left = place.right() + 0.5 * em
        box = QRectF(left, place.top(), self.width() - left - 0.2 * em, 1.3 * em)
        painter.setPen(colours.colour("text"))
        painter.setFont(bold(self.font()))
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self._name)
        painter.setFont(self.font())
        painter.setPen(colours.colour("dim"))
        below = QRectF(left, box.bottom(), box.width(), place.bottom() - box.bottom() + 0.2 * em)
        painter.drawText(below, int(Qt.TextFlag.TextWordWrap), self._pose)


class FaceCard(QFrame):
    """The card of one face."""

    #: Id of the face.
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.head, self.chip = FaceHead(), DecisionChip()
        self.face_id: int | None = None
        self._followed = False
        self._sized_for: int | None = None  # face whose longest text the chip has room for
        for part in (self.head, self.chip):
            policy = part.sizePolicy()
            policy.setRetainSizeWhenHidden(True)  # the layout stays still while a face comes and goes
            part.setSizePolicy(policy)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 2, 2)
        layout.setSpacing(0)
        layout.addWidget(self.head)
        layout.addWidget(self.chip)

    def show_face(
        self, face_id: int | None, row: FaceRow | None, picture: UInt8 | None, followed: bool, own_name: str = ""
    ) -> None:
        """Show a face; ``row`` None: out of view; ``face_id`` None: there is no face, as ``row`` says."""
        if (face_id, followed) != (self.face_id, self._followed):
            self.face_id, self._followed = face_id, followed
            self.update()
        self.head.show()
        name = self.tr("No face") if face_id is None else self.tr("Face {id}").format(id=face_id)
        name = f"{own_name} · {name}" if own_name else name
        pose = self.tr("out of view") if face_id is not None and row is None else pose_text(row)
        self.head.show_face(name, pose, picture)
        self.chip.setVisible(row is not None or face_id is None)
        self.chip.show_row(row)
        if face_id not in (None, self._sized_for):
            self._sized_for = face_id
            self.chip.shrink()

    def keep_place(self) -> None:
        """Show nothing, at the same size: the face is gone, others are in view."""
        self.face_id, self._followed = None, False
        self.head.hide()
        self.chip.hide()
        self.update()  # without the bar of the face whose details are shown

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Return chooses the face."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.face_id is not None:
            self.chosen.emit(self.face_id)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Choose the face."""
        if self.face_id is not None:
            self.chosen.emit(self.face_id)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw a bar at the left of the face whose details are shown."""
        super().paintEvent(event)
        if self._followed:
            painter = QPainter(self)
            painter.fillRect(QRectF(0, 2, 4, self.height() - 4), theme.current().colour("accent"))
            painter.end()


class FaceCards(QWidget):
    """The cards of all faces in a frame, in the order of their ids; at least one card."""

    #: Id of the face chosen.
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards: list[FaceCard] = []
        self._names: dict[int, str] = {}
        self._heights: tuple[int, ...] = ()  # that the texts of the cards shown need
        self._needed_s = [0.0]  # time at which each further card was needed last
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self.setAccessibleName(self.tr("Faces"))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.show_faces((), None, {})

    def set_names(self, names: Mapping[int, str]) -> None:
        """Show names beside the numbers of faces, by face id; for the next frame."""
        self._names = dict(names)

    @property
    def cards(self) -> tuple[FaceCard, ...]:
        """The cards shown."""
        return tuple(card for card in self._cards if not card.isHidden())

    def show_faces(self, rows: Sequence[FaceRow], followed: int | None, pictures: Mapping[int, UInt8]) -> None:
        """Show the faces of one frame.

        Args:
            rows: of the frame; empty before the first one.
            followed: the face whose details are shown elsewhere; it has a card even while it is out of view.
            pictures: (S, S, 3) RGB by face id.
        """
        faces = {row.face_id: row for row in rows if row.face_id is not None}
        ids = sorted({*faces, *([] if followed is None else [followed])})
        nobody = next((row for row in rows if row.decision == NO_FACE), None)
        entries: list[tuple[int | None, FaceRow | None]] = [(face_id, faces.get(face_id)) for face_id in ids]
        entries = entries or [(None, nobody)]
        self._show_cards(len(entries))
        for card, (face_id, row) in zip(self._cards, entries, strict=False):
            picture = None if face_id is None else pictures.get(face_id)
            is_followed = face_id is not None and face_id == followed
            card.show_face(face_id, row, picture, is_followed, "" if face_id is None else self._names.get(face_id, ""))
        for card in self._cards[len(entries) :]:
            card.keep_place()
        if self._needed_heights() != self._heights:
            self._settle()

    def forget(self) -> None:
        """Show one empty card."""
        self._needed_s = [0.0] * len(self._needed_s)
        self.show_faces((), None, {})

    def event(self, event: QEvent) -> bool:
        """Give a card the height that its text needs, at once in all parents."""
        handled = super().event(event)
        if event.type() is QEvent.Type.LayoutRequest:
            self._settle()
        return handled

    def _needed_heights(self) -> tuple[int, ...]:
        return tuple(card.chip.minimumHeight() for card in self.cards)

    def _settle(self) -> None:
        """Lay out all parents at once: in the usual way a text would be cut for some turns of the event loop."""
        for _ in range(_PASSES):
            self._heights = self._needed_heights()
            for card in self._cards:
                settle(card.chip)
            if self._needed_heights() == self._heights:  # else a scroll bar came or went, and changed the width
                return

    def _show_cards(self, count: int) -> None:
        now_s = time.monotonic()
        while len(self._cards) < count:
            card = FaceCard()
            card.chosen.connect(self.chosen)
            self._cards.append(card)
            self._needed_s.append(0.0)
            self._layout.addWidget(card)
        for place, card in enumerate(self._cards):
            if place < count:
                self._needed_s[place] = now_s
            card.setVisible(place < count or now_s - self._needed_s[place] < _KEEP_S)


def pose_text(row: FaceRow | None) -> str:
    """The direction of the head as in the picture, in steps of five degrees; "" if not known."""
    if row is None or row.yaw is None or row.pitch is None:
        return ""
    parts = [
        f"{arrow} {_STEP_DEG * round(abs(angle) / _STEP_DEG):.0f}°"
        for angle, arrow in ((row.yaw, "→" if row.yaw > 0 else "←"), (row.pitch, "↑" if row.pitch > 0 else "↓"))
        if abs(angle) >= _FRONTAL_DEG
    ]
    translate = QCoreApplication.translate
    form = translate("mien", "head {angles}") if parts else translate("mien", "frontal")
    return form.format(angles=", ".join(parts))
