"""An output of Mien's service that publishes ROS messages through a node. Imports no ROS itself."""

from __future__ import annotations

from typing import Any, Final

from app.serve.events import EventType, FaceEvents
from app.serve.messages import FaceMessage, LiveFrame
from app.serve.state import OutputCounters, ServiceStatus
from engine.types import FaceResult
from mien_ros.mapping import RosMapping, RosTypes

TRACKED: Final = "/humans/faces/tracked"
DIAGNOSTICS: Final = "/diagnostics"


class RosOutput:
    """See `app.serve.state.LiveOutput`. A face has its publishers while it is tracked."""

    name = "ros2"
    address = "/humans/faces"

    def __init__(self, node: Any, types: RosTypes, frame_id: str, qos: Any, publish_crops: bool = False) -> None:
        """Prepare.

        Args:
            node: an rclpy node.
            types: message classes.
            frame_id: of the camera.
            qos: profile or depth of all publishers.
            publish_crops: publish images of faces as `cropped`. REP-155 asks for them; they are off because they put
                pictures of people on the network.
        """
        self._node = node
        self._types = types
        self._mapping = RosMapping(types, frame_id)
        self._qos = qos
        self._publish_crops = publish_crops
        self._events = FaceEvents()
        self._publishers: dict[str, dict[str, Any]] = {}  # by face id, then topic below it
        self._tracked: Any = None
        self._diagnostics: Any = None
        self._sent = 0

    def open(self) -> None:
        """Advertise what does not depend on faces."""
        self._tracked = self._node.create_publisher(self._types.ids_list, TRACKED, self._qos)
        self._diagnostics = self._node.create_publisher(self._types.diagnostics, DIAGNOSTICS, self._qos)

    def send(self, frame: LiveFrame) -> None:
        """Publish a frame."""
        self._put(self._tracked, self._mapping.tracked(frame))
        for event in self._events.update(frame):
            if event.type is EventType.END and event.before is not None:
                self._forget(str(event.before.face_id))
        for message, face in zip(frame.faces, frame.result.faces, strict=True):
            self._publish_face(message, face, frame)

    def report(self, status: ServiceStatus) -> None:
        """Publish the state of the source."""
        self._put(self._diagnostics, self._mapping.diagnostics(status))

    def counters(self) -> OutputCounters:
        """Messages so far."""
        return OutputCounters(self._sent)

    def close(self) -> None:
        """Remove all publishers."""
        for face_id in tuple(self._publishers):
            self._forget(face_id)
        for publisher in (self._tracked, self._diagnostics):
            self._node.destroy_publisher(publisher)

    def _publish_face(self, message: FaceMessage, face: FaceResult, frame: LiveFrame) -> None:
        mapping, types = self._mapping, self._types
        parts = {
            "roi": (types.roi, mapping.roi(message, face.track.score)),
            "expression": (types.expression, mapping.expression(message)),
            "expression_distribution": (types.classification, mapping.distribution(message)),
            "facs": (types.facs, mapping.facs(message)),
        }
        if self._publish_crops:
            parts["cropped"] = (types.image, mapping.cropped(message, frame.result.frame))
        publishers = self._publishers.setdefault(str(message.face_id), {})
        for topic, (kind, content) in parts.items():
            if content is None:
                continue
            if topic not in publishers:
                name = f"/humans/faces/{message.face_id}/{topic}"
                publishers[topic] = self._node.create_publisher(kind, name, self._qos)
            self._put(publishers[topic], content)

    def _put(self, publisher: Any, message: Any) -> None:
        publisher.publish(message)
        self._sent += 1

    def _forget(self, face_id: str) -> None:
        for publisher in self._publishers.pop(face_id, {}).values():
            self._node.destroy_publisher(publisher)
