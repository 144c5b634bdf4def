"""Annotating fake frames: the files of a session, overwriting, resuming, lost sources and full disks."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pyarrow.parquet as pq
import pytest

from app.annotate import AnnotateOptions, JobControl, Outcome, annotate
from app.session.folder import SessionFolder, SessionState
from app.session.journal import find_resume_point, read_header, read_journal
from engine.capture.source import FrameSource, SourceKind
from engine.capture.time_range import TimeRange
from engine.config import EngineConfig, RoutingConfig, TrackingConfig
from engine.errors import ConfigError, OutputError, Remedy, SourceError
from engine.facs import BP4D_UNITS
from engine.runtime import Runtime
from engine.types import Frame, FrameResult, TrackState
from tests.fakes.engines import FakePipeline, FakeSource, fake_engine
from tests.fakes.faces import fake_face, fake_frame, fake_result
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


@pytest.mark.parametrize("kind", [SourceKind.VIDEO, SourceKind.PICTURES, SourceKind.CAMERA])
def test_only_live_frames_are_given_up_after_ten_seconds(run_annotate: Annotator, monkeypatch, kind) -> None:
    """A large image is searched in many parts, and on a busy machine each takes long."""
    limits_s: list[float] = []

    class Recorded(Runtime):
        def __init__(self, source: FrameSource, pipeline: FakePipeline, *others: Any) -> None:
            super().__init__(source, pipeline, *others)
            limits_s.append(self._config.stuck_s)

    monkeypatch.setattr("app.annotate.Runtime", Recorded)
    source = FakeSource(2, live=kind is SourceKind.CAMERA)
    source.info = dataclasses.replace(source.info, kind=kind)
    run_annotate(source=source, video=False)
    assert limits_s == [10.0 if source.info.is_live else 80.0]


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
    # A state is kept after each group of eight frames, which end 0.7 or 0.8 s after the last state.
    resumed_at = fail_at // 8 * 8
    assert pipeline.processed == list(range(resumed_at, FRAMES))
    metadata = json.loads(run_annotate.folder.metadata.read_text())
    assert metadata["resumed_at"] == ([resumed_at] if resumed_at else [])
    if video:
        with av.open(str(run_annotate.folder.video)) as container:
            assert sum(1 for _ in container.decode(video=0)) == FRAMES


def test_a_resumed_session_has_the_same_centred_averages(run_annotate: Annotator, tmp_path: Path) -> None:
    config = EngineConfig()
    assert config.routing.smoothing_s > 0
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(config=config, video=False)
    lines = whole.folder.journal.read_bytes().splitlines(keepends=True)
    states = [place for place, line in enumerate(lines) if b'"snapshot"' in line]
    assert len(states) > 2
    for place in states:
        shutil.rmtree(run_annotate.folder.path, ignore_errors=True)
        run_annotate.folder.path.mkdir()
        run_annotate.folder.journal.write_bytes(b"".join(lines[: place + 1]))
        assert run_annotate(config=config, resume=True, video=False).finished
        assert table_of(run_annotate.folder) == table_of(whole.folder)


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
        run_annotate(FakePipeline(fail_at=20))
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=34), resume=True)
    assert run_annotate(resume=True).finished
    assert table_of(run_annotate.folder) == table_of(whole.folder)
    assert json.loads(run_annotate.folder.metadata.read_text())["resumed_at"] == [16, 32]


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
        match=r"another routing.smoothing_s \(0.0, now 0.25\)$",
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
from engine.errors import ConfigError, OutputError
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
    if index == 33:  # 32 results are on their way, and half of them at most wait in the queue
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


class Newcomers(FakePipeline):
    """A confirmed face, and every seven frames a new one that is tentative for two; its state is the frame count."""

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        super().process(frame)
        number, age = divmod(self.seen - 1, 7)
        faces = [fake_face(level=self.seen % 100 / 100), fake_face(track_id=10 + number, level=age / 10)]
        if age < 2:
            track = dataclasses.replace(faces[1].track, state=TrackState.TENTATIVE)
            faces[1] = dataclasses.replace(faces[1], track=track)
        return fake_result(frame, *(face for face in faces if tentative or face.track.state is TrackState.CONFIRMED))


def rows_of_face(folder: SessionFolder, face_id: int) -> list[int]:
    return [int(row["frame"]) for row in table_of(folder) if row["face_id"] == str(face_id)]


def test_a_new_face_of_a_file_has_rows_from_its_first_frame(run_annotate: Annotator) -> None:
    run_annotate(Newcomers(), video=False)
    assert rows_of_face(run_annotate.folder, 1) == list(range(FRAMES))
    for number in range(5):
        assert rows_of_face(run_annotate.folder, 10 + number) == list(range(7 * number, 7 * number + 7))


def test_a_face_that_is_still_tentative_at_the_end_has_no_rows(run_annotate: Annotator) -> None:
    run_annotate(Newcomers(), FakeSource(30), video=False)
    assert rows_of_face(run_annotate.folder, 14) == []
    assert rows_of_face(run_annotate.folder, 1) == list(range(30))


def test_a_live_source_shows_a_new_face_once_it_is_confirmed(run_annotate: Annotator) -> None:
    control = JobControl()
    pipeline = Newcomers(on_frame=lambda index: control.stop() if pipeline.seen > 6 else None)
    run_annotate(pipeline, FakeSource(10**6, live=True), control, video=False)
    assert rows_of_face(run_annotate.folder, 10)
    assert pipeline.processed[0] not in rows_of_face(run_annotate.folder, 10)


@pytest.mark.parametrize("fail_at", [*range(8, FRAMES, 3)])
def test_a_session_resumed_while_results_are_held_has_the_same_bytes(
    run_annotate: Annotator, tmp_path: Path, fail_at: int
) -> None:
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(Newcomers(), video=False)
    with pytest.raises(RuntimeError):
        run_annotate(Newcomers(fail_at=fail_at), video=False)
    assert run_annotate(Newcomers(), resume=True, video=False).finished
    assert run_annotate.folder.csv.read_bytes() == whole.folder.csv.read_bytes()


def test_a_journal_with_held_results_truncated_anywhere_gives_the_same_bytes(
    run_annotate: Annotator, tmp_path: Path
) -> None:
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(Newcomers(), video=False)
    journal = whole.folder.journal.read_bytes()
    chance = random.Random(7)
    for cut in [0, *(chance.randrange(len(journal)) for _ in range(20))]:
        shutil.rmtree(run_annotate.folder.path, ignore_errors=True)
        run_annotate.folder.path.mkdir()
        run_annotate.folder.journal.write_bytes(journal[:cut])
        assert run_annotate(Newcomers(), resume=True, video=False).finished
        assert run_annotate.folder.csv.read_bytes() == whole.folder.csv.read_bytes()


class Crowd(FakePipeline):
    """As many faces too many as the frame's index says, up to three."""

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        return dataclasses.replace(super().process(frame), left_out=frame.index % 4)


def test_faces_beyond_the_limit_are_counted(run_annotate: Annotator) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(Crowd(fail_at=20), video=False)
    outcome = run_annotate(Crowd(), resume=True, video=False)
    assert outcome.counts is not None
    assert (outcome.counts.crowded, outcome.counts.left_out) == (FRAMES - FRAMES // 4 - 1, 3)
    metadata = json.loads(run_annotate.folder.metadata.read_text())
    assert metadata["faces_left_out"] == {"frames": FRAMES - FRAMES // 4 - 1, "most": 3}


def test_without_a_crowd_nobody_is_left_out(run_annotate: Annotator) -> None:
    run_annotate(video=False)
    assert json.loads(run_annotate.folder.metadata.read_text())["faces_left_out"] == {"frames": 0, "most": 0}


def test_a_video_is_not_face_crops(run_annotate: Annotator) -> None:
    with pytest.raises(ConfigError, match="clip.mp4 is not an image"):
        run_annotate(config=EngineConfig(tracking=TrackingConfig(face_crops=True)))
    assert not run_annotate.folder.path.exists()


def frames_in(folder: SessionFolder) -> list[int]:
    return sorted({int(row["frame"]) for row in table_of(folder)})


def test_a_range_and_an_interval_choose_the_frames(run_annotate: Annotator) -> None:
    run_annotate(time_range=TimeRange(0.5, 2.0), every=4, video=False)
    assert frames_in(run_annotate.folder) == [8, 12, 16]
    config = json.loads(run_annotate.folder.metadata.read_text())["config"]
    assert config["preset"]["every_n"] == 4
    assert config["frames"] == {"start_s": 0.5, "end_s": 2.0}


@pytest.mark.parametrize("fail_at", [8, 19, 26])
def test_a_range_resumes_to_the_same_table(run_annotate: Annotator, tmp_path: Path, fail_at: int) -> None:
    time_range = TimeRange(0.45, 2.85)
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(time_range=time_range)
    assert frames_in(whole.folder) == list(range(5, 29))
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=fail_at), time_range=time_range)
    listener = SilentListener()
    assert run_annotate(resume=True, time_range=time_range, listener=listener).finished
    assert run_annotate.folder.csv.read_bytes() == whole.folder.csv.read_bytes()
    assert listener.done == 24


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"time_range": TimeRange(1.0)}, "start_s"),
        ({"time_range": TimeRange(0, 2)}, "end_s"),
        ({"every": 2}, "every_n"),
    ],
)
@pytest.mark.parametrize("fail_at", [None, 20])
def test_other_frames_are_neither_resumed_nor_skipped(
    run_annotate: Annotator, options: dict[str, Any], name: str, fail_at: int | None
) -> None:
    with contextlib.suppress(RuntimeError):
        run_annotate(FakePipeline(fail_at=fail_at), video=False)
    with pytest.raises(
        OutputError, match=f"another {name} ", check=lambda error: error.remedy is Remedy.RESTART_OR_OTHER_FOLDER
    ):
        run_annotate(resume=True, video=False, **options)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A file that stands for a video; its frames are fake."""
    path = tmp_path / "P01" / "video.mp4"
    path.parent.mkdir()
    path.write_bytes(b"first")
    return path


def annotate_file(run: Annotator, path: Path, pipeline: FakePipeline | None = None, **options: bool) -> Outcome:
    return run(pipeline, FakeSource(source_id=path.name, files=(path,)), spec=str(path), video=False, **options)


def test_the_metadata_has_path_size_and_hash_from_the_start(run_annotate: Annotator, clip: Path) -> None:
    wanted = {"path": str(clip), "size_bytes": 5, "sha256": hashlib.sha256(b"first").hexdigest()}
    with pytest.raises(RuntimeError):
        annotate_file(run_annotate, clip, FakePipeline(fail_at=20))
    source = json.loads(run_annotate.folder.metadata.read_text())["source"]
    assert {key: source[key] for key in wanted} == wanted
    assert annotate_file(run_annotate, clip, resume=True).finished
    source = json.loads(run_annotate.folder.metadata.read_text())["source"]
    assert {key: source[key] for key in wanted} == wanted


@pytest.mark.parametrize("fail_at", [20, None], ids=["unfinished", "finished"])
@pytest.mark.parametrize("keep_metadata", [True, False])
def test_a_replaced_file_is_neither_resumed_nor_skipped(
    run_annotate: Annotator, clip: Path, fail_at: int | None, keep_metadata: bool
) -> None:
    with contextlib.suppress(RuntimeError):
        annotate_file(run_annotate, clip, FakePipeline(fail_at=fail_at))
    clip.write_bytes(b"other")  # of the same length
    if not keep_metadata:
        run_annotate.folder.metadata.unlink()
    pipeline = FakePipeline()
    with pytest.raises(
        OutputError,
        match=r"video.mp4 has changed since",
        check=lambda error: error.remedy is Remedy.RESTART_OR_OTHER_FOLDER,
    ):
        annotate_file(run_annotate, clip, pipeline, resume=True)
    assert pipeline.processed == []
    assert annotate_file(run_annotate, clip, force=True).finished


def test_the_session_of_another_source_is_named(run_annotate: Annotator, clip: Path, tmp_path: Path) -> None:
    annotate_file(run_annotate, clip)
    other = tmp_path / "video.mp4"
    other.write_bytes(b"other")
    with pytest.raises(OutputError, match=f"holds the session of another source, {clip}"):
        annotate_file(run_annotate, other, resume=True)


def test_a_moved_file_is_still_the_same_source(run_annotate: Annotator, clip: Path, tmp_path: Path) -> None:
    annotate_file(run_annotate, clip)
    moved = clip.rename(tmp_path / "video.mp4")
    assert annotate_file(run_annotate, moved, resume=True).skipped


def test_a_session_without_a_recorded_source_is_not_taken_for_it(run_annotate: Annotator, clip: Path) -> None:
    annotate_file(run_annotate, clip)
    path = run_annotate.folder.metadata
    content = json.loads(path.read_text())
    content["source"]["sha256"] = None
    path.write_text(json.dumps(content))
    with pytest.raises(OutputError, match="does not record video.mp4 as its source"):
        annotate_file(run_annotate, clip, resume=True)


def test_a_camera_does_not_resume_the_session_of_a_file(run_annotate: Annotator, clip: Path) -> None:
    annotate_file(run_annotate, clip)
    with pytest.raises(OutputError, match="does not record camera:0 as its source"):
        run_annotate(source=FakeSource(5, live=True, source_id="camera:0"), spec="0", resume=True)


def test_a_file_that_changes_during_the_analysis_is_a_fault(run_annotate: Annotator, clip: Path) -> None:
    def append(index: int) -> None:
        if index == 20:
            with clip.open("ab") as handle:
                handle.write(b"more")

    outcome = annotate_file(run_annotate, clip, FakePipeline(on_frame=append))
    assert outcome.fault == "video.mp4 changed during the analysis: use --force once the content is final"
    metadata = json.loads(run_annotate.folder.metadata.read_text())
    assert metadata["fault"] == outcome.fault
    assert metadata["source"]["sha256"] == hashlib.sha256(b"first").hexdigest()


def test_a_file_deleted_during_the_analysis_is_complete(run_annotate: Annotator, clip: Path) -> None:
    outcome = annotate_file(
        run_annotate, clip, FakePipeline(on_frame=lambda index: clip.unlink() if index == 20 else None)
    )
    assert (outcome.finished, outcome.fault) == (True, None)


def test_stopping_while_the_source_is_hashed_leaves_nothing(run_annotate: Annotator, clip: Path) -> None:
    control = JobControl()
    control.stop()
    outcome = run_annotate(source=FakeSource(files=(clip,)), spec=str(clip), control=control)
    assert not outcome.finished
    assert not run_annotate.folder.path.exists()


WAITING = """
import sys
from pathlib import Path
from app.session.folder import SessionFolder
from tests.fakes.engines import FakePipeline
from tests.fakes.sessions import Annotator
def wait(index):
    if index == 15:
        print("running", flush=True)
        sys.stdin.read()
Annotator(SessionFolder(Path(sys.argv[1])))(FakePipeline(on_frame=wait), video=False)
"""


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"force": True}], ids=str)
def test_a_second_program_on_the_same_folder_is_refused(
    run_annotate: Annotator, tmp_path: Path, options: dict[str, bool]
) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(run_annotate.folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "running\n"
    pipeline = FakePipeline()
    with pytest.raises(OutputError, match=f"in use by process {first.pid} on .*", check=is_in_use):
        run_annotate(pipeline, **options)
    assert pipeline.processed == []
    first.communicate()
    assert first.returncode == 0
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(video=False)
    assert table_of(run_annotate.folder) == table_of(whole.folder)
    assert not run_annotate.folder.lock.exists()


def is_in_use(error: OutputError) -> bool:
    return error.remedy is Remedy.IN_USE


def test_a_resumed_journal_has_one_header(run_annotate: Annotator) -> None:
    with pytest.raises(RuntimeError):
        run_annotate(FakePipeline(fail_at=20))
    run_annotate(resume=True)
    lines = [json.loads(line) for line in run_annotate.folder.journal.read_text().splitlines()]
    assert [key for line in lines for key in line if key in ("header", "resumed_at")] == ["header", "resumed_at"]
