"""Backward confirmation: the definition by brute force, order, resuming anywhere, and what is held at most."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import hindsight
from engine.capture.video_file import VideoFileSource
from engine.engine import Engine
from engine.hindsight import Hindsight
from engine.types import Frame, FrameResult, TrackState
from tests.fakes.faces import fake_face, fake_result

CONFIRM_S = 0.15
#: By frame: the state of each face in view.
Script = list[dict[int, TrackState]]
T, C = TrackState.TENTATIVE, TrackState.CONFIRMED


def frames_of(times_s: list[float], width: int = 4) -> list[Frame]:
    return [Frame(np.zeros((4, width, 3), np.uint8), index, time, "clip") for index, time in enumerate(times_s)]


def pipeline_of(script: Script):
    def process_all(frames: Sequence[Frame]) -> list[FrameResult]:
        return [process(frame) for frame in frames]

    def process(frame: Frame) -> FrameResult:
        faces = []
        for track_id, state in script[frame.index].items():
            face = fake_face(track_id=track_id)
            faces.append(dataclasses.replace(face, track=dataclasses.replace(face.track, state=state)))
        return fake_result(frame, *faces, snapshot=f"state after {frame.index}")

    return process_all


def run(script: Script, frames: list[Frame], first: int = 0, group: int = 1) -> list[FrameResult]:
    delayed = Hindsight(pipeline_of(script), CONFIRM_S, group)
    results = [result for frame in frames[first:] for result in delayed.feed(frame)]
    return [*results, *delayed.flush()]


def shown(results: list[FrameResult]) -> list[list[int]]:
    return [[face.track.track_id for face in result.faces] for result in results]


def every(step_s: float, count: int) -> list[Frame]:
    return frames_of([index * step_s for index in range(count)])


def test_a_face_in_view_from_frame_0_has_its_first_row_there() -> None:
    script: Script = [{1: T}] * 4 + [{1: C}] * 3
    results = run(script, every(0.04, 7))
    assert shown(results) == [[1]] * 7
    assert [result.frame.index for result in results] == list(range(7))
    assert {face.track.state for result in results for face in result.faces} == {C}


def test_a_face_that_is_never_confirmed_has_no_row() -> None:
    script: Script = [{1: C}, {1: C, 2: T}, {1: C, 2: T}, {1: C}, {1: C}]
    assert shown(run(script, every(0.04, 5))) == [[1]] * 5


def test_a_face_that_is_tentative_at_the_end_has_no_row() -> None:
    assert shown(run([{1: C}, {1: C, 2: T}], every(0.04, 2))) == [[1], [1]]


def test_results_come_at_once_while_nobody_is_tentative() -> None:
    delayed = Hindsight(pipeline_of([{1: C}] * 3), CONFIRM_S, 1)
    assert [len(delayed.feed(frame)) for frame in every(0.04, 3)] == [1, 1, 1]
    assert delayed.flush() == []


def test_results_are_held_for_twice_the_confirmation_time_at_most() -> None:
    count = 40
    delayed = Hindsight(pipeline_of([{1: T}] * count), CONFIRM_S, 1)
    held = 0
    for frame in every(0.02, count):
        held += 1 - len(delayed.feed(frame))
        assert held <= 2 * CONFIRM_S / 0.02 + 1
    assert held == len(delayed.flush()) == 2 * CONFIRM_S / 0.02 + 1


def test_a_face_confirmed_late_has_the_rows_that_are_still_held() -> None:
    """Confirmed after 0.6 s: rows from 0.3 s before."""
    script: Script = [{1: T}] * 30 + [{1: C}] * 2
    assert shown(run(script, every(0.02, 32))) == [[]] * 15 + [[1]] * 17


def test_in_a_slow_video_four_frames_may_wait() -> None:
    script: Script = [{1: T}] * 4 + [{1: C}]
    assert shown(run(script, every(1.0, 5))) == [[1]] * 5


def test_large_frames_are_held_less_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hindsight, "_MAX_BYTES", 3 * 4 * 1000 * 3)
    script: Script = [{1: T}] * 4 + [{1: C}]
    frames = frames_of([index * 0.02 for index in range(5)], width=1000)
    assert shown(run(script, frames)) == [[], [], [1], [1], [1]]


def test_frames_are_processed_in_groups_that_large_frames_make_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []

    def process_all(frames: Sequence[Frame]) -> list[FrameResult]:
        groups.append(len(frames))
        return [fake_result(frame) for frame in frames]

    def run_all() -> list[int]:
        delayed = Hindsight(process_all, CONFIRM_S)
        for frame in every(0.04, 19):
            delayed.feed(frame)
        delayed.flush()
        return groups

    assert run_all() == [8, 8, 3]
    groups.clear()
    monkeypatch.setattr(hindsight, "_GROUP_BYTES", 6 * 4 * 4 * 3)
    assert run_all() == [6, 6, 6, 1]


@st.composite
def scripts(draw: st.DrawFn) -> tuple[Script, list[Frame]]:
    """Faces that come, are lost, come back, are confirmed or not, in frames of irregular times."""
    steps = draw(st.lists(st.sampled_from([0.01, 0.04, 0.1, 0.15, 0.3, 1.0]), min_size=1, max_size=25))
    frames = frames_of(np.cumsum(steps).tolist())
    script: Script = [{} for _ in frames]
    for track_id in range(1, draw(st.integers(1, 4))):
        born = draw(st.integers(0, len(frames)))
        confirmed = draw(st.integers(born, len(frames) + 3))
        for index in range(born, len(frames)):
            if draw(st.integers(0, 4)):
                script[index][track_id] = C if index >= confirmed else T
    return script, frames


def expected(script: Script, frames: list[Frame]) -> list[list[int]]:
    """The definition: confirmed then, or later within the time or the number of frames that may wait."""

    def counts(index: int, track_id: int) -> bool:
        return any(
            script[later].get(track_id) is C
            and (later - index < 5 or frames[later].timestamp_s - frames[index].timestamp_s <= 2 * CONFIRM_S + 1e-6)
            for later in range(index, len(frames))
        )

    return [[track_id for track_id in script[index] if counts(index, track_id)] for index in range(len(frames))]


@given(scripts(), st.sampled_from([1, 3, 8]))
def test_a_face_counts_if_it_is_confirmed_soon_enough(given_: tuple[Script, list[Frame]], group: int) -> None:
    script, frames = given_
    results = run(script, frames, group=group)
    assert [result.frame.index for result in results] == [frame.index for frame in frames]
    assert shown(results) == expected(script, frames)


@given(scripts(), st.data())
def test_a_run_resumed_after_any_frame_gives_the_same_results(
    given_: tuple[Script, list[Frame]], data: st.DataObject
) -> None:
    """The state that comes with a result is that after its frame, however long it was held."""
    script, frames = given_
    whole = run(script, frames)
    last = data.draw(st.integers(0, len(frames) - 1))
    assert whole[last].snapshot == f"state after {last}"
    assert shown([*whole[: last + 1], *run(script, frames, last + 1)]) == shown(whole)


@pytest.mark.parametrize(
    "clip", ["pyfeat_mit/single_face.mp4", "pyfeat_mit/WolfgangLanger_Pexels.mp4", "ccby_intel/yes.mkv"]
)
def test_the_first_row_of_a_face_in_a_clip_is_frame_0(shared, face_models, clip) -> None:
    """With the real networks: these clips show a face from the start."""
    with Engine.open() as engine, VideoFileSource(shared / "media" / clip) as source:
        delayed = Hindsight(lambda frames: engine.process_all(frames, tentative=True), engine.config.tracking.confirm_s)
        results = [result for frame, _ in zip(source, range(16), strict=False) for result in delayed.feed(frame)]
    assert [result.frame.index for result in results][:1] == [0]
    assert results[0].faces
