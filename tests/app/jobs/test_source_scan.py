"""Scanning dropped paths: the sources they contain, their output folders, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.jobs.source_scan import DEMO_SPEC, check_disk, scan_sources
from engine.capture.source import FrameSource
from engine.errors import SourceError
from tests.fakes.engines import FakeSource


def open_fake(spec: str) -> FrameSource:
    """Opens every spec that does not start with "bad"."""
    if Path(spec).name.startswith("bad"):
        raise SourceError(f"{spec} holds no frame")
    return FakeSource(12)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_output_folders_are_named_after_the_files(tmp_path: Path) -> None:
    result = scan_sources([str(tmp_path / "a.mp4"), DEMO_SPEC], tmp_path / "out", (), open_fake)
    assert [source.folder for source in result.found] == [tmp_path / "out" / "a", tmp_path / "out" / "demo"]


def test_the_number_of_frames_is_known_for_each_preset(tmp_path: Path) -> None:
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
    (out / "a-2").mkdir(parents=True)  # of an earlier job
    result = scan_sources(["a.mp4", "x/a.mp4"], out, ("a",), open_fake)
    assert [source.folder.name for source in result.found] == ["a-3", "a-4"]


def test_the_pictures_in_a_folder_are_one_source(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    touch(*(folder / f"{number}.JPG" for number in range(300)), folder / "notes.txt")
    result = scan_sources([str(folder)], tmp_path / "out", (), open_fake)
    assert [source.spec for source in result.found] == [str(folder)]


def test_each_video_in_a_folder_is_a_source(tmp_path: Path) -> None:
    folder = tmp_path / "day"
    touch(folder / "b.MP4", folder / "a.mkv", folder / "face.png", folder / "deeper" / "c.mp4")
    result = scan_sources([str(folder)], tmp_path / "out", (), open_fake)
    assert [Path(source.spec).name for source in result.found] == ["day", "a.mkv", "b.MP4"]


@pytest.mark.parametrize("spec", ["0", "/dev/video2", "rtsp://me:secret@10.0.0.7/live"])
def test_a_live_source_is_refused_without_opening_it(spec: str, tmp_path: Path) -> None:
    def open_none(spec: str) -> FrameSource:
        raise AssertionError("must not be opened")

    result = scan_sources([spec], tmp_path, (), open_none)
    assert result.found == ()
    assert len(result.live) == 1
    assert "secret" not in result.live[0]


def test_an_unreadable_file_does_not_affect_others(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = scan_sources(["bad.mp4", "a.mp4", str(tmp_path / "empty"), "bad2.mp4"], tmp_path / "out", (), open_fake)
    assert [source.spec for source in result.found] == ["a.mp4"]
    assert result.faults == ("bad.mp4 holds no frame", "bad2.mp4 holds no frame")
    assert result.empty == (str(tmp_path / "empty"),)


def test_the_disk_of_a_missing_folder_is_that_of_its_parent(tmp_path: Path) -> None:
    disk = check_disk(tmp_path / "deep" / "deeper")
    assert disk is not None
    assert disk.writable
    assert disk.free_bytes > 0


def test_a_file_is_not_a_writable_folder(tmp_path: Path) -> None:
    touch(tmp_path / "file")
    disk = check_disk(tmp_path / "file")
    assert disk is not None
    assert not disk.writable


def test_a_path_that_cannot_be_checked_has_no_disk() -> None:
    assert check_disk(Path("x" * 5000)) is None


def test_a_name_that_is_too_long_is_one_fault() -> None:
    result = scan_sources(["x" * 5000, "a.mp4"], Path("out"), (), open_fake)
    assert [source.spec for source in result.found] == ["a.mp4"]
    assert len(result.faults) == 1
    assert "cannot be read (File name too long)" in result.faults[0]
