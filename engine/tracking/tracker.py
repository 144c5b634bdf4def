"""Following faces from frame to frame: detector, mesh and association together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from engine.config import TrackingConfig
from engine.records import read_value
from engine.tracking.association import is_detected_at, shape_of
from engine.tracking.detector import FaceDetector
from engine.tracking.mesh import FaceMesh, FaceRoi, is_plausible, roi_from_detection, roi_from_mesh
from engine.tracking.track_book import Sighting, TrackBook, TrackMemory
from engine.types import FaceDetection, FaceTrack, Frame, TrackState, UInt8

#: A closer look counts as agreement from this score on; see detector.py for what faces and other things score.
_MIN_LOOK_SCORE: Final = 0.4
#: The detector reports what it finds from afar from this score on; a new face then has to reach
#: ``min_detection_score`` in a closer look, which sets faces apart far better than the score from afar.
_FAINT_SCORE: Final = 0.5
#: A face may be followed by the detector alone, against the mesh network, if its square is at most this wide: then the
#: network sees it magnified 2.7 times or more, and coarse pixels can hide from it what the detector still finds.
_MAX_SMALL_SIDE_PX: Final = 72.0


class Tracker(Protocol):
    """Follows faces; one instance per source, used by one thread."""

    def track(self, frame: Frame) -> tuple[FaceTrack, ...]:
        """The faces in sight in this frame, TENTATIVE or CONFIRMED, oldest first.

        A LOST face is not returned; it comes back under its id when it is seen again in time.
        Frames must come in order of ``timestamp_s``.
        """
        ...

    def snapshot(self) -> str:
        """The state between two frames as JSON text."""
        ...

    def restore(self, text: str) -> None:
        """Take the state of `snapshot` back."""
        ...

    def close(self) -> None:
        """Let go of the networks."""
        ...


class FaceTracker:
    """The tracker that runs MediaPipe's networks on LiteRT.

    The mesh of each face is followed from the frame before. The detector looks at the whole picture only when no face
    is known, when one was lost, and every ``detect_every_s``; it looks closely at one face to prove a new one and to
    follow one that is too small for the mesh network.
    """

    def __init__(self, config: TrackingConfig) -> None:
        """Load the networks.

        Raises:
            FaceModelError: a network is not on this machine.
        """
        self._config = config
        self._detector = FaceDetector(min(_FAINT_SCORE, config.min_detection_score), threads=config.threads)
        self._mesh = FaceMesh(config.threads)
        self._book = TrackBook(config)
        self._detected_s: float | None = None

    def track(self, frame: Frame) -> tuple[FaceTrack, ...]:
        """The faces in sight; see `Tracker.track`."""
        now_s = frame.timestamp_s
        self._book.forget(now_s)
        known = self._book.memories
        seen = [self._follow(frame.image, memory, now_s) for memory in known if memory.state is not TrackState.LOST]
        sightings = [sighting for sighting in seen if sighting is not None]
        waited = self._detected_s is None or now_s - self._detected_s >= self._config.detect_every_s
        if waited or len(sightings) < len(known) or not known:
            sightings = self._search(frame.image, sightings)
            self._detected_s = now_s
        return self._book.update(frame, sightings)

    def snapshot(self) -> str:
        """The state as JSON text: a tracker that restores it goes on as this one would."""
        return json.dumps({"detected_s": self._detected_s, "book": self._book.snapshot()})

    def restore(self, text: str) -> None:
        """Take the state of `snapshot` back."""
        state = json.loads(text)
        self._detected_s = read_value(float | None, state["detected_s"], field="detected_s")
        self._book.restore(state["book"])

    def close(self) -> None:
        """Forget every face. The networks go with the object."""
        self._book = TrackBook(self._config)

    def _follow(self, image: UInt8, memory: TrackMemory, now_s: float) -> Sighting | None:
        """A known face where it should be now, or None."""
        roi = _expected_roi(memory, now_s)
        if memory.presence >= self._config.min_presence:
            mesh, presence = self._mesh.locate(image, roi)
            own = roi_from_mesh(mesh)
            if presence >= self._config.min_presence and is_plausible(mesh, own, roi, image):
                due = memory.state is TrackState.TENTATIVE and now_s - memory.born_s >= self._config.confirm_s
                return Sighting(mesh, own, presence, self._agreement(image, own) if due else None)
        found = self._detector.look(image, roi, _MIN_LOOK_SCORE)
        return None if found is None else self._place(image, found)

    def _search(self, image: UInt8, sightings: Sequence[Sighting]) -> list[Sighting]:
        """The sightings with the detector's word on each, and those of faces that only the detector found."""
        found = self._detector.detect(image)
        judged = []
        for sighting in sightings:
            size_px = shape_of(sighting.mesh).size_px
            here = [detection for detection in found if is_detected_at(detection, sighting.mesh, size_px)]
            found = [detection for detection in found if detection not in here]
            if sighting.detection is None:
                score = here[0].score if here else self._agreement(image, sighting.roi)
                sighting = dataclasses.replace(sighting, detection=score)
            judged.append(sighting)
        placed = [self._discover(image, detection) for detection in found[: self._config.max_faces]]
        return judged + [sighting for sighting in placed if sighting is not None]

    def _discover(self, image: UInt8, found: FaceDetection) -> Sighting | None:
        """A face found from afar, if the mesh network does not deny it and a closer look agrees."""
        sighting = self._place(image, found)
        if sighting is None:
            return None
        score = self._agreement(image, sighting.roi)
        return dataclasses.replace(sighting, detection=score) if score >= self._config.min_detection_score else None

    def _place(self, image: UInt8, found: FaceDetection) -> Sighting | None:
        """Put the mesh on a detected face; None when the mesh network denies it and it is not too small for it."""
        roi = roi_from_detection(found)
        mesh, presence = self._mesh.locate(image, roi)
        own = roi_from_mesh(mesh)
        if not is_plausible(mesh, own, roi, image):
            return None
        if presence >= self._config.min_presence:
            return Sighting(mesh, own, presence, found.score)
        # The shape of a mesh that the network itself denies says little; the square stays the detector's.
        return Sighting(mesh, roi, presence, found.score) if roi.side_px <= _MAX_SMALL_SIDE_PX else None

    def _agreement(self, image: UInt8, roi: FaceRoi) -> float:
        """Score of a closer look at a square; 0 when the detector sees no face there."""
        found = self._detector.look(image, roi, _MIN_LOOK_SCORE)
        return 0.0 if found is None else found.score


def _expected_roi(memory: TrackMemory, now_s: float) -> FaceRoi:
    """The square of a known face, moved on with it, by half its side at most."""
    roi = memory.roi
    x, y = np.clip(memory.shift_at(now_s), -roi.side_px / 2, roi.side_px / 2).tolist()
    return dataclasses.replace(roi, centre_x_px=roi.centre_x_px + x, centre_y_px=roi.centre_y_px + y)
