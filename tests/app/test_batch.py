"""Batches: one bad source costs no other; the summary and the list of failures."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.annotate import JobControl, Outcome
from app.batch import (
    ItemResult,
    ItemState,
    NumberedProgress,
    affects_every_source,
    run_batch,
    summary_lines,
    write_failed,
)
from app.remedies import output_errors
from app.session.folder import SessionFolder
from app.session.table import TableCounts
from app.sources import GivenSource
from engine.errors import BackendError, EngineError, OutputError, SourceError, ThreadStuckError
from tests.fakes.sessions import SilentListener

Annotate = Callable[[GivenSource, SessionFolder], Outcome]


def disk_error(number: int) -> OutputError:
    with pytest.raises(OutputError) as caught, output_errors(Path("faces.csv")):
        raise OSError(number, "no")
    return caught.value


def run(*endings: Exception | Outcome, control: JobControl | None = None) -> list[ItemResult]:
    """A batch of sources 0.mp4, 1.mp4, ... that end so."""

    def annotate_one(source: GivenSource, folder: SessionFolder) -> Outcome:
        ending = endings[int(Path(source.spec).stem)]
        if isinstance(ending, Exception):
            raise ending
        return ending

    pairs = [(GivenSource(f"{place}.mp4"), SessionFolder(Path(f"out/{place}"))) for place in range(len(endings))]
    ended: list[ItemResult] = []
    results = run_batch(pairs, annotate_one, control or JobControl(), ended.append)
    assert ended == [result for result in results if result.state is not ItemState.NOT_STARTED]
    return results


def done(fault: str | None = None) -> Outcome:
    return Outcome(SessionFolder(Path("out")), finished=True, counts=TableCounts(75, 80, 2, 0.1, 0.1), fault=fault)


@pytest.mark.parametrize(
    "error",
    [
        SourceError("0.mp4 is empty"),
        OutputError("out/0 holds the session of another source"),
        EngineError("odd"),
        disk_error(errno.EACCES),
        disk_error(errno.EIO),
        RuntimeError("a bug"),
        KeyError("a bug"),
    ],
    ids=repr,
)
def test_a_failure_ends_its_own_source_only(error: Exception) -> None:
    results = run(error, done(), error, done())
    assert [result.state for result in results] == [ItemState.FAILED, ItemState.DONE] * 2
    assert results[0].error is error
    assert results[0].is_bug is not isinstance(error, EngineError)
    assert str(error) in results[0].problem or results[0].is_bug


@pytest.mark.parametrize(
    "error",
    [BackendError("no backend"), ThreadStuckError("stuck"), disk_error(errno.ENOSPC), disk_error(errno.EDQUOT)],
    ids=repr,
)
def test_what_affects_every_source_ends_the_batch(error: Exception) -> None:
    assert affects_every_source(error)
    results = run(done(), error, done())
    assert [result.state for result in results] == [ItemState.DONE, ItemState.FAILED, ItemState.NOT_STARTED]


def test_after_an_interruption_nothing_else_starts() -> None:
    control = JobControl()

    def stop(source: GivenSource, folder: SessionFolder) -> Outcome:
        control.stop()
        return Outcome(folder, finished=False)

    pairs = [(GivenSource(f"{place}.mp4"), SessionFolder(Path("out"))) for place in range(2)]
    results = run_batch(pairs, stop, control, lambda result: None)
    assert [result.state for result in results] == [ItemState.INTERRUPTED, ItemState.NOT_STARTED]


def test_a_thread_that_is_late_to_end_is_an_interruption() -> None:
    control = JobControl()

    def late(source: GivenSource, folder: SessionFolder) -> Outcome:
        control.stop()
        raise ThreadStuckError("mien-inference did not end within 2.0 s")

    pairs = [(GivenSource(f"{place}.mp4"), SessionFolder(Path("out"))) for place in range(2)]
    results = run_batch(pairs, late, control, lambda result: None)
    assert [result.state for result in results] == [ItemState.INTERRUPTED, ItemState.NOT_STARTED]


def test_an_output_that_nobody_reads_ends_the_batch() -> None:
    with pytest.raises(BrokenPipeError):
        run(BrokenPipeError(), done())


def test_the_summary_has_a_line_per_source() -> None:
    skipped = Outcome(SessionFolder(Path("out")), finished=True, skipped=True)
    assert summary_lines(run(done(), SourceError("1.mp4 is empty"), skipped, done("3 damaged packets"))) == [
        "state            frames  faces  rows  source",
        "done                 75      2    80  0.mp4",
        "failed                -      -     -  1.mp4: 1.mp4 is empty",
        "finished before       -      -     -  2.mp4",
        "done                 75      2    80  3.mp4: 3 damaged packets",
    ]


def test_the_summary_shows_no_password() -> None:
    source = GivenSource("rtsp://me:secret@10.0.0.7/live")
    lines = summary_lines([ItemResult(source, SessionFolder(Path("out")), ItemState.FAILED, problem="lost")])
    assert "secret" not in lines[1]
    assert lines[1].endswith("rtsp://***@10.0.0.7/live: lost")


def test_failures_are_listed_with_absolute_path_and_reason(tmp_path: Path) -> None:
    results = run(done(), SourceError("1.mp4 is\nempty: copy it again"))
    path = write_failed(tmp_path / "out", results)
    assert path == tmp_path / "out" / "failed.txt"
    assert sys.platform == "win32" or path.stat().st_mode & 0o777 == 0o600  # for its owner alone
    assert path.read_text() == f"{Path('1.mp4').absolute()}\t1.mp4 is empty: copy it again\n"


def test_sources_that_were_blocked_are_listed_and_those_that_were_stopped_are_not(tmp_path: Path) -> None:
    write_failed(tmp_path, run(done(), BackendError("no backend"), done()))
    listed = [line.split("\t") for line in (tmp_path / "failed.txt").read_text().splitlines()]
    assert [(Path(name).name, reason) for name, reason in listed] == [
        ("1.mp4", "no backend"),
        ("2.mp4", "not started after the failure above"),
    ]
    interrupted = Outcome(SessionFolder(Path("out")), finished=False)
    control = JobControl()
    control.stop()
    (tmp_path / "failed.txt").unlink()
    results = run(interrupted, control=JobControl()) + run(done(), control=control)
    assert write_failed(tmp_path, results) is None
    assert not (tmp_path / "failed.txt").exists()


def test_a_later_batch_updates_the_list_for_its_own_sources(tmp_path: Path) -> None:
    (tmp_path / "failed.txt").write_text(f"/other/clip.mp4\tgone\n{Path('0.mp4').absolute()}\tempty\n")
    assert write_failed(tmp_path, run(done(), done())) is None
    assert (tmp_path / "failed.txt").read_text() == "/other/clip.mp4\tgone\n"
    (tmp_path / "failed.txt").write_text(f"{Path('0.mp4').absolute()}\tempty\n")
    write_failed(tmp_path, run(done()))
    assert not (tmp_path / "failed.txt").exists()


def test_odd_names_stay_on_one_line(tmp_path: Path) -> None:
    source = GivenSource("/clips/a\tb\nc\udcff.mp4")
    write_failed(tmp_path, [ItemResult(source, SessionFolder(tmp_path), ItemState.FAILED, problem="gone")])
    assert (tmp_path / "failed.txt").read_text() == "/clips/a\\tb\\nc\ufffd.mp4\tgone\n"


def test_progress_is_numbered() -> None:
    class Names(SilentListener):
        def begin(self, name: str, total: int | None, done: int) -> None:
            self.name = name

    names = Names()
    progress = NumberedProgress(names, 17)
    progress.place = 3
    progress.begin("clip.mp4", None, 0)
    assert names.name == "[3/17] clip.mp4"
    NumberedProgress(names, 1).begin("clip.mp4", None, 0)
    assert names.name == "clip.mp4"
