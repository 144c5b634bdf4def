"""The timeline with its switches above and its key below."""

from __future__ import annotations

from enum import Enum
from typing import Final

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.review.timeline_painter import draw_excluded, draw_lane_sample
from app.qt.review.timeline_view import TimelineView
from app.qt.widgets.page_parts import TurningRow
from app.review.face_timeline import LaneState

#: With larger letters than these (pixels) the key is folded away at first: the picture needs the room.
_KEY_EM_PX: Final = 24.0


class _Sign(Enum):
    """Patterns of the lanes, in the order of the key."""

    ACCEPT = "accept"
    AMBIGUOUS = "ambiguous"
    REJECT = "reject"
    LOW_QUALITY = "low quality"
    NOTED = "noted"
    EXCLUDED = "excluded"


_STATES: Final = {
    _Sign.ACCEPT: LaneState.ACCEPT,
    _Sign.AMBIGUOUS: LaneState.AMBIGUOUS,
    _Sign.REJECT: LaneState.REJECT,
    _Sign.LOW_QUALITY: LaneState.LOW_QUALITY,
}


class LaneKey(QWidget):
    """Says what the patterns mean; in as many lines as the words need."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words: Final = {
            _Sign.ACCEPT: self.tr("one label"),
            _Sign.AMBIGUOUS: self.tr("ambiguous: both labels fit"),
            _Sign.REJECT: self.tr("not assessed"),
            _Sign.LOW_QUALITY: self.tr("can't see well"),
            _Sign.NOTED: self.tr("a person's label"),
            _Sign.EXCLUDED: self.tr("excluded"),
        }
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(self.tr("Key to the lanes"))
        self.setAccessibleDescription(", ".join(self._words.values()))

    def hasHeightForWidth(self) -> bool:  # noqa: N802 (Qt's name)
        """Narrow keys are high."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 (Qt's name)
        """Height of all lines."""
        places = self._places(width)
        return round(max(place.bottom() for place in places.values()) + 2)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One line, or what the width asks for."""
        width = max(self.width(), round(20 * theme.em(self)))
        return QSize(width, self.heightForWidth(width))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Signs with words."""
        painter = QPainter(self)
        em = theme.em(self)
        for sign, place in self._places(self.width()).items():
            _draw_sign(painter, sign, QRectF(place.left(), place.top() + 0.15 * em, 1.8 * em, 0.95 * em))
            painter.setPen(theme.current().colour("dim"))
            words = place.adjusted(2.2 * em, 0, 0, 0)
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, self._words[sign])
        painter.end()

    def _places(self, width: int) -> dict[_Sign, QRectF]:
        em = theme.em(self)
        x, y, places = 0.0, 0.0, {}
        for sign, words in self._words.items():
            needed = 2.2 * em + self.fontMetrics().horizontalAdvance(words)
            if x > 0 and x + needed > width:
                x, y = 0.0, y + 1.25 * em
            places[sign] = QRectF(x, y, needed, 1.25 * em)
            x += needed + 1.2 * em
        return places


def _draw_sign(painter: QPainter, sign: _Sign, place: QRectF) -> None:
    """A small piece of a lane."""
    colours = theme.current()
    if sign in _STATES:
        draw_lane_sample(painter, place, _STATES[sign])
    elif sign is _Sign.NOTED:
        painter.fillRect(place, colours.colour("panel"))
        painter.setPen(QPen(colours.expression("happiness"), 2))
        painter.drawRoundedRect(place.adjusted(1, 1, -1, -1), 2, 2)
    else:
        painter.fillRect(place, colours.colour("panel"))
        draw_excluded(painter, place, max(round(place.height() / 3), 3))


class TimelineBox(QWidget):
    """Switches, timeline, key."""

    def __init__(self, zooms: tuple[QAction, QAction, QAction], parent: QWidget | None = None) -> None:
        """``zooms``: closer, wider, whole session."""
        super().__init__(parent)
        self.timeline = TimelineView()
        self.units = QCheckBox(self.tr("Action units"))
        self.units.setToolTip(self.tr("Unfold the action units of the chosen face; those in brackets are not trusted"))
        self.units.setChecked(True)
        self.units.toggled.connect(self.timeline.set_with_units)
        self.short = QCheckBox()
        self.short.setToolTip(self.tr("Faces that were there for less than a second"))
        self.short.toggled.connect(self.timeline.set_with_short)
        key = LaneKey()
        self.key = QCheckBox(self.tr("Key"))
        self.key.setToolTip(self.tr("What the patterns of the lanes mean"))
        self.key.toggled.connect(key.setVisible)
        self.key.setChecked(True)
        self.key.setChecked(theme.em(self) < _KEY_EM_PX)
        buttons = [_zoom_button(action, sign) for action, sign in zip(zooms, ("+", "−", self.tr("All")), strict=True)]
        switches = TurningRow((_row(*buttons, self.units), _row(self.short, None, self.key)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(switches)
        layout.addWidget(self.timeline, 1)
        layout.addWidget(key)

    def follow_session(self) -> None:
        """Offer short faces only where there are some; call it when the session or what is shown of it changed."""
        count = self.timeline.short_count()
        self.short.setText(self.tr("Short tracks ({count})").format(count=count))
        self.short.setVisible(count > 0)
        self.short.setChecked(self.timeline.with_short)


def _row(*parts: QWidget | None) -> QWidget:
    """Parts beside each other; None takes what room is left, which else is at the end."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        if part is None:
            layout.addStretch(1)
        else:
            layout.addWidget(part)
    if None not in parts:
        layout.addStretch(1)
    return row


def _zoom_button(action: QAction, sign: str) -> QToolButton:
    button = QToolButton()
    button.setText(sign)
    button.setToolTip(action.toolTip())
    button.setAccessibleName(action.text())
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    button.clicked.connect(action.trigger)
    return button
