"""Open Sound Control, read by the package python-osc."""

from __future__ import annotations

import dataclasses
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from app.serve.config import OscConfig, ServeConfig
from app.serve.osc import OscOutput, face_values, osc_bundle, osc_message, osc_time
from app.serve.state import ServiceState, ServiceStatus
from engine.errors import ConfigError
from tests.app.serve.conftest import WAIT_S, fake_service, live_frame, running
from tests.fakes.faces import fake_face, fake_frame, fake_result

osc_bundle_reader: Any = pytest.importorskip("pythonosc.osc_bundle", reason="needs python-osc")


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(WAIT_S)
        yield bound


def output_to(receiver: socket.socket, **options: Any) -> OscOutput:
    output = OscOutput(OscConfig("127.0.0.1", receiver.getsockname()[1], **options), "test")
    output.open()
    return output


def received(receiver: socket.socket) -> tuple[float, dict[str, list[Any]]]:
    """Time tag in seconds since 1970, and the messages of one datagram by address."""
    bundle = osc_bundle_reader.OscBundle(receiver.recv(65_535))
    return bundle.timestamp, {message.address: message.params for message in bundle}


def test_a_face_is_a_bundle_with_the_time_of_capture(receiver: socket.socket, header) -> None:
    output = output_to(receiver)
    frame = live_frame(header, fake_result(fake_frame(), fake_face()))
    output.send(frame)
    output.close()
    (message,) = frame.messages
    at_s, count = received(receiver)
    assert count == {"/mien/test/faces": [1]}
    assert at_s == pytest.approx(message.t, abs=1e-5)
    face_at_s, values = received(receiver)
    face = {address.removeprefix("/mien/test/face/0/"): given for address, given in values.items()}
    assert face_at_s == at_s
    assert face["decision"] == [message.decision]
    assert face["labels"] == list(message.labels)
    assert face["shares"] == pytest.approx(message.shares)
    assert {name[2:]: given[0] for name, given in face.items() if name.startswith("p/")} == pytest.approx(message.p)
    assert {name[2:]: given[0] for name, given in face.items() if name.startswith("q/")} == pytest.approx(message.q)
    assert face["q_aleatoric"] == pytest.approx([message.q_aleatoric])
    assert face["aleatoric"] == pytest.approx([message.aleatoric])
    assert face["epistemic"] == pytest.approx([message.epistemic])
    assert {name[3:] for name in face if name.startswith("au/")} == set(message.au)
    code, pair = next(iter(message.au.items()))
    assert face[f"au/{code}"] == pytest.approx(pair)
    assert face["au_baseline"] == [message.au_baseline] == ["none"]
    assert face["model"] == [message.model, message.au_model]
    assert output.counters().sent == 2


def test_what_was_not_assessed_has_no_message(header) -> None:
    (message,) = live_frame(header, fake_result(fake_frame(), fake_face())).messages
    empty = dataclasses.replace(
        message, labels=(), shares=(), q={}, p={}, confidence=None, ood=None, q_ood=None, au={}, pose_deg=None
    )
    empty = dataclasses.replace(empty, au_baseline=None)
    names = [name for name, values in face_values(empty) if values]
    measures = ["aleatoric", "epistemic", "q_aleatoric", "q_epistemic"]
    assert names == ["id", "decision", "carried", "model", *measures, "quality", "box"]


def test_only_so_many_faces_are_sent(receiver: socket.socket, header) -> None:
    output = output_to(receiver, slots=1)
    output.send(live_frame(header, fake_result(fake_frame(), fake_face(), fake_face(track_id=2))))
    output.close()
    assert received(receiver)[1] == {"/mien/test/faces": [2]}
    assert "/mien/test/face/0/id" in received(receiver)[1]
    assert output.counters().sent == 2


def test_a_service_sends_its_state_and_its_faces(receiver: socket.socket) -> None:
    output = OscOutput(OscConfig("127.0.0.1", receiver.getsockname()[1]), "test")
    seen: dict[str, list[Any]] = {}
    with running(fake_service(ServeConfig(camera="test")), output):
        while "/mien/test/face/0/id" not in seen or "/mien/test/status" not in seen:
            seen |= received(receiver)[1]
    assert seen["/mien/test/status"][0] in {"starting", "running"}


def test_an_absent_receiver_costs_nothing(header) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        output = output_to(bound)
    for _ in range(50):  # the port is closed now
        output.send(live_frame(header, fake_result(fake_frame(), fake_face())))
    counters = output.counters()
    output.close()
    assert counters.sent + counters.dropped == 100


def test_an_unknown_receiver_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"osc.host 'no\.such\.host\.invalid' is not known"):
        OscOutput(OscConfig("no.such.host.invalid"), "test").open()


def test_a_link_local_receiver_keeps_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Any, ...]] = []

    class Socket:
        def __init__(self, *kind: int) -> None:
            assert kind == (socket.AF_INET6, socket.SOCK_DGRAM, 17)

        def setblocking(self, blocking: bool) -> None:
            assert not blocking

        def sendto(self, datagram: bytes, target: tuple[Any, ...]) -> None:
            sent.append(target)

        def close(self) -> None:
            """Do nothing."""

    found = [(socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("fe80::1", 9000, 0, 3))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **options: found)
    monkeypatch.setattr(socket, "socket", Socket)
    output = OscOutput(OscConfig("fe80::1%eth0", 9000), "test")
    output.open()
    output.report(ServiceStatus(0.0, "test", "demo", ServiceState.RUNNING, None, 0, 0))
    output.close()
    assert sent == [("fe80::1", 9000, 0, 3)]


def test_the_format_is_that_of_the_specification() -> None:
    # The two examples of the specification, section "OSC Message Examples".
    assert osc_message("/oscillator/4/frequency", (440.0,)) == (
        b"/oscillator/4/frequency\0" + b",f\0\0" + bytes.fromhex("43dc0000")
    )
    assert osc_message("/foo", (1000, -1, "hello", 1.234, 5.678)) == (
        b"/foo\0\0\0\0"
        + b",iisff\0\0"
        + struct.pack(">ii", 1000, -1)
        + b"hello\0\0\0"
        + bytes.fromhex("3f9df3b640b5b22d")
    )
    assert osc_bundle((), osc_time(0.5)) == b"#bundle\0" + struct.pack(">II", 2_208_988_800, 1 << 31)
