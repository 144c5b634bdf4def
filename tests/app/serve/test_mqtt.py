"""MQTT against a real mosquitto that listens on loopback only."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

mqtt = pytest.importorskip("paho.mqtt.client", reason="needs the extra mqtt")

from paho.mqtt.enums import CallbackAPIVersion  # noqa: E402

from app.serve.config import MqttConfig, ServeConfig  # noqa: E402
from app.serve.events import GONE_S, EventType, FaceEvents  # noqa: E402
from app.serve.mqtt import QUEUE_MESSAGES, MqttOutput  # noqa: E402
from engine.errors import ConfigError  # noqa: E402
from engine.types import Reason, Route  # noqa: E402
from tests.app.serve.conftest import WAIT_S, fake_service, maker, running  # noqa: E402
from tests.fakes.faces import fake_face, fake_frame, fake_result  # noqa: E402

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Broker:
    """A mosquitto process, and everything that a subscriber to all topics received."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "set_tcp_nodelay true"]
        if password is None:
            lines.append("allow_anonymous true")
        else:
            (folder / "passwords").write_text(f"mien:{password}\n")
            subprocess.run(["mosquitto_passwd", "-U", str(folder / "passwords")], check=True)
            lines.append(f"password_file {folder / 'passwords'}")
        (folder / "mosquitto.conf").write_text("\n".join([*lines, "user root", ""]))
        self._command = [str(MOSQUITTO), "-c", str(folder / "mosquitto.conf")]
        self.received: list[tuple[str, str]] = []
        self.changed = threading.Condition()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.02)
            else:
                return process
        raise AssertionError("mosquitto does not start")

    @contextmanager
    def subscribed(self, user: str | None = None, password: str | None = None) -> Iterator[None]:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        ready = threading.Event()

        def keep(_: Any, __: Any, message: Any) -> None:
            with self.changed:
                self.received.append((message.topic, message.payload.decode()))
                self.changed.notify_all()

        client.on_message = keep
        client.on_connect = lambda *_: client.subscribe("#", 1)
        client.on_subscribe = lambda *_: ready.set()
        if user:
            client.username_pw_set(user, password)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        assert ready.wait(WAIT_S)
        try:
            yield
        finally:
            client.disconnect()
            client.loop_stop()

    def of(self, topic: str) -> list[str]:
        return [payload for name, payload in self.received if name == topic]

    def wait_for(self, condition: Any) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, WAIT_S), self.received[-5:]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WAIT_S)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


@contextmanager
def connected(broker: Broker, **options: Any) -> Iterator[MqttOutput]:
    output = MqttOutput(MqttConfig("127.0.0.1", broker.port, **options), "cam0")
    output.open()
    broker.wait_for(lambda: "online" in broker.of("mien/available"))
    try:
        yield output
    finally:
        output.close()


def test_a_service_announces_itself_its_faces_and_its_end(broker: Broker, check_message) -> None:
    output = MqttOutput(MqttConfig("127.0.0.1", broker.port), "cam0")
    with broker.subscribed():
        with running(fake_service(ServeConfig()), output):
            broker.wait_for(lambda: len([topic for topic, _ in broker.received if "/faces/" in topic]) > 10)
            broker.wait_for(lambda: "online" in broker.of("mien/cam0/status/detect"))
        broker.wait_for(lambda: "stopped" in broker.of("mien/available"))
        broker.wait_for(lambda: broker.of("mien/cam0/status/detect")[-1] == "offline")
    assert broker.of("mien/available") == ["online", "stopped"]
    assert check_message(broker.of("mien/cam0/status")[-1])["state"] == "stopped"
    for topic, payload in broker.received:
        if "/faces/" in topic:
            message = check_message(payload)
            assert topic == f"mien/cam0/faces/{message['face_id']}"
    events = [json.loads(payload) for payload in broker.of("mien/cam0/events")]
    assert {event["type"] for event in events} == {"new", "update", "end"}
    for event in events:
        assert (event["before"] is None) == (event["type"] == "new")
        assert (event["after"] is None) == (event["type"] == "end")
        for part in (event["before"], event["after"]):
            assert part is None or check_message(json.dumps(part))


def test_faces_are_limited_in_rate_but_a_change_of_decision_is_sent_at_once(broker: Broker, header) -> None:
    make = maker(header)
    accepted = fake_result(fake_frame(), fake_face())
    ambiguous = fake_result(
        fake_frame(), fake_face(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("happiness", "surprise"), (0.5, 0.4))
    )
    with broker.subscribed(), connected(broker, max_hz=0.1) as output:  # at most one in nine seconds
        for result in [accepted] * 20 + [ambiguous] * 20 + [accepted] * 20:
            output.send(make.frame(result))
        broker.wait_for(lambda: len([topic for topic, _ in broker.received if "/faces/" in topic]) == 3)
        assert output.counters().dropped == 0
    sent = [json.loads(payload)["decision"] for topic, payload in broker.received if "/faces/" in topic]
    assert sent == ["accept", "ambiguous", "accept"]


def test_a_killed_service_is_offline_by_its_last_will(broker: Broker) -> None:
    with broker.subscribed(), connected(broker) as output:
        connection = output._client.socket()
        assert connection is not None
        connection.shutdown(socket.SHUT_RDWR)  # as if the process had died: no DISCONNECT
        broker.wait_for(lambda: "offline" in broker.of("mien/available"))
        broker.wait_for(lambda: broker.of("mien/available")[-1] == "online")  # it connects again


def test_a_broker_that_is_away_or_takes_nothing_costs_bounded_memory(broker: Broker, header) -> None:
    make = maker(header)
    frame = fake_result(fake_frame(), *(fake_face(track_id=number) for number in range(8)))
    with broker.subscribed(), connected(broker, max_hz=60) as output:
        broker.process.send_signal(signal.SIGSTOP)  # connected, but reads nothing
        for _ in range(6000):
            output._shown.clear()  # so that every message is due
            output.send(make.frame(frame))
            if output.counters().dropped > 100:
                break
        assert output.counters().dropped > 100
        assert len(output._waiting) <= QUEUE_MESSAGES
        broker.process.send_signal(signal.SIGCONT)
        broker.stop()
        deadline_s = time.monotonic() + WAIT_S
        while output.counters().subscribers and time.monotonic() < deadline_s:
            time.sleep(0.02)
        before = output.counters()
        output._shown.clear()
        output.send(make.frame(frame))
        assert output.counters().sent == before.sent
        assert output.counters().dropped > before.dropped
        broker.process = broker.start()
        broker.received.clear()


def test_a_password_is_used_and_never_logged(tmp_path: Path) -> None:
    if MOSQUITTO is None or shutil.which("mosquitto_passwd") is None:
        pytest.skip("needs mosquitto")
    broker = Broker(tmp_path, "correct-horse")
    log: list[str] = []
    try:
        for secret, expected in (("wrong-staple", "refused the connection"), ("correct-horse", "connected to")):
            (tmp_path / "secret").write_text(secret)
            config = MqttConfig("127.0.0.1", broker.port, user="mien", password_file=tmp_path / "secret")
            output = MqttOutput(config, "cam0", log.append)
            output.open()
            deadline_s = time.monotonic() + WAIT_S
            while not any(expected in line for line in log) and time.monotonic() < deadline_s:
                time.sleep(0.02)
            output.close()
            assert any(expected in line for line in log)
    finally:
        broker.stop()
    assert not any("horse" in line or "staple" in line for line in log)
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match=r"mqtt\.password_file .* cannot be read"):
        MqttOutput(config, "cam0")


def test_events_of_a_face(header) -> None:
    make = maker(header)
    events = FaceEvents()
    frame = make.frame(fake_result(fake_frame(), fake_face()))
    assert [event.type for event in events.update(frame)] == [EventType.NEW]
    assert events.update(frame) == []
    rejected = make.frame(fake_result(fake_frame(), fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ())))
    (update,) = events.update(rejected)
    assert (update.before, update.after) == (frame.messages[0], rejected.messages[0])
    assert events.update(make.frame(fake_result(fake_frame()))) == []  # missing for less than GONE_S
    empty = make.frame(fake_result(fake_frame()))
    later = dataclasses.replace(empty.messages[0], t=empty.messages[0].t + GONE_S + 0.1)
    (end,) = events.update(dataclasses.replace(empty, messages=(later,)))
    assert (end.type, end.before, end.after) == (EventType.END, rejected.messages[0], None)
    assert events.end_all() == []
