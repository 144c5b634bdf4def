"""Pictures that do not follow each other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.tracking.stills import StillTracker
from engine.types import FaceTrack, Frame, HeadPose, TrackState


class CountingTracker:
    """Finds as many faces as the picture's first value says, and gives ids on from picture to picture."""

    def __init__(self):
        self._seen = 0
        self.closed = False

    def track(self, frame):
        count = int(frame.image[0, 0, 0])
        tracks = [_track(self._seen + place + 1) for place in range(count)]
        self._seen += count
        return tuple(tracks)

    def snapshot(self):
        return json.dumps(self._seen)

    def restore(self, text):
        self._seen = json.loads(text)

    def close(self):
        self.closed = True


def _track(track_id):
    return FaceTrack(
        track_id,
        TrackState.CONFIRMED,
        np.zeros(4, np.float32),
        np.full((468, 3), track_id, np.float32),
        HeadPose(0, 0, 0),
        0.9,
        0.0,
    )


def _picture(faces, index=0):
    return Frame(np.full((4, 4, 3), faces, np.uint8), index, 0.0, "made-up")


@pytest.fixture
def tracker():
    """The tracker that is wrapped."""
    return CountingTracker()


def test_every_picture_starts_anew_and_no_id_comes_twice(tracker):
    stills = StillTracker(tracker)
    found = [stills.track(_picture(faces)) for faces in (2, 0, 3)]
    assert [[track.track_id for track in tracks] for tracks in found] == [[1, 2], [], [3, 4, 5]]
    assert [float(track.mesh[0, 0]) for track in found[2]] == [1, 2, 3]  # the tracker itself began again


def test_ids_go_on_after_a_restored_snapshot(tracker):
    first, second = StillTracker(tracker), StillTracker(CountingTracker())
    first.track(_picture(2))
    second.restore(first.snapshot())
    assert [track.track_id for track in second.track(_picture(1))] == [3]


def test_closing_closes_the_tracker(tracker):
    StillTracker(tracker).close()
    assert tracker.closed
