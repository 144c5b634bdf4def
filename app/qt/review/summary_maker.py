"""The summary page of the open session: written off the main thread, then opened in the browser to be printed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices

from app.export.export import export
from app.export.job import ExportChoice
from app.qt.background import Worker
from app.qt.sentences import fault_text
from app.qt.widgets.notice_bar import Notice, NoticeAction, Severity
from app.qt.widgets.toasts import folder_action
from app.review.notes import Notes
from app.review.session import Session

_TOPIC: Final = "review-summary"


@dataclass(frozen=True, slots=True)
class _Request:
    session: Session
    notes: Notes


def show_in_browser(path: Path) -> object:
    """Open a page with the program that the desktop has for it."""
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


class SummaryMaker(QObject):
    """Writes summary pages until it is closed; the sessions must stay open until then."""

    #: A Notice for the toasts of the window.
    noticed = Signal(Notice)

    def __init__(self, parent: QObject | None = None, *, show: Callable[[Path], object] = show_in_browser) -> None:
        """``show`` opens the page."""
        super().__init__(parent)
        self._show = show
        self._stop = threading.Event()
        self._worker = Worker("mien-summary", self._write, self._done, self._fail)

    def make(self, session: Session, notes: Notes) -> None:
        """Write the page of a session into its folder ``review``, in place of an earlier one, and open it."""
        self.noticed.emit(Notice(self.tr("Writing the summary page …"), topic=_TOPIC))
        self._worker.submit(_Request(session, notes))

    def close(self) -> None:
        """Cancel what is being written, and stop the thread."""
        self._stop.set()
        self._worker.close()

    def _write(self, request: _Request) -> Path | None:
        folder = request.session.folder.path / "review"
        choice = ExportChoice(("html",), replace=True)
        written = export(request.session, request.notes, choice, folder, lambda share: None, self._stop.is_set)
        return written[0] if written else None

    def _done(self, page: Path | None) -> None:
        if page is None:
            return
        text = self.tr("The summary page is {path}. It is printed from the browser.")
        again = NoticeAction(self.tr("Open"), lambda: self._show(page))
        actions = (again, folder_action(page.parent))
        self.noticed.emit(Notice(text.format(path=page), Severity.INFO, _TOPIC, actions))
        self._show(page)

    def _fail(self, error: Exception) -> None:
        self.noticed.emit(Notice(fault_text(error), Severity.ERROR, _TOPIC))
