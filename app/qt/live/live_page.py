"""The live page: a source, its video with overlay, and the panels of one face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QToolButton, QVBoxLayout, QWidget

from app.live.face_choice import FaceChoice
from app.live.live_run import RenderedFrame
from app.overlay.overlay import OverlayParts
from app.overlay.region import WHOLE, face_box
from app.qt.bridge import LiveBridge, LiveState, RecordState
from app.qt.live.example_faces import EXAMPLES
from app.qt.live.limits_panel import LimitsPanel
from app.qt.live.live_bars import LiveBar, LiveTransport
from app.qt.live.performance_view import PerformanceView
from app.qt.live.source_chooser import SourceChooser
from app.qt.live.strip_chart import StripChart
from app.qt.live.unit_graph import UnitGraphView
from app.qt.preference_store import PreferenceStore
from app.qt.translation import picture_words
from app.qt.widgets.face_column import FaceColumn
from app.qt.widgets.glyph_button import Glyph
from app.qt.widgets.notice_bar import Notice, Severity
from app.qt.widgets.page import Page
from app.qt.widgets.units_page import UnitsPage
from app.qt.widgets.video_view import VideoView
from app.qt.widgets.workspace import Panel, Workspace, WorkspaceLayout
from app.session.rows import SessionHeader
from app.settings.limits import Limits
from app.settings.preferences import chosen_config
from engine.baseline import BaselineBook, corrected
from engine.capture.camera_list import Camera
from engine.config import EngineConfig

#: Milliseconds between two updates of values that need not follow every frame.
_SLOW_MS: Final = 500
#: States in which Start is offered, in which a source runs, and in which a frame is shown.
_STOPPED: Final = (LiveState.IDLE, LiveState.ENDED, LiveState.FAILED)
_ACTIVE: Final = (LiveState.RUNNING, LiveState.PAUSED)
_SHOWING: Final = (LiveState.RUNNING, LiveState.PAUSED, LiveState.ENDED)


class LivePage(Page):
    """Shows the state of the bridge, and passes the user's commands on to it."""

    def __init__(
        self, store: PreferenceStore, config: EngineConfig, bridge: LiveBridge, parent: QWidget | None = None
    ) -> None:
        """The preferences override ``config``; the page owns ``bridge`` and shuts it down."""
        super().__init__(parent)
        self._store = store
        self._config = config
        self.bridge = bridge
        self._header: SessionHeader | None = None
        self.chooser = SourceChooser()
        self.view = VideoView()
        self.faces = FaceChoice()
        self.column = FaceColumn()
        self.units_page = UnitsPage()
        self.units = self.units_page.panel
        self.graph = UnitGraphView()
        self.chart = StripChart()
        self.limits = LimitsPanel()
        self.performance = PerformanceView(self)
        self.rec_label = QLabel()
        self.rec_label.setAccessibleName(self.tr("Recording"))
        self.rec_label.setProperty("role", "recording")
        self._performance_button = QToolButton()
        self._make_actions()
        self._lay_out()
        self._connect()
        self._slow = QTimer(self)
        self._slow.setInterval(_SLOW_MS)
        self._slow.timeout.connect(self._update_slowly)
        self.chooser.set_spec(store.now.source)
        self._follow_store()
        self._apply_overlay()
        self._follow_state(bridge.state)

    # Page interface.

    def page_title(self) -> str:
        """Name of the page."""
        return self.tr("Live")

    def page_actions(self) -> tuple[QAction, ...]:
        """All actions in menu order."""
        return (
            *(self.open_action, self.start_action, self.pause_action, self.step_action),
            *(self.snapshot_action, self.record_action, self.loop_action, *self._chips),
            *(self.next_face_action, self.zoom_action, self.performance_action, self.limits_action),
            *(self.calibrate_action, self.clear_baseline_action, self.undo_baseline_action),
            *(self.reset_action, *self.workspace.actions_of_layout),
        )

    def enter(self) -> None:
        """List the cameras, and focus the video."""
        self.chooser.refresh()
        self.view.setFocus()

    def leave(self) -> None:
        """Pause a file and release a camera, unless recording."""
        self.performance.hide()
        if self.bridge.recording.state is not RecordState.ON:
            self.bridge.suspend()

    def shutdown(self) -> None:
        """End timers and the bridge."""
        self._slow.stop()
        self.chart.clear()
        self.chooser.shutdown()
        self.performance.hide()
        self.bridge.shutdown()

    def open_source(self, spec: str) -> None:
        """Open and start this source."""
        self.chooser.set_spec(spec)
        self._open(spec)

    # Commands of the actions.

    def toggle_run(self) -> None:
        """Start the chosen source, or release it."""
        if self.bridge.state in _STOPPED:
            if self.chooser.spec:
                self._open(self.chooser.spec)
        else:
            self.bridge.stop()

    def toggle_pause(self) -> None:
        """Pause or resume."""
        if self.bridge.state is LiveState.PAUSED:
            self.bridge.resume()
        else:
            self.bridge.pause()

    def toggle_recording(self) -> None:
        """Start or end a recording."""
        if self.bridge.recording.state is RecordState.OFF:
            self.bridge.start_recording(self._store.now.recordings)
        else:
            self.bridge.recording.stop()

    def save_snapshot(self) -> None:
        """Save the frame shown."""
        self.bridge.save_snapshot(self._store.now.recordings)

    def show_performance(self) -> None:
        """Open the popover with rates and times."""
        self.performance.show_performance(self.bridge.performance(), self.bridge.models)
        self.performance.open_below(self._performance_button)

    def calibrate(self) -> None:
        """Estimate the baseline of the face that is shown from its next seconds."""
        self._change_baseline(BaselineBook.collect)

    def clear_baseline(self) -> None:
        """Subtract no baseline from the face that is shown."""
        self._change_baseline(BaselineBook.clear)

    def undo_baseline(self) -> None:
        """Take back the last change of the baseline of the face that is shown."""
        self._change_baseline(BaselineBook.undo)

    def _change_baseline(self, change: Callable[[BaselineBook, int], None]) -> None:
        book, face_id = self.bridge.baselines, self.faces.followed
        if book is not None and face_id is not None:
            change(book, face_id)
            self.workspace.reveal(self.units_page)

    def show_limits(self) -> None:
        """Show the limits, and focus their slider."""
        self.workspace.reveal(self.limits)
        self.limits.boldness.setFocus()

    # Signals of the bridge.

    def _follow_state(self, state: LiveState) -> None:
        self._update_actions()
        message = {
            LiveState.IDLE: self.tr("Choose a source and press Start.\nNothing is stored unless you press Record."),
            LiveState.OPENING: self.tr("Opening {source} …").format(source=self._source_name()),
            LiveState.LOST: self.tr("{source} is gone.\nLive resumes automatically when it is back.").format(
                source=self._source_name()
            ),
            LiveState.FAILED: self.tr("{source} cannot be shown.").format(source=self._source_name()),
        }.get(state)
        if self.bridge.seeking:
            self.faces.forget()  # tracks begin anew, with other ids
        elif message is not None:
            self.view.show_message(message)
            self.view.show_region(WHOLE)
            self.transport.show_file(None)
            self._forget_face()
        if state in (LiveState.RUNNING, LiveState.PAUSED) and self.bridge.duration_s != self.transport.duration_s:
            self.transport.show_file(self.bridge.duration_s)
        if state is LiveState.ENDED and self.loop_action.isChecked() and self.bridge.duration_s is not None:
            self.bridge.seek(0.0)
        if state is LiveState.RUNNING:
            self._slow.start()
        elif state is not LiveState.PAUSED:
            self._slow.stop()
        self._update_slowly()

    def _present(self, presented: RenderedFrame) -> None:
        """Show image and panels of one frame."""
        header = self.bridge.header
        if header is not self._header and header is not None:
            self._set_header(header)
        self.view.show_image(presented.image)
        before = self.faces.followed
        row = self.faces.choose(presented.rows)
        if before not in (None, self.faces.followed):
            self.chart.clear()  # it shows one face
        self.column.show_faces(presented.rows, self.faces.followed, presented.thumbnails)
        self.units_page.show_row(row)
        face = next((face for face in presented.result.faces if row and face.track.track_id == row.face_id), None)
        has_units = face is not None and row is not None and bool(row.occurrence)
        self.graph.show_estimate(corrected(face.action_units, face.baseline) if face and has_units else None)
        self.chart.add(presented.result.frame.timestamp_s, row)
        self.transport.show_time(presented.result.frame.timestamp_s)

    def _forget_face(self) -> None:
        self.faces.forget()
        self.column.forget()
        self.units_page.show_row(None)
        self.graph.show_estimate(None)
        self.limits.examples.show_examples(())

    def _choose_face(self, face_id: int) -> None:
        """Show another face, at once in a frame that stays."""
        self.faces.choose_id(face_id)
        self._present_again()

    def _choose_next_face(self) -> None:
        self.faces.next_face()
        self._present_again()

    def _present_again(self) -> None:
        if self.bridge.shown is not None and self.bridge.state in (LiveState.PAUSED, LiveState.ENDED):
            self._present(self.bridge.shown)

    def _toggle_zoom(self) -> None:
        """Zoom to the followed face, or show all again."""
        shown, box = self.bridge.shown, None
        if shown is not None:
            height, width = shown.result.frame.image.shape[:2]
            box = face_box(shown.rows, self.faces.followed, (width, height))
        self.view.toggle_zoom(box)

    def _set_header(self, header: SessionHeader) -> None:
        same_run = self._header is not None and self._header.au_codes == header.au_codes
        self._header = header
        now = Limits(header.aleatoric_limit, header.ood_limit)
        model = self.bridge.model_limits
        if model is not None:
            self.limits.set_limits(model, now)
        self.column.set_limits(now)
        self.chart.set_limits(now)
        if not same_run:
            for panel in (self.column, self.units, self.graph, self.chart):
                panel.set_header(header)

    def _update_slowly(self) -> None:
        """Update what need not follow every frame."""
        recording = self.bridge.recording
        if recording.state is RecordState.ON:
            seconds = int(recording.duration_s)
            self.rec_label.setText(f"● REC {seconds // 60}:{seconds % 60:02d}")
        else:
            self.rec_label.setText(self.tr("Saving…") if recording.state is RecordState.FINISHING else "")
        self._show_effect()
        figures = self.bridge.performance()
        rate = f"{figures.fps_out:.0f}" if self.bridge.state is LiveState.RUNNING else "–"
        self._performance_button.setText(self.tr("{fps} fps").format(fps=rate))
        if self.performance.isVisible():
            self.performance.show_performance(figures, self.bridge.models)

    def _show_effect(self) -> None:
        """Show what the limits do to the last half minute."""
        self.limits.show_shares(self.bridge.shares())
        if self.limits.isVisible():
            self.limits.examples.show_examples(self.bridge.examples(EXAMPLES))

    def _follow_recording(self, state: RecordState) -> None:
        self._update_actions()
        locked = state is not RecordState.OFF
        self.limits.lock(self.tr("Fixed while recording, so that the table has one pair of limits.") if locked else "")
        self._follow_store()
        self._update_slowly()

    def _follow_store(self) -> None:
        """Apply limits and layout changed here or on another page; limits not while recording."""
        limits = self._store.now.limits
        self.workspace.follow(WorkspaceLayout(self._store.now.layout))  # it may have been chosen in Review
        if limits != self.bridge.limits:
            self.bridge.set_limits(limits)
        model = self.bridge.model_limits
        if model is not None and limits == self.bridge.limits:
            self.limits.set_limits(model, limits or model)

    def _follow_cameras(self, cameras: tuple[Camera, ...]) -> None:
        """Reopen a lost camera at once after it was plugged in."""
        if self.bridge.state is LiveState.LOST and any(camera.spec == self.bridge.spec for camera in cameras):
            self.bridge.retry_now()

    def _open(self, spec: str) -> None:
        now = self._store.now
        self._store.change(source=spec)
        self.bridge.configure(chosen_config(self._config, now), now.tracker)
        self._header = None
        self.chart.clear()
        self.noticed.emit(Notice("", Severity.INFO, "source"))
        self.bridge.open(spec)

    def _apply_overlay(self) -> None:
        boxes, labels, units, points, pose, blur = (chip.isChecked() for chip in self._chips)
        self.column.standing_line.setVisible(not labels)  # otherwise in the picture
        self.bridge.set_overlay(OverlayParts(boxes, labels, units, labels, pose, points, blur, picture_words()))
        if blur:
            self.limits.examples.show_examples(())  # also while they are hidden, or no timer runs

    def _source_name(self) -> str:
        return self.chooser.list.currentText() or self.tr("The source")

    def _pick(self, x: float, y: float) -> None:
        shown = self.bridge.shown
        if shown is not None:
            height, width = shown.result.frame.image.shape[:2]
            self.faces.pick(shown.rows, x * width, y * height)
            self._present_again()

    # Actions.

    def _make_actions(self) -> None:
        make, tr = self.make_action, self.tr
        self.open_action = make(tr("Open video…"), "Ctrl+O", self.chooser.open_file)
        self.start_action = make(tr("Start"), "Ctrl+Return", self.toggle_run, tr("Start or stop the source"))
        self.pause_action = make(tr("Pause"), "Space", self.toggle_pause, tr("Pause or resume"))
        self.step_action = make(tr("Step"), "Right", self.bridge.step, tr("One frame forward; pauses first"))
        self.snapshot_action = make(tr("Snapshot"), "S", self.save_snapshot, tr("Save the picture with its overlay"))
        self.record_action = make(
            tr("Record"), "R", self.toggle_recording, tr("Record video and table into a new folder")
        )
        self.loop_action = self._make_toggle(tr("Loop"), "O", tr("Begin a file again at its end"), False)
        self.boxes_action = self._make_toggle(tr("Boxes"), "B", tr("Boxes around faces"))
        self.labels_action = self._make_toggle(tr("Labels"), "L", tr("Labels and decisions over the picture"))
        self.units_action = self._make_toggle(tr("Units"), "U", tr("Action units over the picture"), False)
        self._chips = (
            *(self.boxes_action, self.labels_action, self.units_action),
            self._make_toggle(tr("Landmarks"), "K", tr("The 468 points of the face mesh"), False),
            self._make_toggle(tr("Pose"), "H", tr("Axes of the head; the white one is its direction"), False),
            self._make_toggle(
                tr("Blur"), "X", tr("Blur faces in this view and in snapshots; recordings keep them"), False
            ),
        )
        self.next_face_action = make(
            tr("Next face"), "F", self._choose_next_face, tr("Show the next face beside the picture")
        )
        self.zoom_action = make(
            tr("Zoom"), "Z", self._toggle_zoom, tr("Zoom to the face, or show all; the wheel zooms, a drag moves")
        )
        self.calibrate_action = make(
            tr("Calibrate on neutral face"),
            "N",
            self.calibrate,
            tr("The face shown stays neutral for three seconds; what its units show then is subtracted from now on"),
        )
        self.clear_baseline_action = make(
            tr("Clear the baseline"), "", self.clear_baseline, tr("Subtract nothing from the units of this face")
        )
        self.undo_baseline_action = make(
            tr("Undo the last change of the baseline"), "", self.undo_baseline, tr("Again: do it again")
        )
        self.performance_action = make(tr("Performance"), "P", self.show_performance, tr("Rates and times of this run"))
        self.limits_action = make(
            tr("Limits"), "T", self.show_limits, tr("Show the limits and move them with the arrow keys")
        )
        self.reset_action = make(
            tr("The model's own limits"), "Ctrl+0", self.limits.reset_to_model, tr("Use the model's own limits again")
        )

    def _make_toggle(self, text: str, keys: str, tip: str, on: bool = True) -> QAction:
        action = self.make_action(text, keys, self._apply_overlay, tip)
        action.setCheckable(True)
        action.setChecked(on)
        return action

    def _update_actions(self) -> None:
        """Enable the actions that apply in the current state, and set their texts."""
        state, recording = self.bridge.state, self.bridge.recording.state
        self.start_action.setText(self.tr("Start") if state in _STOPPED else self.tr("Stop"))
        self.pause_action.setText(self.tr("Resume") if state is LiveState.PAUSED else self.tr("Pause"))
        self.pause_action.setEnabled(state in _ACTIVE)
        self.step_action.setEnabled(state in _ACTIVE)
        self.snapshot_action.setEnabled(state in _SHOWING)
        off = recording is RecordState.OFF
        self.record_action.setText(self.tr("Record") if off else self.tr("Stop recording"))
        can_calibrate = state in _ACTIVE and self.bridge.baselines is not None
        for action in (self.calibrate_action, self.clear_baseline_action, self.undo_baseline_action):
            action.setEnabled(can_calibrate)
        self.record_action.setEnabled(recording is RecordState.ON or (off and state in _ACTIVE))
        self.transport.show_state(state not in _STOPPED, not off)

    # Construction.

    def _connect(self) -> None:
        self.bridge.state_changed.connect(self._follow_state)
        self.bridge.presented.connect(self._present)
        self.bridge.noticed.connect(self.noticed)
        self.bridge.rerouted.connect(self._show_effect)
        self.bridge.recording.changed.connect(self._follow_recording)
        self.bridge.recording.started.connect(self._store.remember_session)
        self.bridge.recording.recorded.connect(self._store.remember_session)
        self.bridge.recording.open_requested.connect(self.session_requested)
        self.view.resized_px.connect(self.bridge.set_view_size)
        self.view.face_picked.connect(self._pick)
        self.view.region_changed.connect(self.bridge.set_region)
        self.units_page.all_units.connect(self.column.map.show_all_units)
        self.units_page.all_units.connect(self.graph.show_all_units)
        self.column.face_chosen.connect(self._choose_face)
        self.transport.seek_requested.connect(self.bridge.seek)
        self.transport.speed_chosen.connect(self.bridge.set_speed)
        self.workspace.layout_chosen.connect(lambda layout: self._store.change(layout=layout.value))
        self.chooser.chosen.connect(self._open)
        self.chooser.cameras_changed.connect(self._follow_cameras)
        self.limits.changed.connect(lambda limits: self._store.change(limits=limits))
        self._store.changed.connect(self._follow_store)

    def _lay_out(self) -> None:
        self.units_page.baseline.set_commands(
            self.calibrate_action, (self.clear_baseline_action, self.undo_baseline_action)
        )
        self._performance_button.setDefaultAction(self.performance_action)
        self._performance_button.setText(self.tr("{fps} fps").format(fps=999))
        self._performance_button.setMinimumWidth(self._performance_button.sizeHint().width())  # so that it stays still
        self.transport = LiveTransport(
            {
                Glyph.PLAY: self.start_action,
                Glyph.PAUSE: self.pause_action,
                Glyph.NEXT: self.step_action,
                Glyph.RECORD: self.record_action,
                Glyph.SNAPSHOT: self.snapshot_action,
            },
            self.loop_action,
        )
        self.workspace = Workspace(
            "live",
            (self.view, self.transport),
            (
                Panel(self.tr("Faces"), self.column),
                Panel(self.tr("Action units"), self.units_page),
                Panel(self.tr("Links"), self.graph),
            ),
            (Panel(self.tr("Last minute"), self.chart, scrolls=True), Panel(self.tr("Limits"), self.limits)),
            self.make_action,
            WorkspaceLayout(self._store.now.layout),
        )
        self.bar = LiveBar(self.chooser, self._chips, (self.rec_label, self._performance_button), self.workspace)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.bar)
        layout.addWidget(self.workspace, 1)
