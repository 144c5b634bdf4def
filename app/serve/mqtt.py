"""MQTT in Frigate's conventions (paho-mqtt).

Topics below the prefix: ``available`` (retained: online, stopped, or offline as the broker's last will),
``CAMERA/status/detect`` (retained: online or offline), ``CAMERA/faces/ID`` (messages) and ``CAMERA/events``.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from app.serve.config import MqttConfig, read_secret
from app.serve.events import EventType, FaceEvent, FaceEvents
from app.serve.messages import FaceMessage, LiveFrame
from app.serve.state import OutputCounters, ServiceState, ServiceStatus

#: Messages that paho has not yet written to the socket; more are dropped.
QUEUE_MESSAGES: Final = 64
_KEEPALIVE_S: Final = 15
#: The connection is tried again after 1 s, then 2 s, up to this.
_LONGEST_RETRY_S: Final = 30
#: A broker that does not answer delays the end of the service for no longer.
_CONNECT_S: Final = 1.5
#: For the last messages to be sent.
_STOP_S: Final = 1.0
#: For the state, which must arrive; face messages are sent at most once.
_AT_LEAST_ONCE: Final = 1


class MqttOutput:
    """The client; see `app.serve.state.LiveOutput`. paho's thread connects, and connects again."""

    name = "mqtt"

    def __init__(self, config: MqttConfig, camera: str, log: Callable[[str], None] = lambda line: None) -> None:
        """Prepare; nothing is sent before `open`.

        Raises:
            ConfigError: the password cannot be read.
        """
        self._config = config
        self._camera = f"{config.prefix}/{camera}"
        self._available = f"{config.prefix}/available"
        self._log = log
        self._events = FaceEvents()
        self._sent_at_s: dict[str, float] = {}  # by face, time.monotonic()
        self._shown: dict[str, tuple[str, tuple[str, ...]]] = {}  # by face: decision and labels last sent
        self._waiting: deque[mqtt.MQTTMessageInfo] = deque()
        self._lock = threading.Lock()  # of the events, which the service and the sink both end
        self._status: ServiceStatus | None = None
        self._sent = self._dropped = 0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="", reconnect_on_failure=True)
        self._client.connect_timeout = _CONNECT_S
        self._client.max_queued_messages_set(QUEUE_MESSAGES)
        self._client.reconnect_delay_set(1, _LONGEST_RETRY_S)
        self._client.will_set(self._available, "offline", _AT_LEAST_ONCE, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_socket_open = _send_at_once
        if config.user:
            password = None if config.password_file is None else read_secret(config.password_file, "mqtt.password_file")
            self._client.username_pw_set(config.user, password)
        if config.tls:
            self._client.tls_set()

    @property
    def address(self) -> str:
        """Broker and prefix."""
        return f"{self._config.host}:{self._config.port}, topics {self._config.prefix}/..."

    def open(self) -> None:
        """Connect in the background; a broker that is not there yet is tried again."""
        self._client.connect_async(self._config.host, self._config.port, _KEEPALIVE_S)
        self._client.loop_start()

    def send(self, frame: LiveFrame) -> None:
        """Publish changes at once, and faces at the configured rate; never waits."""
        with self._lock:
            events = self._events.update(frame)
        for event in events:
            self._publish_event(event)
        now_s = time.monotonic()
        for message in frame.faces:
            face_id = str(message.face_id)
            shown = (message.decision, message.labels)
            # a little less than the period, so that a camera of a multiple of the rate is not halved by jitter
            is_due = now_s - self._sent_at_s.get(face_id, -1e9) >= 0.9 / self._config.max_hz
            if (is_due or self._shown.get(face_id) != shown) and self._publish_face(message):
                self._sent_at_s[face_id], self._shown[face_id] = now_s, shown

    def report(self, status: ServiceStatus) -> None:
        """Publish whether faces are detected, and the state in full; faces end when the source is lost."""
        self._status = status
        self._publish_status(status)
        if status.state not in (ServiceState.STARTING, ServiceState.RUNNING):
            with self._lock:
                events = self._events.end_all()
            for event in events:
                self._publish_event(event)

    def counters(self) -> OutputCounters:
        """Messages so far; one subscriber while the broker is connected."""
        return OutputCounters(self._sent, self._dropped, int(self._client.is_connected()))

    def close(self) -> None:
        """Publish that the service has stopped, disconnect, and stop the thread."""
        if self._client.is_connected():
            with contextlib.suppress(RuntimeError, ValueError):  # the connection was lost just now
                self._client.publish(self._available, "stopped", _AT_LEAST_ONCE, retain=True).wait_for_publish(_STOP_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _publish_event(self, event: FaceEvent) -> None:
        before, after = (None if each is None else json.loads(each.json()) for each in (event.before, event.after))
        if event.type is EventType.END and event.before is not None:
            self._sent_at_s.pop(str(event.before.face_id), None)
            self._shown.pop(str(event.before.face_id), None)
        text = json.dumps({"type": event.type.value, "before": before, "after": after}, separators=(",", ":"))
        self._publish(f"{self._camera}/events", text)

    def _publish_face(self, message: FaceMessage) -> bool:
        return self._publish(f"{self._camera}/faces/{message.face_id}", message.json())

    def _publish(self, topic: str, text: str) -> bool:
        """Hand a message to paho; False if it was dropped: the broker is away or takes too little."""
        while self._waiting and _is_done(self._waiting[0]):
            self._waiting.popleft()
        if len(self._waiting) < QUEUE_MESSAGES and self._client.is_connected():
            info = self._client.publish(topic, text)
            if info.rc == mqtt.MQTT_ERR_SUCCESS:
                self._waiting.append(info)
                self._sent += 1
                return True
        self._dropped += 1
        return False

    def _publish_status(self, status: ServiceStatus) -> None:
        if self._client.is_connected():
            online = "online" if status.state is ServiceState.RUNNING else "offline"
            self._client.publish(f"{self._camera}/status/detect", online, _AT_LEAST_ONCE, retain=True)
            self._client.publish(f"{self._camera}/status", status.json(), _AT_LEAST_ONCE, retain=True)

    # On paho's thread:

    def _on_connect(self, client: mqtt.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            self._log(f"mqtt: {self._config.host} refused the connection ({reason})")
            return
        self._log(f"mqtt: connected to {self._config.host}")
        client.publish(self._available, "online", _AT_LEAST_ONCE, retain=True)
        if self._status is not None:
            self._publish_status(self._status)

    def _on_disconnect(self, client: mqtt.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            self._log(f"mqtt: lost the connection to {self._config.host} ({reason})")


def _is_done(info: mqtt.MQTTMessageInfo) -> bool:
    """Whether a message was written to the socket, or never will be."""
    try:
        return info.is_published()
    except (RuntimeError, ValueError):  # dropped by paho
        return True


def _send_at_once(client: mqtt.Client, _: Any, connection: Any) -> None:
    """Small messages must not wait for the answer to the one before (Nagle's algorithm)."""
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
