"""The live page: message and actions of every state, and panels that follow the frame shown."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from app.qt.bridge import LiveBridge, LiveState, RecordState
from app.qt.live import source_chooser
from app.qt.live.live_bars import SPEEDS
from app.qt.live.live_page import LivePage
from app.qt.preference_store import PreferenceStore
from app.session.folder import is_session
from app.settings.limits import Limits
from engine.baseline import BaselineBook
from engine.capture.camera_list import Camera
from engine.capture.pacing import PacedSource
from engine.capture.source import FrameSource, SourceKind
from engine.config import EngineConfig
from engine.errors import SourceError
from engine.types import BaselineState, Frame, FrameResult
from tests.app.qt.window_fixture import FakeCamera
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.faces import UNITS, fake_face, fake_result
from tests.fakes.sessions import FakeEngines


class Rig:
    """A page on fake sources."""

    def __init__(self, tmp_path) -> None:
        self.store = PreferenceStore(None, recordings=tmp_path)
        self.pipeline = FakePipeline()
        self.sources: list[FrameSource] = []
        self.make_source: Callable[[], FrameSource] = FakeCamera
        bridge = LiveBridge(
            EngineConfig(),
            "litert",
            "0.1",
            open_source=self._open,
            engines=FakeEngines(self.pipeline),
        )
        self.page = LivePage(self.store, EngineConfig(), bridge)
        self.bridge = bridge
        self.notices: list[str] = []
        self.page.noticed.connect(lambda notice: self.notices.append(notice.text) if notice.text else None)

    def _open(self, spec: str) -> FrameSource:
        self.sources.append(self.make_source())
        return self.sources[-1]

    def press(self, action) -> None:
        assert action.isEnabled(), action.text()
        action.trigger()


@pytest.fixture
def rig(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(source_chooser, "list_cameras", lambda: (Camera("0", "Front camera", True, ""),))
    rig = Rig(tmp_path)
    qtbot.addWidget(rig.page)
    rig.page.resize(1100, 700)
    rig.page.show()
    rig.page.enter()
    yield rig
    rig.page.leave()
    rig.page.shutdown()


@pytest.fixture
def running(rig, until):
    rig.press(rig.page.start_action)
    until(lambda: rig.page.view.image is not None)
    return rig


def enabled(rig) -> set[str]:
    names = ("start", "pause", "step", "snapshot", "record")
    return {name for name in names if getattr(rig.page, f"{name}_action").isEnabled()}


def test_before_the_start_the_message_says_what_to_do_and_that_nothing_is_stored(rig):
    assert "press Start" in rig.page.view.message
    assert "Nothing is stored" in rig.page.view.message
    assert enabled(rig) == {"start"}
    assert rig.page.chooser.list.currentText() == "Front camera"


def test_nothing_is_stored_unless_it_is_asked_for(rig, until, tmp_path):
    opened = []
    watching = True

    def note(event, arguments):
        if watching and event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            opened.append(arguments[0])

    sys.addaudithook(note)  # cannot be removed
    shown = []
    rig.bridge.presented.connect(shown.append)
    rig.press(rig.page.start_action)
    until(lambda: len(shown) > 25)
    rig.press(rig.page.start_action)
    until(lambda: rig.sources[0].closed)
    watching = False
    assert opened == []
    assert list(tmp_path.rglob("*")) == []


def test_start_shows_video_and_face_and_becomes_stop(running, until):
    assert running.page.start_action.text() == "Stop"
    assert enabled(running) == {"start", "pause", "step", "snapshot", "record"}
    assert running.page.transport.duration_s is None, "a camera has no seek bar"
    running.press(running.page.start_action)
    assert running.page.view.image is None
    assert running.page.start_action.text() == "Start"
    until(lambda: running.sources[0].closed)


def test_image_and_panels_belong_to_the_same_frame(running, until):
    seen = []
    panel_rows = []
    running.page.column.expression.show_row = panel_rows.append
    running.bridge.presented.connect(lambda presented: seen.append((presented, running.page.view.image)))
    until(lambda: len(seen) > 25)
    for (presented, image), row in zip(seen, panel_rows, strict=False):
        assert image is presented.image
        assert row is None or row.frame == presented.result.frame.index


def test_pause_becomes_resume_and_step_advances_one_frame(running, until):
    running.press(running.page.pause_action)
    assert running.page.pause_action.text() == "Resume"
    assert running.bridge.state is LiveState.PAUSED
    shown = running.bridge.shown
    running.press(running.page.step_action)
    until(lambda: running.bridge.shown is not shown)
    running.press(running.page.pause_action)
    assert running.bridge.state is LiveState.RUNNING


def test_space_pauses_and_resumes(running, until):
    running.page.activateWindow()
    running.page.view.setFocus()
    for key, state in ((Qt.Key.Key_Space, LiveState.PAUSED), (Qt.Key.Key_Space, LiveState.RUNNING)):
        QTest.keyClick(running.page, key)
        until(lambda state=state: running.bridge.state is state)


def test_space_presses_a_focused_button_and_does_not_pause(running, until):
    running.page.activateWindow()
    button = running.page.limits.reset
    running.page.workspace.reveal(running.page.limits)
    until(button.isVisible)
    running.page.limits.set_limits(Limits(1.2, 0.95), Limits(0.5, 0.8))
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert running.bridge.state is LiveState.RUNNING
    assert running.page.limits.limits == Limits(1.2, 0.95)


def test_sliders_reach_the_engine_and_are_stored(running, until):
    running.page.limits.accept.setValue(30)
    assert running.store.now.limits == Limits(0.3, 0.95)
    until(lambda: running.bridge.header.aleatoric_limit == 0.3)
    assert running.pipeline.calibration.aleatoric_limit == 0.3
    until(lambda: "accepted" in running.page.limits.shares_text.text())


def test_examples_follow_the_limits_also_while_paused_and_are_forgotten_with_blur(running, until):
    page = running.page
    page.workspace.reveal(page.limits)
    until(lambda: page.limits.examples.texts and set(page.limits.examples.texts) != {"no label"})
    running.press(page.pause_action)
    until(lambda: running.bridge.state is LiveState.PAUSED)
    page.limits.accept.setValue(0)
    until(lambda: any(" or " in text for text in page.limits.examples.texts))
    until(lambda: " 0 % accepted" in page.limits.shares_text.text())
    next(chip for chip in page.page_actions() if chip.text() == "Blur").trigger()
    assert running.bridge.examples(3) == ()
    assert page.limits.examples.texts == ()


def test_no_rate_is_shown_unless_a_source_runs(running, until):
    button = running.page._performance_button
    until(lambda: button.text().split()[0].isdecimal())
    running.press(running.page.pause_action)
    until(lambda: button.text() == "– fps")
    running.press(running.page.start_action)
    assert button.text() == "– fps"


def test_limits_of_the_settings_reach_the_current_run(running, until):
    running.store.change(limits=Limits(0.25, 0.8))
    until(lambda: running.page.limits.limits == Limits(0.25, 0.8))
    assert running.bridge.header.aleatoric_limit == 0.25


def test_limits_changed_while_recording_apply_after_its_end(running, until):
    running.press(running.page.record_action)
    running.store.change(limits=Limits(0.25, 0.8))
    until(lambda: running.bridge.recording.duration_s > 0.1)
    assert running.bridge.header.aleatoric_limit == running.bridge.model_limits.aleatoric_limit
    running.press(running.page.record_action)
    until(lambda: running.bridge.header.aleatoric_limit == 0.25)


def test_the_sliders_follow_the_settings_while_stopped(running):
    running.press(running.page.start_action)
    running.store.change(limits=Limits(0.5, 0.6))
    assert running.page.limits.limits == Limits(0.5, 0.6)


def test_a_recording_locks_the_sliders_shows_rec_and_ends_in_a_session(running, until, tmp_path):
    running.press(running.page.record_action)
    assert running.page.record_action.text() == "Stop recording"
    assert not running.page.limits.accept.isEnabled()
    assert "Fixed while recording" in running.page.limits.lock_reason.text()
    until(lambda: "REC" in running.page.rec_label.text())
    until(lambda: running.bridge.recording.duration_s > 0.3)
    running.press(running.page.record_action)
    until(lambda: running.bridge.recording.state is RecordState.OFF)
    assert running.page.limits.accept.isEnabled()
    assert running.page.rec_label.text() == ""
    assert running.store.now.sessions[0].parent == tmp_path
    assert any("Recording saved" in text for text in running.notices)


def test_a_snapshot_is_saved_in_the_folder_of_recordings(running, until, tmp_path):
    running.press(running.page.snapshot_action)
    until(lambda: any("Picture saved" in text for text in running.notices))
    assert len(list(tmp_path.glob("mien-*.png"))) == 1


def test_a_lost_camera_is_reopened_at_once_when_it_is_plugged_in(running, until, monkeypatch):
    running.sources[0].unplugged.set()
    until(lambda: running.bridge.state is LiveState.LOST)
    assert "resumes automatically when it is back" in running.page.view.message
    assert enabled(running) == {"start"}
    running.page.chooser.cameras_changed.emit((Camera("0", "Front camera", True, ""),))
    until(lambda: running.bridge.state is LiveState.RUNNING)


def test_a_source_that_fails_gives_a_message_and_a_notice(rig, until):
    def fail() -> FrameSource:
        raise SourceError("camera 0 may not be used: join the group video")

    rig.make_source = fail
    rig.press(rig.page.start_action)
    until(lambda: rig.bridge.state is LiveState.FAILED)
    assert "cannot be shown" in rig.page.view.message
    assert rig.notices == ["camera 0 may not be used: join the group video"]
    assert rig.page.start_action.text() == "Start"


def test_the_last_frame_of_a_file_stays(rig, until):
    rig.make_source = lambda: FakeSource(8)
    rig.page.open_source("talk.mp4")
    until(lambda: rig.bridge.state is LiveState.ENDED)
    assert rig.page.view.image is not None
    assert enabled(rig) == {"start", "snapshot"}
    assert rig.store.now.source == "talk.mp4"


def test_overlay_parts_follow_their_actions(running, until):
    running.page.boxes_action.trigger()
    running.page.labels_action.trigger()
    until(lambda: running.bridge.shown.rows[0].decision == "accept" and _is_flat(running.page.view.image))


def _is_flat(image) -> bool:
    return image is not None and bool((image[..., :3] == image[0, 0, 0]).all())


def test_a_click_on_a_face_chooses_it(rig, until):
    rig.page.labels_action.trigger()
    rig.press(rig.page.start_action)
    until(lambda: rig.bridge.shown is not None and len(rig.bridge.shown.rows) == 2)
    rig.press(rig.page.pause_action)
    until(lambda: rig.bridge.state is LiveState.PAUSED)
    while len(rig.bridge.shown.rows) != 2:
        before = rig.bridge.shown
        rig.bridge.step()
        until(lambda before=before: rig.bridge.shown is not before)
    box = rig.page.view.image_box()
    row = rig.bridge.shown.rows[1]
    point = QPoint(
        round(box.left() + (row.x + row.w / 2) / 160 * box.width()),
        round(box.top() + (row.y + row.h / 2) / 120 * box.height()),
    )
    QTest.mouseClick(rig.page.view, Qt.MouseButton.LeftButton, pos=point)
    assert rig.page.faces.chosen == row.face_id


def test_leaving_the_page_releases_a_camera_unless_recording(running, until):
    running.press(running.page.record_action)
    running.page.leave()
    assert running.bridge.state is LiveState.RUNNING
    running.press(running.page.record_action)
    running.page.leave()
    assert running.bridge.state is LiveState.IDLE
    until(lambda: running.sources[0].closed)


def test_leaving_the_page_releases_a_camera_that_is_being_opened(rig, until):
    rig.press(rig.page.start_action)
    rig.page.leave()
    assert rig.bridge.state is LiveState.IDLE
    until(lambda: not rig.sources or rig.sources[0].closed)


def test_leaving_the_page_pauses_a_file(rig, until):
    rig.make_source = lambda: FakeCamera(live=False)
    rig.page.open_source("talk.mp4")
    until(lambda: rig.page.view.image is not None)
    rig.page.leave()
    assert rig.bridge.state is LiveState.PAUSED


def test_stopping_resets_the_face(running, until):
    until(lambda: running.page.faces.followed is not None)
    running.press(running.page.start_action)
    assert running.page.faces.followed is None


def test_the_performance_popover_shows_rates_and_models(running, until):
    until(lambda: running.bridge.performance().fps_out > 0)
    running.page.show_performance()
    sheet = running.page.performance
    assert sheet.isVisible()
    texts = [label.text() for label in sheet.findChildren(QLabel)]
    assert any("fake expression: fake CPU" in text for text in texts)
    assert any("ms, 95 %" in text for text in texts)
    running.page.leave()
    assert not sheet.isVisible()


class Clip(FakeCamera):
    """A file of ten seconds that starts where it is told to."""

    def __init__(self) -> None:
        super().__init__(live=False)
        self.info = dataclasses.replace(self.info, kind=SourceKind.VIDEO, duration_s=10.0)
        self.jumps: list[float] = []

    def jump_to_time(self, time_s: float) -> None:
        self.jumps.append(time_s)


@pytest.fixture
def clip(rig, until):
    rig.make_source = Clip
    rig.page.open_source("talk.mp4")
    until(lambda: rig.page.view.image is not None)
    return rig


def test_a_file_has_a_seek_bar_and_a_move_of_it_starts_there(clip, until):
    transport = clip.page.transport
    assert transport.duration_s == 10.0
    transport.seek.setValue(40)
    until(lambda: len(clip.sources) == 2 and clip.bridge.state is LiveState.RUNNING)
    assert clip.sources[1].jumps == [4.0]
    assert clip.page.view.image is not None, "the last picture stays meanwhile"


def test_seeking_while_paused_shows_the_frame_and_stays_paused(clip, until):
    clip.press(clip.page.pause_action)
    until(lambda: clip.bridge.state is LiveState.PAUSED)
    before = clip.bridge.shown
    clip.page.transport.seek.setValue(25)
    until(lambda: clip.bridge.state is LiveState.PAUSED and clip.bridge.shown not in (None, before))
    assert clip.sources[1].jumps == [2.5]


def test_a_recording_cannot_be_sought(clip, until):
    clip.press(clip.page.record_action)
    until(lambda: clip.bridge.recording.duration_s > 0.1)
    assert not clip.page.transport.seek.isEnabled()
    clip.bridge.seek(5.0)
    assert len(clip.sources) == 1


def test_the_speed_reaches_the_file(clip, until):
    paced = PacedSource(clip.sources[0])
    clip.bridge._run._source = paced
    clip.page.transport.speed.setCurrentIndex(SPEEDS.index(2.0))
    clip.page.transport.speed.activated.emit(SPEEDS.index(2.0))
    assert paced._speed == 2.0


def test_loop_starts_a_file_again_at_its_end(rig, until):
    def short() -> FrameSource:
        source = FakeSource(5)
        source.info = dataclasses.replace(source.info, kind=SourceKind.VIDEO, duration_s=0.5)
        return source

    rig.make_source = short
    rig.page.loop_action.trigger()
    rig.page.open_source("talk.mp4")
    until(lambda: len(rig.sources) >= 3)
    rig.page.loop_action.trigger()


def test_each_face_has_a_card_with_its_picture_and_a_click_on_it_works_while_paused(rig, until):
    rig.press(rig.page.start_action)
    until(lambda: rig.bridge.shown is not None and len(rig.bridge.shown.rows) == 2)
    rig.press(rig.page.pause_action)
    until(lambda: rig.bridge.state is LiveState.PAUSED)
    while len(rig.bridge.shown.rows) != 2:
        before = rig.bridge.shown
        rig.bridge.step()
        until(lambda before=before: rig.bridge.shown is not before)
    cards = rig.page.column.cards.cards
    other = next(card for card in cards if card.face_id not in (None, rig.page.faces.followed))
    assert {card.face_id for card in cards} >= {row.face_id for row in rig.bridge.shown.rows}
    assert set(rig.bridge.shown.thumbnails) == {row.face_id for row in rig.bridge.shown.rows}
    QTest.mouseClick(other, Qt.MouseButton.LeftButton)
    assert rig.page.faces.followed == other.face_id


def test_blur_hides_the_pictures_of_the_cards_and_reaches_snapshots(running, until, tmp_path):
    until(lambda: bool(running.bridge.shown.thumbnails))
    blur = running.page._chips[-1]
    assert blur.text() == "Blur"
    blur.trigger()
    until(lambda: not running.bridge.shown.thumbnails)
    frame = running.bridge._run.renderer.covered(running.bridge.shown.result)
    assert frame.image is not running.bridge.shown.result.frame.image


def test_zoom_shows_a_part_at_full_resolution_and_back(running, until):
    running.press(running.page.zoom_action)
    assert running.bridge._run.renderer.region.share < 1
    running.press(running.page.zoom_action)
    assert running.bridge._run.renderer.region.share == 1


def test_the_layout_is_kept(running):
    running.page.workspace.chooser.activated.emit(1)
    assert running.store.now.layout == "research"


@pytest.fixture
def paused_on_two(rig, until):
    """Paused on a frame with two faces, after which no other comes."""
    held: list[int] = []
    free = threading.Event()

    def wait(index: int) -> None:
        if index >= 3 and not held:
            held.append(index)
            assert free.wait(10)

    rig.pipeline.turns = (1,)  # two faces
    rig.pipeline.on_frame = wait
    rig.press(rig.page.start_action)
    until(lambda: bool(held))
    rig.press(rig.page.pause_action)
    free.set()
    until(lambda: rig.bridge.shown is not None and rig.bridge.shown.result.frame.index == held[0])
    return rig


def test_a_face_is_chosen_by_key_while_paused(paused_on_two):
    page = paused_on_two.page
    first = page.faces.followed
    shown = []
    page.column.expression.show_row = shown.append
    paused_on_two.press(page.next_face_action)
    assert page.faces.followed != first
    assert [row.face_id for row in shown] == [page.faces.followed]


def test_a_face_is_chosen_by_click_while_paused(paused_on_two):
    page = paused_on_two.page
    picture = paused_on_two.bridge.shown
    other = next(row for row in picture.rows if row.face_id != page.faces.followed)
    height, width = picture.result.frame.image.shape[:2]
    page.view.face_picked.emit((other.x + other.w / 2) / width, (other.y + other.h / 2) / height)
    assert page.faces.followed == other.face_id


def test_a_recording_is_remembered_from_its_start(running, until):
    """So one that the end of the program ends is among the recent sessions too."""
    running.press(running.page.record_action)
    until(lambda: len(running.store.now.sessions) == 1)
    (folder,) = running.store.now.sessions
    until(lambda: is_session(folder))
    running.page.bridge.shutdown()
    assert is_session(folder)
    assert running.store.now.sessions == (folder,)


class Calibrated(FakePipeline):
    """One happy face in every frame, with the baseline that the book of the engine has for it."""

    book: BaselineBook | None = None

    def __init__(self) -> None:
        super().__init__()
        self.seen_collecting = threading.Event()  # while it is not set, no second frame is collected

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        super().process(frame)
        face = fake_face(occurrence=(0.4,) * UNITS)
        if self.book is not None:
            found = self.book.observe(1, face.action_units, face.decision, frame.timestamp_s)
            face = dataclasses.replace(face, baseline=found)
            if found.state is BaselineState.COLLECTING and found.frames > 1:
                assert self.seen_collecting.wait(10)
        return fake_result(frame, face)


def test_calibrating_clearing_and_undoing_show_what_holds(rig, until) -> None:
    page = rig.page
    page.bridge._engines.pipeline = rig.pipeline = Calibrated()
    assert not page.calibrate_action.isEnabled()  # there is no face
    rig.press(page.start_action)
    until(lambda: page.view.image is not None and page.faces.followed == 1)
    rig.pipeline.book = rig.bridge.baselines
    text = page.units_page.baseline.text
    assert text.text() == "No baseline"
    rig.press(page.calibrate_action)
    until(lambda: text.text().startswith("Collecting neutral frames: "))
    assert text.accessibleDescription() == text.text()
    rig.pipeline.seen_collecting.set()
    until(lambda: text.text().startswith("Baseline: "))
    shown = rig.bridge.shown
    assert shown.rows[0].occurrence[0] < 0.4
    assert shown.result.faces[0].action_units.occurrence[0] == pytest.approx(0.4)  # of the model
    rig.press(page.clear_baseline_action)
    until(lambda: text.text() == "No baseline" and rig.bridge.shown.rows[0].occurrence[0] == 0.4)
    rig.press(page.undo_baseline_action)
    until(lambda: text.text().startswith("Baseline: "))
    assert page.units_page.baseline.button.accessibleName() == "Calibrate on neutral face"
    rig.press(page.start_action)
    rig.press(page.start_action)  # the same source again: its tracks begin anew
    until(lambda: sum(text.startswith("The neutral baseline is gone") for text in rig.notices) == 1)


def test_a_model_that_has_no_usual_face_cannot_be_calibrated(rig, until, monkeypatch) -> None:
    monkeypatch.setattr("app.live.live_run.LiveRun.baselines", None)
    rig.press(rig.page.start_action)
    until(lambda: rig.page.view.image is not None)
    assert not rig.page.calibrate_action.isEnabled()
    rig.page.calibrate()  # does nothing
