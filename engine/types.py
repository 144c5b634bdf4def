"""The records passed between the stages: frozen, with read-only arrays, checked on construction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]

#: Points of the face mesh (MediaPipe Face Mesh, the first 468 of the 478 of newer bundles).
MESH_POINTS = 468


def _freeze(record: object, name: str, shape: tuple[int | None, ...], dtype: type[np.generic]) -> None:
    """Check the shape (None = any length) and dtype of an array field, and replace it by a read-only view."""
    array: npt.NDArray[Any] = getattr(record, name)
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits or array.dtype != dtype:
        wanted = "x".join("*" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{type(record).__name__}.{name} must be {wanted} {np.dtype(dtype).name}, "
            f"not {'x'.join(map(str, array.shape))} {array.dtype.name}"
        )
    view = array.view()
    view.flags.writeable = False
    object.__setattr__(record, name, view)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of a source."""

    image: UInt8  # (H, W, 3) RGB
    index: int  # position in the source, from 0; frames dropped before the engine leave gaps
    timestamp_s: float  # seconds since the first frame; files: from presentation times, live: monotonic clock at grab
    source_id: str
    pts_s: float | None = None  # presentation time in the file; None for live sources and still images
    file: str | None = (
        None  # images: path below the folder given, "#page" behind it where a file has several; else None
    )

    def __post_init__(self) -> None:
        _freeze(self, "image", (None, None, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class FaceDetection:
    """One detected face."""

    box: Float32  # (4,) x0 y0 x1 y1, frame pixels
    landmarks: Float32  # (6, 2) right eye, left eye, nose tip, mouth, right and left ear; frame pixels
    score: float  # 0-1

    def __post_init__(self) -> None:
        _freeze(self, "box", (4,), np.float32)
        _freeze(self, "landmarks", (6, 2), np.float32)


class TrackState(str, Enum):
    """State of a track."""

    TENTATIVE = "tentative"  # tracked too briefly to be shown
    CONFIRMED = "confirmed"
    LOST = "lost"  # not visible; its id is kept for a short time


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """Head rotation in degrees relative to the camera.

    All are 0 when the face looks into the camera. Yaw is positive when the face turns to the right edge of the image,
    pitch when it looks up, roll when the head tilts clockwise in the image.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One face tracked over frames."""

    track_id: int
    state: TrackState
    box: Float32  # (4,) x0 y0 x1 y1 around the mesh, frame pixels
    mesh: Float32  # (468, 3) x y in frame pixels, z in the same unit, smaller = nearer to the camera
    pose: HeadPose
    score: float  # 0-1, presence estimated by the mesh network
    age_s: float  # seconds since the track began

    def __post_init__(self) -> None:
        _freeze(self, "box", (4,), np.float32)
        _freeze(self, "mesh", (MESH_POINTS, 3), np.float32)


class QualityReason(str, Enum):
    """Why a face is not clearly visible."""

    TOO_SMALL = "too_small"
    TURNED_AWAY = "turned_away"
    BLURRED = "blurred"
    DARK = "dark"
    CUT_OFF = "cut_off"
    MOUTH_COVERED = "mouth_covered"
    EYES_COVERED = "eyes_covered"
    SIDE_COVERED = "side_covered"


#: What the expression model may say is covered, in the order of its output.
COVERED_PARTS: Final = (QualityReason.MOUTH_COVERED, QualityReason.EYES_COVERED, QualityReason.SIDE_COVERED)


@dataclass(frozen=True, slots=True, eq=False)
class FaceQuality:
    """Image quality of a face: the lowest of its partial scores, and the reason for each one below its limit."""

    score: float  # 0-1
    reasons: tuple[QualityReason, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """One face in the canonical field of view (engine/alignment.py)."""

    track_id: int
    crop: UInt8  # (S, S) grey
    landmarks: Float32  # (468, 2) x y of the mesh in the crop, 0-1 of its side
    frame_from_crop: Float64  # (2, 3) maps crop pixels to frame pixels
    quality: FaceQuality

    def __post_init__(self) -> None:
        side = self.crop.shape[0]
        _freeze(self, "crop", (side, side), np.uint8)
        _freeze(self, "landmarks", (MESH_POINTS, 2), np.float32)
        _freeze(self, "frame_from_crop", (2, 3), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionEstimate:
    """Class probabilities of the expression ensemble, calibrated."""

    members: Float32  # (M, C) probabilities of each member, order of facs.EXPRESSIONS
    probabilities: Float32  # (C,) mean over the members
    covered: Float32 | None = None  # (3,) of COVERED_PARTS, 0-1, above 0.5 the part is covered; where the model says it

    def __post_init__(self) -> None:
        _freeze(self, "members", (None, None), np.float32)
        if self.covered is not None:
            _freeze(self, "covered", (len(COVERED_PARTS),), np.float32)
        _freeze(self, "probabilities", (self.members.shape[1],), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class AUEstimate:
    """Occurrence of action units with the uncertainty of the sampled graph (UGN)."""

    codes: Int64  # (K,) FACS numbers
    occurrence: Float32  # (K,) probability 0-1, mean over the samples
    occurrence_std: Float32  # (K,) standard deviation over the samples
    aleatoric: Float32  # (K,) nats
    epistemic: Float32  # (K,) nats
    mask_mean: Float32  # (K, K) mean of the sampled edge mask
    mask_std: Float32  # (K, K) its standard deviation
    adjacency: Float32  # (K, K) learned, normalised
    intensity: Float32 | None = None  # (K,) 0-5, where the model grades it

    def __post_init__(self) -> None:
        units = self.codes.shape[0]
        _freeze(self, "codes", (units,), np.int64)
        if self.intensity is not None:
            _freeze(self, "intensity", (units,), np.float32)
        for name in ("occurrence", "occurrence_std", "aleatoric", "epistemic"):
            _freeze(self, name, (units,), np.float32)
        for name in ("mask_mean", "mask_std", "adjacency"):
            _freeze(self, name, (units, units), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """Uncertainty of one expression estimate: total = aleatoric + epistemic, in nats."""

    total: float
    aleatoric: float  # human raters disagree about such faces
    epistemic: float  # the face is unlike the training data
    ood_score: float  # 0-1: share of validation faces with a smaller epistemic part


class Route(str, Enum):
    """How a face is reported."""

    ACCEPT = "accept"  # with one label
    AMBIGUOUS = "ambiguous"  # with the competing labels
    REJECT = "reject"  # not assessed, with the reason


class Reason(str, Enum):
    """Reason for the route of a face."""

    CLEAR = "clear"
    COMPETING_LABELS = "competing_labels"
    UNLIKE_TRAINING_DATA = "unlike_training_data"
    LOW_QUALITY = "low_quality"


@dataclass(frozen=True, slots=True, eq=False)
class SteadyEstimate:
    """The estimate of a face averaged over time: what a decision rests on, and what is shown."""

    probabilities: Float64  # (C,) order of facs.EXPRESSIONS
    uncertainty: Uncertainty
    covered: Float64 | None = None  # (3,) see ExpressionEstimate

    def __post_init__(self) -> None:
        _freeze(self, "probabilities", (None,), np.float64)
        if self.covered is not None:
            _freeze(self, "covered", (len(COVERED_PARTS),), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Route of a face, with its labels and their probabilities, largest first; both empty for REJECT."""

    route: Route
    reason: Reason
    labels: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()  # of the steady estimate
    steady: SteadyEstimate | None = None  # None before the first frame of sufficient quality
    covered: tuple[QualityReason, ...] = ()  # parts of a face unlike the training data that are hidden

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.shares):
            raise ValueError(f"Decision has {len(self.labels)} labels but {len(self.shares)} shares")
        if (self.route is Route.REJECT) != (not self.labels):
            raise ValueError(f"Decision {self.route} cannot carry {len(self.labels)} labels")


class BaselineState(str, Enum):
    """What is known of a person's neutral baseline; KNOWN changes values, and COLLECTING after a KNOWN one."""

    NONE = "none"  # not asked for
    COLLECTING = "collecting"  # asked for: its frames are still being collected; an earlier one stays subtracted
    UNKNOWN = "unknown"  # asked for, but the face showed too few frames to estimate it from
    KNOWN = "known"


@dataclass(frozen=True, slots=True, eq=False)
class UnitBaseline:
    """The neutral baseline of one person: what `engine.baseline` subtracts from logits and intensities of the units."""

    state: BaselineState
    frames: int = 0  # collected so far, or that it was estimated from
    shift: Float32 | None = None  # (K,) logits; kept while a new one is collected; None: nothing is subtracted
    error: Float32 | None = None  # (K,) standard error of the shift, logits
    intensity: Float32 | None = None  # (K,) 0-5 of the neutral face, subtracted; None where the model grades none

    def __post_init__(self) -> None:
        if (self.shift is None) != (self.error is None) or (self.state is BaselineState.KNOWN and self.shift is None):
            raise ValueError(f"UnitBaseline {self.state.value} needs both shift and error, or neither")
        if self.shift is not None:
            _freeze(self, "shift", (None,), np.float32)
            _freeze(self, "error", self.shift.shape, np.float32)
        if self.intensity is not None:
            if self.shift is None:
                raise ValueError(f"UnitBaseline {self.state.value} has an intensity, which needs a shift")
            _freeze(self, "intensity", self.shift.shape, np.float32)


#: The baseline of faces for which none was asked.
NO_BASELINE: Final = UnitBaseline(BaselineState.NONE)


@dataclass(frozen=True, slots=True, eq=False)
class FaceResult:
    """All results for one face in one frame."""

    track: FaceTrack
    aligned: AlignedFace
    expression: ExpressionEstimate
    action_units: AUEstimate
    uncertainty: Uncertainty
    decision: Decision
    #: Frames since the face was analysed. If not 0, the four fields above are those of that frame (live, under load).
    carried: int = 0
    #: Of the person; ``action_units`` are those of the model, `engine.baseline.corrected` subtracts it.
    baseline: UnitBaseline = NO_BASELINE


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model of an open engine, and where it runs."""

    name: str
    task: str  # "expression" or "action_units"
    sha256: str  # of the ONNX file
    backend: str
    device: str


@dataclass(frozen=True, slots=True, eq=False)
class StageTimes:
    """Milliseconds per stage for one frame."""

    tracking_ms: float
    alignment_ms: float
    expression_ms: float
    action_units_ms: float
    routing_ms: float

    @property
    def total_ms(self) -> float:
        """Sum over the stages."""
        return self.tracking_ms + self.alignment_ms + self.expression_ms + self.action_units_ms + self.routing_ms


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """One frame with its confirmed faces, largest first."""

    frame: Frame
    faces: tuple[FaceResult, ...]
    times: StageTimes
    snapshot: str | None = None  # state of the pipeline after this frame, if a recorder needs it
    left_out: int = 0  # faces beyond the limit `TrackingConfig.max_faces`, which are not tracked
    cut: bool = False  # whether the frame begins another shot: tracks and averages ended before it


#: What is left to do for tracked frames (`engine.engine.Engine.track_all`); returns their results, in order.
Analysis: TypeAlias = Callable[[], list[FrameResult]]
