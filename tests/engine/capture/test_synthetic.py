"""The demo clip: the same each time, and with the passages that it promises."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from engine.capture import synthetic
from engine.capture.source import SourceKind
from engine.capture.synthetic import PASSAGES, SyntheticSource
from engine.errors import SourceError
from engine.tracking.detector import FaceDetector


def middle(name: str, frames: int = 200) -> int:
    """Index of the frame in the middle of a passage."""
    passage = next(each for each in PASSAGES if each.name == name)
    return round((passage.begin + passage.end) / 2 * frames)


def test_info_and_times():
    with SyntheticSource(duration_s=0.4, fps=25, size=(160, 90)) as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
    info = source.info
    assert (info.source_id, info.kind, info.is_live) == ("demo", SourceKind.SYNTHETIC, False)
    assert (info.frame_count, info.duration_s, info.fps) == (10, 10 / 25, 25)
    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.timestamp_s for frame in frames] == [index / 25 for index in range(10)]
    assert all(frame.image.shape == (90, 160, 3) for frame in frames)


def test_a_picture_depends_on_its_index_alone():
    one, two = SyntheticSource(size=(320, 180)), SyntheticSource(size=(320, 180))
    for index in (0, middle("blurred"), middle("crossing")):
        two.skip_to(index)
        frame = two.read()
        assert frame is not None
        assert np.array_equal(one.draw(index), frame.image)
        assert frame.index == index
    assert not np.array_equal(one.draw(0), one.draw(5))


def test_a_loop_has_no_end_and_begins_again():
    with SyntheticSource(duration_s=0.2, fps=25, size=(160, 90), loop=True) as source:
        frames = [source.read() for _ in range(12)]
    assert source.info.frame_count is None
    assert [frame.index for frame in frames if frame] == list(range(12))
    assert frames[5] is not None
    assert frames[0] is not None
    assert np.array_equal(frames[5].image, frames[0].image)


def test_passages_are_what_they_are_called():
    source = SyntheticSource()
    plain, blurred, dark = (source.draw(middle(name)).astype(float) for name in ("plain", "blurred", "dark"))
    assert dark.mean() < 35 < plain.mean()
    edges = [np.abs(np.diff(image, axis=1)).max() for image in (plain, blurred)]
    assert edges[1] < edges[0] / 4
    cut_off = source.draw(middle("cut_off")).astype(float)
    wall = cut_off[:, -1:]
    assert np.abs(cut_off[:, 0] - wall[:, 0]).max() > 60  # the face touches the edge


@pytest.mark.usefixtures("face_models")
def test_the_detector_finds_the_faces():
    source, detector = SyntheticSource(), FaceDetector(threads=1)
    plain = PASSAGES[0]
    for index in range(round(plain.begin * 200), round(plain.end * 200), 6):
        assert len(detector.detect(source.draw(index))) == 1
    assert len(detector.detect(source.draw(170))) == 2  # both before they cross


def test_skip_to():
    with SyntheticSource(duration_s=1, size=(160, 90)) as source:
        source.skip_to(24)
        assert source.read() is not None
        assert source.read() is None
        source.skip_to(25)
        for wrong in (24, 26):
            with pytest.raises(SourceError, match=f"it cannot go on at {wrong}: start anew"):
                source.skip_to(wrong)
    with pytest.raises(SourceError, match="demo is live and cannot go on at frame 3"):
        SyntheticSource(live=True).skip_to(3)


def test_live_waits_for_each_picture_and_interrupt_ends_the_wait(monkeypatch):
    now_s = [50.0]
    waits = []
    source = SyntheticSource(fps=10, size=(160, 90), live=True, loop=True)

    def wait(timeout: float) -> bool:
        waits.append(timeout)
        now_s[0] += timeout + 0.02  # drawing takes a while
        return False

    monkeypatch.setattr(source._interrupted, "wait", wait)
    monkeypatch.setattr(synthetic.time, "monotonic", lambda: now_s[0])
    frames = [source.read() for _ in range(3)]
    assert source.info.is_live
    assert waits == pytest.approx([0, 0.1 - 0.02, 0.1 - 0.02])
    assert [frame.timestamp_s for frame in frames if frame] == [0, 0.1, 0.2]


def test_interrupt_reaches_a_waiting_read():
    with SyntheticSource(fps=0.001, size=(160, 90), live=True, loop=True) as source:
        assert source.read() is not None
        timer = threading.Timer(0.05, source.interrupt)
        timer.start()
        assert source.read() is None  # the next picture is due in 1000 s
        timer.join()


def test_a_missing_portrait_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(synthetic, "PORTRAIT", tmp_path / "portrait.jpg")
    with pytest.raises(SourceError, match=r"portrait\.jpg is missing or damaged"):
        SyntheticSource()
