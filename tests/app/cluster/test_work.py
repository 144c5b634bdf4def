"""One worker on fake frames: every ending becomes a report; sessions at addresses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from app.annotate import JobControl
from app.batch import ItemState
from app.cluster import work
from app.cluster.records import Item, Report, WorkerSetup, from_json, to_json
from app.cluster.remote import find_remote, is_remote, session_address
from app.cluster.work import ItemWorker
from app.session.metadata import read_metadata
from engine.capture.source import FrameSource
from engine.config import CaptureConfig
from engine.errors import BackendError, SourceError
from tests.app.cluster.conftest import setup_of, table_of
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.sessions import FakeEngines, SilentListener


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Specs of the sources that were opened; all have 35 fake frames and the bytes of their file."""
    specs: list[str] = []

    def open_given(spec: str, file: str | None, recursive: bool, limits: CaptureConfig) -> FrameSource:
        specs.append(spec)
        return FakeSource(35, files=(Path(spec),))

    monkeypatch.setattr(work, "open_given", open_given)
    return specs


def run(item: Item, setup: WorkerSetup | None = None, pipeline: FakePipeline | None = None) -> Report:
    setup = setup or setup_of()
    with ItemWorker(setup, FakeEngines(pipeline or FakePipeline())) as worker:
        return worker.run(item, SilentListener(), JobControl())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "clip.mp4"
    path.parent.mkdir()
    path.write_bytes(b"first")
    return path


def test_a_source_becomes_a_session_and_a_report(clip: Path, tmp_path: Path, opened: list[str]) -> None:
    report = run(Item(4, str(clip), str(tmp_path / "out")))
    assert (report.place, report.state, report.problem) == (4, ItemState.DONE, "")
    assert report.counts is not None
    assert report.counts.frames == 35
    assert len({row["frame"] for row in table_of(tmp_path / "out")}) == 35


@pytest.mark.parametrize(
    ("error", "is_bug", "blocks"),
    [(SourceError("lost"), False, False), (BackendError("no GPU"), False, True), (ValueError("odd"), True, False)],
)
def test_every_error_is_a_report(
    clip: Path, tmp_path: Path, opened: list[str], error: Exception, is_bug: bool, blocks: bool
) -> None:
    report = run(Item(0, str(clip), str(tmp_path / "out")), pipeline=FakePipeline(3, lambda: error))
    assert (report.state, report.is_bug, report.blocks) == (ItemState.FAILED, is_bug, blocks)
    assert str(error) in report.problem
    assert ("in process\n" in report.traceback and "ValueError: odd" in report.traceback) is is_bug


def test_a_source_that_is_given_again_continues(clip: Path, tmp_path: Path, opened: list[str]) -> None:
    item = Item(0, str(clip), str(tmp_path / "out"))
    assert run(item, pipeline=FakePipeline(30, lambda: SourceError("lost"))).state is ItemState.FAILED
    assert "--resume" in run(item).problem
    pipeline = FakePipeline()
    again = Item(0, str(clip), str(tmp_path / "out"), again=True)
    assert run(again, pipeline=pipeline).state is ItemState.DONE
    assert pipeline.processed[0] > 0
    assert run(again).state is ItemState.FINISHED_BEFORE


def test_a_stopped_source_is_interrupted(clip: Path, tmp_path: Path, opened: list[str]) -> None:
    control = JobControl()

    def stop(index: int) -> None:
        control.stop()
        time.sleep(0.02)  # a job reads its control ten times a second

    pipeline = FakePipeline(on_frame=stop)
    with ItemWorker(setup_of(), FakeEngines(pipeline)) as worker:
        report = worker.run(Item(0, str(clip), str(tmp_path / "out")), SilentListener(), control)
    assert report.state is ItemState.INTERRUPTED


def test_exports_are_part_of_the_report(clip: Path, tmp_path: Path, opened: list[str]) -> None:
    setup = WorkerSetup(setup_of().options, setup_of().settings, "litert", ("srt",))
    report = run(Item(0, str(clip), str(tmp_path / "out")), setup)
    assert [Path(path).suffix for path in report.written] == [".srt"]


def test_records_travel_as_one_line_of_json(clip: Path) -> None:
    for record in (setup_of(), Item(1, "a\n\udcff.mp4", "out", None, 5), Report(1, ItemState.FAILED, problem="x")):
        text = to_json(record)
        assert "\n" not in text
        assert from_json(type(record), text) == record


@pytest.fixture
def store(tmp_path: Path) -> str:
    pytest.importorskip("fsspec", reason="needs the extra cluster")
    return f"file://{tmp_path}"


def test_a_session_at_an_address_is_complete_and_names_its_source(clip: Path, store: str, opened: list[str]) -> None:
    item = Item(0, f"{store}/in/clip.mp4", f"{store}/out/clip")
    assert run(item).state is ItemState.DONE
    session = clip.parents[1] / "out" / "clip"
    assert {path.name for path in session.iterdir()} == {"faces.csv", "faces.parquet", "journal.jsonl", "metadata.json"}
    metadata = read_metadata(session / "metadata.json")
    assert metadata.source.path == item.spec
    assert metadata.completed
    assert opened[0] != str(clip)  # a copy was read
    assert not Path(opened[0]).exists()


def test_a_session_at_an_address_is_skipped_until_its_source_changes(clip: Path, store: str, opened: list[str]) -> None:
    item = Item(0, f"{store}/in/clip.mp4", f"{store}/out/clip")
    assert run(item).state is ItemState.DONE
    assert run(item).state is ItemState.FINISHED_BEFORE
    assert len(opened) == 1
    assert run(item, setup_of(force=True)).state is ItemState.DONE
    clip.write_bytes(b"another")
    assert run(item).state is ItemState.DONE
    (clip.parents[1] / "out" / "clip" / "metadata.json").write_text("{")  # as of a copy that was cut off
    assert run(item).state is ItemState.DONE


def test_a_path_may_have_its_session_at_an_address(clip: Path, store: str, opened: list[str]) -> None:
    item = Item(0, str(clip), f"{store}/out/clip")
    assert run(item).state is ItemState.DONE
    assert opened == [str(clip)]
    assert run(item).state is ItemState.FINISHED_BEFORE


def test_a_missing_address_is_a_failure_of_its_own(store: str, opened: list[str]) -> None:
    report = run(Item(0, f"{store}/in/none.mp4", f"{store}/out/none"))
    assert report.state is ItemState.FAILED
    assert not report.is_bug
    assert "none.mp4 cannot be read" in report.problem


def test_errors_and_files_name_addresses_not_the_copies(clip: Path, store: str, opened: list[str]) -> None:
    item = Item(0, f"{store}/in/clip.mp4", f"{store}/out/clip")
    assert run(item).written == tuple(
        f"{store}/out/clip/{name}" for name in ("faces.csv", "faces.parquet", "journal.jsonl", "metadata.json")
    )

    def unreadable() -> SourceError:
        return SourceError(f"{opened[-1]} is damaged, see {Path(opened[-1]).parent / 'session'}/journal.jsonl")

    report = run(item, setup_of(force=True), FakePipeline(3, unreadable))
    assert report.problem == f"{store}/in/clip.mp4 is damaged, see {store}/out/clip/journal.jsonl"


def test_a_stopped_source_at_an_address_writes_nothing(clip: Path, store: str, opened: list[str]) -> None:
    control = JobControl()
    control.stop()
    with ItemWorker(setup_of(), FakeEngines(FakePipeline())) as worker:
        report = worker.run(Item(0, f"{store}/in/clip.mp4", f"{store}/out/clip"), SilentListener(), control)
    assert report == Report(0, ItemState.INTERRUPTED)
    assert not (clip.parents[1] / "out").exists()


def test_a_folder_is_named_as_it_is(clip: Path, store: str, opened: list[str]) -> None:
    (clip.parent / "file").write_text("")
    report = run(Item(0, f"{store}/in/clip.mp4", str(clip.parent / "file" / "out")))
    assert report.problem.startswith(f"{clip.parent / 'file' / 'out'} cannot be ")


def test_the_videos_of_an_address_are_found(tmp_path: Path, store: str) -> None:
    for name in ("b10.mp4", "b9.mp4", "deep/c.mkv", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"xyz")
    sources, sizes = find_remote(store, recursive=False)
    assert [source.file for source in sources.found] == ["b9.mp4", "b10.mp4"]
    assert set(sizes.values()) == {3}
    assert "1 with .txt" in sources.left_out[0]
    deep, _ = find_remote(store, recursive=True)
    assert [source.file for source in deep.found] == ["b9.mp4", "b10.mp4", "deep/c.mkv"]
    one, _ = find_remote(f"{store}/b9.mp4", recursive=False)
    assert [source.spec for source in one.found] == [f"{store}/b9.mp4"]
    missing, _ = find_remote(f"{store}/none", recursive=False)
    assert "cannot be read" in missing.faults[0].problem


def test_addresses_are_neither_paths_nor_streams() -> None:
    pytest.importorskip("fsspec", reason="needs the extra cluster")
    assert [is_remote(spec) for spec in ("s3://a/b", "C:\\a.mp4", "a.mp4", "https://camera/1", "0")] == [
        True,
        False,
        False,
        False,
        False,
    ]
    sources, _ = find_remote("nosuch://lab/videos", recursive=False)
    assert "nosuch://lab/videos is not an address" in sources.faults[0].problem


def test_the_address_of_a_session_depends_on_its_source_alone() -> None:
    first = session_address("s3://lab/out/", "s3://lab/P01/my video.mp4")
    second = session_address("s3://lab/out", "s3://lab/P02/my video.mp4")
    assert first.startswith("s3://lab/out/my-video-")
    assert first != second
    assert first == session_address("s3://lab/out", "s3://lab/P01/my video.mp4")


def test_the_metadata_of_a_done_session_are_json(clip: Path, store: str, opened: list[str]) -> None:
    run(Item(0, f"{store}/in/clip.mp4", f"{store}/out/clip"))
    raw = json.loads((clip.parents[1] / "out" / "clip" / "metadata.json").read_text())
    assert raw["config"]["source_mark"]
