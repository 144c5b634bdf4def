"""From text to source and folder name."""

from __future__ import annotations

import doctest
import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture import file_type, folder, opening, redaction, time_range
from engine.capture.opening import is_live_spec, is_path_spec, open_source, source_stem
from engine.capture.pictures import PictureSource
from engine.capture.synthetic import SyntheticSource
from engine.capture.video_file import VideoFileSource
from engine.errors import SourceError


def test_the_text_decides(tmp_path, write_clip, pictures, monkeypatch):
    cv2.imwrite(str(tmp_path / "face.JPG"), np.zeros((20, 30, 3), np.uint8))
    clip = write_clip("clip.mp4", pictures[:2])
    gif = write_clip("moving.mkv", pictures[:2]).rename(tmp_path / "moving.gif")  # the content decides, not the suffix
    opened: list[object] = []
    monkeypatch.setattr(opening, "CameraSource", lambda device, frozen_s: opened.append(device))
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


@pytest.mark.parametrize("module", [file_type, folder, opening, redaction, time_range])
def test_examples_in_the_documentation_hold(module):
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", ["0", "20231105", "demo", "camera:1", "http:", "-1.mp4", "-v"])
@pytest.mark.parametrize("kind", ["video", "folder"])
def test_an_existing_path_wins(tmp_path, write_clip, pictures, monkeypatch, name, kind):
    clip = write_clip("clip.mp4", pictures[:2])
    if kind == "video":
        clip.rename(tmp_path / name)
    else:
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), pictures[0])
    monkeypatch.chdir(tmp_path)
    assert is_path_spec(name)
    assert not is_live_spec(name)
    with open_source(name) as source:
        assert type(source) is (VideoFileSource if kind == "video" else PictureSource)
        assert source.info.source_id == name
    assert not source_stem(name).startswith("camera-0")


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="needs a folder below /dev that can be written to")
def test_a_clip_in_a_folder_below_dev_is_a_file(write_clip, pictures):
    clip = write_clip("clip.mp4", pictures[:2])
    with tempfile.TemporaryDirectory(dir="/dev/shm") as unique:  # its random name may end in "_", which a stem drops
        folder = Path(unique) / "takes"
        folder.mkdir()
        path = shutil.copy(clip, folder)
        assert is_path_spec(path)
        assert source_stem(path) == "clip"
        assert source_stem(str(folder)) == "takes"
        with open_source(path) as source:
            assert type(source) is VideoFileSource


def test_devices_and_missing_paths_below_dev_are_cameras(monkeypatch):
    opened: list[object] = []
    monkeypatch.setattr(opening, "CameraSource", lambda device, frozen_s: opened.append(device))
    for spec in ("/dev/null", "/dev/video99"):
        assert is_live_spec(spec)
        open_source(spec)
    assert opened == ["/dev/null", "/dev/video99"]


def test_a_camera_can_be_named_where_a_path_has_its_number(tmp_path, monkeypatch):
    (tmp_path / "0").mkdir()
    monkeypatch.chdir(tmp_path)
    opened: list[object] = []
    monkeypatch.setattr(opening, "CameraSource", lambda device, frozen_s: opened.append(device))
    open_source("camera:0")
    assert opened == [0]
    assert source_stem("camera:0") == "camera-0"
