"""Layout checks: cut texts and unreachable widgets of a window."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextLayout, QTextOption
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollArea,
    QScrollBar,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QWidget,
)

from app.qt.start.action_card import LinkButton


def lay_out(turns: int = 5) -> None:
    """Run the event loop for some turns: layouts follow each other's sizes in several steps."""
    for _ in range(turns):
        QTest.qWait(0)


def visible(top: QWidget) -> list[QWidget]:
    return [widget for widget in (top, *top.findChildren(QWidget)) if widget.isVisible()]


def describe(widget: QWidget) -> str:
    """Name of a widget for failure messages."""
    words = widget.property("text") or widget.accessibleName() or widget.objectName()
    return f"{type(widget).__name__} {words!r} in {type(widget.parentWidget()).__name__}"


def is_inner(widget: QWidget) -> bool:
    """Whether Qt created it as a part of a control or scroll area."""
    area = widget.parentWidget()
    is_viewport = isinstance(area, QAbstractScrollArea) and area.viewport() is widget
    return is_viewport or isinstance(area, (QAbstractSpinBox, QComboBox)) or isinstance(widget, QScrollBar)


def layout_problems(top: QWidget) -> list[str]:
    """Descriptions of all cut texts and unreachable widgets of a window."""
    widgets = visible(top)
    found = [f"cut: {describe(widget)} {widget.width()} x {widget.height()}" for widget in widgets if is_cut(widget)]
    return found + [f"out of reach: {describe(widget)}" for widget in widgets if is_unreachable(widget)]


def is_cut(widget: QWidget) -> bool:  # noqa: PLR0911 (one kind of widget per line)
    """Whether its text is cut and no tooltip shows the whole of it."""
    metrics = widget.fontMetrics()
    if isinstance(widget, QLabel):
        return widget.text() not in widget.toolTip() and is_label_cut(widget)
    if isinstance(widget, LinkButton):
        return metrics.horizontalAdvance(widget.text()) > widget.width() and widget.text() not in widget.toolTip()
    if isinstance(widget, QAbstractButton):
        return not holds(widget)
    if isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        part = QStyle.SubControl.SC_ComboBoxEditField
        room = widget.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, widget)
        return metrics.horizontalAdvance(widget.currentText()) > room.width() and not widget.toolTip()
    if isinstance(widget, QLineEdit):  # what was typed scrolls
        return metrics.horizontalAdvance(widget.placeholderText()) > widget.contentsRect().width() and not (
            widget.text() or widget.toolTip()
        )
    if isinstance(widget, QTabBar):
        return widget.sizeHint().width() > widget.width() + 1
    return False


def holds(widget: QWidget) -> bool:
    """Whether it is as large as its size hint, up to one pixel of rounding."""
    wanted = widget.sizeHint()
    return widget.width() + 1 >= wanted.width() and widget.height() + 1 >= wanted.height()


def is_label_cut(label: QLabel) -> bool:
    if not label.wordWrap():
        return not holds(label)
    layout = QTextLayout(label.text(), label.font())
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    layout.setTextOption(option)
    room, widest = label.contentsRect().width(), 0.0
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(room)
        widest = max(widest, line.naturalTextWidth())
    layout.endLayout()
    return widest > room + 1 or label.heightForWidth(label.width()) > label.height() + 1


def is_unreachable(widget: QWidget) -> bool:
    """Whether a part of it cannot be scrolled into view."""
    around = widget.parentWidget()
    if around is None or widget.isWindow():
        return False
    area = around.parentWidget()
    if isinstance(area, QScrollArea) and area.widget() is widget:
        no_bar = area.horizontalScrollBarPolicy() is Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        return no_bar and widget.width() > around.width() + 1
    if is_inner(widget) or isinstance(area, QAbstractScrollArea) or isinstance(around, QAbstractScrollArea):
        return False
    return not around.rect().adjusted(-1, -1, 1, 1).contains(widget.geometry())
