"""Parts of the kiosk: the notice, the page shown without video, and the ring that fills while leaving is held."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.icons import IconName, IconView

#: Height in lines of a screen that shows text in plain size; a higher one shows larger text, readable from afar.
_PLAIN_LINES: Final = 30.0
#: Smallest and largest text size relative to plain text.
_MIN_FACTOR, _MAX_FACTOR = 0.5, 4.0
#: Fractions of the screen's height above which the text of notice, page and ring is made smaller.
_NOTICE_SHARE, _PAGE_SHARE, _RING_SHARE = 0.38, 0.5, 0.5
#: Sizes of the disclaimer and of the page's title relative to the other text.
_DISCLAIMER_SIZE, _TITLE_SIZE = 0.8, 1.6
_WRAP: Final = Qt.TextFlag.TextWordWrap


class NoticeBand(QFrame):
    """The notice below the video, and the disclaimer if labels are shown."""

    def __init__(self, notice: str, disclaimer: str, icon: IconName, parent: QWidget | None = None) -> None:
        """Both texts translated; an empty disclaimer is left out."""
        super().__init__(parent)
        self.notice, self.disclaimer = _label(notice), _label(disclaimer, "dim")
        self.notice.setAccessibleName(notice)
        self.disclaimer.setVisible(bool(disclaimer))
        texts = QVBoxLayout()
        texts.addWidget(self.notice)
        texts.addWidget(self.disclaimer)
        self._icon = IconView(icon, 2.0, "text")
        self._row = QHBoxLayout(self)
        self._row.addWidget(self._icon)
        self._row.addLayout(texts, 1)

    def fit(self, width: int, height: int) -> None:
        """Use the largest text that leaves enough of a screen of this size, in pixels, to the video."""
        parts = ((self.notice, 1.0), (self.disclaimer, _DISCLAIMER_SIZE))
        factor = _fit(self, parts, lambda unit: width - 5 * unit, height, _NOTICE_SHARE)
        self._icon.setFont(_font(self, factor))
        unit = round(factor * theme.em(self))
        self._row.setContentsMargins(unit, unit // 2, unit, unit // 2)
        self._row.setSpacing(unit)


class RecoveryPage(QWidget):
    """The page shown without video: the problem and the time of the next attempt."""

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

    def show_problem(self, title: str, detail: str = "", next_try: str = "") -> None:
        """Show these translated sentences."""
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
        """Use the largest text with which all sentences fit a screen of this size, in pixels."""
        self._screen = (width, height)
        parts = ((self.title, _TITLE_SIZE), (self.detail, 1.0), (self.next_try, 1.0))
        factor = _fit(self, parts, lambda unit: 0.8 * width, height, _PAGE_SHARE)
        self._column.setContentsMargins(width // 10, 0, width // 10, 0)
        self._column.setSpacing(round(0.8 * factor * theme.em(self)))


class HoldRing(QWidget):
    """A ring in the corner that fills while the key or corner is held."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._window = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName(self.tr("Keep holding to leave"))
        self.share = 0.0
        self.hide()

    def show_share(self, share: float) -> None:
        """Show the ring, filled by this fraction (0-1)."""
        self.share = share
        self.setAccessibleDescription(f"{round(100 * share)} %")
        self.show()
        self.raise_()
        self.update()

    def fit(self, width: int, height: int) -> None:
        """Move to the upper right corner of a screen of this size, in pixels."""
        em_px = theme.em(self._window)
        factor = min(max(height / (_PLAIN_LINES * em_px), 1.0), _MAX_FACTOR, _RING_SHARE * height / (9 * em_px))
        self.setFont(_font(self._window, max(factor, _MIN_FACTOR)))
        em_px = theme.em(self)
        wide = QFontMetricsF(self.font()).boundingRect(QRectF(0, 0, 8 * em_px, 1e6), _WRAP, self.accessibleName())
        self.resize(round(max(wide.width(), 4 * em_px) + 2 * em_px), round(wide.height() + 6.5 * em_px))
        self.move(width - self.width() - round(em_px), round(em_px))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw ring and text on a plate."""
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
        below = QRectF(self.rect()).adjusted(em_px, 5.5 * em_px, -em_px, 0)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        painter.drawText(below, int(flags) | int(_WRAP), self.accessibleName())
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
    """Set the fonts of stacked labels to the largest size that fits; return its factor to the plain font.

    Args:
        widget: source of the plain font.
        parts: the labels from the top, each with its relative size.
        width_at: width available to them in pixels, for a line height in pixels.
        height: of the screen in pixels.
        share: fraction of the screen's height that they may take.
    """
    em_px = theme.em(widget)
    factor = min(max(height / (_PLAIN_LINES * em_px), 1.0), _MAX_FACTOR)
    while factor > _MIN_FACTOR and _height(widget, parts, factor, width_at(factor * em_px)) > share * height:
        factor = max(_MIN_FACTOR, 0.92 * factor)
    for label, size in parts:
        font = _font(widget, size * factor)
        font.setWeight(QFont.Weight.DemiBold if size > 1 else QFont.Weight.Normal)
        label.setFont(font)
    return factor


def _height(widget: QWidget, parts: Sequence[tuple[QLabel, float]], factor: float, width: float) -> float:
    """Height in pixels of the labels with the gaps between them; infinite if a word is too wide."""
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
