"""What is remembered of each face: its id, its state, where it was heading and how well it is proven to be a face.

Both trackers keep one `TrackBook` and hand it, frame by frame, the faces they saw. Ids come from association alone
(engine/tracking/association.py), never from which network found the face, so a mesh that slips from one face to another
does not carry the id with it.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.config import TrackingConfig
from engine.records import read_record, read_value
from engine.tracking.association import Expected, FaceShape, associate, distinct, overlap, shape_of
from engine.tracking.evidence import least_evidence
from engine.tracking.mesh import FaceRoi
from engine.tracking.pose import head_pose
from engine.types import MESH_POINTS, FaceTrack, Float32, Frame, TrackState

#: A face is confirmed once the detector agreed in this many frames, the mean evidence passes the rule, and the mesh
#: network was this sure on average: on drawn animals it flickers.
_MIN_DETECTIONS: Final = 2
_MIN_MEAN_PRESENCE: Final = 0.8
#: A face that is too small or too coarse for the mesh network is confirmed by the detector alone: this often, with this
#: mean score, after twice the time, while the mean presence is below that. Checks give real faces .77 on average and
#: letters or cars .18.
_MIN_SMALL_DETECTIONS: Final = 4
_MIN_SMALL_SCORE: Final = 0.7
_SMALL_CONFIRM_FACTOR: Final = 2.0
#: A face that the detector denied this often in a row is given up ...
_MAX_DENIALS: Final = 2
#: ... unless the mesh network is as good as certain: a profile that the detector cannot see.
_CERTAIN_PRESENCE: Final = 0.95
#: A new face shares at most this part of its box, or of the other's, with another face.
_MAX_OVERLAP: Final = 0.3
#: Time constants in seconds: of the means above, of the velocity, and of the belief that a lost face keeps moving.
_EVIDENCE_S: Final = 0.3
_VELOCITY_S: Final = 0.08
_COASTING_S: Final = 0.5
#: A face of the last frame is looked for in the next one, however slow the video, if that comes within so many seconds.
_LONGEST_STEP_S: Final = 2.0
#: Handicaps in association (its costs are about 0.1 for a good fit, 2 for a bad one): a face in sight comes before one
#: that is lost or unproven, and of two tracks that fit one face alike the older wins.
_UNPROVEN_HANDICAP: Final = 0.3
_YOUNGER_HANDICAP: Final = 0.02


#: Pixels, pixels per second and seconds in a saved state: far more than any video has, and safe in every conversion.
MAX_SAVED: Final = 1e7


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One face that was seen in this frame, not yet anyone."""

    mesh: Float32  # (468, 3) frame pixels
    roi: FaceRoi  # the square around it, from the mesh, or from the detector where the mesh cannot be trusted
    presence: float  # 0-1 from the mesh network
    detection: float | None  # score of the detector for this face now; 0.0 = it was asked and denies; None = not asked
    evidence: float | None = None  # value of the rule of evidence; None = not weighed now


@dataclass(frozen=True, slots=True, eq=False)
class TrackMemory:
    """One known face as it was last seen."""

    track_id: int
    state: TrackState
    mesh: Float32  # (468, 3) frame pixels
    shape: FaceShape  # of the mesh
    roi: FaceRoi
    velocity_x_px_s: float
    velocity_y_px_s: float
    born_s: float
    seen_s: float
    presence: float  # of the last sighting
    mean_presence: float
    mean_evidence: float  # of the rule of evidence
    mean_detection: float  # 0-1, mean of the detector's scores, denials as 0
    detections: int  # how often the detector agreed
    denials: int  # how often in a row it did not

    def shift_at(self, now_s: float) -> tuple[float, float]:
        """Pixels that the face should have moved since it was last seen: constant velocity that fades with time."""
        reach_s = _COASTING_S * (1 - math.exp(-max(now_s - self.seen_s, 0.0) / _COASTING_S))
        return self.velocity_x_px_s * reach_s, self.velocity_y_px_s * reach_s


@dataclass(frozen=True, slots=True)
class _Saved:
    """A memory as it is saved; see TrackMemory."""

    track_id: int
    state: TrackState
    mesh: str  # base64 of little-endian float32
    roi: FaceRoi
    velocity_x_px_s: float
    velocity_y_px_s: float
    born_s: float
    seen_s: float
    presence: float
    mean_presence: float
    mean_evidence: float
    mean_detection: float
    detections: int
    denials: int


class TrackBook:
    """The known faces. Time comes from the frames alone, so the same frames give the same tracks."""

    def __init__(self, config: TrackingConfig) -> None:
        self._config = config
        self._next_id = 1
        self._updated_s = -math.inf  # time of the last frame
        self._memories: tuple[TrackMemory, ...] = ()
        #: Faces seen in the last update for which there was no room (``max_faces``).
        self.left_out = 0

    @property
    def memories(self) -> tuple[TrackMemory, ...]:
        """The known faces, oldest first, the lost ones included."""
        return self._memories

    def forget(self, now_s: float) -> None:
        """Drop the faces that have been out of sight for too long at time ``now_s``.

        A face of the last frame stays for one frame more, so that slow videos have tracks too.
        """
        self._memories = tuple(memory for memory in self._memories if now_s - memory.seen_s <= self._patience_s(memory))

    def end(self) -> None:
        """End every track, as at a cut; ids are not used again."""
        self._memories = ()

    def update(self, frame: Frame, sightings: Sequence[Sighting]) -> tuple[FaceTrack, ...]:
        """Give each face that was seen in the frame its id; the tracks in sight, oldest first.

        Of several sightings of one face the best counts. A sighting that fits no known face starts a track if the
        detector agrees with it and there is room (``max_faces``).
        """
        now_s = frame.timestamp_s
        self.forget(now_s)
        shapes = [shape_of(sighting.mesh) for sighting in sightings]
        kept = distinct(shapes, [sighting.presence for sighting in sightings])
        pairs = associate(self._expected(now_s), [shapes[index] for index in kept])
        seen: dict[int, TrackMemory] = {}
        memories = []
        for row, memory in enumerate(self._memories):
            if row in pairs:
                found = kept[pairs[row]]
                grown = _grown(memory, sightings[found], shapes[found], now_s)
                if _is_credible(grown):
                    memory = seen[memory.track_id] = _settled(grown, now_s, self._config.confirm_s)
            if memory.track_id not in seen and memory.state is TrackState.CONFIRMED:
                memory = dataclasses.replace(memory, state=TrackState.LOST)
            memories.append(memory)
        free = [index for column, index in enumerate(kept) if column not in pairs.values()]
        known = [shapes[kept[column]] for column in pairs.values()]
        new = _apart([(sightings[index], shapes[index]) for index in free], known)
        for memory in self._born(new, now_s, len(seen)):
            seen[memory.track_id] = memory
            memories.append(memory)
        self._memories = tuple(memories)
        self._updated_s = now_s
        return tuple(_track_of(memory, frame) for memory in seen.values())

    def snapshot(self) -> str:
        """The whole state as JSON text, exact to the last bit."""
        memories = [_packed(memory) for memory in self._memories]
        # before the first frame there is no time, and JSON has no infinity
        updated_s = self._updated_s if math.isfinite(self._updated_s) else None
        return json.dumps({"next_id": self._next_id, "updated_s": updated_s, "memories": memories})

    def restore(self, text: str) -> None:
        """Take the state of `snapshot` back."""
        state = json.loads(text)
        self._next_id = read_value(int, state["next_id"], field="next_id")
        updated_s = read_value(float | None, state["updated_s"], field="updated_s")
        self._updated_s = -math.inf if updated_s is None else updated_s
        self._memories = tuple(_unpacked(packed) for packed in read_value(tuple[Any, ...], state["memories"]))
        ids = [memory.track_id for memory in self._memories]
        if len(set(ids)) < len(ids) or not all(0 < track_id < self._next_id for track_id in ids):
            raise ValueError(f"the ids {ids} of the faces do not come before the next one, {self._next_id}")

    def _patience_s(self, memory: TrackMemory) -> float:
        patience_s = self._config.confirm_s if memory.state is TrackState.TENTATIVE else self._config.keep_lost_s
        return max(patience_s, _LONGEST_STEP_S) if memory.seen_s >= self._updated_s else patience_s

    def _expected(self, now_s: float) -> list[Expected]:
        return [
            Expected(
                memory.shape.moved(*memory.shift_at(now_s)),
                max(now_s - memory.seen_s, 0.0),
                row * _YOUNGER_HANDICAP + (0.0 if memory.state is TrackState.CONFIRMED else _UNPROVEN_HANDICAP),
            )
            for row, memory in enumerate(self._memories)
        ]

    def _born(self, free: Sequence[tuple[Sighting, FaceShape]], now_s: float, in_sight: int) -> list[TrackMemory]:
        """New tracks for sightings that fit no known face, largest first, so that ids do not hang on their order."""
        proven = [pair for pair in free if pair[0].detection]
        proven.sort(key=lambda pair: (-pair[1].size_px, *pair[1].box.tolist()))
        room = max(self._config.max_faces - in_sight, 0)
        self.left_out = max(len(proven) - room, 0)
        born = []
        for sighting, shape in proven[:room]:
            memory = TrackMemory(
                track_id=self._next_id,
                state=TrackState.TENTATIVE,
                mesh=sighting.mesh,
                shape=shape,
                roi=sighting.roi,
                velocity_x_px_s=0.0,
                velocity_y_px_s=0.0,
                born_s=now_s,
                seen_s=now_s,
                presence=sighting.presence,
                mean_presence=sighting.presence,
                mean_evidence=sighting.evidence or 0.0,
                mean_detection=sighting.detection or 0.0,
                detections=1,
                denials=0,
            )
            born.append(_settled(memory, now_s, self._config.confirm_s))
            self._next_id += 1
        return born


def _apart(new: Sequence[tuple[Sighting, FaceShape]], known: Sequence[FaceShape]) -> list[tuple[Sighting, FaceShape]]:
    """The new faces that share no more than `_MAX_OVERLAP` with a known face, or with a new one of more evidence.

    A mesh that slipped off a face lies beside it and is nearly as sure.
    """
    order = sorted(new, key=lambda pair: (-(pair[0].evidence or 0.0), -pair[1].size_px, *pair[1].box.tolist()))
    taken, chosen = list(known), []
    for sighting, shape in order:
        if all(overlap(shape, other) <= _MAX_OVERLAP for other in taken):
            chosen.append((sighting, shape))
            taken.append(shape)
    return chosen


def _grown(memory: TrackMemory, sighting: Sighting, shape: FaceShape, now_s: float) -> TrackMemory:
    """The memory with one more sighting."""
    since_s = max(now_s - memory.seen_s, 1e-3)
    new = 1 - math.exp(-since_s / _VELOCITY_S)
    step_x = (sighting.roi.centre_x_px - memory.roi.centre_x_px) / since_s
    step_y = (sighting.roi.centre_y_px - memory.roi.centre_y_px) / since_s
    weight = 1 - math.exp(-since_s / _EVIDENCE_S)
    evidence = memory.mean_evidence if sighting.evidence is None else sighting.evidence
    score = memory.mean_detection if sighting.detection is None else sighting.detection
    return dataclasses.replace(
        memory,
        mesh=sighting.mesh,
        shape=shape,
        roi=sighting.roi,
        velocity_x_px_s=(1 - new) * memory.velocity_x_px_s + new * step_x,
        velocity_y_px_s=(1 - new) * memory.velocity_y_px_s + new * step_y,
        seen_s=now_s,
        presence=sighting.presence,
        mean_presence=(1 - weight) * memory.mean_presence + weight * sighting.presence,
        mean_evidence=(1 - weight) * memory.mean_evidence + weight * evidence,
        mean_detection=(1 - weight) * memory.mean_detection + weight * score,
        detections=memory.detections + (1 if sighting.detection else 0),
        denials=memory.denials if sighting.detection is None else 0 if sighting.detection else memory.denials + 1,
    )


def _is_credible(memory: TrackMemory) -> bool:
    return memory.denials < _MAX_DENIALS or memory.mean_presence >= _CERTAIN_PRESENCE


def _settled(memory: TrackMemory, now_s: float, confirm_s: float) -> TrackMemory:
    """The memory of a face in sight, confirmed if it is proven or was confirmed before it was lost."""
    age_s = now_s - memory.born_s
    steady = memory.detections >= _MIN_DETECTIONS and memory.mean_presence >= _MIN_MEAN_PRESENCE
    small = memory.detections >= _MIN_SMALL_DETECTIONS and memory.mean_presence < _MIN_MEAN_PRESENCE
    sure = steady and memory.mean_evidence >= least_evidence(memory.shape.size_px) and age_s >= confirm_s
    sure_if_small = small and memory.mean_detection >= _MIN_SMALL_SCORE and age_s >= _SMALL_CONFIRM_FACTOR * confirm_s
    proven = confirm_s == 0 or sure or sure_if_small  # in pictures there is no time to be seen twice
    if memory.state is TrackState.LOST or (memory.state is TrackState.TENTATIVE and proven):
        return dataclasses.replace(memory, state=TrackState.CONFIRMED)
    return memory


def _track_of(memory: TrackMemory, frame: Frame) -> FaceTrack:
    return FaceTrack(
        track_id=memory.track_id,
        state=memory.state,
        box=memory.shape.box,
        mesh=memory.mesh,
        pose=head_pose(memory.mesh),
        score=memory.presence,
        age_s=frame.timestamp_s - memory.born_s,
    )


def _packed(memory: TrackMemory) -> dict[str, Any]:
    """JSON values of a memory; the mesh as base64 of little-endian float32, its shape left out."""
    values = {field.name: getattr(memory, field.name) for field in dataclasses.fields(memory) if field.name != "shape"}
    values["mesh"] = base64.b64encode(memory.mesh.astype("<f4").tobytes()).decode("ascii")
    values["roi"] = dataclasses.asdict(memory.roi)
    values["state"] = memory.state.value
    return values


def _unpacked(raw: object) -> TrackMemory:
    """Make a memory from its JSON values.

    Raises:
        ValueError: a value is missing, of the wrong type or out of range, as in a file that was damaged or made up.
    """
    saved = read_record(_Saved, raw, require_all=True)
    flat = np.frombuffer(base64.b64decode(saved.mesh, validate=True), "<f4").astype(np.float32)
    mesh = flat.reshape(MESH_POINTS, 3)
    numbers = [
        *dataclasses.astuple(saved.roi),
        saved.velocity_x_px_s,
        saved.velocity_y_px_s,
        saved.born_s,
        saved.seen_s,
    ]
    if not (np.abs(mesh) < MAX_SAVED).all() or not all(abs(number) < MAX_SAVED for number in numbers):
        raise ValueError(f"the state of face {saved.track_id} is out of range")
    values = {name.name: getattr(saved, name.name) for name in dataclasses.fields(saved)}
    return TrackMemory(**{**values, "mesh": mesh, "shape": shape_of(mesh)})
