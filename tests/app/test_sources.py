"""The sources in what the user gives: nothing is left out without being reported."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.sources import GivenSource, LabelledSource, find_sources
from engine.capture.folder import list_files
from tests.fakes.engines import FakeSource


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_what_is_not_a_folder_is_a_source_as_it_is() -> None:
    given = ["clip.mp4", "demo", "0", "rtsp://cam/live", "gone.mp4"]
    sources = find_sources(given)
    assert sources.found == tuple(map(GivenSource, given))
    assert (sources.empty, sources.left_out, sources.faults) == ((), (), ())


def test_a_folder_of_videos_is_a_list_of_videos(tmp_path: Path) -> None:
    touch(tmp_path, "talk2.mp4", "talk10.MOV", "intro.webm")
    found = find_sources([str(tmp_path)]).found
    assert [source.file for source in found] == ["intro.webm", "talk2.mp4", "talk10.MOV"]
    assert [source.spec for source in found] == [str(tmp_path / str(source.file)) for source in found]


def test_a_mixed_folder_gives_its_pictures_and_each_video(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4", "face.png", "face.JPG", "notes.txt", "data.csv", "more.txt", "README")
    sources = find_sources([str(tmp_path)])
    assert sources.found == (
        GivenSource(str(tmp_path)),
        GivenSource(str(tmp_path / "a.mp4"), "a.mp4"),
        GivenSource(str(tmp_path / "b.mp4"), "b.mp4"),
    )
    assert sources.left_out == (f"{tmp_path}: 4 files left out (2 with .txt, 1 with .csv, 1 with no suffix)",)


def test_subfolders_are_read_only_if_wanted(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "P01/a.mp4", "P01/deep/b.mp4", ".hidden/c.mp4")
    plain = find_sources([str(tmp_path)])
    assert [source.file for source in plain.found] == ["a.mp4"]
    assert plain.left_out == (f"{tmp_path}: 1 subfolder not read",)
    deep = find_sources([str(tmp_path)], recursive=True)
    assert [source.file for source in deep.found] == ["a.mp4", "P01/a.mp4", "P01/deep/b.mp4"]
    assert deep.left_out == ()


def test_results_in_a_folder_are_not_sources(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "out/a/annotated.mp4", "out/a/journal.jsonl")
    sources = find_sources([str(tmp_path)], recursive=True)
    assert [source.file for source in sources.found] == ["a.mp4"]
    assert sources.left_out == (f"{tmp_path}: 1 subfolder with results not read",)


def test_the_content_decides_before_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "face").write_bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    with av.open(str(tmp_path / "talk.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    (tmp_path / "talk.mp4").rename(tmp_path / "talk.txt")
    sources = find_sources([str(tmp_path)])
    assert sources.found == (GivenSource(str(tmp_path)), GivenSource(str(tmp_path / "talk.txt"), "talk.txt"))
    assert sources.left_out == ()


def test_a_folder_without_sources_is_empty(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    sources = find_sources([str(tmp_path)])
    assert (sources.found, sources.empty) == ((), (str(tmp_path),))


def test_a_source_given_twice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.mp4")
    monkeypatch.chdir(tmp_path)
    sources = find_sources(["a.mp4", str(tmp_path), "x/../a.mp4", "demo", "demo"])
    assert [source.spec for source in sources.found] == ["a.mp4", "demo"]
    assert len(sources.left_out) == 3
    assert all("is given twice" in line for line in sources.left_out)


def test_a_folder_that_cannot_be_read_does_not_affect_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.mp4", "closed/b.mp4", "open/c.mp4")
    listed = Path.iterdir

    def refuse(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    sources = find_sources([str(tmp_path / "closed"), str(tmp_path)], recursive=True)
    assert [source.file for source in sources.found] == ["a.mp4", "open/c.mp4"]
    problem = f"{tmp_path / 'closed'} cannot be read (Permission denied): check its permissions"
    assert [(fault.spec, fault.problem) for fault in sources.faults] == [(str(tmp_path / "closed"), problem)] * 2


def test_existing_paths_win_over_cameras_and_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "1/a.mp4", "demo/b.mp4", "20231105")
    monkeypatch.chdir(tmp_path)
    specs = [source.spec for source in find_sources(["1", "demo", "20231105", "2"]).found]
    assert specs == ["1/a.mp4", "demo/b.mp4", "20231105", "2"]


def test_frames_of_a_labelled_source_carry_its_path() -> None:
    with LabelledSource(FakeSource(3), "P01/a.mp4") as source:
        assert [frame.file for frame in source] == ["P01/a.mp4"] * 3


def test_every_file_of_a_folder_is_found_left_out_or_below_a_folder_not_read(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}{suffix}" for name in "ab" for suffix in (".mp4", ".png", ".txt", "", ".Mp4", ".tiff")))
    sources = find_sources([str(tmp_path)])
    videos = len(sources.found) - 1
    pictures = sum(path.suffix in (".png", ".tiff") for path in list_files(tmp_path).files)
    assert sources.left_out == (
        f"{tmp_path}: 4 files left out (2 with .txt, 2 with no suffix)",
    ) or sources.left_out == (f"{tmp_path}: 4 files left out (2 with no suffix, 2 with .txt)",)
    assert videos + pictures + 4 == 12
