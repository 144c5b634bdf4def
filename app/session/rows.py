"""Records written for every analysed frame: the header of a session and one row per face.

What a row holds depends on its decision. A badly visible face (``low_quality``) has box, quality and head pose only;
a face unlike the training data (``reject``) also has the uncertainties that led to the rejection. Labels,
probabilities and action units of both are empty: they are not assessed. A frame without a face has one ``no_face``
row. A face that was not analysed in a frame, under load, repeats its decision with the steady estimate; nothing else of
it was measured but box, quality and head pose.

There are two estimates of an expression: that of the single frame, and the steady one, averaged over time, from which
decision, labels and shares are made and which is shown everywhere.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engine.baseline import above_neutral, subtract
from engine.types import AUEstimate, BaselineState, FaceResult, FrameResult, Reason, Route, UnitBaseline

#: Decisions of a row besides those of `engine.types.Route`.
NO_FACE: Final = "no_face"
LOW_QUALITY: Final = "low_quality"


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """What is the same for every row of a session."""

    source_id: str
    app_version: str
    model_sha256: str  # of the expression model; metadata.json lists both models
    expressions: tuple[str, ...]  # order of FaceRow.probabilities
    au_codes: tuple[int, ...]  # order of FaceRow.occurrence
    au_thresholds: tuple[float, ...]  # occurrence above which a unit counts as present
    au_trusted: tuple[int, ...]  # subset of au_codes with sufficient evidence; the others are greyed out and marked
    aleatoric_limit: float  # both limits: see app.settings.limits.Limits
    ood_limit: float
    settings: dict[str, str] = field(default_factory=dict)  # must not change when the session is resumed
    au_intensity: bool = False  # whether rows have intensities; sessions of earlier versions have none


@dataclass(frozen=True, slots=True)
class FaceRow:
    """One face of one analysed frame; None and empty tuples mean "not computed". Floats have 6 significant digits."""

    frame: int
    pts_s: float | None
    time_s: float
    decision: str  # accept, ambiguous, reject, low_quality or no_face
    latency_ms: float  # processing time of the whole frame
    face_id: int | None = None
    x: float | None = None  # left edge of the box, frame pixels
    y: float | None = None
    w: float | None = None
    h: float | None = None
    det_score: float | None = None
    quality: float | None = None
    quality_reasons: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # the labels shown, likeliest first: one for accept, two or more for ambiguous
    shares: tuple[float, ...] = ()  # their steady probabilities
    probabilities: tuple[float, ...] = ()  # of this frame alone, order of SessionHeader.expressions
    ood_score: float | None = None  # of this frame alone, like the next two
    aleatoric: float | None = None  # nats
    epistemic: float | None = None  # nats
    occurrence: tuple[float, ...] = ()  # order of SessionHeader.au_codes
    occurrence_std: tuple[float, ...] = ()
    yaw: float | None = None  # degrees
    pitch: float | None = None
    roll: float | None = None
    file: str | None = None  # see Frame.file
    cut: bool = False  # see FrameResult.cut
    carried: int = 0  # see FaceResult.carried
    steady_probabilities: tuple[float, ...] = ()  # order of SessionHeader.expressions
    steady_ood_score: float | None = None
    steady_aleatoric: float | None = None  # nats
    steady_epistemic: float | None = None  # nats
    intensity: tuple[float, ...] = ()  # 0-5, order of SessionHeader.au_codes; empty if the model does not grade it
    baseline: str = BaselineState.NONE.value  # of the face, see BaselineState; not part of the journal
    baseline_frames: int = 0
    corrected: tuple[float, ...] = ()  # occurrence with the baseline subtracted; empty while none is known
    corrected_std: tuple[float, ...] = ()
    corrected_intensity: tuple[float, ...] = ()  # 0-5 likewise; also empty if the model does not grade it

    def shown(self) -> FaceRow:
        """The row with the steady estimate in place of that of the frame; itself in sessions that have none."""
        if self.steady_aleatoric is None:
            return self
        return dataclasses.replace(
            self,
            probabilities=self.steady_probabilities,
            ood_score=self.steady_ood_score,
            aleatoric=self.steady_aleatoric,
            epistemic=self.steady_epistemic,
        )

    def with_baseline(self, baseline: UnitBaseline) -> FaceRow:
        """The row with a baseline of its face; occurrence and intensity stay those of the model."""
        if baseline.state is BaselineState.NONE:
            return self
        occurrence: tuple[float, ...] = ()
        std: tuple[float, ...] = ()
        if self.occurrence and baseline.shift is not None:
            mean, deviation = (np.array(each, np.float32) for each in (self.occurrence, self.occurrence_std))
            occurrence, std = (tuple(map(_six_digits, each.tolist())) for each in subtract(mean, deviation, baseline))
        intensity: tuple[float, ...] = ()
        if self.intensity and baseline.intensity is not None:
            graded = above_neutral(np.array(self.intensity, np.float32), baseline.intensity)
            intensity = tuple(map(_six_digits, graded.tolist()))
        return dataclasses.replace(
            self,
            baseline=baseline.state.value,
            baseline_frames=baseline.frames,
            corrected=occurrence,
            corrected_std=std,
            corrected_intensity=intensity,
        )

    def units_shown(self) -> FaceRow:
        """The row with corrected occurrence and intensity, where there are any, in place of those of the model."""
        if not self.corrected:
            return self
        return dataclasses.replace(
            self,
            occurrence=self.corrected,
            occurrence_std=self.corrected_std,
            intensity=self.corrected_intensity or self.intensity,
        )


def rows_of(result: FrameResult, repeat: bool = False) -> tuple[FaceRow, ...]:
    """Return the rows of one analysed frame: one per face, or a single ``no_face`` row.

    Args:
        result: of the frame.
        repeat: carried rows have the values of the frame in which the face was analysed last; for display only.
    """
    if not result.faces:
        frame = result.frame
        total_ms = _six_digits(result.times.total_ms)
        time_s = round(frame.timestamp_s, 6)
        pts_s = _microseconds(frame.pts_s)
        return (FaceRow(frame.index, pts_s, time_s, NO_FACE, total_ms, file=frame.file, cut=result.cut),)
    return tuple(
        _face_row(result, face, measured=repeat or not face.carried).with_baseline(face.baseline)
        for face in result.faces
    )


def _face_row(result: FrameResult, face: FaceResult, measured: bool) -> FaceRow:
    frame, track, quality = result.frame, face.track, face.aligned.quality
    decision = face.decision
    is_visible = decision.reason is not Reason.LOW_QUALITY
    visible = is_visible and measured
    assessed = decision.route is not Route.REJECT and measured
    steady = decision.steady if is_visible else None
    has_labels = steady is not None and decision.route is not Route.REJECT
    averages = None if steady is None else steady.uncertainty
    x0, y0, x1, y1 = (float(value) for value in track.box)
    return FaceRow(
        frame=frame.index,
        pts_s=_microseconds(frame.pts_s),
        time_s=round(frame.timestamp_s, 6),
        face_id=track.track_id,
        x=_six_digits(x0),
        y=_six_digits(y0),
        w=_six_digits(x1 - x0),
        h=_six_digits(y1 - y0),
        det_score=_six_digits(track.score),
        quality=_six_digits(quality.score),
        quality_reasons=tuple(reason.value for reason in quality.reasons + decision.covered),
        decision=decision.route.value if is_visible else LOW_QUALITY,
        labels=decision.labels,
        shares=tuple(map(_six_digits, decision.shares)),
        probabilities=tuple(map(_six_digits, face.expression.probabilities.tolist())) if assessed else (),
        ood_score=_six_digits(face.uncertainty.ood_score) if visible else None,
        aleatoric=_six_digits(face.uncertainty.aleatoric) if visible else None,
        epistemic=_six_digits(face.uncertainty.epistemic) if visible else None,
        occurrence=tuple(map(_six_digits, face.action_units.occurrence.tolist())) if assessed else (),
        occurrence_std=tuple(map(_six_digits, face.action_units.occurrence_std.tolist())) if assessed else (),
        yaw=_six_digits(track.pose.yaw_deg),
        pitch=_six_digits(track.pose.pitch_deg),
        roll=_six_digits(track.pose.roll_deg),
        latency_ms=_six_digits(result.times.total_ms),
        file=frame.file,
        cut=result.cut,
        carried=face.carried,
        steady_probabilities=tuple(map(_six_digits, steady.probabilities.tolist())) if steady and has_labels else (),
        steady_ood_score=_six_digits(averages.ood_score) if averages else None,
        steady_aleatoric=_six_digits(averages.aleatoric) if averages else None,
        steady_epistemic=_six_digits(averages.epistemic) if averages else None,
        intensity=_intensity(face.action_units) if assessed else (),
    )


def _intensity(units: AUEstimate) -> tuple[float, ...]:
    return () if units.intensity is None else tuple(map(_six_digits, units.intensity.tolist()))


def _six_digits(value: float) -> float:
    """Round to the precision of a float32, so that journal and tables agree."""
    return float(format(value, ".6g"))


def _microseconds(value: float | None) -> float | None:
    """Round to microseconds; six significant digits would be too coarse in a film of many hours."""
    return None if value is None else round(value, 6)
