"""Recordings: the files of the session, gaps, losses, full disks, and attaching to a running source."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import av
import numpy as np
import pytest

from app.live.recorder import Recorder, recording_folder
from app.session.folder import SessionFolder, SessionState
from app.session.journal import JournalSink, read_header, read_journal
from app.session.lock import SessionLock, lock_owner
from app.session.metadata import first_metadata, read_metadata, session_header
from app.settings.limits import Limits
from engine.config import RuntimeConfig
from engine.errors import OutputError, Remedy
from engine.runtime import Runtime
from engine.types import NO_BASELINE, BaselineState, Frame, FrameResult, UnitBaseline
from tests.fakes.engines import FakePipeline, FakeSource, fake_engine
from tests.fakes.faces import UNITS, fake_frame


def make_recorder(
    path: Path,
    limits: Limits | None = None,
    damaged: Callable[[], int] = int,
    kind: type[Recorder] = Recorder,
) -> Recorder:
    source, engine = FakeSource(live=True, source_id="camera:0"), fake_engine(FakePipeline())
    header = session_header("0", source, engine, "0.1", limits)
    return kind(SessionFolder(path), header, first_metadata("0", source.info, engine, header), damaged)


def results(*indices: int, fps: float = 10.0) -> list[FrameResult]:
    """Results of frames whose clock began long ago."""
    pipeline = FakePipeline()
    frames = [fake_frame(index, fps=fps) for index in indices]
    return [
        pipeline.process(dataclasses.replace(frame, timestamp_s=frame.timestamp_s + 500.0, pts_s=7.0))
        for frame in frames
    ]


def record(recorder: Recorder, *indices: int) -> None:
    recorder.open()
    try:
        for result in results(*indices):
            recorder.write(result)
    finally:
        recorder.close(True)


def video_times(path: Path) -> list[float | None]:
    with av.open(str(path)) as container:
        return [picture.time for picture in container.decode(video=0)]


def test_a_recording_is_a_finished_folder_with_clean_video(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "session")
    record(recorder, *range(20, 45))
    folder = recorder.folder
    names = ["faces.csv", "faces.parquet", "journal.jsonl", "metadata.json", "video.mp4"]
    assert sorted(path.name for path in folder.path.iterdir()) == names
    assert folder.state() is SessionState.FINISHED
    assert (recorder.written, recorder.duration_s) == (25, pytest.approx(2.4))
    with av.open(str(folder.recording)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert np.abs(picture - 20).max() <= 3  # the grey of frame 20, and no line over it


def test_indices_and_times_start_at_0_and_keep_gaps(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "session")
    record(recorder, 20, 21, 25, 26)
    entries = list(read_journal(recorder.folder.journal))
    assert [entry.frame for entry in entries] == [0, 1, 5, 6]
    assert [entry.rows[0].time_s for entry in entries] == [0.0, 0.1, 0.5, 0.6]
    assert {row.pts_s for entry in entries for row in entry.rows} == {None}
    assert video_times(recorder.folder.recording) == pytest.approx([0.0, 0.1, 0.5, 0.6], abs=1e-4)
    metadata = read_metadata(recorder.folder.metadata)
    assert metadata.frames is not None
    assert dataclasses.astuple(metadata.frames) == (7, 4, 3, 0)
    with recorder.folder.csv.open(newline="") as handle:
        assert {row["frame"] for row in csv.DictReader(handle)} == {"0", "1", "5", "6"}


def test_metadata_describes_the_recording(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "session", Limits(0.9, 0.5))
    record(recorder, *range(12))
    metadata, header = read_metadata(recorder.folder.metadata), read_header(recorder.folder.journal)
    assert metadata.completed
    assert metadata.fault is None
    assert metadata.end is not None
    assert metadata.faces == 2
    assert (metadata.source.source, metadata.source.kind, metadata.source.fps_mode) == ("camera:0", "camera", "cfr")
    assert metadata.thresholds == {"tau_accept": 0.9, "tau_ood": 0.5}  # those in force ...
    assert (header.aleatoric_limit, header.ood_limit) == (0.9, 0.5)
    assert metadata.calibration["expression"]["aleatoric_limit"] == 1.2  # ... and the model's own
    with recorder.folder.csv.open(newline="") as handle:
        assert {row["tau_accept"] for row in csv.DictReader(handle)} == {"0.9"}


def test_metadata_exists_from_the_start(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "session")
    recorder.open()
    assert not read_metadata(recorder.folder.metadata).completed
    recorder.close(True)


def test_an_empty_recording_leaves_no_folder(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "session")
    record(recorder)
    assert (recorder.written, recorder.duration_s) == (0, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_other_files_in_the_folder_are_kept(tmp_path: Path) -> None:
    (tmp_path / "session").mkdir()
    (tmp_path / "session" / "mine.txt").write_text("mine")
    record(make_recorder(tmp_path / "session"))
    assert [path.name for path in (tmp_path / "session").iterdir()] == ["mine.txt"]


def test_a_run_that_ends_early_leaves_a_complete_recording_with_the_reason(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "session")
    recorder.open()
    for result in results(0, 1, 2):
        recorder.write(result)
    recorder.close(False)
    metadata = read_metadata(recorder.folder.metadata)
    assert metadata.completed
    assert metadata.fault is not None
    assert "ended before the recording was stopped" in metadata.fault
    assert len(video_times(recorder.folder.recording)) == 3


def test_damaged_packets_count_from_the_start_of_the_recording(tmp_path: Path) -> None:
    damaged = [40]
    recorder = make_recorder(tmp_path / "session", damaged=lambda: damaged[0])
    recorder.open()
    recorder.write(results(3)[0])
    damaged[0] = 42
    recorder.close(True)
    frames = read_metadata(recorder.folder.metadata).frames
    assert frames is not None
    assert frames.damaged == 2


def test_a_folder_below_a_file_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recorder = make_recorder(tmp_path / "file" / "session")
    with pytest.raises(OutputError, match="session cannot be written") as refused:
        recorder.open()
    assert refused.value.remedy is Remedy.OTHER_FOLDER
    assert (tmp_path / "file").read_text() == ""


def test_a_folder_in_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "session")
    with SessionLock(recorder.folder):
        recorder.folder.journal.write_text("of the other program")
        with pytest.raises(OutputError, match="in use by process", check=lambda error: error.remedy is Remedy.IN_USE):
            recorder.open()
        assert recorder.folder.journal.read_text() == "of the other program"
        assert recorder.folder.lock.exists()


def test_a_recording_holds_the_lock_until_it_is_closed(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path / "session")
    recorder.open()
    recorder.write(results(0)[0])
    assert lock_owner(recorder.folder) is not None
    recorder.close(True)
    assert lock_owner(recorder.folder) is None
    assert not recorder.folder.lock.exists()


def test_a_recording_that_cannot_start_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: JournalSink) -> None:
        raise OutputError("no journal today")

    monkeypatch.setattr(JournalSink, "open", refuse)
    with pytest.raises(OutputError, match="no journal today"):
        make_recorder(tmp_path / "session").open()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fail_at", [1, 7])
def test_a_full_disk_is_reported_once_and_keeps_the_written_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    recorder = make_recorder(tmp_path / "session")
    recorder.open()
    written, sync = results(*range(20)), os.fsync
    for result in written[:fail_at]:
        recorder.write(result)

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr("app.session.journal.SYNC_EVERY_S", 0.0)
    with pytest.raises(
        OutputError, match="No space left on device.*frames before are kept", check=has_recording_remedy
    ):
        recorder.write(written[fail_at])
    recorder.close(False)  # the thread of a sink does this next, and must not hide the error
    monkeypatch.setattr(os, "fsync", sync)
    assert recorder.written == fail_at
    assert len(list(read_journal(recorder.folder.journal))) >= fail_at
    assert recorder.folder.state() is SessionState.UNFINISHED


def test_a_full_disk_at_the_end_keeps_journal_and_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: Path, baselines: object) -> None:
        raise OutputError("no table today", Remedy.FREE_SPACE)

    monkeypatch.setattr("app.live.recorder.write_tables", refuse)
    recorder = make_recorder(tmp_path / "session")
    with pytest.raises(OutputError, match="no table today", check=has_recording_remedy):
        record(recorder, *range(5))
    assert sum(1 for _ in read_journal(recorder.folder.journal)) == 5
    assert len(video_times(recorder.folder.recording)) == 5
    assert not read_metadata(recorder.folder.metadata).completed


LIMITED = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails with EFBIG, as ENOSPC does
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
import numpy as np
from app.remedies import window_text
from engine.errors import OutputError
from tests.app.live.test_recorder import make_recorder, noisy_results
recorder = make_recorder(Path(sys.argv[1]))
try:
    recorder.open()
    try:
        for result in noisy_results(60):
            recorder.write(result)
    finally:
        recorder.close(True)
except OutputError as error:
    print(window_text(error))
    print(recorder.written)
    sys.exit(2)
"""


def has_recording_remedy(error: OutputError) -> bool:
    return error.remedy is Remedy.FREE_SPACE_OR_OTHER_FOLDER


def noisy_results(count: int) -> list[FrameResult]:
    """Frames that compress badly."""
    noise = np.random.default_rng(5)
    plain = results(*range(count))
    images = noise.integers(0, 256, (count, 120, 160, 3), np.uint8)
    return [
        FrameResult(dataclasses.replace(result.frame, image=image), result.faces, result.times)
        for result, image in zip(plain, images, strict=True)
    ]


@pytest.mark.parametrize("limit", [500, 60_000, 400_000])
def test_a_full_disk_at_any_size_is_one_error_and_leaves_what_can_be_read(tmp_path: Path, limit: int) -> None:
    folder = SessionFolder(tmp_path / "session")
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder.path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert finished.returncode == 2, finished.stderr
    assert finished.stderr == ""
    message, written = finished.stdout.splitlines()
    assert "in the settings" in message
    if written == "0":
        assert not folder.path.exists()
        return
    assert sorted(path.name for path in folder.path.iterdir()) == ["journal.jsonl", "metadata.json", "video.mp4"]
    assert sum(1 for _ in read_journal(folder.journal)) == int(written)
    with av.open(str(folder.recording)) as container:  # the last picture may be cut off
        assert next(container.decode(video=0)).time == 0.0


def test_a_killed_recording_keeps_its_rows_and_frames(tmp_path: Path) -> None:
    killed = """
import os, signal, sys
from pathlib import Path
from tests.app.live.test_recorder import make_recorder, results
recorder = make_recorder(Path(sys.argv[1]))
recorder.open()
for result in results(*range(100)):
    recorder.write(result)
os.kill(os.getpid(), signal.SIGKILL)
"""
    folder = SessionFolder(tmp_path / "session")
    command = [sys.executable, "-c", killed, str(folder.path)]
    finished = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": "."})
    assert finished.returncode == -signal.SIGKILL
    assert sum(1 for _ in read_journal(folder.journal)) == 100
    assert len(video_times(folder.path / "video.part.mp4")) >= 50
    assert folder.state() is SessionState.UNFINISHED


def test_a_recorder_attaches_to_and_detaches_from_a_running_source(tmp_path: Path) -> None:
    enough = threading.Event()

    class Watched(Recorder):
        def write(self, result: FrameResult) -> None:
            super().write(result)
            if self.written == 40:
                enough.set()

    recorder = make_recorder(tmp_path / "session", kind=Watched)
    runtime = Runtime(EndlessCamera(), FakePipeline(), (), RuntimeConfig())
    runtime.start()
    attachment = runtime.attach(recorder)
    assert enough.wait(30.0)
    attachment.detach()
    counters = attachment.join(30.0)
    runtime.stop()
    entries = list(read_journal(recorder.folder.journal))
    assert len(entries) == counters.written == recorder.written >= 40
    times_s = [entry.rows[0].time_s for entry in entries]
    assert (entries[0].frame, times_s[0]) == (0, 0.0)
    assert times_s == pytest.approx([entry.frame / 10 for entry in entries])  # no row beside its frame
    assert len(video_times(recorder.folder.recording)) == len(entries)
    metadata = json.loads(recorder.folder.metadata.read_text())
    assert metadata["completed"] is True
    assert metadata["frames"]["read"] == entries[-1].frame + 1
    assert metadata["frames"]["analysed"] == len(entries)


class EndlessCamera(FakeSource):
    """A camera that never stops."""

    def __init__(self) -> None:
        super().__init__(10**9, live=True)

    def read(self) -> Frame | None:
        frame = super().read()
        return None if frame is None else dataclasses.replace(frame, image=frame.image[:32, :32])


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("0", "camera-0-20260301-090507"),
        ("demo", "demo-20260301-090507"),
        ("rtsp://me:secret@10.0.0.7/live?key=1", "rtsp-10.0.0.7-live-20260301-090507"),
    ],
)
def test_a_folder_is_named_after_source_and_time(tmp_path: Path, spec: str, name: str) -> None:
    now = datetime(2026, 3, 1, 9, 5, 7)
    folder = recording_folder(tmp_path, spec, now)
    assert folder.path == tmp_path / name
    assert not folder.path.exists()
    folder.make()
    assert recording_folder(tmp_path, spec, now).path.name == f"{name}-2"
    recording_folder(tmp_path, spec, now).make()
    assert recording_folder(tmp_path, spec, now).path.name == f"{name}-3"


def test_an_unreadable_root_is_reported_when_the_recording_starts() -> None:
    recorder = make_recorder(recording_folder(Path("x" * 5000), "0", datetime(2026, 3, 1)).path)
    with pytest.raises(OutputError, match="cannot be written.*too long") as refused:
        recorder.open()
    assert refused.value.remedy is Remedy.OTHER_FOLDER


def _with_baseline(result: FrameResult, baseline: UnitBaseline) -> FrameResult:
    return dataclasses.replace(
        result, faces=tuple(dataclasses.replace(face, baseline=baseline) for face in result.faces)
    )


def test_the_last_baseline_of_a_face_counts_for_the_whole_recording(tmp_path: Path) -> None:
    shift, error = np.full(UNITS, 1.0, np.float32), np.full(UNITS, 0.1, np.float32)
    known = UnitBaseline(BaselineState.KNOWN, 90, shift, error)
    recorder = make_recorder(tmp_path / "recording")
    recorder.open()
    # from the second frame on there is a face; another one is being collected when the recording ends
    collecting = UnitBaseline(BaselineState.COLLECTING, 3, shift, error)
    for index, baseline in enumerate((NO_BASELINE, NO_BASELINE, known, collecting)):
        recorder.write(_with_baseline(results(index)[0], baseline))
    recorder.close(True)
    with recorder.folder.csv.open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["face_id"] == "1" and row["au_12"]]
    assert len(rows) == 2
    assert {(row["au_baseline"], row["au_baseline_frames"]) for row in rows} == {("known", "90")}
    metadata = read_metadata(recorder.folder.metadata).au_baselines
    assert metadata is not None
    assert (metadata.frames, [face.state for face in metadata.faces]) == ("live", ["known"])


def test_only_the_baselines_of_the_faces_seen_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.live.recorder._MAX_BASELINES", 2)
    shift = np.ones(UNITS, np.float32)
    known = UnitBaseline(BaselineState.KNOWN, 90, shift, shift)
    recorder = make_recorder(tmp_path / "recording")
    recorder.open()
    for track_id, result in zip((3, 4, 3, 5), results(1, 2, 3, 4), strict=True):
        face = result.faces[0]
        seen = dataclasses.replace(face, baseline=known, track=dataclasses.replace(face.track, track_id=track_id))
        recorder.write(dataclasses.replace(result, faces=(seen,)))
    recorder.close(True)
    metadata = read_metadata(recorder.folder.metadata).au_baselines
    assert metadata is not None
    assert [each.face_id for each in metadata.faces] == [3, 5]


def test_a_baseline_that_was_cleared_leaves_nothing(tmp_path: Path) -> None:
    shift = np.zeros(UNITS, np.float32)
    recorder = make_recorder(tmp_path / "recording")
    recorder.open()
    for index, baseline in (
        (1, UnitBaseline(BaselineState.KNOWN, 90, shift, shift)),
        (2, NO_BASELINE),
        (6, NO_BASELINE),
    ):
        recorder.write(_with_baseline(results(index)[0], baseline))
    recorder.close(True)
    assert read_metadata(recorder.folder.metadata).au_baselines is None
