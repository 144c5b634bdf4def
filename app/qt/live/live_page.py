"""The live page: a source, its picture with overlay, and what is known of one face of it."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSplitter,
    QTabWidget,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.live.live_run import Presented
from app.overlay.overlay import STANDING_LINE, OverlayParts
from app.qt import theme
from app.qt.bridge import LiveBridge, LiveState
from app.qt.live.face_chooser import FaceChooser
from app.qt.live.live_actions import LiveActions
from app.qt.live.live_recording import RecordState
from app.qt.live.performance_view import PerformanceView
from app.qt.live.source_chooser import SourceChooser
from app.qt.live.strip_chart import StripChart
from app.qt.live.threshold_panel import ThresholdPanel
from app.qt.live.unit_graph import UnitGraphView
from app.qt.preference_store import PreferenceStore
from app.qt.widgets.action_unit_panel import ActionUnitPanel
from app.qt.widgets.drawn_panel import told
from app.qt.widgets.expression_panel import ExpressionPanel
from app.qt.widgets.notice_bar import Notice, Weight
from app.qt.widgets.page import Page
from app.qt.widgets.page_parts import SideArea, scrolled, text_label
from app.qt.widgets.video_view import VideoView
from app.session.journal import NO_FACE, FaceRow, RunHeader
from app.settings.limits import Thresholds
from app.settings.preferences import chosen_config
from engine.capture.camera_list import Camera
from engine.config import EngineConfig

#: Milliseconds between two updates of what need not follow every frame.
_SLOW_MS: Final = 500
#: Width of the side at first, in ems, and of both columns in a window of 1280 pixels.
_SIDE_EM: Final = 22.0
_FIRST_PX: Final = 1090


class LivePage(Page):
    """Shows what the bridge gives, and passes on what the user wants."""

    def __init__(
        self, store: PreferenceStore, config: EngineConfig, bridge: LiveBridge, parent: QWidget | None = None
    ) -> None:
        """``config`` lies under what the preferences choose; ``bridge`` becomes the page's own and is shut with it."""
        super().__init__(parent)
        self._store = store
        self._config = config
        self.bridge = bridge
        self._header: RunHeader | None = None
        self.chooser = SourceChooser()
        self.view = VideoView()
        self.faces = FaceChooser()
        self.expression = ExpressionPanel()
        self.units = ActionUnitPanel()
        self.graph = UnitGraphView()
        self.chart = StripChart()
        self.thresholds = ThresholdPanel()
        self.side_tabs, self.chart_tabs = QTabWidget(), QTabWidget()
        self.performance = PerformanceView(self)
        self.rec_sign = QLabel()
        self.rec_sign.setAccessibleName(self.tr("Recording"))
        self.rec_sign.setProperty("role", "recording")
        self.actions_ = LiveActions(self)
        self._performance_button = QToolButton()
        self._lay_out()
        self._connect()
        self._slow = QTimer(self)
        self._slow.setInterval(_SLOW_MS)
        self._slow.timeout.connect(self._update_slowly)
        self.chooser.set_spec(store.now.source)
        self._follow_store()
        self._apply_overlay()
        self._follow_state(bridge.state)

    # A page of the main window.

    def page_title(self) -> str:
        """Name of the page."""
        return self.tr("Live")

    def page_actions(self) -> tuple[QAction, ...]:
        """In the order of the menu."""
        return self.actions_.all

    def enter(self) -> None:
        """Look for cameras, and give the keys to the page."""
        self.chooser.refresh()
        self.view.setFocus()

    def leave(self) -> None:
        """Another page is shown: a file waits, a camera is let go of unless it is recorded."""
        self.performance.hide()
        if self.bridge.recording.state is not RecordState.ON:
            self.bridge.rest()

    def shut(self) -> None:
        """End all."""
        self._slow.stop()
        self.chart.clear()
        self.chooser.shut()
        self.performance.hide()
        self.bridge.shut()

    def open_source(self, spec: str) -> None:
        """Open and start this source."""
        self.chooser.set_spec(spec)
        self._open(spec)

    # Commands of the actions.

    def start_or_stop(self) -> None:
        """Start the source that is picked, or let go of it."""
        if self.bridge.state in (LiveState.IDLE, LiveState.ENDED, LiveState.FAILED):
            if self.chooser.spec:
                self._open(self.chooser.spec)
        else:
            self.bridge.stop()

    def pause_or_go_on(self) -> None:
        """Pause, or go on."""
        if self.bridge.state is LiveState.PAUSED:
            self.bridge.resume()
        else:
            self.bridge.pause()

    def record_or_stop(self) -> None:
        """Start or end a recording."""
        if self.bridge.recording.state is RecordState.OFF:
            self.bridge.start_recording(self._store.now.recordings)
        else:
            self.bridge.recording.stop()

    def save_snapshot(self) -> None:
        """Save the picture shown."""
        self.bridge.save_snapshot(self._store.now.recordings)

    def show_performance(self) -> None:
        """Open the sheet with rates and times."""
        self.performance.show_performance(self.bridge.performance(), self.bridge.models)
        self.performance.open_below(self._performance_button)

    def show_limits(self) -> None:
        """Show the limits, and give the keys to the first of them."""
        self.chart_tabs.setCurrentIndex(1)
        self.thresholds.accept.setFocus()

    def apply_overlay(self) -> None:
        """Draw what is switched on."""
        self._apply_overlay()

    # What comes from the bridge.

    def _follow_state(self, state: LiveState) -> None:
        self.actions_.follow(state, self.bridge.recording.state)
        words = {
            LiveState.IDLE: self.tr("Choose a source and press Start.\nNothing is stored unless you press Record."),
            LiveState.OPENING: self.tr("Opening {source} …").format(source=self._source_name()),
            LiveState.LOST: self.tr("{source} is gone.\nThis goes on by itself as soon as it is back.").format(
                source=self._source_name()
            ),
            LiveState.FAILED: self.tr("{source} cannot be shown.").format(source=self._source_name()),
        }.get(state)
        if words is not None:
            self.view.show_words(words)
            self.faces.forget()
            self._show_row(None)
            self.graph.show_estimate(None)
        if state is LiveState.RUNNING:
            self._slow.start()
        elif state is not LiveState.PAUSED:
            self._slow.stop()
        self._update_slowly()

    def _present(self, presented: Presented) -> None:
        """Show picture and panels of one frame."""
        header = self.bridge.header
        if header is not self._header and header is not None:
            self._take_header(header)
        self.view.show_picture(presented.picture)
        before = self.faces.followed
        row = self.faces.choose(presented.rows)
        if before not in (None, self.faces.followed):
            self.chart.clear()  # it shows one face
        first = presented.rows[0]
        self._show_row(row or FaceRow(first.frame, first.pts_s, first.time_s, NO_FACE, first.latency_ms))
        face = next((face for face in presented.result.faces if row and face.track.track_id == row.face_id), None)
        self.graph.show_estimate(face.action_units if face is not None and row and row.occurrence else None)
        self.chart.add(presented.result.frame.timestamp_s, row)

    def _show_row(self, row: FaceRow | None) -> None:
        self.expression.show_row(row)
        self.units.show_row(row)

    def _take_header(self, header: RunHeader) -> None:
        same_run = self._header is not None and self._header.au_codes == header.au_codes
        self._header = header
        now = Thresholds(header.tau_accept, header.tau_ood)
        model = self.bridge.model_thresholds
        if model is not None:
            self.thresholds.set_thresholds(model, now)
        self.expression.set_limits(now)
        self.chart.set_limits(now)
        if not same_run:
            for panel in (self.expression, self.units, self.graph, self.chart):
                panel.set_header(header)

    def _update_slowly(self) -> None:
        """What need not follow every frame."""
        recording = self.bridge.recording
        if recording.state is RecordState.ON:
            seconds = int(recording.duration_s)
            self.rec_sign.setText(f"● REC {seconds // 60}:{seconds % 60:02d}")
        else:
            self.rec_sign.setText(self.tr("Saving…") if recording.state is RecordState.FINISHING else "")
        self.thresholds.show_shares(self.bridge.shares())
        figures = self.bridge.performance()
        self._performance_button.setText(self.tr("{fps} fps").format(fps=f"{figures.fps_out:.0f}"))
        if self.performance.isVisible():
            self.performance.show_performance(figures, self.bridge.models)

    def _follow_recording(self, state: RecordState) -> None:
        self.actions_.follow(self.bridge.state, state)
        locked = state is not RecordState.OFF
        self.thresholds.lock(
            self.tr("Fixed while recording, so that the whole table rests on the same limits.") if locked else ""
        )
        self._follow_store()
        self._update_slowly()

    def _follow_store(self) -> None:
        """Take over limits that were changed here or in the settings; while recording they wait."""
        thresholds = self._store.now.thresholds
        if thresholds != self.bridge.thresholds:
            self.bridge.set_thresholds(thresholds)
            self.thresholds.show_shares(self.bridge.shares())
        model = self.bridge.model_thresholds
        if model is not None and thresholds == self.bridge.thresholds:
            self.thresholds.set_thresholds(model, thresholds or model)

    def _follow_cameras(self, cameras: tuple[Camera, ...]) -> None:
        """Try a lost camera at once when something was plugged in."""
        if self.bridge.state is LiveState.LOST and any(camera.spec == self.bridge.spec for camera in cameras):
            self.bridge.try_now()

    def _open(self, spec: str) -> None:
        now = self._store.now
        self._store.change(source=spec)
        self.bridge.configure(chosen_config(self._config, now), now.tracker)
        self._header = None
        self.chart.clear()
        self.noticed.emit(Notice("", Weight.NEWS, "source"))
        self.bridge.open(spec)

    def _apply_overlay(self) -> None:
        actions = self.actions_
        # Without its boxes and labels the picture is bare; the standing line stays with the labels.
        self.bridge.set_overlay(
            OverlayParts(
                actions.boxes.isChecked(),
                actions.labels.isChecked(),
                actions.units.isChecked(),
                actions.labels.isChecked(),
            )
        )

    def _source_name(self) -> str:
        return self.chooser.list.currentText() or self.tr("The source")

    # Making.

    def _connect(self) -> None:
        self.bridge.state_changed.connect(self._follow_state)
        self.bridge.presented.connect(self._present)
        self.bridge.noticed.connect(self.noticed)
        self.bridge.recording.changed.connect(self._follow_recording)
        self.bridge.recording.recorded.connect(self._store.remember_session)
        self.view.resized_px.connect(self.bridge.set_view_size)
        self.view.face_picked.connect(self._pick)
        self.chooser.chosen.connect(self._open)
        self.chooser.cameras_changed.connect(self._follow_cameras)
        self.thresholds.changed.connect(lambda thresholds: self._store.change(thresholds=thresholds))
        self._store.changed.connect(self._follow_store)

    def _pick(self, x: float, y: float) -> None:
        shown = self.bridge.shown
        if shown is not None:
            height, width = shown.result.frame.image.shape[:2]
            self.faces.pick(shown.rows, x * width, y * height)

    def _lay_out(self) -> None:
        rows, columns = QSplitter(Qt.Orientation.Vertical), QSplitter(Qt.Orientation.Horizontal)
        rows.setObjectName("live-rows")  # the main window remembers splitters by their names
        columns.setObjectName("live-columns")
        rows.addWidget(self.view)
        rows.addWidget(self._below())
        rows.setStretchFactor(0, 1)
        rows.setSizes([430, 290])
        rows.setCollapsible(0, False)
        columns.addWidget(rows)
        columns.addWidget(self._side())
        columns.setStretchFactor(0, 1)
        columns.setChildrenCollapsible(False)
        side = min(round(_SIDE_EM * theme.em(self)), _FIRST_PX * 9 // 20)
        columns.setSizes([_FIRST_PX - side, side])
        layout = QVBoxLayout(self)
        layout.addLayout(self._bars())
        layout.addWidget(columns, 1)

    def _bars(self) -> QVBoxLayout:
        self._performance_button.setDefaultAction(self.actions_.performance)
        first = QHBoxLayout()
        first.addWidget(self.chooser, 1)
        first.addWidget(self.rec_sign)
        first.addWidget(self._performance_button)
        bar = QToolBar()
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        bar.setIconSize(QSize(round(theme.em(self)), round(theme.em(self))))
        for action in self.actions_.bar:
            if action is None:
                bar.addSeparator()
            else:
                bar.addAction(action)
        bars = QVBoxLayout()
        bars.addLayout(first)
        bars.addWidget(bar)
        return bars

    def _side(self) -> QWidget:
        tabs = self.side_tabs
        tabs.addTab(self.units, self.tr("Action units"))
        tabs.addTab(self.graph, self.tr("AU graph"))
        column = QWidget()
        layout = QVBoxLayout(column)
        for part in (self.faces, self.expression, tabs):
            layout.addWidget(part)
        layout.addStretch(1)
        side = QWidget()
        whole = QVBoxLayout(side)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(SideArea(column), 1)
        whole.addWidget(text_label(told(STANDING_LINE), "dim"))
        return side

    def _below(self) -> QTabWidget:
        """What stands under the picture: it must be seen together with what it changes."""
        self.chart_tabs.addTab(scrolled(self.chart), self.tr("Last minute"))
        self.chart_tabs.addTab(scrolled(self.thresholds), self.tr("Limits"))
        return self.chart_tabs
