"""The current preferences: read once, changed by pages, saved shortly after a change."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from app.qt.widgets.notice_bar import Notice, Severity
from app.settings.preferences import Preferences, load_preferences, save_preferences
from engine.errors import OutputError

#: Milliseconds from a change to saving, so that a moving slider writes the file once.
_SAVE_MS: Final = 400
_TOPIC: Final = "preferences"


class PreferenceStore(QObject):
    """Holds the `Preferences` record. If it cannot be saved, a notice is sent once and the record stays in use."""

    #: `now` was replaced.
    changed = Signal()
    #: For the toasts of the window.
    noticed = Signal(Notice)

    def __init__(self, path: Path | None, parent: QObject | None = None, **this_run: Any) -> None:
        """Read the file; with None preferences are kept in memory only.

        Args:
            path: the file, created by the first change.
            parent: Qt parent.
            this_run: fields that apply to this run only, from the command line; the file keeps its own values.
        """
        super().__init__(parent)
        self._path = path
        self._warnings: list[str] = []
        kept = Preferences() if path is None else load_preferences(path, self._warnings.append)
        self._this_run = this_run
        self._kept = {name: getattr(kept, name) for name in this_run}
        self._now = dataclasses.replace(kept, **this_run)
        self._fails = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SAVE_MS)
        self._timer.timeout.connect(self.save)

    @property
    def now(self) -> Preferences:
        """The current preferences."""
        return self._now

    @property
    def path(self) -> Path | None:
        """The file; None if preferences are not saved."""
        return self._path

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on parts of the file that could not be used."""
        return tuple(self._warnings)

    def change(self, **fields: Any) -> None:
        """Replace fields and schedule saving; ignored if nothing differs.

        Raises:
            TypeError: unknown field.
        """
        self._set(dataclasses.replace(self._now, **fields))

    def remember_session(self, folder: Path) -> None:
        """Put this folder first among the recent sessions."""
        self._set(self._now.with_session(folder))

    def save(self) -> None:
        """Save now, as at the end of the program."""
        self._timer.stop()
        if self._path is None:
            return
        try:
            save_preferences(self._path, dataclasses.replace(self._now, **self._kept_instead()))
        except OutputError as error:
            if not self._fails:  # once, not with every slider
                self.noticed.emit(Notice(str(error), Severity.WARNING, _TOPIC))
            self._fails = True
            return
        if self._fails:
            self.noticed.emit(Notice("", topic=_TOPIC))
        self._fails = False

    def _kept_instead(self) -> dict[str, Any]:
        """The file's values of the fields of this run that were not changed since."""
        return {name: kept for name, kept in self._kept.items() if getattr(self._now, name) == self._this_run[name]}

    def _set(self, preferences: Preferences) -> None:
        if preferences == self._now:
            return
        self._now = preferences
        if self._path is not None:
            self._timer.start()
        self.changed.emit()
