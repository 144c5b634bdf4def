"""The bridge: opens, runs, pauses and ends live runs, reconnects lost sources, and never blocks the window."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from app.engine_cache import EngineCache
from app.live.live_run import RenderedFrame
from app.overlay.overlay import OverlayParts
from app.qt.bridge import LiveBridge, LiveState, RecordState
from app.qt.widgets.notice_bar import Notice, Severity
from app.session.journal import read_header, read_journal
from app.settings.limits import Limits
from engine.capture.source import FrameSource
from engine.config import EngineConfig, for_live
from engine.errors import BackendError, SourceError, ThreadStuckError
from tests.app.qt.window_fixture import FakeCamera
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.sessions import FakeEngines


class Rig:
    """A bridge with fake sources and a fake engine, and all that it emitted."""

    def __init__(self) -> None:
        self.pipeline = FakePipeline()
        self.engines = FakeEngines(self.pipeline)
        self.sources: list[FrameSource] = []
        self.opening: list[str] = []
        self.make_source: Callable[[], FrameSource] = FakeCamera
        self.bridge = LiveBridge(
            EngineConfig(),
            "litert",
            "0.1",
            open_source=self._open,
            engines=self.engines,
        )
        self.states: list[LiveState] = []
        self.shown: list[RenderedFrame] = []
        self.notices: list[Notice] = []
        self.bridge.state_changed.connect(self.states.append)
        self.bridge.presented.connect(self.shown.append)
        self.bridge.noticed.connect(lambda notice: self.notices.append(notice) if notice.text else None)

    def _open(self, spec: str) -> FrameSource:
        self.opening.append(spec)
        self.sources.append(self.make_source())
        return self.sources[-1]

    @property
    def threads(self) -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("mien-")]


@pytest.mark.usefixtures("_offscreen")
def test_live_engines_are_built_meanwhile() -> None:
    engines = EngineCache()
    bridge = LiveBridge(EngineConfig(), "litert", "0.1", engines=engines)
    bridge.configure(EngineConfig(threads=3), "litert")
    assert engines._wanted == (for_live(EngineConfig(threads=3)), "litert")
    assert LiveBridge(EngineConfig(), "litert", "0.1")._engines._wanted == (for_live(EngineConfig()), "litert")


@pytest.fixture
def fast_retry(monkeypatch):
    """Notice the end of a run and reopen lost sources without delay; request it before ``rig``."""
    monkeypatch.setattr("app.qt.bridge._METER_S", 0.01)
    monkeypatch.setattr("app.qt.bridge._RETRY_MS", 5)


@pytest.fixture
def rig(_offscreen):
    rig = Rig()
    yield rig
    rig.bridge.shutdown()
    rig.bridge.deleteLater()


def test_a_source_is_opened_run_and_released(rig, until):
    rig.bridge.open("0")
    assert rig.bridge.state is LiveState.OPENING
    until(lambda: len(rig.shown) > 3)
    assert rig.states == [LiveState.OPENING, LiveState.RUNNING]
    rig.bridge.stop()
    until(lambda: rig.sources[0].closed)
    assert rig.bridge.state is LiveState.IDLE


def test_image_and_result_belong_to_the_same_frame(rig, until):
    rig.bridge.set_overlay(OverlayParts(boxes=False, chips=False, units=False, disclaimer=False))
    rig.bridge.set_view_size(160, 120)
    rig.bridge.open("0")
    until(lambda: len(rig.shown) > 40)
    for shown in rig.shown:
        level = shown.result.frame.index % 200  # fake frames have the grey level of their index
        assert (shown.image[..., :3] == level).all()
        assert all(row.frame == shown.result.frame.index for row in shown.rows)


def test_images_fit_the_view(rig, until):
    rig.bridge.set_view_size(320, 300)
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    assert rig.shown[0].image.shape == (240, 320, 4)


def test_pause_step_and_resume(rig, until):
    index = _pause(rig, until, rig.bridge.step)  # pauses a running source
    assert rig.bridge.state is LiveState.PAUSED
    for expected in (index + 1, index + 2):
        rig.bridge.step()
        until(lambda expected=expected: _index(rig) == expected)
    assert rig.pipeline.processed[-1] == index + 2
    rig.bridge.resume()
    until(lambda: _index(rig) > index + 5)
    assert rig.bridge.state is LiveState.RUNNING


def _pause(rig, until, pause: Callable[[], None]) -> int:
    """Open a file, pause it while its frame 20 is analysed, and return that index once the frame is shown."""
    reached, free = threading.Event(), threading.Event()

    def wait(index: int) -> None:
        if index == 20:
            reached.set()
            assert free.wait(10)

    rig.make_source = lambda: FakeSource(10**7)
    rig.pipeline.on_frame = wait
    rig.bridge.open("clip.mp4")
    until(reached.is_set)
    pause()
    free.set()
    until(lambda: bool(rig.shown) and _index(rig) == 20)  # no other follows
    return 20


def _index(rig) -> int:
    return rig.shown[-1].result.frame.index


def test_a_frame_that_comes_while_the_one_before_is_rendered_again_is_shown(rig, until):
    index = _pause(rig, until, rig.bridge.pause)
    rig.bridge.step()
    renderer = rig.bridge._run.renderer
    deadline = time.monotonic() + 10
    while renderer.newest.result.frame.index == index:  # without the event loop: the window does not have it yet
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert _index(rig) == index
    rig.bridge.set_overlay(OverlayParts(boxes=False))
    assert _index(rig) == index + 1
    until(lambda: renderer.newest is rig.shown[-1])  # the renderer may have seen the change too, and draw it again
    assert _index(rig) == index + 1


def test_a_file_ends_with_its_last_frame_and_can_be_played_again(rig, until):
    rig.make_source = lambda: FakeSource(12)
    rig.bridge.open("clip.mp4")
    until(lambda: rig.bridge.state is LiveState.ENDED)
    assert rig.shown[-1].result.frame.index == 11
    assert "has ended" in rig.notices[-1].text
    rig.bridge.open("clip.mp4")
    until(lambda: rig.states[-2:] == [LiveState.RUNNING, LiveState.ENDED] and len(rig.sources) == 2)


def test_a_source_that_cannot_be_opened_gives_one_notice(rig, until):
    def fail() -> FrameSource:
        raise SourceError("camera 9 cannot be opened: plug it in")

    rig.make_source = fail
    rig.bridge.open("9")
    until(lambda: rig.bridge.state is LiveState.FAILED)
    assert [notice.text for notice in rig.notices] == ["camera 9 cannot be opened: plug it in"]
    assert rig.notices[0].severity is Severity.ERROR


def test_the_source_is_released_if_the_engine_cannot_be_opened(rig, until):
    rig.engines.fault = BackendError("no backend can run the model: run mien doctor")
    rig.bridge.open("0")
    until(lambda: rig.bridge.state is LiveState.FAILED)
    assert rig.sources[0].closed
    assert "mien doctor" in rig.notices[-1].text


def test_an_error_on_the_first_frame_gives_a_notice(fast_retry, rig, until):
    rig.pipeline.fail_at = 0
    rig.make_source = lambda: FakeSource(10**7)
    for _ in range(20):  # the run may end before the window has handled its start
        rig.bridge.open("0")
        until(lambda: rig.bridge.state is LiveState.FAILED)
        assert rig.notices[-1].text == "RuntimeError: made to fail"


def test_a_stuck_engine_is_abandoned(rig, until, monkeypatch):
    free, stuck = threading.Event(), threading.Event()

    def hang(index: int) -> None:
        stuck.set()
        assert free.wait(10)

    rig.pipeline.on_frame = hang
    abandoned = []
    monkeypatch.setattr(rig.engines, "abandon", lambda: abandoned.append(True))
    rig.bridge.open("0")
    until(stuck.is_set)
    rig.bridge.open("1")
    until(lambda: len(rig.sources) == 2 and rig.bridge.state is LiveState.RUNNING)
    free.set()
    assert abandoned == [True]


def test_an_error_while_presenting_ends_the_run_with_a_notice(rig, until, monkeypatch):
    def fail(*args: object) -> None:
        raise ValueError("fails on purpose")

    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    monkeypatch.setattr("app.live.live_run.present", fail)
    until(lambda: rig.bridge.state is LiveState.FAILED)
    assert rig.notices[-1].text == "ValueError: fails on purpose"
    assert rig.sources[0].closed


def test_an_unplugged_camera_gives_one_notice_and_is_reconnected(fast_retry, rig, until):
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    working = rig.make_source

    def gone() -> FrameSource:
        raise SourceError("camera 0 cannot be opened: plug it in")

    rig.make_source = gone
    rig.sources[0].unplugged.set()
    until(lambda: rig.bridge.state is LiveState.LOST)
    until(lambda: len(rig.opening) > 4)  # several retries
    assert [notice.severity for notice in rig.notices] == [Severity.ERROR]
    assert "resumes automatically" in rig.notices[0].text
    rig.make_source = working
    until(lambda: rig.bridge.state is LiveState.RUNNING)
    assert "is back" in rig.notices[-1].text
    count = len(rig.shown)
    until(lambda: len(rig.shown) > count + 2)


def test_retry_now_reopens_a_camera_at_once(rig, until):
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    rig.sources[0].unplugged.set()
    until(lambda: rig.bridge.state is LiveState.LOST)
    rig.bridge.retry_now()  # the next automatic retry is two seconds away
    until(lambda: rig.bridge.state is LiveState.RUNNING)


def test_a_hundred_reconnections_leave_no_thread(fast_retry, rig, until):
    rig.bridge.open("0")
    for cycle in range(100):
        until(lambda cycle=cycle: rig.bridge.state is LiveState.RUNNING and len(rig.sources) == cycle + 1)
        rig.sources[-1].unplugged.set()
        until(lambda: rig.bridge.state is not LiveState.RUNNING)
    until(lambda: rig.bridge.state is LiveState.RUNNING)
    assert len([name for name in rig.threads if name.startswith("mien-capture")]) == 1
    assert all(source.closed for source in rig.sources[:-1])


def test_slow_inference_does_not_block_the_window(rig, until):
    reached, free = threading.Event(), threading.Event()
    waits: list[bool] = []

    def hang(index: int) -> None:
        if index >= 2:  # any of them may be dropped
            reached.set()
            waits.append(free.wait(10))

    rig.pipeline.on_frame = hang
    rig.bridge.open("0")
    until(reached.is_set)
    rig.bridge.set_limits(Limits(0.5, 0.9))
    rig.bridge.pause()
    rig.bridge.resume()
    rig.bridge.set_view_size(200, 100)
    rig.bridge.stop()
    rig.bridge.open("0")
    free.set()
    until(lambda: len(rig.sources) == 2 and rig.bridge.state is LiveState.RUNNING)
    assert all(waits)  # every call returned while the frame was analysed


def test_the_last_request_wins(rig, until):
    for spec in ("a", "b", "c"):
        rig.bridge.open(spec)
    until(lambda: rig.bridge.state is LiveState.RUNNING)
    assert rig.opening[-1] == "c"
    assert all(source.closed for source in rig.sources[:-1])
    rig.bridge.open("d")
    rig.bridge.stop()
    until(lambda: all(source.closed for source in rig.sources))
    assert rig.bridge.state is LiveState.IDLE


def test_limits_reach_the_router_the_header_and_a_paused_frame(rig, until):
    rig.pipeline.turns = (1,)  # accepted faces only: which frames the window takes is a matter of load
    _pause(rig, until, rig.bridge.pause)
    assert rig.shown[-1].rows[0].decision == "accept"
    rig.bridge.set_limits(Limits(0.1, 0.95))
    until(lambda: rig.shown[-1].rows[0].decision == "ambiguous")
    assert rig.bridge.header.aleatoric_limit == 0.1
    assert rig.pipeline.calibration.aleatoric_limit == 0.1
    assert rig.bridge.shares().ambiguous > rig.bridge.shares().accepted
    rig.bridge.set_limits(None)
    until(lambda: rig.shown[-1].rows[0].decision == "accept")
    assert rig.bridge.header.aleatoric_limit == rig.bridge.model_limits.aleatoric_limit


def test_a_recording_is_a_complete_session_with_fixed_limits(rig, until, tmp_path):
    saved = []
    rig.bridge.recording.recorded.connect(saved.append)
    rig.bridge.open("0")
    until(lambda: len(rig.shown) > 3)
    rig.bridge.start_recording(tmp_path)
    assert rig.bridge.recording.state is RecordState.ON
    until(lambda: rig.bridge.recording.duration_s > 0.5)
    rig.bridge.set_limits(Limits(0.1, 0.95))  # refused while recording
    rig.bridge.recording.stop()
    until(lambda: bool(saved))
    assert rig.bridge.recording.state is RecordState.OFF
    assert rig.bridge.state is LiveState.RUNNING
    folder = saved[0]
    entries = list(read_journal(folder / "journal.jsonl"))
    assert entries[0].frame == 0
    assert entries[0].rows[0].time_s == 0
    assert {path.name for path in folder.iterdir()} >= {"journal.jsonl", "faces.csv", "video.mp4", "metadata.json"}
    assert read_header(folder / "journal.jsonl").aleatoric_limit == rig.bridge.model_limits.aleatoric_limit


def test_stopping_the_run_finishes_its_recording(rig, until, tmp_path):
    saved = []
    rig.bridge.recording.recorded.connect(saved.append)
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    rig.bridge.start_recording(tmp_path)
    until(lambda: rig.bridge.recording.duration_s > 0.2)
    rig.bridge.stop()
    until(lambda: bool(saved))
    assert '"completed": true' in (saved[0] / "metadata.json").read_text()


def test_an_unwritable_folder_ends_the_recording_but_not_the_run(rig, until, tmp_path):
    (tmp_path / "taken").write_text("a file")
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    rig.bridge.start_recording(tmp_path / "taken")
    until(lambda: any(notice.topic == "record" for notice in rig.notices))
    until(lambda: rig.bridge.recording.state is RecordState.OFF)
    assert rig.notices[-1].severity is Severity.ERROR
    count = len(rig.shown)
    until(lambda: len(rig.shown) > count + 2)


def test_closing_while_recording_keeps_the_recording(rig, until, tmp_path):
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    rig.bridge.start_recording(tmp_path)
    until(lambda: rig.bridge.recording.duration_s > 0.2)
    rig.bridge.shutdown()
    folder = next(tmp_path.iterdir())
    assert '"completed": true' in (folder / "metadata.json").read_text()


def test_a_snapshot_has_the_resolution_of_its_source(rig, until, tmp_path):
    import cv2

    rig.bridge.set_view_size(50, 50)
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    rig.bridge.save_snapshot(tmp_path / "new")
    until(lambda: any(notice.topic == "snapshot" for notice in rig.notices))
    path = next((tmp_path / "new").glob("mien-*.png"))
    assert cv2.imread(str(path)).shape == (120, 160, 3)
    (tmp_path / "file").write_text("")
    rig.bridge.save_snapshot(tmp_path / "file")
    until(lambda: rig.notices[-1].severity is Severity.ERROR)
    assert "choose another folder" in rig.notices[-1].text


class SlowToEnd(FakeSource):
    """A file whose run ends some time after its last frame."""

    def __init__(self) -> None:
        super().__init__(6)
        self.free = threading.Event()

    def interrupt(self) -> None:
        assert self.free.wait(10)
        super().interrupt()


def test_a_run_that_ends_after_its_last_frame_has_not_failed(rig, until, qtbot):
    rig.make_source = SlowToEnd
    rig.bridge.open("clip.mp4")
    until(lambda: rig.shown and rig.shown[-1].result.frame.index == 5)
    qtbot.wait(600)  # the bridge polls for the end of the run every quarter of a second
    rig.sources[0].free.set()
    until(lambda: rig.bridge.state is LiveState.ENDED)
    assert rig.states == [LiveState.OPENING, LiveState.RUNNING, LiveState.ENDED]


def test_a_source_that_is_being_opened_cannot_be_paused(rig, until):
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    rig.bridge.open("1")
    rig.bridge.pause()
    assert rig.bridge.state is LiveState.OPENING
    until(lambda: rig.bridge.state is LiveState.RUNNING)


def test_a_stuck_opener_does_not_keep_other_threads_alive(rig, until, tmp_path, monkeypatch):
    rig.bridge.open("0")
    until(lambda: bool(rig.shown))
    rig.bridge.save_snapshot(tmp_path)
    free, stuck = threading.Event(), threading.Event()

    def hang() -> FrameSource:
        stuck.set()
        assert free.wait(10)
        return FakeCamera()

    rig.make_source = hang
    rig.bridge.open("rtsp://nowhere")
    until(stuck.is_set)
    monkeypatch.setattr("app.qt.background._CLOSE_S", 0.05)
    with pytest.raises(ThreadStuckError):
        rig.bridge.shutdown()
    assert "mien-save" not in rig.threads
    free.set()
    until(lambda: not rig.threads)
