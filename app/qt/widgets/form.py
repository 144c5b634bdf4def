"""Controls of the settings: a label above its control, a line below it that says what it does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QBoxLayout, QComboBox, QGridLayout, QHBoxLayout, QSizePolicy, QWidget

from app.qt import theme
from app.qt.widgets.page_parts import WheelGuard, text_label


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a list to choose from."""

    value: object
    words: str  # translated
    there: bool = True  # False = shown, but cannot be chosen


def add_field(body: QBoxLayout, words: str, control: QWidget, line: str = "") -> None:
    """Add a control with its words above it and an explanation below it."""
    label = text_label(words)
    label.setBuddy(control)
    control.setAccessibleName(words)
    control.setAccessibleDescription(line)
    if line:
        control.setToolTip(line)
    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    control.installEventFilter(WheelGuard(control))
    row = QHBoxLayout()
    row.addWidget(control)
    row.addStretch()
    body.addSpacing(round(0.3 * theme.em(label)))
    body.addWidget(label)
    body.addLayout(row)
    if line:
        body.addWidget(text_label(line, "dim"))


def choice_box(choices: Sequence[Choice], now: object, chosen: Callable[[object], None]) -> QComboBox:
    """A list to choose from; ``chosen`` is called when the user chose."""
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    box.setMinimumWidth(1)  # as wide as its words where there is room; else they are cut, not the page
    for place, choice in enumerate(choices):
        box.addItem(choice.words, choice.value)
        model = box.model()
        if not choice.there and isinstance(model, QStandardItemModel):
            model.item(place).setEnabled(False)
    select(box, now)
    box.activated.connect(lambda place: chosen(box.itemData(place)))
    return box


def typed_folder(text: str) -> Path:
    """The folder that a user typed, as a whole path; a home that is nobody's is a name like any other."""
    with contextlib.suppress(RuntimeError):
        return Path(text.strip()).expanduser().absolute()
    return Path(text.strip()).absolute()


def select(box: QComboBox, value: object) -> None:
    """Show a value; nothing is told."""
    for place in range(box.count()):
        if box.itemData(place) == value:
            box.setCurrentIndex(place)


def fact_rows(rows: Sequence[tuple[str, str]]) -> QWidget:
    """Names on the left, texts that wrap and can be copied on the right."""
    inside = QWidget()
    grid = QGridLayout(inside)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(round(theme.em(inside)))
    grid.setColumnStretch(1, 1)
    for place, (name, text) in enumerate(rows):
        label = text_label(name, "dim")
        label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        label.setMinimumWidth(round(8.5 * theme.em(inside)))
        value = text_label(text, selectable=True)
        value.setAccessibleName(f"{name}: {text}")
        grid.addWidget(label, place, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(value, place, 1, Qt.AlignmentFlag.AlignTop)
    return inside
