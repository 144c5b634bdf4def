"""Layout parts of pages: wrapped labels, cards, a centred column, scroll areas, rows that reflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSize, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QDialogButtonBox,
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.qt import theme

#: Lines of text longer than this are hard to read.
_COLUMN_EM: Final = 54.0
_CARD_PAD_EM: Final = 0.9


def text_label(text: str, role: str = "", selectable: bool = False) -> QLabel:
    """A plain-text label that wraps; ``role`` as in app/qt/theme.py."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        label.setProperty("role", role)
    if selectable:
        label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
    return label


def ok_and_cancel() -> QDialogButtonBox:
    """Buttons in the language of the window: Qt would need translations of its own."""
    translate = QCoreApplication.translate
    box = QDialogButtonBox()
    box.addButton(translate("mien", "OK"), QDialogButtonBox.ButtonRole.AcceptRole)
    box.addButton(translate("mien", "Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
    return box


class GrowingLabel(QLabel):
    """A wrapped label for a text that changes often: its height grows with the text and shrinks only with the width."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)

    def setText(self, text: str) -> None:  # noqa: N802 (Qt's name)
        """Show a text, and make room for it."""
        super().setText(text)
        if self.isVisible():
            self.setMinimumHeight(max(self.minimumHeight(), self.heightForWidth(self.width())))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Measure again at another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.setMinimumHeight(self.heightForWidth(self.width()))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Measure again at another size of text."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self.setMinimumHeight(self.heightForWidth(self.width()))


def breakable(text: str) -> str:
    """Insert zero-width spaces where long paths and names may wrap."""
    return text.replace("_", "_\u200b").replace("/", "/\u200b").replace("\\", "\\\u200b")


def scrolled(inside: QWidget) -> QScrollArea:
    """A frameless scroll area."""
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(inside)
    return area


class SideArea(QScrollArea):
    """A side column that scrolls only vertically: at least as wide as its content."""

    def __init__(self, inside: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Width of the content plus the scroll bar."""
        inside = self.widget()
        width = inside.minimumSizeHint().width() if inside is not None else 0
        return QSize(width + self.verticalScrollBar().sizeHint().width(), round(6 * theme.em(self)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Grow with the content, as after a change of text size."""
        if event.type() is QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def settle(widget: QWidget) -> None:
    """Lay out all parents of a widget that needs another size, up to their scroll area, at once.

    In the usual way a text would be cut for some turns of the event loop, one for each parent.
    """
    around = widget.parentWidget()
    while around is not None and not around.isWindow() and not isinstance(around, QScrollArea):
        layout = around.layout()
        if layout is not None:
            layout.activate()
        around = around.parentWidget()
    if isinstance(around, QScrollArea):
        QCoreApplication.sendEvent(around, QEvent(QEvent.Type.LayoutRequest))


class Column(QWidget):
    """A centred column of readable width; fill ``body``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.body = QVBoxLayout(self)
        self._measure()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Centre the column."""
        self._measure()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to the text size."""
        if event.type() is QEvent.Type.FontChange:
            self._measure()
        super().changeEvent(event)

    def _measure(self) -> None:
        top = theme.grid_px(self, 1.2)
        side = max(top, round((self.width() - _COLUMN_EM * theme.em(self)) / 2))
        self.body.setContentsMargins(side, top, side, theme.grid_px(self, 1.5))
        self.body.setSpacing(theme.grid_px(self, 0.9))


class ActionButton(QPushButton):
    """Triggers an action, and follows its text, tooltip and enabled state."""

    def __init__(self, action: QAction, role: str = "", parent: QWidget | None = None) -> None:
        """``role`` as in app/qt/theme.py."""
        super().__init__(parent)
        self._action = action
        if role:
            self.setProperty("role", role)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow_action)
        self._follow_action()

    def _follow_action(self) -> None:
        self.setText(self._action.text())
        self.setToolTip(self._action.toolTip())
        self.setEnabled(self._action.isEnabled())


class Card(QFrame):
    """A framed box with a heading; fill ``body``."""

    def __init__(self, heading: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.body = QVBoxLayout(self)
        if heading:
            self.body.addWidget(text_label(heading, "heading"))
            self.setAccessibleName(heading)
        self._measure()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to the text size."""
        if event.type() is QEvent.Type.FontChange:
            self._measure()
        super().changeEvent(event)

    def _measure(self) -> None:
        pad = theme.grid_px(self, _CARD_PAD_EM)
        self.body.setContentsMargins(pad, pad, pad, pad)
        self.body.setSpacing(theme.grid_px(self, 0.5))


class ReflowRow(QWidget):
    """Widgets of equal width side by side, or stacked where that would cut them."""

    def __init__(self, widgets: Sequence[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._widgets = tuple(widgets)
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._row.setContentsMargins(0, 0, 0, 0)
        for widget in self._widgets:
            self._row.addWidget(widget, 1)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Choose the direction for the new width."""
        self._reflow()
        super().resizeEvent(event)

    def event(self, event: QEvent) -> bool:
        """Choose the direction again when a part changes its size."""
        if event.type() is QEvent.Type.LayoutRequest:
            self._reflow()
        return super().event(event)

    def _reflow(self) -> None:
        spacing = theme.grid_px(self, 0.7)
        if spacing != self._row.spacing():  # setting it requests a layout, which would recurse
            self._row.setSpacing(spacing)
        widest = max(widget.minimumSizeHint().width() for widget in self._widgets)
        needed = len(self._widgets) * widest + (len(self._widgets) - 1) * self._row.spacing()
        fits = needed <= self.width()
        direction = QBoxLayout.Direction.LeftToRight if fits else QBoxLayout.Direction.TopToBottom
        if direction is not self._row.direction():
            self._row.setDirection(direction)


class WheelGuard(QObject):
    """Event filter: wheel events of an unfocused control scroll the page instead of changing its value."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Pass the wheel on to the page."""
        if event.type() is QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False
