"""The navigation rail at the left edge of the window: one button per page, an icon above its name.

In a small window the rail has icons alone, to leave the room to the picture; tooltips and the menu have the names.
"""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.drawn_panel import bold
from app.qt.widgets.icons import IconName, draw_icon

_ICON_EM: Final = 1.5
_PAD_EM: Final = 0.55


class NavigationButton(QAbstractButton):
    """The button of a page. The current page has a bar at the edge and bold text, not colour alone."""

    def __init__(self, icon: IconName, name: str, keys: str, parent: QWidget | None = None) -> None:
        """``name`` of the page, ``keys`` its shortcut."""
        super().__init__(parent)
        self._icon = icon
        self._compact = False
        self.setText(name)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(f"{name} ({keys})")
        self.setAccessibleName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def set_compact(self, compact: bool) -> None:
        """Show the icon alone, or with the name."""
        if compact != self._compact:
            self._compact = compact
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Icon above bold text, or the icon alone."""
        em = theme.em(self)
        if self._compact:
            return QSize(round(2.5 * em), round(2.7 * em))
        width = QFontMetricsF(bold(self.font())).horizontalAdvance(self.text()) + 2.4 * _PAD_EM * em
        return QSize(round(max(width, 4.6 * em)), round((_ICON_EM + 1.2 + 2 * _PAD_EM) * em))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The same: text must not be cut."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Background, mark, icon, name and focus frame."""
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        whole = QRectF(self.rect())
        if self.isChecked() or self.underMouse():
            painter.fillRect(whole, colours.colour("panel" if self.isChecked() else "track"))
        if self.isChecked():
            painter.fillRect(QRectF(0, 0, 0.25 * em, whole.height()), colours.colour("accent"))
        text = colours.colour("text")
        index = QRectF(whole.center().x() - _ICON_EM * em / 2, _PAD_EM * em, _ICON_EM * em, _ICON_EM * em)
        draw_icon(painter, self._icon, index, colours.colour("accent") if self.isChecked() else text)
        if not self._compact:
            painter.setFont(bold(self.font()) if self.isChecked() else self.font())
            painter.setPen(text)
            below = QRectF(QPointF(0, index.bottom()), whole.bottomRight() - QPointF(0, 0.5 * _PAD_EM * em))
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, self.text())
        if self.hasFocus():
            painter.setPen(QPen(colours.colour("text"), max(1.0, 0.1 * em)))
            inset = 0.15 * em
            painter.drawRoundedRect(whole.adjusted(inset, inset, -inset, -inset), inset, inset)
        painter.end()


class NavigationRail(QScrollArea):
    """One button per page. Up and Down switch pages; scrolls in a low window."""

    #: Index of the requested page.
    requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(self.tr("Pages"))
        self._inside = QWidget()
        self._column = QVBoxLayout(self._inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addStretch()
        self.setWidget(self._inside)
        self.verticalScrollBar().rangeChanged.connect(self.updateGeometry)
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self.requested)

    def add(self, icon: IconName, name: str, keys: str) -> None:
        """Append the button of a page."""
        button = NavigationButton(icon, name, keys)
        index = len(self._group.buttons())
        self._group.addButton(button, index)
        self._column.insertWidget(index, button)

    def set_compact(self, compact: bool) -> None:
        """Show icons alone, or with the names of the pages."""
        for button in self._group.buttons():
            if isinstance(button, NavigationButton):
                button.set_compact(compact)
        self.updateGeometry()

    def mark(self, index: int) -> None:
        """Mark the current page."""
        button = self._group.button(index)
        button.setChecked(True)
        self.ensureWidgetVisible(button, 0)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """As wide as the longest name, with space for a scroll bar only if one is needed."""
        inside = self._inside.sizeHint()
        bar = self.verticalScrollBar()
        return QSize(inside.width() + (bar.sizeHint().width() if bar.maximum() > 0 else 0), inside.height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Full width, any height."""
        return QSize(self.sizeHint().width(), 0)
