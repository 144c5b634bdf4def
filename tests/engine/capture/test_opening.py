"""From text to source and folder name."""

from __future__ import annotations

import doctest

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture import file_type, opening, pictures, stream
from engine.capture.opening import is_live_spec, open_source, source_stem, sources_in
from engine.capture.pictures import PictureSource
from engine.capture.synthetic import SyntheticSource
from engine.capture.video_file import VideoFileSource
from engine.errors import SourceError


def test_the_text_decides(tmp_path, write_clip, pictures, monkeypatch):
    cv2.imwrite(str(tmp_path / "face.JPG"), np.zeros((20, 30, 3), np.uint8))
    clip = write_clip("clip.mp4", pictures[:2])
    gif = write_clip("moving.mkv", pictures[:2]).rename(tmp_path / "moving.gif")  # the content decides, not the suffix
    opened: list[object] = []
    monkeypatch.setattr(opening, "CameraSource", opened.append)
    monkeypatch.setattr(opening, "StreamSource", opened.append)
    for spec, kind in (
        ("demo", SyntheticSource),
        (str(tmp_path), PictureSource),
        (str(tmp_path / "face.JPG"), PictureSource),
        (str(clip), VideoFileSource),
        (str(gif), VideoFileSource),
    ):
        with open_source(spec) as source:
            assert type(source) is kind
            assert source.read() is not None
    for spec in ("0", "12", "/dev/video2", "rtsp://host/live", "HTTP://host/live", "https://host/live"):
        open_source(spec)
    assert opened == [0, 12, "/dev/video2", "rtsp://host/live", "HTTP://host/live", "https://host/live"]


def test_only_the_demo_knows_live():
    with open_source("demo", live=True) as source:
        assert source.info.is_live
        assert source.info.frame_count is None
    with open_source("demo") as source:
        assert not source.info.is_live


@pytest.mark.parametrize("spec", ["gone.mp4", "gone", "gone.png", "gone/"])
def test_what_is_missing_is_named(tmp_path, spec):
    with pytest.raises(SourceError, match="gone.*(does not exist|No such file).*: check the path"):
        open_source(str(tmp_path / spec))


def test_a_name_that_no_disk_takes_is_told():
    with pytest.raises(SourceError, match=r"cannot be opened \(File name too long\): check the path"):
        open_source("x" * 5000)


def test_other_addresses_are_refused_without_their_password():
    with pytest.raises(SourceError, match=r"ftp://\*\*\*@host/clip.mp4 is not read: use http, https, rtsp or a file"):
        open_source("ftp://me:pw@host/clip.mp4")


@pytest.mark.parametrize(
    ("spec", "stem"),
    [
        ("demo", "demo"),
        ("clips/talk.mp4", "talk"),
        ("clips/my talk (2).final.mp4", "my-talk-2-.final"),
        ("0", "camera-0"),
        ("/dev/video1", "camera-video1"),
        ("http://me:pw@host:80/live?x=1", "http-host-80-live"),
        ("...", "source"),
        ("Gesicht_Ä.mov", "Gesicht_Ä"),
    ],
)
def test_stems(spec, stem):
    assert source_stem(spec) == stem


def test_the_stem_of_a_folder_is_its_whole_name(tmp_path):
    (tmp_path / "shots.v2").mkdir()
    assert source_stem(str(tmp_path / "shots.v2")) == "shots.v2"


@given(st.text(max_size=200).filter(lambda text: "\0" not in text))
def test_a_stem_is_always_a_plain_name(spec):
    stem = source_stem(spec)
    assert 0 < len(stem) <= 80
    assert stem not in (".", "..")
    assert not set(stem) & set('/\\:*?"<>|\n\0 ')


@pytest.mark.parametrize("module", [file_type, opening, pictures, stream])
def test_examples_in_the_documentation_hold(module):
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", ["20231105", "0", "demo", "12", "-1.mp4", "-v"])
def test_an_existing_path_comes_before_cameras_and_the_demo(tmp_path, write_clip, pictures, monkeypatch, name):
    write_clip("clip.mp4", pictures[:2]).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert not is_live_spec(name)
    with open_source(name) as source:
        assert isinstance(source, VideoFileSource)
        assert source.info.source_id == name
    assert "camera" not in source_stem(name)


def test_a_folder_with_the_number_of_a_camera_is_a_folder(tmp_path, monkeypatch):
    (tmp_path / "1").mkdir()
    cv2.imwrite(str(tmp_path / "1" / "face.png"), np.zeros((20, 30, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    with open_source("1") as source:
        assert isinstance(source, PictureSource)
    assert source_stem("1") == "1"


def test_a_folder_stands_for_its_pictures_and_each_of_its_videos(tmp_path, write_clip, pictures):
    folder = tmp_path / "mixed"
    folder.mkdir()
    assert sources_in(str(folder)) == []
    for name in ("b.mp4", "a.mkv", "no suffix"):
        write_clip("clip.mp4", pictures[:2]).rename(folder / name)
    (folder / "notes.txt").write_text("notes")
    (folder / ".hidden.mp4").write_bytes(b"")
    videos = [str(folder / name) for name in ("a.mkv", "b.mp4", "no suffix")]
    assert sources_in(str(folder)) == videos
    cv2.imwrite(str(folder / "face.png"), np.zeros((20, 30, 3), np.uint8))
    assert sources_in(str(folder)) == [str(folder), *videos]
    assert sources_in("demo") == ["demo"]
    assert sources_in("0") == ["0"]
    assert sources_in(videos[0]) == videos[:1]
