"""Recording a live run: the second half of the bridge, between the recorder and the record button."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, Signal

from app.live.live_run import LiveRun
from app.live.recorder import Recorder, recording_folder
from app.qt.background import Worker
from app.qt.widgets.notice_bar import Notice, Weight
from app.session.metadata import first_metadata
from engine.errors import EngineError
from engine.runtime import Attachment

#: The tables of a recording of hours may take so long.
_TABLES_S: Final = 90.0


class RecordState(str, Enum):
    """Where the recording stands."""

    OFF = "off"
    ON = "on"
    FINISHING = "finishing"  # tables and metadata are being written


class LiveRecording(QObject):
    """One recording at a time. A recorder that fails ends the recording, never the run."""

    changed = Signal(object)  # RecordState
    recorded = Signal(object)  # Path of a finished recording
    noticed = Signal(object)  # Notice

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = RecordState.OFF
        self._recorder: Recorder | None = None
        self._attachment: Attachment | None = None
        self._finisher: Worker[tuple[Attachment, Recorder], Path | None] = Worker(
            "mien-finish", _finish, self._on_finished, self._on_error
        )

    @property
    def state(self) -> RecordState:
        """Where the recording stands."""
        return self._state

    @property
    def duration_s(self) -> float:
        """Seconds recorded so far."""
        return self._recorder.duration_s if self._recorder is not None else 0.0

    def start(self, run: LiveRun, root: Path) -> None:
        """Record the run into a new folder below ``root``; nothing while a recording goes on or is being finished."""
        if self._state is not RecordState.OFF:
            return
        try:
            folder = recording_folder(root, run.spec, datetime.now().astimezone())
            metadata = first_metadata(run.spec, run.info, run.engine, run.header)
            self._recorder = Recorder(folder, run.header, metadata, damaged=run.damaged)
            self._attachment = run.attach(self._recorder)
        except EngineError as error:
            self._on_error(error)
            return
        self._set_state(RecordState.ON)

    def stop(self) -> None:
        """End the recording; its tables are written in the background. Nothing while none goes on."""
        if self._attachment is not None and self._recorder is not None and self._state is RecordState.ON:
            self._attachment.detach()
            self._set_state(RecordState.FINISHING)
            self._finisher.ask((self._attachment, self._recorder))

    def look(self) -> None:
        """See whether the recorder has ended by itself, as on a full disk; called by the display timer."""
        if self._attachment is not None and self._attachment.ended:
            self.stop()

    def shut(self) -> None:
        """Wait until all is written; call it after the run has ended."""
        self.blockSignals(True)
        if self._attachment is not None:
            self._attachment.wait(_TABLES_S)  # before the finisher, which waits for it and has less patience
        self._finisher.close()

    def _on_finished(self, folder: Path | None) -> None:
        self._drop()
        if folder is None:
            text, weight = self.tr("Nothing was recorded: no frame came."), Weight.WARNING
        else:
            text, weight = self.tr("Recording saved in {folder}.").format(folder=folder), Weight.NEWS
            self.recorded.emit(folder)
        self.noticed.emit(Notice(text, weight, "record"))

    def _on_error(self, error: Exception) -> None:
        self._drop()
        told = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
        text = self.tr("The recording has ended: {error}").format(error=told)
        self.noticed.emit(Notice(text, Weight.FAULT, "record"))

    def _drop(self) -> None:
        self._recorder = self._attachment = None
        self._set_state(RecordState.OFF)

    def _set_state(self, state: RecordState) -> None:
        if state is not self._state:
            self._state = state
            self.changed.emit(state)


def _finish(recording: tuple[Attachment, Recorder]) -> Path | None:
    """Wait for the tables; the folder, or None when nothing was recorded."""
    attachment, recorder = recording
    attachment.join()
    return recorder.folder.path if recorder.written else None
