"""The actions of the live page: their words, keys, and the states in which they make sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QAction

from app.qt.bridge import LiveState
from app.qt.live.live_recording import RecordState

if TYPE_CHECKING:
    from app.qt.live.live_page import LivePage

_IDLE = (LiveState.IDLE, LiveState.ENDED, LiveState.FAILED)
_GOING = (LiveState.RUNNING, LiveState.PAUSED)
_SHOWN = (LiveState.RUNNING, LiveState.PAUSED, LiveState.ENDED)


class LiveActions:
    """Made once by the page."""

    def __init__(self, page: LivePage) -> None:
        self._page = page
        tr, make = page.tr, page.make_action
        self.start = make(tr("Start"), "Ctrl+Return", page.start_or_stop, tr("Start the source, or let go of it"))
        self.pause = make(tr("Pause"), "Space", page.pause_or_go_on, tr("Stand still, or go on"))
        self.step = make(tr("Step"), "Right", page.bridge.step, tr("One frame further; pauses first"))
        self.snapshot = make(tr("Snapshot"), "S", page.save_snapshot, tr("Save the picture with its overlay"))
        self.record = make(tr("Record"), "R", page.record_or_stop, tr("Record picture and table into a new folder"))
        self.boxes = self._toggle(tr("Boxes"), "B", tr("Boxes around faces"))
        self.labels = self._toggle(tr("Labels"), "L", tr("Labels and decisions over the picture"))
        self.units = self._toggle(tr("Units"), "U", tr("Action units over the picture"))
        self.units.setChecked(False)  # they stand beside the picture
        self.next_face = make(tr("Next face"), "F", page.faces.go_on, tr("Show the next face beside the picture"))
        self.limits = make(tr("Limits"), "T", page.show_limits, tr("Show the limits and move them with the arrow keys"))
        own = tr("Route by the model's own limits again")
        self.reset = make(tr("The model's own limits"), "Ctrl+0", page.thresholds.go_back, own)
        self.open = make(tr("Open video…"), "Ctrl+O", page.chooser.open_file)
        self.performance = make(tr("Performance"), "P", page.show_performance, tr("Rates and times of this run"))

    @property
    def all(self) -> tuple[QAction, ...]:
        """In the order of the menu."""
        return (
            *(self.open, self.start, self.pause, self.step, self.snapshot, self.record),
            *(self.boxes, self.labels, self.units, self.next_face, self.performance),
            *(self.limits, self.reset),
        )

    @property
    def bar(self) -> tuple[QAction | None, ...]:
        """In the order of the tool bar; None is a gap."""
        return (
            *(self.start, self.pause, self.step, None, self.snapshot, self.record, None),
            *(self.boxes, self.labels, self.units),
        )

    def follow(self, state: LiveState, recording: RecordState) -> None:
        """Let what makes sense be done, and say what it would do."""
        tr = self._page.tr
        self.start.setText(tr("Start") if state in _IDLE else tr("Stop"))
        self.pause.setText(tr("Resume") if state is LiveState.PAUSED else tr("Pause"))
        self.pause.setEnabled(state in _GOING)
        self.step.setEnabled(state in _GOING)
        self.snapshot.setEnabled(state in _SHOWN)
        self.record.setText(tr("Record") if recording is RecordState.OFF else tr("Stop recording"))
        self.record.setEnabled(recording is RecordState.ON or (recording is RecordState.OFF and state in _GOING))

    def _toggle(self, text: str, keys: str, tip: str) -> QAction:
        action = self._page.make_action(text, keys, self._page.apply_overlay, tip)
        action.setCheckable(True)
        action.setChecked(True)
        return action
