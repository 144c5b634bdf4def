"""Following faces from frame to frame: detector, mesh and association together."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from engine.config import TrackingConfig
from engine.records import read_record
from engine.tracking.association import is_detected_at, shape_of
from engine.tracking.cuts import CutDetector
from engine.tracking.detector import FAR_SCALE, NEAR_SCALE, FaceDetector
from engine.tracking.evidence import LEAST_CHECK, MIN_SMALL_CHECK, MIN_SMALL_CHECK_STILL, evidence_of, weigh
from engine.tracking.mesh import FaceMesh, FaceRoi, is_plausible, roi_from_detection, roi_from_mesh
from engine.tracking.track_book import MAX_SAVED, Sighting, TrackBook, TrackMemory
from engine.tracking.view_turns import ViewTurns
from engine.tracking.views import BORDERED, STILL_MARGIN, TURNED, WHOLE, View, tile_levels, video_tiles
from engine.types import FaceDetection, FaceTrack, Float32, Frame, TrackState, UInt8

#: The detector reports candidates from this score on. Most are not faces; the rule of evidence decides. Later searches
#: of a video examine those from the second on alone, because clutter costs time there.
_CANDIDATE_SCORE: Final = 0.25
_LATER_CANDIDATE_SCORE: Final = 0.4
_STILL_CANDIDATE_SCORE: Final = 0.2
#: A followed face that the detector finds in a search with this score needs no check.
_SURE_SCORE: Final = 0.5
#: A check agrees from this score on.
_MIN_CHECK: Final = 0.4
#: Candidates examined, best of each view first, so that a cluttered scene does not hold a video up: per frame, at the
#: start of a shot and per still and view.
_MAX_CANDIDATES: Final = 12
_MAX_FIRST_CANDIDATES: Final = 64
_STILL_MAX_CANDIDATES: Final = 64
#: While no face is known, the whole image is searched so often that no new face waits longer, and the other views in
#: turn in the frames between: in each of a file, and so often from a camera.
_EMPTY_EVERY_S: Final = 0.1
_EMPTY_TURN_S: Final = 0.2
#: When a face has come in, another view is searched in every frame for so long: faces often come together.
_ARRIVAL_S: Final = 0.8
#: Changes that no known face explains are looked into in so many views at once in a file.
_HURRIED_VIEWS: Final = 3
#: With ``find_small`` every tile is searched once in so many seconds: with confirmation a face is known within one.
_ROUND_S: Final = 0.55
#: At the start of a shot all views are searched: of a file at once, from a camera one per frame. If the faces that the
#: whole image shows have at least this share of its longer side, they explain the scene, and there is time.
_EXPLAINING_SIZE: Final = 1 / 8
_SAME_TIME_S: Final = 1e-6
#: A face may be followed by the detector alone, against the mesh network, if its square is at most this wide: then the
#: network sees it magnified 2.7 times or more, and coarse pixels can hide from it what the detector still finds.
_MAX_SMALL_SIDE_PX: Final = 72.0


@dataclass(frozen=True, slots=True)
class _Saved:
    """The state of `FaceTracker` between frames, as it is saved; the names are those of its fields."""

    detected_s: float | None
    whole_s: float
    turn_s: float
    now_s: float
    shot_s: float
    first_every_s: float
    searches: int
    first_left: int
    left_out: int
    turns: Any  # of ViewTurns
    cuts: Any  # of CutDetector
    book: str  # of TrackBook

    def __post_init__(self) -> None:
        times = (self.detected_s or 0.0, self.whole_s, self.turn_s, self.now_s, self.shot_s, self.first_every_s)
        if not all(abs(time_s) < MAX_SAVED for time_s in times):
            raise ValueError("a time of the tracker is out of range")
        if min(self.searches, self.first_left, self.left_out) < 0:
            raise ValueError("a count of the tracker is negative")


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

    The mesh of each face is followed from the frame before. The detector searches for new faces every
    ``detect_every_s``, in every frame while a known face is out of sight, and as `_EMPTY_EVERY_S` has it while none is
    known. Every other search covers, instead of the whole image, another part of it in turn
    (engine/tracking/view_turns.py), so that small faces and those that fill the image are found a moment later at no
    cost; where the image changed and no known face explains it, the whole image is searched too. At the start of a shot
    all parts are searched: of a file at once, from a camera one per frame, and one every ``detect_every_s`` if large
    faces explain the scene. With ``find_small`` all are searched again every `_ROUND_S`. A candidate becomes a face by
    the rule in engine/tracking/evidence.py.
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
        self._detected_s: float | None = None  # time of the last search that was due; None before the first of a shot
        self._cuts = CutDetector()
        self._cut = False
        self._left_out = 0
        self._whole_s = 0.0  # time of the last search of the whole image
        self._turn_s = 0.0  # of the last search of another view
        self._now_s = 0.0  # of the last frame
        self._shot_s = 0.0  # of the first search of this shot
        self._first_left = 0  # views that the start of this shot still has to search, one at a time ...
        self._first_every_s = 0.0  # ... this often
        self._searches = 0  # since the start of the video
        self._turns = ViewTurns()
        self._candidates_left = 0  # in this frame
        self._least_score = 0.0  # of the candidates examined, likewise

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
        sightings = self._follow_all(frame)
        views: list[View] = []
        if self._still:
            views, sightings = self._search_still(frame.image)
        elif self._detected_s is None:
            views, sightings = self._search_shot(frame)
        else:
            views = self._views(frame, sightings)
            self._candidates_left = _MAX_CANDIDATES
            self._least_score = _CANDIDATE_SCORE if self._hurries else _LATER_CANDIDATE_SCORE
            sightings = self._search_all(frame.image, views, sightings)
        self._note(views, now_s)
        tracks = self._book.update(frame, sightings)
        if WHOLE in views:  # other frames do not see all faces
            self._left_out = self._book.left_out
        return tracks

    def snapshot(self) -> str:
        """The state as JSON text: a tracker that restores it continues as this one would."""
        saved = _Saved(
            detected_s=self._detected_s,
            whole_s=self._whole_s,
            turn_s=self._turn_s,
            now_s=self._now_s,
            shot_s=self._shot_s,
            first_every_s=self._first_every_s,
            searches=self._searches,
            first_left=self._first_left,
            left_out=self._left_out,
            turns=self._turns.snapshot(),
            cuts=self._cuts.snapshot(),
            book=self._book.snapshot(),
        )
        return json.dumps(dataclasses.asdict(saved))

    def restore(self, text: str) -> None:
        """Take the state of `snapshot` back.

        Raises:
            TypeError, ValueError: the text is damaged.
        """
        saved = read_record(_Saved, json.loads(text), require_all=True)
        self._turns.restore(saved.turns)
        self._cuts.restore(saved.cuts)
        self._book.restore(saved.book)
        self._detected_s, self._whole_s, self._turn_s = saved.detected_s, saved.whole_s, saved.turn_s
        self._now_s, self._searches, self._left_out = saved.now_s, saved.searches, saved.left_out
        self._shot_s, self._first_left, self._first_every_s = saved.shot_s, saved.first_left, saved.first_every_s

    def close(self) -> None:
        """Forget every face. The networks go with the object."""
        self._book = TrackBook(self._config)
        self._mesh.close()

    def _note(self, views: Sequence[View], now_s: float) -> None:
        """Remember what was searched."""
        self._now_s = now_s
        if WHOLE in views:
            self._whole_s = now_s
        others = sum(view != WHOLE for view in views)
        if others:
            self._turn_s = now_s
        self._first_left = max(self._first_left - others, 0)

    def _search_still(self, image: UInt8) -> tuple[list[View], list[Sighting]]:
        """All views of a still, and turned ones if they show nothing."""
        self._candidates_left, self._least_score = _STILL_MAX_CANDIDATES, _STILL_CANDIDATE_SCORE
        levels = tile_levels(image.shape[1], image.shape[0], STILL_MARGIN)
        views = [WHOLE, BORDERED, *itertools.chain.from_iterable(levels)]
        return views, self._search_all(image, views, []) or self._search_turned(image)

    def _search_shot(self, frame: Frame) -> tuple[list[View], list[Sighting]]:
        """The first frame of a shot: the whole image, and its tiles if they may show more and there is time for it."""
        self._candidates_left, self._least_score = _MAX_FIRST_CANDIDATES, _CANDIDATE_SCORE
        if not _is_from_file(frame):
            self._mesh.load_twin()  # this frame takes long anyway; the first one with two faces must not
        self._turns.restart(self._cuts.thumbnail)
        views = [WHOLE, BORDERED]
        sightings = self._search_all(frame.image, views, [])
        height, width = frame.image.shape[:2]
        least = min((shape_of(sighting.mesh).size_px for sighting in sightings), default=0.0)
        explained = least >= _EXPLAINING_SIZE * max(width, height)
        self._detected_s = self._shot_s = frame.timestamp_s
        self._first_left, self._first_every_s = 0, self._config.detect_every_s if explained else 0.0
        if self._config.find_small or (_is_from_file(frame) and not explained):
            tiles = video_tiles(width, height)
            sightings = self._search_all(frame.image, tiles, sightings)
            views += tiles
        else:
            self._first_left = self._turns.count(width, height) + 1  # the border of this frame is one of them
        return views, sightings

    def _views(self, frame: Frame, sightings: Sequence[Sighting]) -> list[View]:
        """The views of a later frame; none if no search is due."""
        height, width = frame.image.shape[:2]

        def in_turn(count: int, alternate: bool = False) -> list[View]:
            boxes = [shape_of(sighting.mesh).box for sighting in sightings]
            return self._turns.next(width, height, self._cuts.thumbnail, count, alternate, boxes)

        now_s, from_file = frame.timestamp_s, _is_from_file(frame)
        if self._config.find_small:
            share = (now_s - self._now_s) / _ROUND_S
            return [WHOLE, *in_turn(math.ceil(share * self._turns.count(width, height)), alternate=True)]
        known = self._book.memories
        if not known:
            views = [WHOLE] if self._empty_is_due(now_s) else []
            turn = not views and (from_file or now_s - self._turn_s >= _EMPTY_TURN_S - _SAME_TIME_S)
        else:
            views, turn = self._due(now_s, lost=len(sightings) < len(known))
        arrived = any(self._shot_s < memory.born_s and now_s - memory.born_s < _ARRIVAL_S for memory in known)
        first = self._first_left > 0 and now_s - self._turn_s >= self._first_every_s - _SAME_TIME_S
        if not (turn or arrived or first):
            return views
        others = in_turn(1)
        hurried = self._turns.hurried
        if turn and known and (hurried or self._turns.moving):  # a face of any size may have come in
            others += in_turn(_HURRIED_VIEWS - 1) if hurried and from_file else []
            views = [WHOLE]
        return views + others

    @property
    def _hurries(self) -> bool:
        """Whether the views of the start of a shot are searched one per frame."""
        return self._first_left > 0 and self._first_every_s == 0

    def _empty_is_due(self, now_s: float) -> bool:
        """Whether the whole image is due while no face is known: if the next frame would be too late for it."""
        return now_s + (now_s - self._now_s) - self._whole_s > _EMPTY_EVERY_S + _SAME_TIME_S

    def _due(self, now_s: float, lost: bool) -> tuple[list[View], bool]:
        """The whole image or nothing, and whether another view is searched, while some face is known."""
        since_s = now_s - (self._detected_s or 0.0)
        if not lost and since_s < self._config.detect_every_s - _SAME_TIME_S:
            return [], False
        self._searches += 1
        self._detected_s = now_s
        whole = self._searches % 2 == 0 or (lost and now_s - self._turn_s < self._config.detect_every_s)
        return ([WHOLE], False) if whole else ([], True)

    def _search_all(self, image: UInt8, views: Sequence[View], sightings: list[Sighting]) -> list[Sighting]:
        for view in views:
            sightings = self._search(image, view, sightings)
        return sightings

    def _follow_all(self, frame: Frame) -> list[Sighting]:
        """The known faces that are where they should be now."""
        image, now_s = frame.image, frame.timestamp_s
        memories = [memory for memory in self._book.memories if memory.state is not TrackState.LOST]
        rois = [_expected_roi(memory, now_s) for memory in memories]
        large = [memory.presence >= self._config.min_presence for memory in memories]
        together = not _is_from_file(frame)
        found = iter(self._mesh.locate_all(image, list(itertools.compress(rois, large)), together))
        located = [next(found) if is_large else None for is_large in large]
        seen = [self._follow(image, *each, now_s) for each in zip(memories, rois, located, strict=True)]
        return [sighting for sighting in seen if sighting is not None]

    def _follow(
        self, image: UInt8, memory: TrackMemory, roi: FaceRoi, located: tuple[Float32, float] | None, now_s: float
    ) -> Sighting | None:
        """A known face in the square where it should be now, or None; ``located``: its mesh and presence there."""
        if located is not None:
            mesh, presence = located
            own = roi_from_mesh(mesh)
            if presence >= self._config.min_presence and is_plausible(mesh, own, roi, image):
                due = memory.state is TrackState.TENTATIVE and now_s - memory.born_s >= self._config.confirm_s
                sighting = Sighting(mesh, own, presence, None)
                return self._judged(image, sighting) if due else sighting
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
            if sighting.detection is None and sure:
                value = evidence_of(sighting.mesh, sighting.presence, here[0]).value
                sighting = dataclasses.replace(sighting, detection=here[0].score, evidence=value)
            elif sighting.detection is None and view.box is None:
                sighting = self._judged(image, sighting)
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
        found = [each for each in found if each.score >= self._least_score][: self._candidates_left]
        examined = [self._examine(image, detection) for detection in found]
        if not self._still:
            self._candidates_left -= len(examined)
        return [sighting for sighting in examined if sighting is not None]

    def _examine(self, image: UInt8, found: FaceDetection) -> Sighting | None:
        """A candidate if it is a face by the rule of evidence, or is small and both checks agree."""
        candidate = weigh(image, found, self._detector, self._mesh)
        if candidate is not None and candidate.evidence.presence >= self._config.min_presence:
            evidence = candidate.evidence
            if candidate.is_face:
                check = max(evidence.check, LEAST_CHECK)
                return Sighting(candidate.mesh, candidate.roi, evidence.presence, check, evidence.value)
        roi = roi_from_detection(found)
        return self._examine_small(image, roi) if roi.side_px <= _MAX_SMALL_SIDE_PX else None

    def _examine_small(self, image: UInt8, roi: FaceRoi) -> Sighting | None:
        """A face that may be too coarse for the mesh network, if both checks agree."""
        mesh, presence = self._mesh.locate(image, roi)
        if not is_plausible(mesh, roi_from_mesh(mesh), roi, image):
            return None
        least = MIN_SMALL_CHECK_STILL if self._still else MIN_SMALL_CHECK
        found = [self._detector.check(image, roi, least, scale) for scale in (NEAR_SCALE, FAR_SCALE)]
        if found[0] is None or found[1] is None:
            return None
        # The shape of a mesh that the network itself denies says little; the square stays the detector's.
        return Sighting(mesh, roi, presence, min(found[0].score, found[1].score))

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

    def _judged(self, image: UInt8, sighting: Sighting) -> Sighting:
        """The sighting with the detector's opinion from a check of its square; 0 when it does not agree."""
        scale = NEAR_SCALE if sighting.presence >= self._config.min_presence else FAR_SCALE
        check = self._detector.check(image, sighting.roi, _MIN_CHECK, scale)
        evidence = evidence_of(sighting.mesh, sighting.presence, check)
        return dataclasses.replace(sighting, detection=evidence.check, evidence=evidence.value)


def _is_from_file(frame: Frame) -> bool:
    """Whether the result of a frame may wait: files have presentation times, live sources and stills have none."""
    return frame.pts_s is not None


def _expected_roi(memory: TrackMemory, now_s: float) -> FaceRoi:
    """The square of a known face, moved on with it, by half its side at most."""
    roi = memory.roi
    x, y = (min(max(shift, -roi.side_px / 2), roi.side_px / 2) for shift in memory.shift_at(now_s))
    return dataclasses.replace(roi, centre_x_px=roi.centre_x_px + x, centre_y_px=roi.centre_y_px + y)
