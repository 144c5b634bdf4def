"""The path of one frame: inputs and results of each stage, and continuing from a snapshot."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from engine.backends.contract import ExpressionCalibration
from engine.config import EngineConfig
from engine.errors import OutputError, Remedy
from engine.facs import EXPRESSIONS
from engine.pipeline import Pipeline
from engine.routing import Router
from engine.types import (
    AUEstimate,
    ExpressionEstimate,
    FaceTrack,
    Frame,
    HeadPose,
    QualityReason,
    Route,
    TrackState,
)
from engine.uncertainty import assess_uncertainty

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
    return Pipeline(tracker, expression, Units(), router, CONFIG, parts.get("resources", ()))


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
        return [dataclasses.astuple(face.decision) for face in result.faces]

    whole = _pipeline(*script)
    expected = [shown(whole.process(_frame(index))) for index in range(9)]
    first, second = _pipeline(*script), _pipeline(*script)
    got = [shown(first.process(_frame(index))) for index in range(5)]
    second.restore(first.snapshot())
    got += [shown(second.process(_frame(index))) for index in range(5, 9)]
    assert got == expected


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
        decisions = [[dataclasses.astuple(face.decision) for face in result.faces] for result in (each, other)]
        assert decisions[0] == decisions[1]
    assert together.snapshot() == alone.snapshot()
