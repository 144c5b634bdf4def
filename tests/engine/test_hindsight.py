"""Backward confirmation: the definition by brute force, order, resuming anywhere, and what is held at most."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import hindsight
from engine.capture.video_file import VideoFileSource
from engine.config import RuntimeConfig
from engine.engine import Engine
from engine.errors import BackendError
from engine.hindsight import GROUP_FRAMES, Hindsight
from engine.runtime import Runtime, RuntimeState
from engine.types import Analysis, Frame, FrameResult, TrackState
from tests.fakes.engines import FakeSource
from tests.fakes.faces import fake_face, fake_result, plain_decision

CONFIRM_S = 0.15
#: By frame: the state of each face in view.
Script = list[dict[int, TrackState]]
T, C = TrackState.TENTATIVE, TrackState.CONFIRMED


def frames_of(times_s: list[float], width: int = 4) -> list[Frame]:
    return [Frame(np.zeros((4, width, 3), np.uint8), index, time, "clip") for index, time in enumerate(times_s)]


def pipeline_of(script: Script):
    def track_all(frames: Sequence[Frame]) -> Analysis:
        return lambda: [process(frame) for frame in frames]

    def process(frame: Frame) -> FrameResult:
        faces = []
        for track_id, state in script[frame.index].items():
            face = fake_face(track_id=track_id)
            faces.append(dataclasses.replace(face, track=dataclasses.replace(face.track, state=state)))
        return fake_result(frame, *faces, snapshot=f"state after {frame.index}")

    return track_all


def run(script: Script, frames: list[Frame], first: int = 0, group: int = 1) -> list[FrameResult]:
    delayed = Hindsight(pipeline_of(script), CONFIRM_S, group)
    results = [result for frame in frames[first:] for result in delayed.feed(frame)]
    results += delayed.flush()
    delayed.end()
    return results


@pytest.fixture
def delayed_of() -> Iterator[Callable[..., Hindsight]]:
    """Makes a Hindsight whose thread ends with the test."""
    made: list[Hindsight] = []

    def make(track_all: Callable[[Sequence[Frame]], Analysis], group: int = GROUP_FRAMES) -> Hindsight:
        made.append(Hindsight(track_all, CONFIRM_S, group))
        return made[-1]

    yield make
    for delayed in made:
        delayed.end()


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


def test_results_come_with_the_next_group_while_nobody_is_tentative(delayed_of) -> None:
    delayed = delayed_of(pipeline_of([{1: C}] * 4), 1)
    assert [[result.frame.index for result in delayed.feed(frame)] for frame in every(0.04, 3)] == [[], [0], [1]]
    assert [result.frame.index for result in delayed.flush()] == [2]


def test_results_are_held_for_twice_the_confirmation_time_at_most(delayed_of) -> None:
    count = 40
    delayed = delayed_of(pipeline_of([{1: T}] * count), 1)
    held = 0
    for frame in every(0.02, count):
        held += 1 - len(delayed.feed(frame))
        assert held <= 2 * CONFIRM_S / 0.02 + 2  # one of them is in the analysis
    assert held == len(delayed.flush()) == 2 * CONFIRM_S / 0.02 + 2


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


def test_frames_are_processed_in_groups_that_large_frames_make_smaller(monkeypatch, delayed_of) -> None:
    groups: list[int] = []

    def track_all(frames: Sequence[Frame]) -> Analysis:
        groups.append(len(frames))
        return lambda: [fake_result(frame) for frame in frames]

    def run_all() -> list[int]:
        delayed = delayed_of(track_all)
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
def test_the_first_row_of_a_face_in_a_clip_is_frame_0(shared, face_models, delayed_of, clip) -> None:
    """With the real networks: these clips show a face from the start."""
    with Engine.open() as engine, VideoFileSource(shared / "media" / clip) as source:
        delayed = delayed_of(lambda frames: engine.track_all(frames, tentative=True))
        results = [result for frame, _ in zip(source, range(16), strict=False) for result in delayed.feed(frame)]
        delayed.end()
    assert [result.frame.index for result in results][:1] == [0]
    assert results[0].faces


def test_a_group_is_tracked_while_the_one_before_is_analysed(delayed_of) -> None:
    """Each waits for the other: in turn, neither would end."""
    tracked, analysed = threading.Event(), threading.Event()

    def track_all(frames: Sequence[Frame]) -> Analysis:
        index = frames[0].index
        if index == 1:
            assert analysed.wait(10)
            tracked.set()

        def analyse() -> list[FrameResult]:
            if index == 0:
                analysed.set()
                assert tracked.wait(10)
            return [fake_result(frame) for frame in frames]

        return analyse

    delayed = delayed_of(track_all, 1)
    results = [result for frame in every(0.04, 3) for result in delayed.feed(frame)]
    assert [result.frame.index for result in [*results, *delayed.flush()]] == [0, 1, 2]


def test_an_error_of_the_analysis_comes_with_the_next_group(delayed_of) -> None:
    def track_all(frames: Sequence[Frame]) -> Analysis:
        def analyse() -> list[FrameResult]:
            raise BackendError("the network cannot run")

        return analyse

    delayed = delayed_of(track_all, 1)
    first, second = every(0.04, 2)
    assert delayed.feed(first) == []
    with pytest.raises(BackendError, match="cannot run"):
        delayed.feed(second)


def test_the_end_waits_for_the_analysis(delayed_of) -> None:
    done = []
    delayed = delayed_of(lambda frames: lambda: [done.append(frame.index) or fake_result(frame) for frame in frames], 1)
    delayed.feed(every(0.04, 1)[0])
    delayed.end()
    assert done == [0]


def test_the_error_of_the_last_analysis_is_raised_at_the_end(delayed_of) -> None:
    def track_all(frames: Sequence[Frame]) -> Analysis:
        def analyse() -> list[FrameResult]:
            raise BackendError("the network cannot run")

        return analyse

    delayed = delayed_of(track_all, 1)
    delayed.feed(every(0.04, 1)[0])
    with pytest.raises(BackendError, match="cannot run"):
        delayed.end()


def test_results_are_those_of_one_group_after_the_other(shared, face_models, delayed_of) -> None:
    """With the real networks: to the last bit, states included."""
    clip = shared / "media" / "pyfeat_mit" / "WolfgangLanger_Pexels.mp4"
    with Engine.open() as engine, VideoFileSource(clip) as source:
        frames = [frame for frame, _ in zip(source, range(20), strict=False)]
        delayed = delayed_of(lambda group: engine.track_all(group, tentative=True, snapshot=True))
        found = [result for frame in frames for result in delayed.feed(frame)]
        found += delayed.flush()
        engine.reset()
        delayed = Hindsight(lambda group: _finished(engine, group), CONFIRM_S)
        wanted = [result for frame in frames for result in delayed.feed(frame)]
        wanted += delayed.flush()
        delayed.end()
    assert len(found) == len(wanted) == 20
    for each, other in zip(found, wanted, strict=True):
        assert each.snapshot == other.snapshot
        for face, same in zip(each.faces, other.faces, strict=True):
            assert plain_decision(face.decision) == plain_decision(same.decision)
            assert np.array_equal(face.expression.members, same.expression.members)
            assert np.array_equal(face.action_units.occurrence, same.action_units.occurrence)
    assert found[7].snapshot
    assert found[-1].snapshot


def _finished(engine: Engine, group: Sequence[Frame]) -> Analysis:
    """The group tracked and analysed before the next one is tracked."""
    results = engine.track_all(group, tentative=True, snapshot=True)()
    return lambda: results


def test_a_run_that_is_stopped_reports_the_error_of_its_last_group() -> None:
    reached, stopped = threading.Event(), threading.Event()

    def track_all(frames: Sequence[Frame]) -> Analysis:
        return partial(analyse, frames)

    def analyse(frames: Sequence[Frame]) -> list[FrameResult]:
        reached.set()
        assert stopped.wait(10)
        raise BackendError("made to fail")

    source = FakeSource(1000)
    source.interrupt = stopped.set  # the first thing that a stop does to a source
    runtime = Runtime(source, Hindsight(track_all, CONFIRM_S, 1), [], RuntimeConfig())
    runtime.start()
    assert reached.wait(10)
    with pytest.raises(BackendError, match="made to fail"):
        runtime.stop()
    assert runtime.state is RuntimeState.FAILED


@pytest.mark.parametrize("ending", ["end", "stop", "tracking fails", "analysis fails"])
def test_a_run_ends_the_thread_of_the_analysis_however_it_ends(ending) -> None:
    """No thread is left, nothing runs after the end, and no result is lost that was in progress."""
    reached, left = threading.Event(), threading.Event()

    def track_all(frames: Sequence[Frame]) -> Analysis:
        if ending == "tracking fails" and frames[0].index == 3:
            raise BackendError("made to fail")
        return partial(analyse, frames)

    def analyse(frames: Sequence[Frame]) -> list[FrameResult]:
        assert not left.is_set()
        if frames[0].index == 2:
            reached.set()
            if ending == "analysis fails":
                raise BackendError("made to fail")
        return [fake_result(frame) for frame in frames]

    sink = FakeSink()
    runtime = Runtime(FakeSource(40), Hindsight(track_all, CONFIRM_S, 1), [sink], RuntimeConfig())
    runtime.start()
    assert reached.wait(10)
    if ending == "stop":
        runtime.stop()
    elif ending == "end":
        assert runtime.wait(10)
    else:
        with pytest.raises(BackendError, match="made to fail"):
            runtime.wait(10)
    left.set()
    assert not [thread for thread in threading.enumerate() if thread.name == "mien-analysis"]
    indices = [result.frame.index for result in sink.results]
    assert indices == list(range(len(indices)))
    wanted = {"end": 40, "tracking fails": 3, "analysis fails": 2}
    assert len(indices) == wanted.get(ending, len(indices))


class FakeSink:
    """Keeps the results."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []

    def open(self) -> None:
        """Do nothing."""

    def write(self, result: FrameResult) -> None:
        """Keep it."""
        self.results.append(result)

    def close(self, completed: bool) -> None:
        """Do nothing."""
