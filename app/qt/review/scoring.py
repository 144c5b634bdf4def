"""Human against model, counted off the main thread after every change of the notes."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject

from app.qt.background import Worker
from app.qt.review.agreement_box import AgreementBox
from app.review.agreement import Agreement, agree
from app.review.notes import Notes
from app.review.session import Session


@dataclass(frozen=True, slots=True)
class _Scored:
    notes: Notes
    agreement: Agreement | None


class Scoring(QObject):
    """Keeps a box with the agreement up to date."""

    def __init__(self, session: Session, box: AgreementBox, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._box = box
        self._wanted = Notes()
        self._worker = Worker("mien-agreement", self._count, self._show, self._fail)

    def score(self, notes: Notes) -> None:
        """Count for these notes."""
        self._wanted = notes
        if notes.labels:
            self._worker.ask(notes)
        else:
            self._box.show_agreement(None)

    def close(self) -> None:
        """End the thread."""
        self._worker.close()

    def _count(self, notes: Notes) -> _Scored:
        return _Scored(notes, agree(self._session, notes))

    def _show(self, scored: _Scored) -> None:
        if scored.notes is self._wanted:
            self._box.show_agreement(scored.agreement)

    def _fail(self, error: Exception) -> None:
        self._box.show_fault(str(error))
