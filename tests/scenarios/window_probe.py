"""Runs ``mien`` as its command does, and writes what the window shows to a file, for stories that wait for it.

python tests/scenarios/window_probe.py STATE_FILE ARGUMENTS...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QPoint, QTimer
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

from app.entry import main
from app.live.live_run import RenderedFrame
from app.qt import program
from app.qt.application import run_until_closed
from app.qt.live.live_page import LivePage
from app.qt.main_window import MainWindow
from app.qt.review.review_page import ReviewPage
from engine.files import write_text
from engine.types import Route
from tests.app.qt.layout_checks import layout_problems

_EVERY_MS: Final = 150


class Probe:
    """Reads the widgets of a window."""

    def __init__(self, window: MainWindow, path: Path) -> None:
        self.window, self.path = window, path
        self.frames = 0
        self.contradictions: list[str] = []
        self.problems: dict[str, list[str]] = {}
        live, review = window.page("live"), window.page("review")
        assert isinstance(live, LivePage)
        assert isinstance(review, ReviewPage)
        self.live, self.review = live, review
        live.bridge.presented.connect(self.compare)  # after the page
        self.timer = QTimer(window)
        self.timer.timeout.connect(self.write)
        self.timer.start(_EVERY_MS)

    def compare(self, presented: RenderedFrame) -> None:
        """Compare card, bars and limits of the face whose details are shown."""
        followed, header = self.live.faces.followed, self.live.bridge.header
        card = next((card for card in self.live.column.cards.cards if card.face_id == followed), None)
        row = next((row for row in presented.rows if row.face_id == followed), None)
        if card is None or row is None or header is None or not row.labels:
            return
        self.frames += 1
        labels = {label for label, _ in card.chip.text.parts}
        bars = dict(zip(header.expressions, self.live.column.expression.bars.percents, strict=True))
        longest = {label for label, percent in bars.items() if percent == max(bars.values())}
        shown = row.shown()
        over = shown.aleatoric is not None and shown.aleatoric > header.aleatoric_limit
        numbers = zip((label for label, _ in card.chip.text.parts), card.chip.percents, strict=True)
        others = [label for label, percent in numbers if bars[label] != percent]
        if not labels & longest or others or (row.decision == Route.ACCEPT.value and over):
            shown = f"{sorted(labels)} {card.chip.percents} over {bars}"
            self.contradictions.append(f"frame {row.frame}: {shown}, {row.decision}")

    def write(self) -> None:
        """Write the present state."""
        window = self.window
        size = f"{window.width()}x{window.height()}"
        key = f"{window.shown} {size}"
        if size == "960x600" and key not in self.problems:
            self.problems[key] = layout_problems(window)
        state = {
            "page": window.shown,
            "size": size,
            "notices": [notice.text for notice in window.notices],
            "dialogs": [widget.windowTitle() for widget in QApplication.topLevelWidgets() if is_dialog(widget)],
            "field": typed(),
            "frames": self.frames,
            "contradictions": self.contradictions,
            "problems": self.problems,
            "live": self.live_state(),
            "review": self.review_state(),
        }
        write_text(self.path, json.dumps(state))

    def live_state(self) -> dict[str, Any]:
        """State of Live; ``faces``: place of each on the screen."""
        live, shown = self.live, self.live.bridge.shown
        faces, box = {}, live.view.image_box()
        if shown is not None and box is not None:
            height, width = shown.result.frame.image.shape[:2]
            for row in shown.rows:
                if row.face_id is not None and row.x is not None and row.y is not None:
                    x = box.left() + (row.x + (row.w or 0) / 2) / width * box.width()
                    y = box.top() + (row.y + (row.h or 0) / 2) / height * box.height()
                    place = live.view.mapToGlobal(QPoint(round(x), round(y)))
                    faces[row.face_id] = (place.x(), place.y())
        return {
            "state": live.bridge.state.value,
            "frame": -1 if shown is None else shown.result.frame.index,
            "faces": faces,
            "followed": live.faces.followed,
            "picture": [live.view.width(), live.view.height()],
        }

    def review_state(self) -> dict[str, Any]:
        """State of Review."""
        desk = self.review.desk
        return {
            "session": str(desk.session.folder.path) if desk.session is not None else "",
            "playing": desk.player is not None and desk.player.playing,
            "read_only": desk.note_store is not None and desk.note_store.read_only,
            "markers": len(desk.notes.markers),
            "face": desk.timeline.selected,
        }


def is_dialog(widget: QWidget) -> bool:
    """Whether it is a window besides the main one that the user sees."""
    return (
        widget.isVisible() and widget.isWindow() and not isinstance(widget, MainWindow) and bool(widget.windowTitle())
    )


def typed() -> str | None:
    """The text of the field that has the keyboard; None if it is elsewhere."""
    field = QApplication.focusWidget()
    return field.text() if isinstance(field, QLineEdit) else None


def watch(application: QApplication, window: QWidget) -> None:
    """Run the event loop with a probe."""
    assert isinstance(window, MainWindow)
    window.painted.connect(lambda: probes.append(Probe(window, path)))
    run_until_closed(application, window)


if __name__ == "__main__":
    path, probes = Path(sys.argv[1]), []
    sys.argv = ["mien", *sys.argv[2:]]
    program.run_until_closed = watch
    main()
