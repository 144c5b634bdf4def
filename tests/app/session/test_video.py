"""The written video: overlay, key frames, times, and what a killed program leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from app.session.rows import SessionHeader
from app.session.video import VideoSink
from engine.types import Frame
from tests.fakes.faces import fake_face, fake_frame, fake_result


def write_frames(path: Path, header: SessionHeader | None, frames: list[Frame]) -> None:
    sink = VideoSink(path, header)
    sink.open()
    for frame in frames:
        sink.write(fake_result(frame, fake_face()))
    sink.close(True)
    sink.publish()


def test_without_a_header_there_is_no_overlay(tmp_path: Path, header: SessionHeader) -> None:
    frames = [fake_frame(100 + index) for index in range(12)]
    write_frames(tmp_path / "clean.mp4", None, frames)
    write_frames(tmp_path / "drawn.mp4", header, frames)

    def farthest(name: str) -> int:
        with av.open(str(tmp_path / name)) as container:
            pictures = [picture.to_ndarray(format="rgb24").astype(int) for picture in container.decode(video=0)]
        assert len(pictures) == len(frames)
        return max(
            int(np.abs(picture - frame.image[0, 0]).max()) for picture, frame in zip(pictures, frames, strict=True)
        )

    assert farthest("clean.mp4") <= 3
    assert farthest("drawn.mp4") > 50


@pytest.mark.parametrize("fps", [5.0, 10.0, 29.97, 60.0])
def test_there_is_a_key_frame_every_second(tmp_path: Path, fps: float) -> None:
    frames = [fake_frame(index, fps=fps) for index in range(round(4 * fps))]
    write_frames(tmp_path / "keys.mp4", None, frames)
    with av.open(str(tmp_path / "keys.mp4")) as container:
        pictures = [(picture.time, picture.key_frame) for picture in container.decode(video=0)]
    assert [time_s for time_s, _ in pictures] == pytest.approx([frame.timestamp_s for frame in frames], abs=1e-4)
    keys_s = [time_s for time_s, is_key in pictures if is_key and time_s is not None]
    assert len(keys_s) == 4
    assert max(np.diff(keys_s)) <= 1.0 + 1 / fps + 1e-3


@pytest.mark.parametrize("times_s", [[0.0, 0.0, 0.1, 5.0, 5.0, 90.0], [0.0, 20.0, 90.0, 93.0, 93.1]])
def test_repeated_and_jumping_times_stay_in_order(tmp_path: Path, times_s: list[float]) -> None:
    image = fake_frame().image
    write_frames(tmp_path / "leap.mp4", None, [Frame(image, *pair, "clip") for pair in enumerate(times_s)])
    with av.open(str(tmp_path / "leap.mp4")) as container:
        written_s = [picture.time for picture in container.decode(video=0)]
    assert written_s == pytest.approx(times_s, abs=1e-3)
    assert len(set(written_s)) == len(times_s)


KILLED = """
import os, signal, sys
from pathlib import Path
from app.session.video import VideoSink
from tests.fakes.faces import fake_frame, fake_result
sink = VideoSink(Path(sys.argv[1]), None)
sink.open()
for index in range(80):
    sink.write(fake_result(fake_frame(index)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_video_of_a_killed_program_can_be_played(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "video.mp4")]
    assert subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": "."}).returncode == -9
    assert not (tmp_path / "video.mp4").exists()
    with av.open(str(tmp_path / "video.part.mp4")) as container:
        times_s = [picture.time for picture in container.decode(video=0)]
    assert len(times_s) >= 30
    assert times_s == pytest.approx([index / 10 for index in range(len(times_s))], abs=1e-4)
