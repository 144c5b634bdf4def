"""Drawn clips show the faces that they are said to show, and each picture differs from the one before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.bench.clips import FPS, MAX_FACES, SIZES, Painter, make_clip
from engine.capture.opening import open_source
from engine.config import TrackingConfig
from engine.tracking.tracker import FaceTracker
from engine.types import Frame, TrackState


def test_a_picture_depends_on_its_index_alone_and_moves() -> None:
    painter, other = Painter((320, 180), 2), Painter((320, 180), 2)
    assert np.array_equal(painter.draw(7), other.draw(7))
    apart = painter.draw(20).astype(int) - painter.draw(7)
    assert (np.abs(apart) > 30).mean() > 0.01  # far above the noise


@pytest.mark.parametrize("faces", [0, 1, 4, 8])
def test_the_tracker_finds_the_faces(faces: int, face_models: None) -> None:
    painter = Painter(SIZES["360p"], faces)
    tracker = FaceTracker(TrackingConfig())
    for index in range(40):  # the detector looks four times a second
        tracks = tracker.track(Frame(painter.draw(index), index, index / FPS, "bench"))
    tracker.close()
    assert sum(track.state is TrackState.CONFIRMED for track in tracks) == faces


def test_a_clip_has_its_size_rate_and_length(tmp_path: Path) -> None:
    clip = make_clip(tmp_path, "360p", 1, 0.5)
    with open_source(clip.path) as source:
        frames = list(source)
    assert (clip.width_px, clip.height_px, clip.faces) == (640, 360, 1)
    assert len(frames) == 15
    assert frames[0].image.shape == (360, 640, 3)
    assert frames[-1].timestamp_s == pytest.approx(14 / FPS)


def test_more_faces_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=f"0 to {MAX_FACES}"):
        Painter((320, 180), MAX_FACES + 1)
