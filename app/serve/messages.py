"""The message that every stream carries: one face in one frame. JSON form: docs/schemas/mien.face-1.schema.json."""

from __future__ import annotations

import dataclasses
import json
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from app.session.rows import NO_FACE, FaceRow, SessionHeader, rows_of
from engine.capture.pacing import MAX_LATE_S
from engine.capture.source import FrameSource, WrappedSource
from engine.facs import unit_code
from engine.types import Frame, FrameResult, Reason, Route

#: Version of the messages; it changes when a field changes its meaning or is removed.
FACE_SCHEMA: Final = "mien.face/1"
STATUS_SCHEMA: Final = "mien.status/1"
_CLEAR_REASONS: Final = {
    Route.AMBIGUOUS.value: (Reason.COMPETING_LABELS.value,),
    Route.REJECT.value: (Reason.UNLIKE_TRAINING_DATA.value,),
}


@dataclass(frozen=True, slots=True)
class FaceMessage:
    """One face in one frame; a frame without a face has one message with the decision ``no_face``.

    None, empty tuples and empty dicts mean "not computed" or "not assessed", as in `app.session.rows.FaceRow`.
    """

    t: float  # capture time, seconds since 1970-01-01 UTC
    pts: float | None  # presentation time of a file, in seconds
    frame: int
    camera: str
    faces: int  # number of messages with this frame and a face
    face_id: str | None  # letters, digits and "_"; unique, not kept between runs, no identity
    box: tuple[float, float, float, float] | None  # x0 y0 x1 y1 as shares of the image's width and height, 0-1
    decision: str  # accept, ambiguous, reject, low_quality or no_face
    labels: tuple[str, ...]  # likeliest first
    shares: tuple[float, ...]  # their steady probabilities
    q: dict[str, float]  # steady probabilities of all expressions: averaged over time, like the decision
    p: dict[str, float]  # calibrated probabilities of all expressions in this frame alone
    confidence: float | None  # share of the first label
    q_aleatoric: float | None  # nats, steady
    q_epistemic: float | None  # nats, steady
    q_ood: float | None  # 0-1, of q_epistemic
    aleatoric: float | None  # nats, of this frame alone, like the next two
    epistemic: float | None  # nats
    ood: float | None  # 0-1, see Uncertainty.ood_score
    quality: float | None  # 0-1
    reasons: tuple[str, ...]  # for the decision: quality reasons, competing_labels, unlike_training_data
    pose_deg: tuple[float, float, float] | None  # yaw, pitch, roll
    au: dict[str, tuple[float, float]]  # code: occurrence 0-1 and its standard deviation, less the baseline
    au_i: dict[str, float]  # code: intensity 0-5, less the baseline; empty if the model does not grade it
    au_baseline: str | None  # none, collecting, unknown or known (BaselineState); None without au
    carried: int  # frames since the face was analysed; if not 0, p, au and au_i are empty and the decision is held
    latency_ms: float  # processing time of the frame
    age_ms: float  # from capture to this message
    model: str  # "sha256:" and the hash of the expression model
    au_model: str

    def json(self) -> str:
        """One line of JSON."""
        values: dict[str, Any] = {"schema": FACE_SCHEMA}
        values.update((name, getattr(self, name)) for name in _FIELDS)
        return json.dumps(values, separators=(",", ":"), allow_nan=False)


_FIELDS: Final = tuple(item.name for item in dataclasses.fields(FaceMessage))


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """The messages of one frame, one at least."""

    messages: tuple[FaceMessage, ...]
    captured_s: float  # time.monotonic() at capture
    result: FrameResult

    @property
    def faces(self) -> tuple[FaceMessage, ...]:
        """The messages with a face, largest face first."""
        return tuple(message for message in self.messages if message.face_id is not None)


class ClockedSource(WrappedSource):
    """Relates the times of a source, which begin at 0, to the monotonic clock.

    A frame is handed over just after its capture, so the smallest difference seen is that of the two clocks. A larger
    one counts only where a recording played in real time has stopped for a while.
    """

    def __init__(self, source: FrameSource, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(source)
        self._now = now
        self._start_s: float | None = None

    def read(self) -> Frame | None:
        """The next frame of the source; see the base."""
        frame = super().read()
        if frame is not None:
            start_s = self._now() - frame.timestamp_s
            if self._start_s is None or not self._start_s <= start_s <= self._start_s + MAX_LATE_S:
                self._start_s = start_s
        return frame

    def captured_s(self, frame: Frame) -> float:
        """Capture time of a frame of this source on the monotonic clock."""
        return frame.timestamp_s + (self._now() if self._start_s is None else self._start_s)


class MessageMaker:
    """Makes the messages of one run."""

    def __init__(
        self,
        camera: str,
        header: SessionHeader,
        au_model_sha256: str,
        captured_s: Callable[[Frame], float],
        all_units: bool = False,
    ) -> None:
        """Prepare a run.

        Args:
            camera: name of the camera in the messages.
            header: of the run.
            au_model_sha256: hash of the action-unit model.
            captured_s: capture time of a frame on the monotonic clock.
            all_units: include action units that are not trusted.
        """
        self._camera = camera
        self._header = header
        self._au_model = f"sha256:{au_model_sha256}"
        self._captured_s = captured_s
        self._last_s = -math.inf
        # ids of different runs differ, also after a restart; they begin with a letter and are valid names everywhere
        self._run = secrets.token_hex(2)
        self._units = tuple(
            (place, unit_code(code))
            for place, code in enumerate(header.au_codes)
            if all_units or code in header.au_trusted
        )

    def frame(self, result: FrameResult) -> LiveFrame:
        """Make the messages of a result."""
        # the two clocks are known better with every frame: the first times may be a little late, but never go back
        captured_s = self._last_s = max(self._last_s, self._captured_s(result.frame))
        age_s = time.monotonic() - captured_s
        captured_at_s = round(time.time() - age_s, 6)
        rows = [row.units_shown() for row in rows_of(result)]
        height_px, width_px = result.frame.image.shape[:2]
        faces = len(result.faces)
        return LiveFrame(
            tuple(self._message(row, faces, captured_at_s, age_s, (width_px, height_px)) for row in rows),
            captured_s,
            result,
        )

    def _message(self, row: FaceRow, faces: int, t: float, age_s: float, size_px: tuple[int, int]) -> FaceMessage:
        header = self._header
        return FaceMessage(
            t=t,
            pts=row.pts_s,
            frame=row.frame,
            camera=self._camera,
            faces=faces,
            face_id=None if row.decision == NO_FACE else f"f{self._run}_{row.face_id}",
            box=_relative_box(row, size_px),
            decision=row.decision,
            labels=row.labels,
            shares=row.shares,
            q=dict(zip(header.expressions, row.steady_probabilities, strict=True)) if row.steady_probabilities else {},
            p=dict(zip(header.expressions, row.probabilities, strict=True)) if row.probabilities else {},
            confidence=row.shares[0] if row.shares else None,
            q_aleatoric=row.steady_aleatoric,
            q_epistemic=row.steady_epistemic,
            q_ood=row.steady_ood_score,
            aleatoric=row.aleatoric,
            epistemic=row.epistemic,
            ood=row.ood_score,
            quality=row.quality,
            reasons=_CLEAR_REASONS.get(row.decision, ()) + row.quality_reasons,
            pose_deg=None if row.yaw is None else (row.yaw, row.pitch or 0.0, row.roll or 0.0),
            au={code: (row.occurrence[at], row.occurrence_std[at]) for at, code in self._units if row.occurrence},
            au_i={code: row.intensity[at] for at, code in self._units if row.intensity},
            au_baseline=row.baseline if row.occurrence else None,
            carried=row.carried,
            latency_ms=row.latency_ms,
            age_ms=round(age_s * 1000.0, 3),
            model=f"sha256:{header.model_sha256}",
            au_model=self._au_model,
        )


def _relative_box(row: FaceRow, size_px: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """The box as shares of the image, cut off at its edges."""
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return None
    width_px, height_px = size_px
    x0, x1 = (round(min(1.0, max(0.0, value / width_px)), 5) for value in (row.x, row.x + row.w))
    y0, y1 = (round(min(1.0, max(0.0, value / height_px)), 5) for value in (row.y, row.y + row.h))
    return x0, y0, x1, y1
