"""The path of one frame: inputs and results of each stage, and continuing from a snapshot."""

from __future__ import annotations

import dataclasses
import json
import threading

import numpy as np
import pytest

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from engine.analysis_rate import FIXED_FACES
from engine.backends.contract import ExpressionCalibration
from engine.baseline import BaselineBook
from engine.config import EngineConfig
from engine.errors import BackendError, OutputError, Remedy
from engine.facs import EXPRESSIONS
from engine.pipeline import Pipeline
from engine.routing import Router
from engine.tracking.tracker import FaceTracker
from engine.types import (
    AUEstimate,
    BaselineState,
    ExpressionEstimate,
    FaceTrack,
    Frame,
    HeadPose,
    QualityReason,
    Route,
    TrackState,
)
from engine.uncertainty import assess_uncertainty
from tests.fakes.faces import plain_decision

CALIBRATION = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.1, 0.2), "fake")
CONFIG = EngineConfig()


def _frame(index=0, height=240, width=320):
    image = np.random.default_rng(5).integers(60, 200, (height, width, 3), np.uint8)
    return Frame(image, index, index / 25, "fake")


def _track(track_id=1, state=TrackState.CONFIRMED, x=40.0, y=40.0, size=100.0, yaw_deg=0.0):
    """A face whose canonical view is the square at x, y of this size."""
    mesh = np.zeros((468, 3), np.float32)
    mesh[:, :2] = (x + size / 2, y + size / 2)
    mesh[list(TEMPLATE_POINTS), :2] = TEMPLATE * size + (x, y)
    box = np.array([x, y, x + size, y + size], np.float32)
    return FaceTrack(track_id, state, box, mesh, HeadPose(yaw_deg, 0.0, 0.0), 0.99, 1.0)


class ScriptedTracker:
    """Returns the tracks of the script frame by frame; its state is the position in the script."""

    def __init__(self, *script):
        self._script = script
        self.place = 0
        self.cut = False
        self.left_out = 0
        self.closed = False

    def track(self, frame):
        self.place += 1
        return tuple(self._script[(self.place - 1) % len(self._script)])

    def snapshot(self):
        return str(self.place)

    def restore(self, text):
        self.place = int(text)

    def close(self):
        self.closed = True


class Expressions:
    """Happiness rises with the brightness of the crop; records its inputs."""

    def __init__(self):
        self.given = []

    def estimate(self, faces):
        self.given.append(list(faces))
        return [self._of(face) for face in faces]

    def _of(self, face):
        share = 0.4 + 0.5 * float(face.crop.mean()) / 255
        members = np.full((5, len(EXPRESSIONS)), (1 - share) / 7, np.float32)
        members[:, 1] = share
        return ExpressionEstimate(members, members.mean(0))


class Units:
    """One unit per face, whose code is the track id."""

    def estimate(self, faces):
        one, square = np.full(1, 0.5, np.float32), np.zeros((1, 1), np.float32)
        return [AUEstimate(np.array([face.track_id]), one, one, one, one, square, square, square) for face in faces]


class Network:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


def _pipeline(*script, **parts):
    tracker = parts.get("tracker") or ScriptedTracker(*script)
    expression = parts.get("expression") or Expressions()
    router = parts.get("router") or Router(CALIBRATION, CONFIG.routing)
    return Pipeline(
        tracker, expression, Units(), router, CONFIG, parts.get("resources", ()), baselines=parts.get("baselines")
    )


def test_every_stage_assigns_its_results_to_the_right_face():
    tracks = [_track(7, x=20), _track(8, x=180, size=110)]
    result = _pipeline(tracks).process(_frame(3))
    assert result.frame.index == 3
    assert [face.track.track_id for face in result.faces] == [8, 7]
    for face in result.faces:
        assert face.aligned.track_id == face.track.track_id == face.action_units.codes[0]
        assert face.expression.probabilities[1] == pytest.approx(0.4 + 0.5 * face.aligned.crop.mean() / 255)
        raw = assess_uncertainty(face.expression, CALIBRATION)
        assert dataclasses.astuple(face.uncertainty) == dataclasses.astuple(raw)
        assert face.decision.labels[0] == "happiness"


def test_faces_are_sorted_by_size_then_age():
    tracks = [_track(3, size=60), _track(5, size=90), _track(4, size=60), _track(2, size=30)]
    result = _pipeline(tracks).process(_frame())
    assert [face.track.track_id for face in result.faces] == [5, 3, 4, 2]


@pytest.mark.parametrize("state", [TrackState.TENTATIVE, TrackState.LOST])
def test_only_confirmed_tracks_become_faces(state):
    expression = Expressions()
    result = _pipeline([_track(1, state), _track(2)], expression=expression).process(_frame())
    assert [face.track.track_id for face in result.faces] == [2]
    assert [face.track_id for face in expression.given[0]] == [2]


def test_a_frame_without_a_face_has_an_empty_result():
    result = _pipeline([]).process(_frame())
    assert result.faces == ()
    assert result.times.total_ms >= 0
    assert result.snapshot is None


def test_the_estimators_receive_all_faces_of_a_frame_at_once():
    expression = Expressions()
    _pipeline([_track(1), _track(2, x=160)], expression=expression).process(_frame())
    assert [len(faces) for faces in expression.given] == [2]


def test_the_crop_is_the_canonical_view_and_maps_back_to_the_frame():
    result = _pipeline([_track(x=40, y=60, size=96)]).process(_frame())
    aligned = result.faces[0].aligned
    assert aligned.frame_from_crop == pytest.approx(np.array([[1, 0, 40], [0, 1, 60]]), abs=1e-3)
    assert aligned.landmarks[list(TEMPLATE_POINTS)] == pytest.approx(TEMPLATE, abs=1e-3)


def test_a_face_turned_away_is_not_assessed():
    turned = _track(yaw_deg=CONFIG.quality.max_yaw_deg * 1.5)
    face = _pipeline([turned]).process(_frame()).faces[0]
    assert QualityReason.TURNED_AWAY in face.aligned.quality.reasons
    assert face.decision.route is Route.REJECT


def test_every_stage_is_timed():
    times = _pipeline([_track()]).process(_frame()).times
    stages = [times.tracking_ms, times.alignment_ms, times.expression_ms, times.action_units_ms, times.routing_ms]
    assert all(stage_ms > 0 for stage_ms in stages)
    assert times.total_ms == pytest.approx(sum(stages))


def test_a_restored_pipeline_gives_the_same_results():
    script = [[_track(1, x=10.0 * place, yaw_deg=60.0 * (place in (4, 5, 6))), _track(2, x=180)] for place in range(9)]

    def shown(result):
        return [plain_decision(face.decision) for face in result.faces]

    whole = _pipeline(*script)
    expected = [shown(whole.process(_frame(index))) for index in range(9)]
    first, second = _pipeline(*script), _pipeline(*script)
    got = [shown(first.process(_frame(index))) for index in range(5)]
    second.restore(first.snapshot())
    got += [shown(second.process(_frame(index))) for index in range(5, 9)]
    assert got == expected


def test_a_face_has_the_baseline_that_was_collected_for_it_and_keeps_it_after_a_restart():
    script = [[_track(1), _track(2, x=180)] for _ in range(120)]
    books = [BaselineBook(np.full(1, -3.0, np.float32)) for _ in range(2)]
    first, second = (_pipeline(*script, baselines=book) for book in books)
    books[0].collect(1)
    found = [first.process(_frame(index)).faces for index in range(100)]
    states = [faces[0].baseline.state for faces in found]
    assert states[0] is BaselineState.COLLECTING
    assert states[-1] is BaselineState.KNOWN
    assert {faces[1].baseline.state for faces in found} == {BaselineState.NONE}
    assert found[-1][0].action_units.occurrence == 0.5  # of the model
    second.restore(first.snapshot())
    assert second.process(_frame(100)).faces[0].baseline.shift == found[-1][0].baseline.shift


def test_a_state_from_before_there_were_baselines_is_read():
    first, second = _pipeline([_track()]), _pipeline([_track()], baselines=BaselineBook(np.zeros(1, np.float32)))
    second.restore(first.snapshot())
    assert second.process(_frame()).faces[0].baseline.state is BaselineState.NONE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"tracker": "0"}',
        '{"tracker": "0", "router": "[]"}',
        '{"tracker": "x", "router": "{}"}',
        '{"tracker": 0}',
    ],
)
def test_an_unreadable_state_is_an_error_with_a_remedy(text):
    with pytest.raises(
        OutputError, match="saved state cannot be read", check=lambda error: error.remedy is Remedy.RESTART
    ):
        _pipeline([]).restore(text)


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize("left_out", ["turns", "shot_s", "cuts", "searches"])
def test_a_state_of_an_earlier_version_of_the_tracker_is_an_error_with_a_remedy(left_out):
    first = _pipeline(tracker=FaceTracker(CONFIG.tracking))
    first.process(_frame())
    saved = json.loads(first.snapshot())
    tracker = json.loads(saved["tracker"])
    del tracker[left_out]
    with pytest.raises(
        OutputError, match="saved state cannot be read", check=lambda error: error.remedy is Remedy.RESTART
    ):
        _pipeline(tracker=FaceTracker(CONFIG.tracking)).restore(json.dumps({**saved, "tracker": json.dumps(tracker)}))


def test_the_router_forgets_faces_that_have_left():
    router = Router(CALIBRATION, CONFIG.routing)
    pipeline = _pipeline([_track(1)], [], [], router=router)
    kept = []
    for time_s in (0.0, CONFIG.tracking.keep_lost_s - 0.1, CONFIG.tracking.keep_lost_s + 0.1):
        pipeline.process(dataclasses.replace(_frame(), timestamp_s=time_s))
        kept.append(list(json.loads(router.snapshot())))
    assert kept == [["1"], ["1"], []]


def test_closing_releases_the_tracker_and_the_networks():
    tracker, networks = ScriptedTracker([]), (Network(), Network())
    _pipeline(tracker=tracker, resources=networks).close()
    assert tracker.closed
    assert [network.closed for network in networks] == [1, 1]


def test_cuts_and_faces_left_out_are_in_the_result():
    tracker = ScriptedTracker([])
    tracker.cut, tracker.left_out = True, 3
    result = _pipeline(tracker=tracker).process(_frame())
    assert (result.cut, result.left_out) == (True, 3)


def test_several_frames_are_processed_as_one_by_one_with_one_run_of_the_networks():
    script = [[_track(1)], [], [_track(1, x=60), _track(2, size=60)], [_track(2, size=70)]]
    frames = [_frame(index) for index in range(4)]
    expression = Expressions()
    together, alone = _pipeline(*script, expression=expression), _pipeline(*script)
    found = together.process_all(frames)
    wanted = [alone.process(frame) for frame in frames]
    assert len(expression.given) == 1
    assert [result.frame.index for result in found] == [0, 1, 2, 3]
    for each, other in zip(found, wanted, strict=True):
        assert [face.track.track_id for face in each.faces] == [face.track.track_id for face in other.faces]
        decisions = [[plain_decision(face.decision) for face in result.faces] for result in (each, other)]
        assert decisions[0] == decisions[1]
    assert together.snapshot() == alone.snapshot()


class Clock:
    """Seconds that pass only when a network runs."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class SlowExpressions(Expressions):
    """Takes a time for each face, and a fixed one as for FIXED_FACES more."""

    def __init__(self, clock, face_ms):
        super().__init__()
        self._clock, self._face_ms = clock, face_ms

    def estimate(self, faces):
        self._clock.now_s += (len(faces) + FIXED_FACES) * self._face_ms / 1000
        return super().estimate(faces)


def _slow_pipeline(script, face_ms):
    clock = Clock()
    expression = SlowExpressions(clock, face_ms)
    router = Router(CALIBRATION, CONFIG.routing)
    pipeline = Pipeline(ScriptedTracker(*script), expression, Units(), router, CONFIG, (), clock)
    _OPEN.append(pipeline)
    pipeline._rate.measured([0], 0.0)  # the first frame counts for nothing
    return pipeline, expression, router


_OPEN = []


@pytest.fixture(autouse=True)
def _all_closed():
    """The thread of a live pipeline ends with it."""
    yield
    while _OPEN:
        _OPEN.pop().close()


def _four(count=4):
    return [_track(1 + place, x=10 + 75 * place, size=70 - place) for place in range(count)]


def test_live_every_face_of_every_frame_is_analysed_while_they_fit():
    pipeline, expression, _ = _slow_pipeline([_four()], face_ms=6.0)
    results = [pipeline.process_live(_frame(index)) for index in range(4)]
    assert [len(faces) for faces in expression.given] == [4] * 4
    assert not any(face.carried for result in results for face in result.faces)


def test_live_both_networks_run_at_the_same_time():
    """Each waits for the other: in turn, neither would end."""
    expression_runs, units_run = threading.Event(), threading.Event()

    class MeetingExpressions(Expressions):
        def estimate(self, faces):
            expression_runs.set()
            assert units_run.wait(10)
            return super().estimate(faces)

    class MeetingUnits(Units):
        def estimate(self, faces):
            units_run.set()
            assert expression_runs.wait(10)
            return super().estimate(faces)

    pipeline = Pipeline(
        ScriptedTracker(_four()), MeetingExpressions(), MeetingUnits(), Router(CALIBRATION, CONFIG.routing), CONFIG
    )
    _OPEN.append(pipeline)
    assert len(pipeline.process_live(_frame(0)).faces) == 4


def test_live_an_error_of_either_network_is_raised_and_the_next_frame_is_processed():
    class FailingOnce:
        def __init__(self, stage):
            self._stage, self._failed = stage, False

        def estimate(self, faces):
            if not self._failed:
                self._failed = True
                raise BackendError("the network cannot run")
            return self._stage.estimate(faces)

    for parts in ((FailingOnce(Expressions()), Units()), (Expressions(), FailingOnce(Units()))):
        pipeline = Pipeline(ScriptedTracker(_four()), *parts, Router(CALIBRATION, CONFIG.routing), CONFIG)
        _OPEN.append(pipeline)
        with pytest.raises(BackendError):
            pipeline.process_live(_frame(0))
        assert len(pipeline.process_live(_frame(1)).faces) == 4


def test_the_state_in_a_result_is_that_after_its_frame_though_later_frames_are_tracked():
    frames = [_frame(index) for index in range(4)]
    ahead, alone = _pipeline([_track(1)]), _pipeline([_track(1)])
    first, second = (ahead.track_all(frames[start : start + 2], snapshot=True) for start in (0, 2))
    found = [*first(), *second()]
    for frame, result in zip(frames, found, strict=True):
        alone.process(frame)
        assert result.snapshot in ((None,) if frame.index % 2 == 0 else (alone.snapshot(),))


def test_live_faces_take_turns_under_load_and_all_are_tracked():
    pipeline, expression, _ = _slow_pipeline([_four()], face_ms=10.0)
    results = [pipeline.process_live(_frame(index)) for index in range(5)]
    assert [[face.track_id for face in faces] for faces in expression.given] == [[1, 2, 3, 4], *[[1, 2], [3, 4]] * 2]
    assert [[face.carried for face in result.faces] for result in results[1:]] == [[0, 0, 1, 1], [1, 1, 0, 0]] * 2
    assert all([face.track.track_id for face in result.faces] == [1, 2, 3, 4] for result in results)
    for before, after in zip(results, results[1:], strict=False):
        for old, new in zip(before.faces, after.faces, strict=True):
            if new.carried:
                assert (new.expression, new.action_units) == (old.expression, old.action_units)
                assert new.decision is old.decision
                assert new.aligned is not old.aligned


def test_a_carried_face_does_not_enter_its_average_again():
    pipeline, _, router = _slow_pipeline([_four(2)], face_ms=33.0)
    pipeline.process_live(_frame(0))
    before = json.loads(router.snapshot())
    result = pipeline.process_live(_frame(1))
    after = json.loads(router.snapshot())
    assert [face.carried for face in result.faces] == [0, 1]
    assert before["1"] != after["1"]
    assert before["2"] == after["2"]


def test_the_average_of_a_face_that_waits_long_is_kept():
    pipeline, _, router = _slow_pipeline([_four()], face_ms=33.0)
    step = int(CONFIG.tracking.keep_lost_s * 25) + 1
    for turn in range(3):
        pipeline.process_live(_frame(turn * step))
    assert set(json.loads(router.snapshot())) == {"1", "2", "3", "4"}


def test_a_new_face_is_analysed_at_once_under_load():
    pipeline, _, _ = _slow_pipeline([_four(3), _four(3), _four(4)], face_ms=33.0)
    results = [pipeline.process_live(_frame(index)) for index in range(3)]
    assert [face.carried for face in results[1].faces] == [0, 1, 1]
    assert results[2].faces[3].carried == 0


def test_a_restored_pipeline_carries_nothing():
    pipeline, expression, _ = _slow_pipeline([_four()], face_ms=33.0)
    start = pipeline.snapshot()
    for index in range(2):
        pipeline.process_live(_frame(index))
    pipeline.restore(start)
    assert not any(face.carried for face in pipeline.process_live(_frame(0)).faces)
    assert len(expression.given[-1]) == 4


def test_files_analyse_everything_under_load():
    pipeline, expression, _ = _slow_pipeline([_four()], face_ms=99.0)
    results = [*[pipeline.process(_frame(index)) for index in range(3)], *pipeline.process_all([_frame(3), _frame(4)])]
    assert not any(face.carried for result in results for face in result.faces)
    assert [len(faces) for faces in expression.given] == [4, 4, 4, 8]
