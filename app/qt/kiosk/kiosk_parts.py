"""The parts of the kiosk: its notice, its page for when the picture is missing, and the ring that is held to leave."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.icons import IconName, IconView

#: A screen so many lines high shows its texts in plain size; a higher one in a larger size, to be read from afar.
_PLAIN_LINES: Final = 30.0
#: Letters are so many times as large as plain ones, at the least and at the most.
_SMALLEST, _LARGEST = 0.5, 4.0
#: Shares of the screen's height above which the texts of the notice, of the page and of the ring get smaller.
_NOTICE_SHARE, _PAGE_SHARE, _RING_SHARE = 0.38, 0.5, 0.5
#: Size of the standing line and of the page's title, as against the other texts.
_LINE_SIZE, _TITLE_SIZE = 0.8, 1.6
_WRAP: Final = Qt.TextFlag.TextWordWrap


class NoticeBand(QFrame):
    """The notice below the picture, and the standing line where labels are shown."""

    def __init__(self, notice: str, line: str, icon: IconName, parent: QWidget | None = None) -> None:
        """Both texts translated; an empty line is left out."""
        super().__init__(parent)
        self.notice, self.line = _label(notice), _label(line, "dim")
        self.notice.setAccessibleName(notice)
        self.line.setVisible(bool(line))
        texts = QVBoxLayout()
        texts.addWidget(self.notice)
        texts.addWidget(self.line)
        self._icon = IconView(icon, 2.0, "text")
        self._row = QHBoxLayout(self)
        self._row.addWidget(self._icon)
        self._row.addLayout(texts, 1)

    def fit(self, width: int, height: int) -> None:
        """Take the largest letters with which the notice leaves enough of a screen of this size to the picture."""
        parts = ((self.notice, 1.0), (self.line, _LINE_SIZE))
        factor = _fit(self, parts, lambda unit: width - 5 * unit, height, _NOTICE_SHARE)
        self._icon.setFont(_font(self, factor))
        unit = round(factor * theme.em(self))
        self._row.setContentsMargins(unit, unit // 2, unit, unit // 2)
        self._row.setSpacing(unit)


class RecoveryPage(QWidget):
    """Says what is wrong, and when it is tried again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.detail, self.next_try = _label(""), _label(""), _label("", "dim")
        self._screen = (0, 0)
        self._column = QVBoxLayout(self)
        self._column.addStretch(1)
        for label in (self.title, self.detail, self.next_try):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            self._column.addWidget(label)
        self._column.addStretch(1)

    def tell(self, title: str, detail: str = "", next_try: str = "") -> None:
        """Show these sentences, translated."""
        grown = len(detail) != len(self.detail.text()) or len(title) != len(self.title.text())
        for label, text in ((self.title, title), (self.detail, detail), (self.next_try, next_try)):
            if label.text() != text:
                label.setText(text)
                label.setVisible(bool(text))
        self.setAccessibleName(title)
        self.setAccessibleDescription(detail)
        if grown:
            self.fit(*self._screen)

    def fit(self, width: int, height: int) -> None:
        """Take the largest letters that leave room for all sentences on a screen of this size."""
        self._screen = (width, height)
        parts = ((self.title, _TITLE_SIZE), (self.detail, 1.0), (self.next_try, 1.0))
        factor = _fit(self, parts, lambda unit: 0.8 * width, height, _PAGE_SHARE)
        self._column.setContentsMargins(width // 10, 0, width // 10, 0)
        self._column.setSpacing(round(0.8 * factor * theme.em(self)))


class HoldRing(QWidget):
    """A ring in the corner that fills while the way out is held."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._window = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName(self.tr("Keep holding to leave"))
        self.share = 0.0
        self.hide()

    def show_share(self, share: float) -> None:
        """Show the ring, filled by so much (0-1)."""
        self.share = share
        self.setAccessibleDescription(f"{share:.0%}")
        self.show()
        self.raise_()
        self.update()

    def fit(self, width: int, height: int) -> None:
        """Take the upper right corner of a screen of this size."""
        em_px = theme.em(self._window)
        factor = min(max(height / (_PLAIN_LINES * em_px), 1.0), _LARGEST, _RING_SHARE * height / (9 * em_px))
        self.setFont(_font(self._window, max(factor, _SMALLEST)))
        em_px = theme.em(self)
        wide = QFontMetricsF(self.font()).boundingRect(QRectF(0, 0, 8 * em_px, 1e6), _WRAP, self.accessibleName())
        self.resize(round(max(wide.width(), 4 * em_px) + 2 * em_px), round(wide.height() + 6.5 * em_px))
        self.move(width - self.width() - round(em_px), round(em_px))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw ring and words on a plate."""
        em_px, now = theme.em(self), theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(now.colour("panel"))
        painter.drawRoundedRect(QRectF(self.rect()), 0.6 * em_px, 0.6 * em_px)
        ring = QRectF(0, 0, 4 * em_px, 4 * em_px)
        ring.moveCenter(QPointF(self.width() / 2, 3 * em_px))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, share in (("track", 1.0), ("accent", self.share)):
            painter.setPen(QPen(now.colour(colour), 0.55 * em_px, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
            painter.drawArc(ring, 90 * 16, round(-360 * 16 * share))  # sixteenths of a degree, clockwise from the top
        painter.setPen(now.colour("text"))
        words = QRectF(self.rect()).adjusted(em_px, 5.5 * em_px, -em_px, 0)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        painter.drawText(words, int(flags) | int(_WRAP), self.accessibleName())
        painter.end()


def _label(text: str, role: str = "") -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    if role:
        label.setProperty("role", role)
    return label


def _fit(
    widget: QWidget,
    parts: Sequence[tuple[QLabel, float]],
    width_at: Callable[[float], float],
    height: int,
    share: float,
) -> float:
    """Give labels (each with its size as against the others) the largest letters with which they fit; their factor.

    Args:
        widget: has the plain font.
        parts: the labels, one above the other.
        width_at: their width in pixels for a unit, which is the height of a line.
        height: of the screen in pixels.
        share: of the screen's height that they may take.
    """
    em_px = theme.em(widget)
    factor = min(max(height / (_PLAIN_LINES * em_px), 1.0), _LARGEST)
    while factor > _SMALLEST and _height(widget, parts, factor, width_at(factor * em_px)) > share * height:
        factor = max(_SMALLEST, 0.92 * factor)
    for label, size in parts:
        font = _font(widget, size * factor)
        font.setWeight(QFont.Weight.DemiBold if size > 1 else QFont.Weight.Normal)
        label.setFont(font)
    return factor


def _height(widget: QWidget, parts: Sequence[tuple[QLabel, float]], factor: float, width: float) -> float:
    """Height in pixels of the labels' texts, with the gaps between them; without end where a word is too wide."""
    total = 0.0
    for label, size in parts:
        metrics = QFontMetricsF(_font(widget, size * factor))
        box = metrics.boundingRect(QRectF(0, 0, width, 1e6), _WRAP, label.text())
        if box.width() > width:
            return math.inf
        total += box.height() + 0.5 * metrics.height()
    return total


def _font(widget: QWidget, factor: float) -> QFont:
    font = QFont(widget.font())
    font.setPointSizeF(widget.font().pointSizeF() * factor)
    return font
