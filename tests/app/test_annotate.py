"""Annotating fake frames: the files of a session, overwriting, resuming, lost sources and full disks."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from app.annotate import AnnotateOptions, JobControl, annotate
from app.session.folder import SessionFolder, SessionState
from app.session.journal import find_resume_point, read_header, read_journal
from engine.config import EngineConfig, RoutingConfig
from engine.errors import OutputError, Remedy, SourceError
from engine.facs import BP4D_UNITS
from engine.types import Frame
from tests.fakes.engines import FakePipeline, FakeSource, fake_engine
from tests.fakes.faces import fake_frame
from tests.fakes.sessions import Annotator, SilentListener

FRAMES = 35
#: Two faces in every fifth frame, one row in all others.
ROWS = FRAMES + FRAMES // 5


class EndlessFile(FakeSource):
    """A file that never ends."""

    def __init__(self) -> None:
        super().__init__(10**9)


def table_of(folder: SessionFolder) -> list[dict[str, str]]:
    with folder.csv.open(newline="") as handle:
        return [{name: cell for name, cell in row.items() if name != "latency_ms"} for row in csv.DictReader(handle)]


def names_in(folder: SessionFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


def test_a_job_writes_table_video_and_metadata(run_annotate: Annotator) -> None:
    outcome = run_annotate()
    folder = run_annotate.folder
    assert outcome.finished
    assert outcome.counts is not None
    assert (outcome.counts.frames, outcome.counts.rows, outcome.counts.faces) == (FRAMES, ROWS, 2)
    assert names_in(folder) == ["annotated.mp4", "faces.csv", "faces.parquet", "journal.jsonl", "metadata.json"]
    assert len(table_of(folder)) == pq.read_table(folder.parquet).num_rows == ROWS
    metadata = json.loads(folder.metadata.read_text())
    assert metadata["completed"] is True
    assert metadata["frames"] == {"read": FRAMES, "analysed": FRAMES, "dropped": 0, "damaged": 0}
    assert metadata["source"]["fps_mode"] == "cfr"
    assert metadata["thresholds"] == {"tau_accept": 1.2, "tau_ood": 1 - 0.05}
    assert metadata["au_codes"] == list(BP4D_UNITS)
    assert metadata["au_trusted"] == list(read_header(folder.journal).au_trusted) == [1, 2, 12]
    assert metadata["note"].endswith("It does not show what a person feels, means or intends.")


def test_the_video_has_all_frames_and_their_times(run_annotate: Annotator) -> None:
    run_annotate()
    with av.open(str(run_annotate.folder.video)) as container:
        times = [frame.time for frame in container.decode(video=0)]
        assert container.streams.video[0].codec_context.name == "h264"
    assert times == pytest.approx([index / 10 for index in range(FRAMES)], abs=1e-4)


def test_no_video_is_written_if_not_wanted(run_annotate: Annotator) -> None:
    run_annotate(video=False)
    assert "annotated.mp4" not in names_in(run_annotate.folder)


def test_a_finished_session_is_not_overwritten(run_annotate: Annotator) -> None:
    run_annotate()
    before = {path: path.read_bytes() for path in run_annotate.folder.path.iterdir()}
    with pytest.raises(
        OutputError, match="finished output", check=lambda error: error.remedy is Remedy.RESTART_OR_OTHER_FOLDER
    ):
        run_annotate()
    assert {path: path.read_bytes() for path in run_annotate.folder.path.iterdir()} == before


def test_resuming_a_finished_session_does_nothing(run_annotate: Annotator) -> None:
    run_annotate()
    pipeline = FakePipeline()
    assert run_annotate(pipeline, resume=True).skipped
    assert pipeline.processed == []


def test_force_overwrites_a_finished_session_and_keeps_other_files(run_annotate: Annotator) -> None:
    run_annotate()
    (run_annotate.folder.path / "notes.txt").write_text("mine")
    assert run_annotate(source=FakeSource(12), force=True).finished
    assert len({row["frame"] for row in table_of(run_annotate.folder)}) == 12
    assert (run_annotate.folder.path / "notes.txt").read_text() == "mine"


def test_force_deletes_nothing_when_the_source_cannot_be_opened(run_annotate: Annotator) -> None:
    run_annotate()

    def refuse(spec: str) -> FakeSource:
        raise SourceError(f"{spec} is gone")

    options = AnnotateOptions("0.1", force=True)
    with pytest.raises(SourceError, match="gone"):
        annotate(
            "x",
            run_annotate.folder,
            refuse,
            lambda source: fake_engine(FakePipeline()),
            options,
            SilentListener(),
            JobControl(),
        )
    assert run_annotate.folder.state() is SessionState.FINISHED


def test_an_unfinished_session_needs_resume_or_force(run_annotate: Annotator) -> None:
    with pytest.raises(RuntimeError, match="made to fail"):
        run_annotate(FakePipeline(fail_at=20))
    assert run_annotate.folder.state() is SessionState.UNFINISHED
    assert names_in(run_annotate.folder) == ["journal.jsonl", "metadata.json"]
    with pytest.raises(
        OutputError, match="unfinished output", check=lambda error: error.remedy is Remedy.RESUME_OR_RESTART
    ):
        run_annotate()


@pytest.mark.parametrize("fail_at", [0, 3, 11, 20, 34])
@pytest.mark.parametrize("video", [True, False])
def test_a_resumed_session_has_the_same_table_and_as_many_video_frames(
    run_annotate: Annotator, tmp_path: Path, fail_at: int, video: bool
) -> None:
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(video=video)
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=fail_at), video=video)
    pipeline = FakePipeline()
    assert run_annotate(pipeline, resume=True, video=video).finished
    assert table_of(run_annotate.folder) == table_of(whole.folder)
    resumed_at = (
        (fail_at - 1) // 10 * 10 + 1 if fail_at > 10 else 0
    )  # a state is kept at every second, that is every tenth frame
    assert pipeline.processed == list(range(resumed_at, FRAMES))
    metadata = json.loads(run_annotate.folder.metadata.read_text())
    assert metadata["resumed_at"] == ([resumed_at] if resumed_at else [])
    if video:
        with av.open(str(run_annotate.folder.video)) as container:
            assert sum(1 for _ in container.decode(video=0)) == FRAMES


def test_a_resumed_session_keeps_its_start_time(run_annotate: Annotator) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=20), video=False)
    path = run_annotate.folder.metadata
    path.write_text(json.dumps(json.loads(path.read_text()) | {"start": "2026-01-01T00:00:00+00:00"}))
    assert run_annotate(resume=True, video=False).finished
    assert json.loads(path.read_text())["start"] == "2026-01-01T00:00:00+00:00"


def test_a_journal_truncated_at_any_byte_can_be_resumed(run_annotate: Annotator, tmp_path: Path) -> None:
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(video=False)
    journal = whole.folder.journal.read_bytes()
    wanted = table_of(whole.folder)
    chance = random.Random(5)
    for cut in [0, 1, len(journal) - 1, *(chance.randrange(len(journal)) for _ in range(20))]:
        shutil.rmtree(run_annotate.folder.path, ignore_errors=True)
        run_annotate.folder.path.mkdir()
        run_annotate.folder.journal.write_bytes(journal[:cut])
        assert run_annotate(resume=True, video=False).finished
        assert table_of(run_annotate.folder) == wanted


def test_a_session_can_be_resumed_twice(run_annotate: Annotator, tmp_path: Path) -> None:
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole()
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=15))
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=27), resume=True)
    assert run_annotate(resume=True).finished
    assert table_of(run_annotate.folder) == table_of(whole.folder)
    assert json.loads(run_annotate.folder.metadata.read_text())["resumed_at"] == [11, 22]


def test_resuming_with_another_model_is_refused(run_annotate: Annotator) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=20))
    before = run_annotate.folder.journal.read_bytes()
    with pytest.raises(OutputError, match="started with another expression model"):
        run_annotate(sha256="f" * 64, resume=True)
    assert run_annotate.folder.journal.read_bytes() == before


def test_resuming_with_another_list_of_trusted_units_is_refused(run_annotate: Annotator) -> None:
    """The same network with a corrected contract: one table must not hold both."""
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=20))
    with pytest.raises(OutputError, match=r"another list of trusted action units \(AU1 AU2 AU12, now none\)"):
        run_annotate(resume=True, trusted=())


def test_resuming_with_another_setting_names_it(run_annotate: Annotator) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=20))
    changed = EngineConfig(routing=RoutingConfig(smoothing_s=0.25))
    with pytest.raises(
        OutputError,
        match=r"another routing.smoothing_s \(0.5, now 0.25\)$",
        check=lambda error: error.remedy is Remedy.RESTART,
    ):
        run_annotate(config=changed, resume=True)


def test_resuming_with_a_shorter_source_is_refused(run_annotate: Annotator) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=20))
    with pytest.raises(OutputError, match="does not match the journal at frame 7"):
        run_annotate(source=FakeSource(7), resume=True)


def test_stopping_a_live_source_finishes_its_session(run_annotate: Annotator) -> None:
    control = JobControl()
    source = FakeSource(10**6, live=True)
    outcome = run_annotate(FakePipeline(on_frame=lambda index: control.stop() if index > 20 else None), source, control)
    assert outcome.finished
    metadata = json.loads(run_annotate.folder.metadata.read_text())
    assert metadata["completed"] is True
    frames = metadata["frames"]
    assert frames["read"] == frames["analysed"] + frames["dropped"]
    assert run_annotate.folder.video.exists()


def test_a_live_source_cannot_be_resumed(run_annotate: Annotator) -> None:
    with pytest.raises(OutputError, match="live and cannot be resumed"):
        run_annotate(source=FakeSource(5, live=True), resume=True)


def test_a_lost_live_source_leaves_table_and_video(run_annotate: Annotator) -> None:
    class Unplugged(FakeSource):
        def read(self) -> Frame | None:
            frame = super().read()
            if frame is None:
                raise SourceError("camera:0 gives no more pictures: plug it in again")
            return frame

    with pytest.raises(SourceError, match="plug it in again.*what came before is in"):
        run_annotate(source=Unplugged(30, live=True))
    metadata = json.loads(run_annotate.folder.metadata.read_text())
    assert metadata["completed"] is False
    assert "plug it in again" in metadata["fault"]
    assert len(table_of(run_annotate.folder)) >= metadata["frames"]["analysed"] > 0


def test_stopping_a_file_keeps_the_journal_and_no_partial_file(run_annotate: Annotator) -> None:
    control = JobControl()
    outcome = run_annotate(
        FakePipeline(on_frame=lambda index: control.stop() if index == 25 else None), EndlessFile(), control
    )
    assert not outcome.finished
    assert names_in(run_annotate.folder) == ["journal.jsonl", "metadata.json"]
    assert json.loads(run_annotate.folder.metadata.read_text())["completed"] is False


def test_a_folder_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Annotator(SessionFolder(tmp_path / "file" / "session"))()


def test_a_full_disk_keeps_the_journal(run_annotate: Annotator, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote = os.fsync
    calls = 0

    def refuse(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:  # metadata and the first line of the journal succeed
            raise OSError(28, "No space left on device")
        wrote(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(
        OutputError, match="No space left on device", check=lambda error: error.remedy is Remedy.FREE_SPACE
    ):
        run_annotate()
    monkeypatch.undo()
    assert names_in(run_annotate.folder) == ["journal.jsonl", "metadata.json"]
    assert sum(1 for _ in read_journal(run_annotate.folder.journal)) > 0
    assert run_annotate(resume=True).finished


LIMITED = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails with EFBIG, as ENOSPC does
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
from app.session.folder import SessionFolder
from engine.errors import OutputError
from tests.fakes.sessions import Annotator
try:
    Annotator(SessionFolder(Path(sys.argv[1])))()
except OutputError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.parametrize("limit", [4_000, 9_000, 14_000])
def test_a_full_disk_at_any_size_is_one_error_without_partial_files(run_annotate: Annotator, limit: int) -> None:
    folder = run_annotate.folder
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder.path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert finished.returncode == 2, finished.stderr
    assert "cannot be written" in finished.stdout
    assert finished.stderr == ""
    finals = {"annotated.mp4", "faces.csv", "faces.parquet"}
    assert not finals & set(names_in(folder)) or limit > 9_000
    assert not [name for name in names_in(folder) if ".part" in name]
    assert run_annotate(resume=True).finished
    assert len(table_of(folder)) == ROWS


def test_a_killed_job_can_be_resumed(run_annotate: Annotator, tmp_path: Path) -> None:
    """SIGKILL in the middle: the journal can be read, and the table equals that of an uninterrupted job."""
    killed = """
import os, signal, sys
from pathlib import Path
from app.session.folder import SessionFolder
from tests.fakes.engines import FakePipeline
from tests.fakes.sessions import Annotator
def kill(index):
    if index == 23:
        os.kill(os.getpid(), signal.SIGKILL)
Annotator(SessionFolder(Path(sys.argv[1])))(FakePipeline(on_frame=kill))
"""
    command = [sys.executable, "-c", killed, str(run_annotate.folder.path)]
    assert subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": "."}).returncode == -9
    assert find_resume_point(run_annotate.folder.journal) is not None
    assert run_annotate(resume=True).finished
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole()
    assert table_of(run_annotate.folder) == table_of(whole.folder)
    assert "annotated.part.mp4" not in names_in(run_annotate.folder)


def test_odd_sizes_are_cropped_to_even(run_annotate: Annotator) -> None:
    class Odd(FakeSource):
        def read(self) -> Frame | None:
            frame = super().read()
            return frame and fake_frame(frame.index, 161, 121)

    run_annotate(source=Odd())
    with av.open(str(run_annotate.folder.video)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (160, 120)


def test_images_of_different_sizes_share_one_video(run_annotate: Annotator) -> None:
    class Album(FakeSource):
        def read(self) -> Frame | None:
            frame = super().read()
            return frame and fake_frame(frame.index, 160 + 40 * (frame.index % 3), 120)

    assert run_annotate(source=Album()).finished


def test_a_resumed_journal_has_one_header(run_annotate: Annotator) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=20))
    run_annotate(resume=True)
    lines = [json.loads(line) for line in run_annotate.folder.journal.read_text().splitlines()]
    assert [key for line in lines for key in line if key in ("header", "resumed_at")] == ["header", "resumed_at"]
