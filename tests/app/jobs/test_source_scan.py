"""What is dropped: which sources it stands for, where their results go, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.jobs.source_scan import DEMO_SPEC, check_disk, scan_sources
from engine.capture.source import FrameSource
from engine.errors import SourceError
from tests.fakes.engines import FakeSource


def open_made(spec: str) -> FrameSource:
    """Opens what does not begin with "bad"."""
    if Path(spec).name.startswith("bad"):
        raise SourceError(f"{spec} holds no frame")
    return FakeSource(12)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_files_get_folders_of_their_names(tmp_path: Path) -> None:
    intake = scan_sources([str(tmp_path / "a.mp4"), DEMO_SPEC], tmp_path / "out", (), open_made)
    assert [one.folder for one in intake.found] == [tmp_path / "out" / "a", tmp_path / "out" / "demo"]


def test_the_frames_of_each_preset_are_known_beforehand(tmp_path: Path) -> None:
    def open_fast(spec: str) -> FrameSource:
        source = FakeSource(100)
        source.info = dataclasses.replace(source.info, fps=30.0)
        return source

    def open_endless(spec: str) -> FrameSource:
        source = FakeSource(100)
        source.info = dataclasses.replace(source.info, frame_count=None)
        return source

    assert scan_sources(["a.mp4"], tmp_path, (), open_fast).found[0].totals == {
        "speed": 34,
        "balanced": 100,
        "thorough": 100,
    }
    assert set(scan_sources(["a.mp4"], tmp_path, (), open_endless).found[0].totals.values()) == {None}


def test_the_same_file_again_gets_another_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "a-2").mkdir(parents=True)  # of an earlier day
    intake = scan_sources(["a.mp4", "x/a.mp4"], out, ("a",), open_made)
    assert [one.folder.name for one in intake.found] == ["a-3", "a-4"]


def test_a_folder_of_many_pictures_is_one_source(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    touch(*(folder / f"{number}.JPG" for number in range(300)), folder / "notes.txt")
    intake = scan_sources([str(folder)], tmp_path / "out", (), open_made)
    assert [one.spec for one in intake.found] == [str(folder)]


def test_the_videos_of_a_folder_are_a_source_each(tmp_path: Path) -> None:
    folder = tmp_path / "day"
    touch(folder / "b.MP4", folder / "a.mkv", folder / "face.png", folder / "deeper" / "c.mp4")
    intake = scan_sources([str(folder)], tmp_path / "out", (), open_made)
    assert [Path(one.spec).name for one in intake.found] == ["day", "a.mkv", "b.MP4"]


@pytest.mark.parametrize("spec", ["0", "/dev/video2", "rtsp://me:secret@10.0.0.7/live"])
def test_what_has_no_end_is_refused_unopened(spec: str, tmp_path: Path) -> None:
    def open_none(spec: str) -> FrameSource:
        raise AssertionError("must not be opened")

    intake = scan_sources([spec], tmp_path, (), open_none)
    assert intake.found == ()
    assert len(intake.live) == 1
    assert "secret" not in intake.live[0]


def test_one_bad_file_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    intake = scan_sources(["bad.mp4", "a.mp4", str(tmp_path / "empty"), "bad2.mp4"], tmp_path / "out", (), open_made)
    assert [one.spec for one in intake.found] == ["a.mp4"]
    assert intake.faults == ("bad.mp4 holds no frame", "bad2.mp4 holds no frame")
    assert intake.empty == (str(tmp_path / "empty"),)


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_its_parent(tmp_path: Path) -> None:
    disk = check_disk(tmp_path / "deep" / "deeper")
    assert disk is not None
    assert disk.writable
    assert disk.free_bytes > 0


def test_nothing_can_be_written_inside_a_file(tmp_path: Path) -> None:
    touch(tmp_path / "file")
    disk = check_disk(tmp_path / "file")
    assert disk is not None
    assert not disk.writable


def test_what_cannot_be_looked_at_has_no_disk() -> None:
    assert check_disk(Path("x" * 5000)) is None


def test_a_name_that_no_disk_takes_is_one_fault() -> None:
    intake = scan_sources(["x" * 5000, "a.mp4"], Path("out"), (), open_made)
    assert [one.spec for one in intake.found] == ["a.mp4"]
    assert len(intake.faults) == 1
    assert "cannot be read (File name too long)" in intake.faults[0]
