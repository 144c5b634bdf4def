"""Following faces from frame to frame: detector, mesh and association together."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from engine.config import TrackingConfig
from engine.tracking.association import is_detected_at, shape_of
from engine.tracking.cuts import CutDetector
from engine.tracking.detector import FAR_SCALE, NEAR_SCALE, FaceDetector
from engine.tracking.evidence import LEAST_CHECK, MIN_SMALL_CHECK, weigh
from engine.tracking.mesh import FaceMesh, FaceRoi, is_plausible, roi_from_detection, roi_from_mesh
from engine.tracking.track_book import Sighting, TrackBook, TrackMemory
from engine.tracking.view_turns import ViewTurns
from engine.tracking.views import BORDERED, STILL_MARGIN, TURNED, WHOLE, View, tile_levels, video_tiles
from engine.types import FaceDetection, FaceTrack, Frame, TrackState, UInt8

#: The detector reports candidates from this score on. Most are not faces; the rule of evidence decides. Later searches
#: of a camera examine those from the second on alone, because clutter costs time there.
_CANDIDATE_SCORE: Final = 0.25
_CAMERA_CANDIDATE_SCORE: Final = 0.4
_STILL_CANDIDATE_SCORE: Final = 0.2
#: A followed face that the detector finds in a search with this score needs no check.
_SURE_SCORE: Final = 0.5
#: A check agrees from this score on.
_MIN_CHECK: Final = 0.4
#: Candidates examined, best of each view first, so that a cluttered scene does not hold a video up: per frame of a
#: camera, of a file, at the start of a shot and per still and view.
_MAX_CANDIDATES: Final = 12
_FILE_MAX_CANDIDATES: Final = 24
_MAX_FIRST_CANDIDATES: Final = 128
_STILL_MAX_CANDIDATES: Final = 64
#: In files every tile is searched once in so many seconds: with confirmation a face is known within one.
_ROUND_S: Final = 0.55
#: When a face has come in, every frame is searched for so long: faces often come together, or with a moving camera.
_ARRIVAL_S: Final = 0.8
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

    @property
    def cut(self) -> bool:
        """Whether the last frame began another shot: no track continues from before it."""
        ...

    @property
    def left_out(self) -> int:
        """Faces that the last search saw beyond ``max_faces``, and that are not tracked."""
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

    The mesh of each face is followed from the frame before. The detector searches for new faces when no face is known,
    when one was lost, and every ``detect_every_s``: at the start of a shot in the whole image and in all tiles of it,
    later in parts of it in turn (engine/tracking/view_turns.py). From a camera each search covers one view, so that it
    costs no more than the whole image alone; in a file, where no frame is lost by it, the whole image and as many tiles
    as it takes to search all of them once in `_ROUND_S`. A candidate becomes a face by the rule in
    engine/tracking/evidence.py.
    """

    def __init__(self, config: TrackingConfig, still: bool = False) -> None:
        """Load the networks.

        Args:
            config: the settings.
            still: search every view in every frame, and turned views where nothing is found: for images that do not
                follow each other.

        Raises:
            FaceModelError: a network is not on this machine.
        """
        self._config = config
        self._still = still
        self._detector = FaceDetector(_STILL_CANDIDATE_SCORE if still else _CANDIDATE_SCORE, threads=config.threads)
        self._mesh = FaceMesh(config.threads)
        self._book = TrackBook(config)
        self._detected_s: float | None = None
        self._cuts = CutDetector()
        self._cut = False
        self._left_out = 0
        self._searches = 0  # since the start of the video
        self._turns = ViewTurns()
        self._shot_s = 0.0  # time of the first search of this shot
        self._candidates_left = 0  # in this frame
        self._candidate_score = _CANDIDATE_SCORE  # likewise

    @property
    def cut(self) -> bool:
        """Whether the last frame began another shot; see `Tracker.cut`."""
        return self._cut

    @property
    def left_out(self) -> int:
        """Faces beyond ``max_faces``; see `Tracker.left_out`."""
        return self._left_out

    def track(self, frame: Frame) -> tuple[FaceTrack, ...]:
        """The faces in sight; see `Tracker.track`."""
        now_s = frame.timestamp_s
        self._cut = not self._still and self._cuts.is_cut(frame.image)
        if self._cut:
            self._book.end()
            self._detected_s = None
        self._book.forget(now_s)
        known = self._book.memories
        seen = [self._follow(frame.image, memory, now_s) for memory in known if memory.state is not TrackState.LOST]
        sightings = [sighting for sighting in seen if sighting is not None]
        due = self._detected_s is None or now_s - self._detected_s >= self._config.detect_every_s
        due = due or any(self._shot_s < memory.born_s and now_s - memory.born_s < _ARRIVAL_S for memory in known)
        views: list[View] = []
        if due or len(sightings) < len(known) or not known:
            views = self._views(frame)
            for view in views:
                sightings = self._search(frame.image, view, sightings)
            if self._still and not sightings:
                sightings = self._search_turned(frame.image)
            self._detected_s = now_s
        tracks = self._book.update(frame, sightings)
        if WHOLE in views:  # other frames do not see all faces
            self._left_out = self._book.left_out
        return tracks

    def snapshot(self) -> str:
        """The state as JSON text: a tracker that restores it continues as this one would."""
        state = {"detected_s": self._detected_s, "searches": self._searches, "shot_s": self._shot_s}
        state["left_out"] = self._left_out
        parts = {"turns": self._turns.snapshot(), "cuts": self._cuts.snapshot(), "book": self._book.snapshot()}
        return json.dumps({**state, **parts})

    def restore(self, text: str) -> None:
        """Take the state of `snapshot` back."""
        state = json.loads(text)
        self._detected_s, self._searches = state["detected_s"], state["searches"]
        self._shot_s, self._left_out = state["shot_s"], state["left_out"]
        self._turns.restore(state["turns"])
        self._cuts.restore(state["cuts"])
        self._book.restore(state["book"])

    def close(self) -> None:
        """Forget every face. The networks go with the object."""
        self._book = TrackBook(self._config)

    def _views(self, frame: Frame) -> list[View]:
        """The views of this search."""
        height, width = frame.image.shape[:2]
        if self._still:
            self._limit_candidates(_STILL_MAX_CANDIDATES, _STILL_CANDIDATE_SCORE)
            levels = tile_levels(width, height, STILL_MARGIN)
            return [WHOLE, BORDERED, *itertools.chain.from_iterable(levels)]
        thumbnail = self._cuts.thumbnail
        thorough = frame.pts_s is not None or self._config.find_small
        if self._detected_s is None:
            self._shot_s = frame.timestamp_s
            self._limit_candidates(_MAX_FIRST_CANDIDATES, _CANDIDATE_SCORE)
            self._turns.restart(thumbnail)
            shifted = video_tiles(width, height, shifted=True) if thorough else ()
            return [WHOLE, BORDERED, *video_tiles(width, height), *shifted]
        self._searches += 1
        if thorough:
            self._limit_candidates(_FILE_MAX_CANDIDATES, _CANDIDATE_SCORE)
            share = (frame.timestamp_s - self._detected_s) / _ROUND_S
            count = math.ceil(share * self._turns.count(width, height))
            return [WHOLE, *self._turns.next(width, height, thumbnail, count, alternate=True)]
        self._limit_candidates(_MAX_CANDIDATES, _CAMERA_CANDIDATE_SCORE)
        return [WHOLE] if self._searches % 2 == 0 else self._turns.next(width, height, thumbnail, 1, alternate=False)

    def _limit_candidates(self, count: int, score: float) -> None:
        self._candidates_left, self._candidate_score = count, score

    def _follow(self, image: UInt8, memory: TrackMemory, now_s: float) -> Sighting | None:
        """A known face where it should be now, or None."""
        roi = _expected_roi(memory, now_s)
        if memory.presence >= self._config.min_presence:
            mesh, presence = self._mesh.locate(image, roi)
            own = roi_from_mesh(mesh)
            if presence >= self._config.min_presence and is_plausible(mesh, own, roi, image):
                due = memory.state is TrackState.TENTATIVE and now_s - memory.born_s >= self._config.confirm_s
                return Sighting(mesh, own, presence, self._agreement(image, own, presence) if due else None)
        found = self._detector.check(image, roi, _MIN_CHECK, FAR_SCALE)
        return None if found is None else self._place(image, found)

    def _search(self, image: UInt8, view: View, sightings: Sequence[Sighting]) -> list[Sighting]:
        """The sightings, with the detector's judgement unless the view is a tile, and the new faces in the view."""
        found = self._detector.detect(image, view)
        judged = []
        for sighting in sightings:
            size_px = shape_of(sighting.mesh).size_px
            here = [detection for detection in found if is_detected_at(detection, sighting.mesh, size_px)]
            found = [detection for detection in found if detection not in here]
            sure = here and here[0].score >= _SURE_SCORE
            if sighting.detection is None and (sure or view.box is None):
                score = here[0].score if sure else self._agreement(image, sighting.roi, sighting.presence)
                sighting = dataclasses.replace(sighting, detection=score)
            judged.append(sighting)
        return judged + self._discover(image, found)

    def _search_turned(self, image: UInt8) -> list[Sighting]:
        """Faces that lie on their side or upside down, in the first turned view that shows any."""
        for view in TURNED:
            sightings = self._discover(image, self._detector.detect(image, view))
            if sightings:
                return sightings
        return []

    def _discover(self, image: UInt8, found: Sequence[FaceDetection]) -> list[Sighting]:
        """The candidates that are faces."""
        found = [each for each in found if each.score >= self._candidate_score][: self._candidates_left]
        examined = [self._examine(image, detection) for detection in found]
        if not self._still:
            self._candidates_left -= len(examined)
        return [sighting for sighting in examined if sighting is not None]

    def _examine(self, image: UInt8, found: FaceDetection) -> Sighting | None:
        """A candidate if it is a face by the rule of evidence, or is small and both checks agree."""
        candidate = weigh(image, found, self._detector, self._mesh)
        if candidate is not None:
            evidence = candidate.evidence
            if evidence.presence >= self._config.min_presence and evidence.is_face:
                return Sighting(candidate.mesh, candidate.roi, evidence.presence, max(evidence.check, LEAST_CHECK))
        roi = roi_from_detection(found)
        return self._examine_small(image, roi) if roi.side_px <= _MAX_SMALL_SIDE_PX else None

    def _examine_small(self, image: UInt8, roi: FaceRoi) -> Sighting | None:
        """A face that may be too coarse for the mesh network, if both checks agree."""
        mesh, presence = self._mesh.locate(image, roi)
        if not is_plausible(mesh, roi_from_mesh(mesh), roi, image):
            return None
        check = self._check(image, roi, NEAR_SCALE)
        check = min(check, self._check(image, roi, FAR_SCALE)) if check >= MIN_SMALL_CHECK else check
        # The shape of a mesh that the network itself denies says little; the square stays the detector's.
        return Sighting(mesh, roi, presence, check) if check >= MIN_SMALL_CHECK else None

    def _place(self, image: UInt8, found: FaceDetection) -> Sighting | None:
        """Put the mesh on a known face; None when the mesh network denies it and it is not too small for it."""
        roi = roi_from_detection(found)
        mesh, presence = self._mesh.locate(image, roi)
        own = roi_from_mesh(mesh)
        if not is_plausible(mesh, own, roi, image):
            return None
        if presence >= self._config.min_presence:
            return Sighting(mesh, own, presence, found.score)
        return Sighting(mesh, roi, presence, found.score) if roi.side_px <= _MAX_SMALL_SIDE_PX else None

    def _agreement(self, image: UInt8, roi: FaceRoi, presence: float) -> float:
        """Score of a check of a followed face; 0 when it does not agree."""
        check = self._check(image, roi, NEAR_SCALE if presence >= self._config.min_presence else FAR_SCALE)
        return check if check >= _MIN_CHECK else 0.0

    def _check(self, image: UInt8, roi: FaceRoi, scale: float) -> float:
        """Score 0-1 of the face in a square; 0 where there is none."""
        found = self._detector.check(image, roi, LEAST_CHECK, scale)
        return 0.0 if found is None else found.score


def _expected_roi(memory: TrackMemory, now_s: float) -> FaceRoi:
    """The square of a known face, moved on with it, by half its side at most."""
    roi = memory.roi
    x, y = np.clip(memory.shift_at(now_s), -roi.side_px / 2, roi.side_px / 2).tolist()
    return dataclasses.replace(roi, centre_x_px=roi.centre_x_px + x, centre_y_px=roi.centre_y_px + y)
