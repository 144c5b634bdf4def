"""Pictures that do not follow each other: no track goes from one to the next."""

from __future__ import annotations

import dataclasses
import json

from engine.records import read_value
from engine.tracking.tracker import Tracker
from engine.types import FaceTrack, Frame


class StillTracker:
    """A tracker that starts anew with every frame, and gives no id twice."""

    def __init__(self, tracker: Tracker) -> None:
        """``tracker``: a new one, which has seen no frame, with ``confirm_s`` 0."""
        self._tracker = tracker
        self._blank = tracker.snapshot()
        self._next_id = 1

    def track(self, frame: Frame) -> tuple[FaceTrack, ...]:
        """The faces of one picture."""
        self._tracker.restore(self._blank)
        found = self._tracker.track(frame)
        first = self._next_id
        self._next_id += len(found)
        return tuple(dataclasses.replace(track, track_id=track_id) for track_id, track in enumerate(found, first))

    @property
    def cut(self) -> bool:
        """False: stills are not shots."""
        return False

    @property
    def left_out(self) -> int:
        """Faces of the last still beyond ``max_faces``."""
        return self._tracker.left_out

    def snapshot(self) -> str:
        """The next id as JSON: nothing else goes from picture to picture."""
        return json.dumps({"next_id": self._next_id})

    def restore(self, text: str) -> None:
        """Take the state of `snapshot` back."""
        self._next_id = read_value(int, json.loads(text)["next_id"], field="next_id")

    def close(self) -> None:
        """Let go of the networks."""
        self._tracker.close()
