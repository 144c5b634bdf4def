"""Both trackers on the shared clips: their landmarks must agree."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from engine.config import TrackingConfig
from engine.errors import EngineError
from engine.tracking.mediapipe_tasks import MediaPipeTracker
from engine.tracking.quality import eye_distance_px
from engine.tracking.tracker import FaceTracker
from engine.types import FaceTrack, Frame

ClipReader = Callable[..., Iterator[Frame]]
#: Share of the distance between the eyes.
MAX_MEAN_ERROR = 0.03
#: Clips with the number of people in them. The walking people are too small for either mesh network.
CLIPS = {
    "pyfeat_mit/WolfgangLanger_Pexels.mp4": 1,
    "pyfeat_mit/single_face.mp4": 1,
    "ccby_intel/again.mkv": 1,
    "ccby_intel/eat.mkv": 1,
    "ccby_intel/help.mkv": 1,
    "ccby_intel/no.mkv": 1,
    "ccby_intel/please.mkv": 1,
    "ccby_intel/sorry.mkv": 1,
    "ccby_intel/thanks.mkv": 1,
    "ccby_intel/yes.mkv": 1,
    "ccby_intel/head-pose-face-detection-female.gif": 1,
    "ccby_intel/head-pose-face-detection-female-and-male.gif": 2,
}
#: Frames of each clip: enough to start, to turn and to be covered by a hand.
FRAMES = 80


@pytest.fixture
def make_other(monkeypatch: pytest.MonkeyPatch, face_models: None) -> Callable[[TrackingConfig], MediaPipeTracker]:
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip("needs the second tracker: pip install mediapipe==1.2.2")
    monkeypatch.setenv("https_proxy", "")  # given back after the test; the tracker sets its own

    def make(config: TrackingConfig) -> MediaPipeTracker:
        try:
            return MediaPipeTracker(config)
        except EngineError as error:
            pytest.skip(f"mediapipe is installed but does not run here: {error}")

    return make


def _error(one: FaceTrack, others: tuple[FaceTrack, ...]) -> float | None:
    """Mean distance of the points to those of the nearest face, in distances between the eyes; None without a face."""
    gaps = [np.linalg.norm(one.mesh[:, :2] - other.mesh[:, :2], axis=1).mean() for other in others]
    return float(min(gaps)) / eye_distance_px(one.mesh) if gaps else None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("clip", CLIPS)
def test_landmarks_of_both_trackers_agree(
    read_clip: ClipReader, make_other: Callable[[TrackingConfig], MediaPipeTracker], clip: str
) -> None:
    config = TrackingConfig(max_faces=CLIPS[clip])
    ours, theirs = FaceTracker(config), make_other(config)
    errors, seen = [], 0
    try:
        for frame in read_clip(clip, limit=FRAMES):
            others = theirs.track(frame)
            for track in ours.track(frame):
                seen += 1
                error = _error(track, others)
                if error is not None:
                    errors.append(error)
    finally:
        theirs.close()
    assert len(errors) > 0.9 * seen
    assert float(np.mean(errors)) <= MAX_MEAN_ERROR
