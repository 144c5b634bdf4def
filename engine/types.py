"""The records that the stages pass to each other: frozen, with read-only arrays, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]

#: Points of the face mesh (MediaPipe Face Mesh, the first 468 of the 478 of newer bundles).
MESH_POINTS = 468


def _settle(record: object, name: str, shape: tuple[int | None, ...], dtype: type[np.generic]) -> None:
    """Check an array field against shape (None = any length) and dtype and put a read-only view in its place."""
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
    """One picture of a source."""

    image: UInt8  # (H, W, 3) RGB
    index: int  # position in the source, from 0; frames dropped before the engine leave gaps
    timestamp_s: float  # seconds since the first frame; files: from presentation times, live: monotonic clock at grab
    source_id: str
    pts_s: float | None = None  # presentation time as the file tells it; None for live sources and pictures

    def __post_init__(self) -> None:
        _settle(self, "image", (None, None, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class FaceDetection:
    """One face that the detector found."""

    box: Float32  # (4,) x0 y0 x1 y1, frame pixels
    landmarks: Float32  # (6, 2) right eye, left eye, nose tip, mouth, right and left ear; frame pixels
    score: float  # 0-1

    def __post_init__(self) -> None:
        _settle(self, "box", (4,), np.float32)
        _settle(self, "landmarks", (6, 2), np.float32)


class TrackState(str, Enum):
    """Life of a track."""

    TENTATIVE = "tentative"  # seen too shortly to be shown
    CONFIRMED = "confirmed"
    LOST = "lost"  # not seen now; its id is kept for a short time


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """Head rotation in degrees as the camera sees it.

    All are 0 when the face looks into the camera. Yaw is positive when the face turns to the right edge of the picture,
    pitch when it looks up, roll when the head tilts clockwise in the picture.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One face followed over frames."""

    track_id: int
    state: TrackState
    box: Float32  # (4,) x0 y0 x1 y1 around the mesh, frame pixels
    mesh: Float32  # (468, 3) x y in frame pixels, z in the same unit, smaller = nearer to the camera
    pose: HeadPose
    score: float  # 0-1, presence that the mesh network gives
    age_s: float  # seconds since the track began

    def __post_init__(self) -> None:
        _settle(self, "box", (4,), np.float32)
        _settle(self, "mesh", (MESH_POINTS, 3), np.float32)


class QualityReason(str, Enum):
    """Why a face cannot be seen well."""

    TOO_SMALL = "too_small"
    TURNED_AWAY = "turned_away"
    BLURRED = "blurred"
    DARK = "dark"
    CUT_OFF = "cut_off"


@dataclass(frozen=True, slots=True, eq=False)
class FaceQuality:
    """How well a face can be seen: the worst of its parts, and each reason that falls below its limit."""

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
        _settle(self, "crop", (side, side), np.uint8)
        _settle(self, "landmarks", (MESH_POINTS, 2), np.float32)
        _settle(self, "frame_from_crop", (2, 3), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionEstimate:
    """Class probabilities of the expression ensemble, calibrated."""

    members: Float32  # (M, C) probabilities of each member, order of facs.EXPRESSIONS
    probabilities: Float32  # (C,) mean over the members

    def __post_init__(self) -> None:
        _settle(self, "members", (None, None), np.float32)
        _settle(self, "probabilities", (self.members.shape[1],), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class AUEstimate:
    """Occurrence of action units with the uncertainty that the sampled graph gives (UGN)."""

    codes: Int64  # (K,) FACS numbers
    occurrence: Float32  # (K,) probability 0-1, mean over the samples
    occurrence_std: Float32  # (K,) standard deviation over the samples
    aleatoric: Float32  # (K,) nats
    epistemic: Float32  # (K,) nats
    mask_mean: Float32  # (K, K) mean of the sampled edge mask
    mask_std: Float32  # (K, K) its standard deviation
    adjacency: Float32  # (K, K) learned, normalised

    def __post_init__(self) -> None:
        units = self.codes.shape[0]
        _settle(self, "codes", (units,), np.int64)
        for name in ("occurrence", "occurrence_std", "aleatoric", "epistemic"):
            _settle(self, name, (units,), np.float32)
        for name in ("mask_mean", "mask_std", "adjacency"):
            _settle(self, name, (units, units), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """Uncertainty of one expression estimate: total = aleatoric + epistemic, in nats."""

    total: float
    aleatoric: float  # people disagree about such faces
    epistemic: float  # unlike the training data
    ood_score: float  # 0-1, larger = stranger: share of validation faces with a smaller epistemic part


class Route(str, Enum):
    """What is done with a face."""

    ACCEPT = "accept"  # one label
    AMBIGUOUS = "ambiguous"  # the labels that compete
    REJECT = "reject"  # not assessed, with the reason


class Reason(str, Enum):
    """Why a face was routed as it was."""

    CLEAR = "clear"
    COMPETING_LABELS = "competing_labels"
    UNLIKE_TRAINING_DATA = "unlike_training_data"
    LOW_QUALITY = "low_quality"


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Where a face goes. Shares are probabilities of the labels named, largest first; both empty for REJECT."""

    route: Route
    reason: Reason
    labels: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.shares):
            raise ValueError(f"Decision has {len(self.labels)} labels but {len(self.shares)} shares")
        if (self.route is Route.REJECT) != (not self.labels):
            raise ValueError(f"Decision {self.route} cannot carry {len(self.labels)} labels")


@dataclass(frozen=True, slots=True, eq=False)
class FaceResult:
    """All that is known of one face of one frame."""

    track: FaceTrack
    aligned: AlignedFace
    expression: ExpressionEstimate
    action_units: AUEstimate
    uncertainty: Uncertainty
    decision: Decision


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
    """Milliseconds that each stage took for one frame."""

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
    snapshot: str | None = None  # state of the pipeline after this frame, where a recorder asked for it
    cut: bool = False  # whether the frame begins another shot: tracks and averages ended before it
