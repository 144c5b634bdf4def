"""What changes between frames: faces that appear, get another decision, or leave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.serve.messages import FaceMessage, LiveFrame

#: A face that is missing for so long has left; shorter gaps are one event less.
GONE_S: Final = 1.0


class EventType(str, Enum):
    """Frigate's words for a tracked object."""

    NEW = "new"
    UPDATE = "update"
    END = "end"


@dataclass(frozen=True, slots=True)
class FaceEvent:
    """A change of one face."""

    type: EventType
    before: FaceMessage | None  # None for NEW
    after: FaceMessage | None  # None for END


class FaceEvents:
    """Follows the faces of one camera. Faces of an earlier run end when the next one begins."""

    def __init__(self) -> None:
        self._faces: dict[str, FaceMessage] = {}

    def update(self, frame: LiveFrame) -> list[FaceEvent]:
        """Compare a frame with those before."""
        events = []
        for message in frame.faces:
            face_id = str(message.face_id)
            before = self._faces.get(face_id)
            self._faces[face_id] = message
            if before is None:
                events.append(FaceEvent(EventType.NEW, None, message))
            elif (before.decision, before.labels) != (message.decision, message.labels):
                events.append(FaceEvent(EventType.UPDATE, before, message))
        return events + self._ended(frame.messages[0].t - GONE_S)

    def end_all(self) -> list[FaceEvent]:
        """End all faces: the source is lost or the service stops."""
        return self._ended(float("inf"))

    def _ended(self, before_s: float) -> list[FaceEvent]:
        gone = [message for message in self._faces.values() if message.t < before_s]
        for message in gone:
            del self._faces[str(message.face_id)]
        return [FaceEvent(EventType.END, message, None) for message in gone]
