"""Open Sound Control 1.0 over UDP, for media art and music programs.

Each face of a frame is a bundle whose time tag is the time of capture; see docs/live-outputs.md for the addresses.
Format: M. Wright, The Open Sound Control 1.0 Specification, 2002, https://opensoundcontrol.stanford.edu/spec-1_0.html.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final

from app.serve.config import OscConfig
from app.serve.messages import FaceMessage, LiveFrame
from app.serve.state import OutputCounters, ServiceStatus
from engine.errors import ConfigError

Value = str | int | float
#: IPv4: host and port; IPv6 also flow label and scope, without which a link-local address (fe80::) has no interface.
SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

#: Seconds from 1900, where time tags begin, to 1970.
_EPOCH_S: Final = 2_208_988_800
_FRACTIONS: Final = 1 << 32
#: Time tag of a bundle to be used at once.
_NOW: Final = struct.pack(">Q", 1)


class OscOutput:
    """Sends datagrams; see `app.serve.state.LiveOutput`. Nothing is received, and nothing is known of a receiver."""

    name = "osc"

    def __init__(self, config: OscConfig, camera: str) -> None:
        """Prepare; nothing is sent before `open`."""
        self._config = config
        self._prefix = f"/mien/{camera}"
        self._socket: socket.socket | None = None
        self._target: SocketAddress = ("", 0)
        self._sent = self._dropped = 0

    @property
    def address(self) -> str:
        """Receiver, and the start of all addresses."""
        return f"{self._config.host}:{self._config.port}{self._prefix}"

    def open(self) -> None:
        """Look up the receiver.

        Raises:
            ConfigError: its name is unknown.
        """
        try:
            found = socket.getaddrinfo(self._config.host, self._config.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"osc.host {self._config.host!r} is not known ({reason}): check the name and the network"
            ) from None
        family, kind, protocol, _, self._target = found[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)

    def send(self, frame: LiveFrame) -> None:
        """Send the number of faces and a bundle for each of the largest ones; never waits."""
        faces = frame.faces
        time_tag = osc_time(frame.messages[0].t)
        count = osc_message(f"{self._prefix}/faces", (len(faces),))
        self._send(osc_bundle((count,), time_tag))
        for slot, face in enumerate(faces[: self._config.slots]):
            prefix = f"{self._prefix}/face/{slot}"
            parts = (osc_message(f"{prefix}/{name}", values) for name, values in face_values(face))
            self._send(osc_bundle(tuple(parts), time_tag))

    def report(self, status: ServiceStatus) -> None:
        """Send the new state and, once they are open, the hashes of the models."""
        state = osc_message(f"{self._prefix}/status", (status.state.value, status.problem or ""))
        models = osc_message(f"{self._prefix}/models", (status.model or "", status.au_model or ""))
        self._send(osc_bundle((state, models), _NOW))

    def counters(self) -> OutputCounters:
        """Datagrams so far; receivers are not known."""
        return OutputCounters(self._sent, self._dropped, 0)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, datagram: bytes) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(datagram, self._target)
            self._sent += 1
        except OSError:  # the buffer is full, or the network is away
            self._dropped += 1


def face_values(face: FaceMessage) -> Iterator[tuple[str, tuple[Value, ...]]]:
    """End of the address and arguments of each message of a face; what was not assessed has none."""
    yield "id", (face.face_id or "",)
    yield "decision", (face.decision,)
    yield "labels", face.labels
    yield "shares", face.shares
    yield "carried", (face.carried,)
    yield "model", (face.model, face.au_model)
    for letter, shares in (("q", face.q), ("p", face.p)):
        for name, share in shares.items():
            yield f"{letter}/{name}", (share,)
    measures = ("aleatoric", "epistemic", "ood")
    for name in ("confidence", *measures, *(f"q_{measure}" for measure in measures), "quality"):
        value: float | None = getattr(face, name)
        if value is not None:
            yield name, (value,)
    if face.box is not None:
        yield "box", face.box
    if face.pose_deg is not None:
        yield "pose", face.pose_deg
    if face.au_baseline is not None:
        yield "au_baseline", (face.au_baseline,)
    for code, (occurrence, deviation) in face.au.items():
        yield f"au/{code}", (occurrence, deviation)
    for code, intensity in face.au_i.items():
        yield f"au_i/{code}", (intensity,)


def osc_message(address: str, values: tuple[Value, ...]) -> bytes:
    """One message: text, int32 and float32 arguments."""
    tags, body = ",", b""
    for value in values:
        if isinstance(value, str):
            tags, body = f"{tags}s", body + _text(value)
        elif isinstance(value, int):
            tags, body = f"{tags}i", body + struct.pack(">i", value)
        else:
            tags, body = f"{tags}f", body + struct.pack(">f", value)
    return _text(address) + _text(tags) + body


def osc_bundle(messages: tuple[bytes, ...], time_tag: bytes) -> bytes:
    """Messages that belong to one moment."""
    return _text("#bundle") + time_tag + b"".join(struct.pack(">i", len(part)) + part for part in messages)


def osc_time(unix_s: float) -> bytes:
    """NTP time tag of seconds since 1970 UTC."""
    whole, rest = divmod(unix_s, 1.0)
    return struct.pack(">II", (int(whole) + _EPOCH_S) % _FRACTIONS, int(rest * _FRACTIONS))


def _text(text: str) -> bytes:
    """Text with at least one zero byte at its end, to a multiple of four bytes."""
    raw = text.encode("utf-8", "replace")
    return raw + b"\0" * (4 - len(raw) % 4)
