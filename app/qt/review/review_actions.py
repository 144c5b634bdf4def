"""The actions of the review page: their words, keys, and when they make sense."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction

from app.qt.review.timeline_painter import label_word
from app.qt.review.transport_bar import Glyph
from app.review.notes import HUMAN_LABELS, UNCLEAR
from engine.facs import EXPRESSIONS

if TYPE_CHECKING:
    from app.qt.review.review_page import ReviewPage


class ReviewActions:
    """Made once by the page, before the desk that they work on."""

    def __init__(self, page: ReviewPage) -> None:
        tr, make = page.tr, page.make_action
        self.open = make(tr("Open session…"), "Ctrl+O", page.choose_session)
        self.export = make(tr("Export…"), "Ctrl+E", page.export, tr("Write tables, notes or a video of this session"))
        self._make_player(page)
        self.marker = make(tr("Add marker"), "M", lambda: page.desk.add_marker(), tr("Remember this moment"))
        self.mark_in = make(tr("Range starts here"), "I", lambda: page.desk.mark_in())
        self.mark_out = make(tr("Range ends here"), "O", lambda: page.desk.mark_out())
        self.exclude = make(
            tr("Exclude the range"),
            "X",
            lambda: page.desk.exclude_range(),
            tr("Leave the range out of counts, agreement and reviewed tables"),
        )
        self.labels = {label: self._make_label(page, label) for label in HUMAN_LABELS}
        self.next_face = make(tr("Next face"), "F", lambda: page.desk.next_face())
        self.remove = make(tr("Delete the chosen note"), "Del", lambda: page.desk.remove_note())
        self.rename = make(tr("Rename the chosen marker"), "F2", lambda: page.desk.rename_marker())
        self.undo = make(tr("Undo"), "Ctrl+Z", lambda: page.desk.undo())
        self.redo = make(tr("Redo"), "Ctrl+Shift+Z", lambda: page.desk.redo())
        self.closer = make(tr("Zoom in"), "+", lambda: page.desk.zoom(1), tr("Show less time on the timeline"))
        self.wider = make(tr("Zoom out"), "-", lambda: page.desk.zoom(-1), tr("Show more time on the timeline"))
        self.whole = make(tr("Whole session"), "A", lambda: page.desk.zoom_out_full())
        self.follow(False, False)

    def _make_player(self, page: ReviewPage) -> None:
        tr, make = page.tr, page.make_action
        self.play = make(tr("Play or pause"), "Space", lambda: page.desk.toggle())
        self.back = make(tr("Frame back"), "Left", lambda: page.desk.step(-1))
        self.next = make(tr("Frame on"), "Right", lambda: page.desk.step(1))
        self.second_back = make(tr("Second back"), "Shift+Left", lambda: page.desk.jump(-1.0))
        self.second_on = make(tr("Second on"), "Shift+Right", lambda: page.desk.jump(1.0))
        self.start = make(tr("To the start"), "Home", lambda: page.desk.go_to_start())
        self.end = make(tr("To the end"), "End", lambda: page.desk.go_to_end())
        self.reverse = make(
            tr("Play backwards"), "J", lambda: page.desk.shuttle(-1), tr("Play backwards; again for twice as fast")
        )
        self.stop = make(tr("Pause"), "K", lambda: page.desk.pause())
        self.forward = make(
            tr("Play forwards"), "L", lambda: page.desk.shuttle(1), tr("Play forwards; again for twice as fast")
        )

    @staticmethod
    def _make_label(page: ReviewPage, label: str) -> QAction:
        key = "0" if label == UNCLEAR else str(EXPRESSIONS.index(label) + 1)
        text = page.tr("Label as {label}").format(label=label_word(label))
        return page.make_action(text, key, partial(_give_label, page, label))

    @property
    def transport(self) -> dict[Glyph, QAction]:
        """Those that have buttons below the picture."""
        return {
            Glyph.START: self.start,
            Glyph.BACK: self.back,
            Glyph.PLAY: self.play,
            Glyph.NEXT: self.next,
            Glyph.END: self.end,
        }

    @property
    def zooms(self) -> tuple[QAction, QAction, QAction]:
        """Those that have buttons above the timeline."""
        return self.closer, self.wider, self.whole

    @property
    def all(self) -> tuple[QAction, ...]:
        """In the order of the menu."""
        return (self.open, self.export, *self._of_session, *self._of_notes)

    @property
    def _of_session(self) -> tuple[QAction, ...]:
        return (
            *(self.play, self.back, self.next, self.second_back, self.second_on, self.start, self.end),
            *(self.reverse, self.stop, self.forward, self.mark_in, self.mark_out, self.next_face),
            *self.zooms,
        )

    @property
    def _of_notes(self) -> tuple[QAction, ...]:
        return (self.marker, self.exclude, *self.labels.values(), self.remove, self.rename, self.undo, self.redo)

    def follow(self, opened: bool, noting: bool) -> None:
        """Let what makes sense be done: with a session, and with notes that can be changed."""
        for action in (self.export, *self._of_session):
            action.setEnabled(opened)
        for action in self._of_notes:
            action.setEnabled(noting)


def _give_label(page: ReviewPage, label: str) -> None:
    page.desk.label_range(label)
