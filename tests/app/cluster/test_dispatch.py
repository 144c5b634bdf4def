"""Giving sources to workers: each ends exactly once, whatever happens to the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.annotate import JobControl
from app.batch import ItemState
from app.cluster.dispatch import Event, dispatch
from app.cluster.records import Ended, Item, Lost, Progressed, Report
from engine.errors import RuntimeStateError
from tests.app.cluster.conftest import Recorder

Ending = Callable[[int, Item], Event]


def done(worker: int, item: Item) -> Event:
    return Ended(worker, Report(item.place, ItemState.DONE))


def failed(worker: int, item: Item) -> Event:
    return Ended(worker, Report(item.place, ItemState.FAILED, problem="no"))


def blocked(worker: int, item: Item) -> Event:
    return Ended(worker, Report(item.place, ItemState.FAILED, problem="disk full", blocks=True))


def lost(worker: int, item: Item) -> Event:
    return Lost(worker, "SIGKILL")


class FakeCrew:
    """Workers whose sources end as listed, by place and attempt; done where nothing is listed."""

    def __init__(self, size: int, endings: dict[int, list[Ending]] | None = None) -> None:
        self.size = size
        self.started: list[tuple[int, Item]] = []
        self._endings = {place: deque(each) for place, each in (endings or {}).items()}
        self._running: dict[int, Item] = {}
        self.stopped = False

    def start(self, worker: int, item: Item) -> None:
        assert worker not in self._running, "a worker has two sources"
        assert item.place not in {other.place for other in self._running.values()}, "two workers have one source"
        self._running[worker] = item
        self.started.append((worker, item))

    def wait(self, timeout_s: float) -> Sequence[Event]:
        worker, item = next(iter(self._running.items()))
        if self.stopped:
            self._running.pop(worker)
            return [Ended(worker, Report(item.place, ItemState.INTERRUPTED))]
        progress = Progressed(worker, 5, 10)
        self._running.pop(worker)
        endings = self._endings.get(item.place)
        return [progress, (endings.popleft() if endings else done)(worker, item)]

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        pass


def items(count: int) -> list[Item]:
    return [Item(place, f"{place}.mp4", f"out/{place}") for place in range(count)]


def run(crew: FakeCrew, count: int, recorder: Recorder | None = None, *, retry_failed: bool = False) -> list[ItemState]:
    recorder = recorder or Recorder()
    reports = dispatch(items(count), crew, JobControl(), recorder, retry_failed=retry_failed)
    assert [report.place for report in reports] == list(range(count))
    return [report.state for report in reports]


@given(
    st.integers(1, 4),
    st.lists(st.lists(st.sampled_from([done, failed, lost]), max_size=3), max_size=12),
    st.booleans(),
)
def test_every_source_ends_exactly_once(size: int, endings: list[list[Ending]], retry_failed: bool) -> None:
    recorder = Recorder()
    crew = FakeCrew(size, dict(enumerate(endings)))
    states = run(crew, len(endings), recorder, retry_failed=retry_failed)
    ended = [report.place for report in recorder.reports]
    assert sorted(set(ended)) == sorted(ended)
    assert len(ended) + states.count(ItemState.NOT_STARTED) == len(endings)
    assert all(sum(item.place == place for _, item in crew.started) <= 2 for place in range(len(endings)))


def test_a_lost_source_is_taken_up_again_at_once() -> None:
    recorder = Recorder()
    crew = FakeCrew(1, {0: [lost]})
    assert run(crew, 3, recorder) == [ItemState.DONE] * 3
    assert recorder.losses == [0]
    assert [(item.place, item.again) for _, item in crew.started] == [(0, False), (0, True), (1, False), (2, False)]


def test_a_source_that_loses_two_workers_fails() -> None:
    recorder = Recorder()
    assert run(FakeCrew(2, {1: [lost, lost]}), 3, recorder) == [ItemState.DONE, ItemState.FAILED, ItemState.DONE]
    (report,) = [report for report in recorder.reports if report.place == 1]
    assert report.problem == "1.mp4 was not annotated: its worker ended (SIGKILL)"


def test_workers_that_never_live_end_the_batch() -> None:
    crew = FakeCrew(2, {place: [lost, lost] for place in range(50)})
    states = run(crew, 50)
    assert ItemState.DONE not in states
    assert states.count(ItemState.NOT_STARTED) > 40


@pytest.mark.parametrize(("retry_failed", "starts"), [(False, 3), (True, 4)])
def test_a_failed_source_is_tried_again_at_the_end_on_a_cluster(retry_failed: bool, starts: int) -> None:
    crew = FakeCrew(1, {0: [failed]})
    states = run(crew, 3, retry_failed=retry_failed)
    assert len(crew.started) == starts
    assert crew.started[-1][1].place == (0 if retry_failed else 2)
    assert states[0] is (ItemState.DONE if retry_failed else ItemState.FAILED)


def test_what_blocks_every_source_ends_the_batch() -> None:
    states = run(FakeCrew(1, {1: [blocked]}), 4, retry_failed=True)
    assert states == [ItemState.DONE, ItemState.FAILED, ItemState.NOT_STARTED, ItemState.NOT_STARTED]


def test_a_stop_interrupts_what_runs_and_starts_nothing() -> None:
    control = JobControl()
    recorder = Recorder(lambda item: control.stop())
    crew = FakeCrew(2)
    reports = dispatch(items(5), crew, control, recorder)
    states = [report.state for report in reports]
    assert states == [ItemState.DONE, ItemState.INTERRUPTED] + [ItemState.NOT_STARTED] * 3
    assert crew.stopped


def test_a_worker_that_is_lost_during_a_stop_leaves_a_session_to_resume() -> None:
    control = JobControl()
    crew = FakeCrew(1, {0: [lost]})
    reports = dispatch(items(2), crew, control, Recorder(lambda item: control.stop()))
    assert [report.state for report in reports] == [ItemState.INTERRUPTED, ItemState.NOT_STARTED]


def test_a_source_that_failed_is_not_forgotten_by_a_stop_before_its_second_try() -> None:
    control = JobControl()
    recorder = Recorder(lambda item: control.stop())
    reports = dispatch(items(2), FakeCrew(1, {0: [failed]}), control, recorder, retry_failed=True)
    assert [report.state for report in reports] == [ItemState.FAILED, ItemState.NOT_STARTED]
    assert recorder.reports == reports[:1]


def test_a_report_from_an_idle_worker_is_an_error() -> None:
    class Confused(FakeCrew):
        def wait(self, timeout_s: float) -> Sequence[Event]:
            return [done(7, items(1)[0])]

    with pytest.raises(RuntimeStateError, match="worker 7"):
        run(Confused(1), 1)
