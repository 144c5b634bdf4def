"""From Mien's messages to those of ROS 2, without importing ROS: the message classes are given.

hri_msgs 2.x, REP-155 (draft). Every stamp is the time of capture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from app.serve.messages import FaceMessage, LiveFrame
from app.serve.state import ServiceState, ServiceStatus
from engine.facs import HIGHEST_INTENSITY, unit_code
from engine.types import Frame

#: hri_msgs/Expression has no contempt: such a face has no `expression`, only the distribution.
EXPRESSIONS: Final = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprised",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "scared",
}
#: Length of the arrays of hri_msgs/FacialActionUnits, which are indexed by FACS number.
_UNITS: Final = 99
#: Largest standard deviation of a value in 0-1: a unit with it has the confidence 0.
_MAX_DEVIATION: Final = 0.5


@dataclass(frozen=True)
class RosTypes:
    """Message classes of ROS 2; each is made without arguments and filled field by field."""

    ids_list: Any  # hri_msgs/IdsList
    roi: Any  # hri_msgs/NormalizedRegionOfInterest2D
    expression: Any  # hri_msgs/Expression
    facs: Any  # hri_msgs/FacialActionUnits
    image: Any  # sensor_msgs/Image
    classification: Any  # vision_msgs/Classification
    hypothesis: Any  # vision_msgs/ObjectHypothesis
    diagnostics: Any  # diagnostic_msgs/DiagnosticArray
    diagnostic: Any  # diagnostic_msgs/DiagnosticStatus
    key_value: Any  # diagnostic_msgs/KeyValue


class RosMapping:
    """Makes ROS messages; None where nothing is to be published."""

    def __init__(self, types: RosTypes, frame_id: str) -> None:
        """``frame_id``: of the camera, in every header."""
        self._types = types
        self._frame_id = frame_id

    def tracked(self, frame: LiveFrame) -> Any:
        """Ids of all faces in view, rejected ones too."""
        message = self._stamped(self._types.ids_list, frame.messages[0].t)
        message.ids = [face.face_id for face in frame.faces]
        return message

    def roi(self, face: FaceMessage, presence: float) -> Any:
        """The box; ``presence``: score of the face, 0-1."""
        message = self._stamped(self._types.roi, face.t)
        if face.box is not None:
            message.xmin, message.ymin, message.xmax, message.ymax = face.box
        message.c = min(1.0, max(0.0, presence))
        return message

    def expression(self, face: FaceMessage) -> Any | None:
        """The likeliest label; None for a face that is not assessed, so that no robot acts on it, and for contempt.

        Valence and arousal are NaN: nothing estimates them.
        """
        if not face.labels or face.labels[0] not in EXPRESSIONS:
            return None
        message = self._stamped(self._types.expression, face.t)
        message.expression = EXPRESSIONS[face.labels[0]]
        message.valence = message.arousal = float("nan")
        message.confidence = face.shares[0]
        return message

    def distribution(self, face: FaceMessage) -> Any | None:
        """Steady probabilities of all expressions in Mien's own words, with contempt; None if not assessed."""
        if not face.q:
            return None
        message = self._stamped(self._types.classification, face.t)
        message.results = [self._hypothesis(name, share) for name, share in face.q.items()]
        return message

    def facs(self, face: FaceMessage) -> Any | None:
        """Action units by FACS number; None if not assessed.

        ``intensity`` is that of the unit, 0-1; its probability where the model grades none. ``confidence`` falls with
        the standard deviation of the probability, and is 0 for units that are not measured or not trusted.
        """
        if not face.au:
            return None
        message = self._stamped(self._types.facs, face.t)
        intensity, confidence = np.zeros(_UNITS, np.float32), np.zeros(_UNITS, np.float32)
        for number in range(_UNITS):
            code = unit_code(number)
            if (unit := face.au.get(code)) is not None:
                intensity[number] = face.au_i[code] / HIGHEST_INTENSITY if code in face.au_i else unit[0]
                confidence[number] = max(0.0, 1.0 - unit[1] / _MAX_DEVIATION)
        message.intensity, message.confidence = intensity, confidence
        return message

    def cropped(self, face: FaceMessage, frame: Frame) -> Any | None:
        """The image of the face, rgb8; None if its box has no pixels."""
        height_px, width_px = frame.image.shape[:2]
        x0, y0, x1, y1 = face.box or (0.0, 0.0, 0.0, 0.0)
        crop = frame.image[round(y0 * height_px) : round(y1 * height_px), round(x0 * width_px) : round(x1 * width_px)]
        if not crop.size:
            return None
        message = self._stamped(self._types.image, face.t)
        message.height, message.width = crop.shape[:2]
        message.encoding, message.is_bigendian, message.step = "rgb8", 0, 3 * crop.shape[1]
        message.data = crop.tobytes()
        return message

    def diagnostics(self, status: ServiceStatus) -> Any:
        """State of the source for /diagnostics."""
        running = status.state is ServiceState.RUNNING
        part = self._types.diagnostic()
        part.level = b"\x00" if running else b"\x02"  # OK, ERROR
        part.name, part.hardware_id = f"mien: {status.camera}", status.source
        part.message = status.state.value + (f": {status.problem}" if status.problem else "")
        values = {"reconnects": status.reconnects, "stalls": status.stalls, "model": status.model}
        part.values = [self._key_value(key, value) for key, value in values.items() if value is not None]
        message = self._stamped(self._types.diagnostics, status.t)
        message.status = [part]
        return message

    def _stamped(self, kind: Any, at_s: float) -> Any:
        message = kind()
        microseconds = round(at_s * 1e6)  # the precision of a time in seconds as a float
        message.header.stamp.sec = microseconds // 1_000_000
        message.header.stamp.nanosec = microseconds % 1_000_000 * 1000
        message.header.frame_id = self._frame_id
        return message

    def _hypothesis(self, name: str, share: float) -> Any:
        hypothesis = self._types.hypothesis()
        hypothesis.class_id, hypothesis.score = name, share
        return hypothesis

    def _key_value(self, key: str, value: object) -> Any:
        pair = self._types.key_value()
        pair.key, pair.value = key, str(value)
        return pair
