"""The timeline with its switches above and its legend below."""

from __future__ import annotations

from enum import Enum
from typing import Final

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QAction, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.review.axis_painter import draw_excluded
from app.qt.review.timeline_painter import draw_neutral, draw_state_sample
from app.qt.review.timeline_view import TimelineView
from app.qt.widgets.page_parts import ReflowRow
from app.review.face_timeline import FaceState

#: With a larger font than this (pixels) the legend is hidden at first, to leave room for the video.
_LEGEND_MAX_EM_PX: Final = 24.0
#: A lower box, in em, shows the timeline alone.
_ALL_EM: Final = 14.5


class _Pattern(Enum):
    """Patterns of the timeline, in legend order."""

    ACCEPT = "accept"
    AMBIGUOUS = "ambiguous"
    REJECT = "reject"
    LOW_QUALITY = "low quality"
    LABELS = "labels"
    NEUTRAL = "neutral range"
    EXCLUDED = "excluded"


_STATES: Final = {
    _Pattern.ACCEPT: FaceState.ACCEPT,
    _Pattern.AMBIGUOUS: FaceState.AMBIGUOUS,
    _Pattern.REJECT: FaceState.REJECT,
    _Pattern.LOW_QUALITY: FaceState.LOW_QUALITY,
}


class TimelineLegend(QWidget):
    """Explains the patterns, in as many lines as fit the width."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts: Final = {
            _Pattern.ACCEPT: self.tr("one label"),
            _Pattern.AMBIGUOUS: self.tr("ambiguous: both labels fit"),
            _Pattern.REJECT: self.tr("not assessed"),
            _Pattern.LOW_QUALITY: self.tr("can't see well"),
            _Pattern.LABELS: self.tr("human label"),
            _Pattern.NEUTRAL: self.tr("neutral range"),
            _Pattern.EXCLUDED: self.tr("excluded"),
        }
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(self.tr("Legend of the timeline"))
        self.setAccessibleDescription(", ".join(self._texts.values()))

    def hasHeightForWidth(self) -> bool:  # noqa: N802 (Qt's name)
        """True: entries wrap."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 (Qt's name)
        """Height of all lines in pixels."""
        rects = self._rects(width)
        return round(max(rect.bottom() for rect in rects.values()) + 2)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """One line, or as many as the current width needs."""
        width = max(self.width(), round(20 * theme.em(self)))
        return QSize(width, self.heightForWidth(width))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the patterns with their texts."""
        painter = QPainter(self)
        em = theme.em(self)
        for pattern, rect in self._rects(self.width()).items():
            _draw_sample(painter, pattern, QRectF(rect.left(), rect.top() + 0.15 * em, 1.8 * em, 0.95 * em))
            painter.setPen(theme.current().colour("dim"))
            text_rect = rect.adjusted(2.2 * em, 0, 0, 0)
            painter.drawText(text_rect, Qt.AlignmentFlag.AlignVCenter, self._texts[pattern])
        painter.end()

    def _rects(self, width: int) -> dict[_Pattern, QRectF]:
        em = theme.em(self)
        x, y, rects = 0.0, 0.0, {}
        for pattern, text in self._texts.items():
            needed = 2.2 * em + self.fontMetrics().horizontalAdvance(text)
            if x > 0 and x + needed > width:
                x, y = 0.0, y + 1.25 * em
            rects[pattern] = QRectF(x, y, needed, 1.25 * em)
            x += needed + 1.2 * em
        return rects


def _draw_sample(painter: QPainter, pattern: _Pattern, rect: QRectF) -> None:
    """A small sample of the pattern."""
    colours = theme.current()
    if pattern in _STATES:
        draw_state_sample(painter, rect, _STATES[pattern])
    elif pattern is _Pattern.LABELS:
        painter.fillRect(rect, colours.colour("panel"))
        painter.setPen(QPen(colours.expression("happiness"), 2))
        painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 2, 2)
    elif pattern is _Pattern.NEUTRAL:
        painter.fillRect(rect, colours.colour("track"))
        draw_neutral(painter, rect)
    else:
        painter.fillRect(rect, colours.colour("panel"))
        draw_excluded(painter, rect, max(round(rect.height() / 3), 3))


class TimelineBox(QWidget):
    """Switches, timeline and legend."""

    def __init__(self, zooms: tuple[QAction, QAction, QAction], parent: QWidget | None = None) -> None:
        """``zooms``: zoom in, zoom out, whole session."""
        super().__init__(parent)
        self.timeline = TimelineView()
        self.units = QCheckBox(self.tr("Action units"))
        self.units.setToolTip(self.tr("Show the action units of the selected face; those in brackets are not trusted"))
        self.units.setChecked(True)
        self.units.toggled.connect(self.timeline.set_with_units)
        self.short = QCheckBox()
        self.short.setToolTip(self.tr("Faces present for less than a second"))
        self.short.toggled.connect(self.timeline.set_with_short)
        self.legend = QCheckBox(self.tr("Legend"))
        self.legend.setToolTip(self.tr("What the patterns of the timeline mean"))
        self.legend.setChecked(theme.em(self) < _LEGEND_MAX_EM_PX)
        buttons = [zoom_button(action, text) for action, text in zip(zooms, ("+", "−", self.tr("All")), strict=True)]
        self._switches = ReflowRow((_row(*buttons, self.units), _row(self.short, None, self.legend)))
        self._legend = TimelineLegend()
        self.legend.toggled.connect(self._fit)
        layout = QVBoxLayout(self)
        layout.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # a low box hides parts, see `_fit`
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._switches)
        layout.addWidget(self.timeline, 1)
        layout.addWidget(self._legend)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Leave switches and legend out of a low box."""
        super().resizeEvent(event)
        self._fit()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The timeline alone."""
        inside = self.timeline.minimumSizeHint().expandedTo(self.timeline.minimumSize())
        return QSize(inside.width(), inside.height() + 4)

    def _fit(self) -> None:
        roomy = self.height() >= _ALL_EM * theme.em(self)
        self._switches.setVisible(roomy)
        self._legend.setVisible(roomy and self.legend.isChecked())

    def follow_session(self) -> None:
        """Update the switch for short faces, which is hidden if there are none."""
        count = self.timeline.short_count()
        self.short.setText(self.tr("Short tracks ({count})").format(count=count))
        self.short.setVisible(count > 0)
        self.short.setChecked(self.timeline.with_short)


def _row(*parts: QWidget | None) -> QWidget:
    """Widgets in a row; None takes the remaining space, which is otherwise at the end."""
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


def zoom_button(action: QAction, text: str) -> QToolButton:
    """A button with a short text for an action of the time axis."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(action.toolTip())
    button.setAccessibleName(action.text())
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    button.clicked.connect(action.trigger)
    return button
