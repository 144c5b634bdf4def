"""The command that makes a range the neutral baseline of a face, and what follows from it on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from app.qt.widgets.notice_bar import Notice, Severity
from app.review.face_baselines import session_baselines, usual_logits
from app.review.notes import FaceName, NeutralRange

if TYPE_CHECKING:
    from app.qt.review.review_desk import ReviewDesk

_TOPIC = "review-neutral"


class NeutralRanges:
    """Keeps the values that a desk shows in step with the neutral ranges and the names in its notes."""

    def __init__(self, desk: ReviewDesk) -> None:
        """Nothing is shown yet."""
        self._desk = desk
        self._seen: tuple[object, tuple[NeutralRange, ...], tuple[FaceName, ...]] | None = None

    def mark(self) -> None:
        """Make the marked range the neutral one of the chosen face, as one step of undo."""
        desk = self._desk
        session, store, face_id = desk.session, desk.note_store, desk.timeline.selected
        start_s, end_s = desk.marked_range
        if session is None or store is None or face_id is None:
            return
        translate = QCoreApplication.translate
        if start_s is None or end_s is None:
            self._warn(
                translate(
                    "mien", "Mark a range first: I at its start, O at its end, or drag over the timeline with Shift."
                )
            )
        elif usual_logits(session) is None:
            self._warn(
                translate(
                    "mien",
                    "This session does not say what the model's usual neutral face is: annotate it again.",
                )
            )
        else:
            chosen = NeutralRange(face_id, start_s, end_s)
            store.change(translate("mien", "neutral range"), desk.notes.with_neutral(chosen))

    def follow(self) -> None:
        """Show the values that the notes of the desk ask for, after they have changed."""
        desk, session = self._desk, self._desk.session
        if session is None:
            return
        notes = desk.notes
        wanted = (session, notes.neutral, notes.names)
        if wanted == self._seen:
            return
        self._seen = wanted
        if not session.use_baselines(session_baselines(session, notes)):
            return
        desk.timeline.lay_out()
        desk.series.lay_out()
        if desk.player is not None:
            desk.player.refresh()

    def forget(self) -> None:
        """Release the session that was shown, which is closed."""
        self._seen = None

    def _warn(self, text: str) -> None:
        self._desk.noticed.emit(Notice(text, Severity.INFO, _TOPIC))
