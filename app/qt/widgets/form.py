"""Labelled controls of settings and forms: a caption above, an explanation below."""

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
    """An entry of a combo box."""

    value: object
    text: str  # translated
    available: bool = True  # False = shown, but disabled


def add_field(body: QBoxLayout, caption: str, control: QWidget, help_text: str = "") -> None:
    """Add a control with its caption above and ``help_text`` below."""
    label = text_label(caption)
    label.setBuddy(control)
    control.setAccessibleName(caption)
    control.setAccessibleDescription(help_text)
    if help_text:
        control.setToolTip(help_text)
    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    control.installEventFilter(WheelGuard(control))
    row = QHBoxLayout()
    row.addWidget(control)
    row.addStretch()
    body.addSpacing(round(0.3 * theme.em(label)))
    body.addWidget(label)
    body.addLayout(row)
    if help_text:
        body.addWidget(text_label(help_text, "dim"))


def choice_box(choices: Sequence[Choice], value: object, on_choice: Callable[[object], None]) -> QComboBox:
    """A combo box; ``on_choice`` is called with the value when the user chooses, not by `select`."""
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    box.setMinimumWidth(1)  # in a narrow page the text is elided
    for index, choice in enumerate(choices):
        box.addItem(choice.text, choice.value)
        model = box.model()
        if not choice.available and isinstance(model, QStandardItemModel):
            model.item(index).setEnabled(False)
    select(box, value)
    box.activated.connect(lambda index: on_choice(box.itemData(index)))
    return box


def typed_folder(text: str) -> Path:
    """The absolute path of a typed folder; an unknown ``~user`` is kept as a plain name."""
    with contextlib.suppress(RuntimeError):
        return Path(text.strip()).expanduser().absolute()
    return Path(text.strip()).absolute()


def select(box: QComboBox, value: object) -> None:
    """Show a value without calling ``on_choice``."""
    for index in range(box.count()):
        if box.itemData(index) == value:
            box.setCurrentIndex(index)


def fact_rows(rows: Sequence[tuple[str, str]]) -> QWidget:
    """A table of names and wrapped, selectable values."""
    inside = QWidget()
    grid = QGridLayout(inside)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(round(theme.em(inside)))
    grid.setColumnStretch(1, 1)
    for index, (name, text) in enumerate(rows):
        label = text_label(name, "dim")
        label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        label.setMinimumWidth(round(8.5 * theme.em(inside)))
        value = text_label(text, selectable=True)
        value.setAccessibleName(f"{name}: {text}")
        grid.addWidget(label, index, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(value, index, 1, Qt.AlignmentFlag.AlignTop)
    return inside
