"""The keys of the coder's own event codes: an action and a button for each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

from app.qt.widgets.flow_row import FlowRow
from app.qt.widgets.page_parts import text_label
from app.settings.codes import EventCode


class EventKeys(QWidget):
    """A button per code; a stretch that was started is pressed until it is ended."""

    #: The key or the button of a code (EventCode) was pressed.
    pressed = Signal(object)

    def __init__(self, make_action: Callable[..., QAction], edit: QAction, parent: QWidget | None = None) -> None:
        """``make_action`` registers an action with the page; ``edit`` opens the list of codes."""
        super().__init__(parent)
        self._make_action = make_action
        self._actions: dict[EventCode, QAction] = {}
        self._edit = QToolButton()
        self._edit.setDefaultAction(edit)
        self._hint = text_label(self.tr("Give your own codes a key each, to mark events such as a stimulus."), "dim")
        self._row: FlowRow | None = None
        self._enabled = False
        self._started: tuple[EventCode, ...] = ()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self._hint)
        self._layout.addWidget(self._edit)
        self.setAccessibleName(self.tr("Events"))

    @property
    def codes(self) -> tuple[EventCode, ...]:
        """The codes that have a key."""
        return tuple(self._actions)

    def action_of(self, code: EventCode) -> QAction:
        """The action of a code. KeyError for another one."""
        return self._actions[code]

    def set_codes(self, codes: Sequence[EventCode], taken: Collection[str]) -> None:
        """Show other codes; those whose letter is among ``taken`` get no key."""
        for action in self._actions.values():
            _forget(action)
        self._actions = {code: self._action(code) for code in codes if code.key not in taken}
        if self._row is not None:
            self._layout.removeWidget(self._row)
            _forget(self._row)
        buttons = [QToolButton() for _ in self._actions]
        for button, action in zip(buttons, self._actions.values(), strict=True):
            button.setDefaultAction(action)
        self._row = FlowRow(buttons)
        self._layout.insertWidget(0, self._row)
        self._hint.setVisible(not self._actions)
        self.show_started(self._started)

    def allow(self, enabled: bool) -> None:
        """Whether events can be marked now."""
        self._enabled = enabled
        for action in self._actions.values():
            action.setEnabled(enabled)

    def show_started(self, started: Collection[EventCode]) -> None:
        """Press the buttons of the stretches that have a start but no end yet."""
        self._started = tuple(started)
        for code, action in self._actions.items():
            action.setChecked(code in started)

    def _action(self, code: EventCode) -> QAction:
        tip = self.tr("Mark start and end of {name}") if code.lasts else self.tr("Mark {name} at this moment")
        action = self._make_action(
            f"{code.name} ({code.key})", code.key, lambda: self.pressed.emit(code), tip.format(name=code.name)
        )
        action.setCheckable(code.lasts)
        action.setEnabled(self._enabled)
        return action


def _forget(part: QObject) -> None:
    if isinstance(part, QAction):
        owner = part.parent()
        if isinstance(owner, QWidget):
            owner.removeAction(part)
    elif isinstance(part, QWidget):
        part.setParent(None)
    part.deleteLater()
