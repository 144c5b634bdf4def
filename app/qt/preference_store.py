"""The preferences in force: read once, changed by pages, saved a moment after a change."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer, Signal

from app.qt.widgets.notice_bar import Notice, Weight
from app.settings.preferences import Preferences, load_preferences, save_preferences
from engine.errors import OutputError

#: Milliseconds between a change and its saving, so that a moved slider writes the file once.
_SAVE_MS: Final = 400
_TOPIC: Final = "preferences"


class PreferenceStore(QObject):
    """Holds the one `Preferences` record. Settings that cannot be kept are told once and stay in force."""

    #: `now` is another record.
    changed = Signal()
    #: A Notice for the bar above the pages.
    noticed = Signal(Notice)

    def __init__(self, path: Path | None, parent: QObject | None = None, **this_run: Any) -> None:
        """Read the file; with None everything stays in memory (kiosk, tests).

        Args:
            path: the file, made with the first change.
            parent: Qt's owner.
            this_run: fields that hold for this run only, as the command line gives them; the file keeps its own.
        """
        super().__init__(parent)
        self._path = path
        self._told: list[str] = []
        kept = Preferences() if path is None else load_preferences(path, self._told.append)
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
        """What is in force."""
        return self._now

    @property
    def path(self) -> Path | None:
        """The file; None if nothing is kept."""
        return self._path

    @property
    def told(self) -> tuple[str, ...]:
        """Sentences on what of the file could not be used."""
        return tuple(self._told)

    def change(self, **fields: Any) -> None:
        """Replace fields of the record; it is saved soon. Nothing happens where nothing differs.

        Raises:
            TypeError: there is no such field.
        """
        self._take(dataclasses.replace(self._now, **fields))

    def remember_session(self, folder: Path) -> None:
        """Make this folder the newest of the recent sessions."""
        self._take(self._now.with_session(folder))

    def save(self) -> None:
        """Save now, for the end of the program."""
        self._timer.stop()
        if self._path is None:
            return
        try:
            save_preferences(self._path, dataclasses.replace(self._now, **self._kept_instead()))
        except OutputError as error:
            if not self._fails:  # once, not with every slider
                self.noticed.emit(Notice(str(error), Weight.WARNING, _TOPIC))
            self._fails = True
            return
        if self._fails:
            self.noticed.emit(Notice("", topic=_TOPIC))
        self._fails = False

    def _kept_instead(self) -> dict[str, Any]:
        """What the file keeps of the fields of this run that nobody has changed since."""
        return {name: kept for name, kept in self._kept.items() if getattr(self._now, name) == self._this_run[name]}

    def _take(self, preferences: Preferences) -> None:
        if preferences == self._now:
            return
        self._now = preferences
        if self._path is not None:
            self._timer.start()
        self.changed.emit()
