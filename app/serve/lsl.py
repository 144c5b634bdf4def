"""Lab Streaming Layer outlets (pylsl): expression and action units per face slot, and events.

Every sample has the time of capture. Channel counts are fixed: slot 0 is the largest face, slot 1 the next one; the
values of an empty slot, what was not assessed, and what was carried are NaN.
"""

from __future__ import annotations

import json
import math
import os
import time
import uuid
import zlib
from typing import Any, Final

import pylsl

from app.serve.config import LslConfig
from app.serve.events import FaceEvents
from app.serve.messages import FaceMessage, LiveFrame
from app.serve.state import OutputCounters, ServiceStatus
from engine.facs import EXPRESSIONS, OPEN_UNITS, unit_code

#: Names of the expressions as channels, in the order of EXPRESSIONS; those that they have in ROS 2 too.
_CHANNELS: Final = dict(
    zip(EXPRESSIONS, ("neutral", "happy", "surprised", "sad", "angry", "disgusted", "scared", "contempt"), strict=True)
)
#: Order of the distribution in the stream.
_ORDER: Final = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
#: Values of the channel decision_code.
DECISION_CODES: Final = {"no_face": 0, "accept": 1, "ambiguous": 2, "reject": 3, "low_quality": 4}
#: Units of a probability stream.
_SHARE: Final = "share_0_1"
#: Hundreds of samples that are kept for a slow inlet; then the oldest are lost.
_BUFFER_HUNDREDS: Final = 10


class LslOutput:
    """The outlets; see `app.serve.state.LiveOutput`. liblsl's own threads send."""

    name = "lsl"

    def __init__(self, config: LslConfig, camera: str) -> None:
        """Prepare; nothing is announced before `open`."""
        self._config = config
        self._camera = camera
        self._events = FaceEvents()
        self._expression: list[pylsl.StreamOutlet] = []
        self._units: list[pylsl.StreamOutlet] = []
        self._markers: pylsl.StreamOutlet | None = None
        self._sent = 0

    @property
    def address(self) -> str:
        """Names of the streams, and how far they are announced."""
        names = f"mien-{self._camera}-Expression, -AU and -Events"
        return f"{names}, announced to the {self._config.scope}; liblsl listens on all interfaces"

    def open(self) -> None:
        """Create the outlets. A configuration file that LSLAPICFG names replaces ``scope``."""
        if not os.environ.get("LSLAPICFG"):
            pylsl.set_config_content(_settings(self._config.scope))
        run = uuid.uuid4().hex
        for slot in range(self._config.slots):
            self._expression.append(self._outlet("Expression", "Expression", slot, run, expression_channels()))
            self._units.append(self._outlet("AU", "FacialActionUnits", slot, run, unit_channels()))
        info = pylsl.StreamInfo(
            f"mien-{self._camera}-Events", "Markers", 1, 0.0, "string", f"mien-{self._camera}-events-{run}"
        )
        self._markers = pylsl.StreamOutlet(info, max_buffered=_BUFFER_HUNDREDS)

    def send(self, frame: LiveFrame) -> None:
        """Push one sample per slot and the events of a frame; never waits."""
        age_s = time.monotonic() - frame.captured_s
        captured_s = pylsl.local_clock() - age_s
        faces = frame.faces
        for slot, (expression, units) in enumerate(zip(self._expression, self._units, strict=True)):
            face = faces[slot] if slot < len(faces) else None
            expression.push_sample(expression_sample(face, slot), captured_s)
            units.push_sample(unit_sample(face), captured_s)
            self._sent += 2
        for event in self._events.update(frame):
            face = event.after or event.before
            if face is not None:
                values = {"event": event.type.value, "face_id": face.face_id, "decision": face.decision}
                self._mark({**values, "labels": face.labels}, captured_s)

    def report(self, status: ServiceStatus) -> None:
        """Push an event with the new state and, once they are open, the hashes of the models."""
        values = {"event": status.state.value, "problem": status.problem}
        self._mark({**values, "model": status.model, "au_model": status.au_model}, pylsl.local_clock())

    def counters(self) -> OutputCounters:
        """Samples so far; streams that have an inlet count as subscribers."""
        outlets = (*self._expression, *self._units, *(() if self._markers is None else (self._markers,)))
        return OutputCounters(self._sent, 0, sum(outlet.have_consumers() for outlet in outlets))

    def close(self) -> None:
        """Remove the streams."""
        self._expression.clear()
        self._units.clear()
        self._markers = None

    def _mark(self, values: dict[str, Any], at_s: float) -> None:
        if self._markers is not None:
            self._markers.push_sample([json.dumps(values, separators=(",", ":"))], at_s)
            self._sent += 1

    def _outlet(
        self, name: str, kind: str, slot: int, run: str, channels: tuple[tuple[str, str], ...]
    ) -> pylsl.StreamOutlet:
        suffix = f"-{slot}" if slot else ""
        info = pylsl.StreamInfo(
            f"mien-{self._camera}-{name}{suffix}",
            kind,
            len(channels),
            pylsl.IRREGULAR_RATE,
            "float32",
            f"mien-{self._camera}-{name.lower()}-{slot}-{run}",
        )
        described = info.desc().append_child("channels")
        for label, unit in channels:
            channel = described.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
            channel.append_child_value("type", kind)
        return pylsl.StreamOutlet(info, max_buffered=_BUFFER_HUNDREDS)


def expression_channels() -> tuple[tuple[str, str], ...]:
    """Label and unit of each channel of the expression stream."""
    return (
        *(("face_slot", "number"), ("face_id_hash", "number"), ("decision_code", "number")),
        *((f"p_{_CHANNELS[name]}", _SHARE) for name in _ORDER),
        *(("confidence", _SHARE), ("ood_score", _SHARE), ("valence", "none"), ("arousal", "none")),
        *(("quality", _SHARE), ("aleatoric", "nats"), ("epistemic", "nats")),
        *((f"q_{_CHANNELS[name]}", _SHARE) for name in _ORDER),
        *(("q_ood_score", _SHARE), ("q_aleatoric", "nats"), ("q_epistemic", "nats")),
    )


def unit_channels() -> tuple[tuple[str, str], ...]:
    """Label and unit of each channel of the action-unit stream."""
    return (
        *((f"AU{code:02d}", "probability_0_1") for code in OPEN_UNITS),
        *((f"AU{code:02d}_sd", "probability_0_1") for code in OPEN_UNITS),
    )


def expression_sample(face: FaceMessage | None, slot: int) -> list[float]:
    """One sample in the order of `expression_channels`. Valence and arousal are always NaN: nothing estimates them."""
    if face is None:
        empty = len(expression_channels()) - 3
        return [float(slot), math.nan, float(DECISION_CODES["no_face"]), *[math.nan] * empty]
    # 24 bits are exact in a float32
    face_hash = zlib.crc32(str(face.face_id).encode()) & 0xFFFFFF
    measures = (face.confidence, face.ood, None, None, face.quality, face.aleatoric, face.epistemic)
    return [
        *(float(slot), float(face_hash), float(DECISION_CODES[face.decision])),
        *(face.p.get(name, math.nan) for name in _ORDER),
        *(math.nan if value is None else value for value in measures),
        *(face.q.get(name, math.nan) for name in _ORDER),
        *(math.nan if value is None else value for value in (face.q_ood, face.q_aleatoric, face.q_epistemic)),
    ]


def unit_sample(face: FaceMessage | None) -> list[float]:
    """One sample in the order of `unit_channels`; NaN for units that are not in the message."""
    units = {} if face is None else face.au
    pairs = [units.get(unit_code(code), (math.nan, math.nan)) for code in OPEN_UNITS]
    return [*(mean for mean, _ in pairs), *(deviation for _, deviation in pairs)]


def _settings(scope: str) -> str:
    """Configuration of liblsl: how far multicast goes, and no log on the terminal."""
    return f"[multicast]\nResolveScope = {scope}\n[log]\nlevel = -2\n"
