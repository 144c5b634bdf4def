"""``mien-train evaluate faces``: which faces the tracker finds, and what it takes for one, on images of known content.

Scenes come from training/evaluation/face_scenes.py, of the half ``report``, which the rule of evidence has not seen. A
face counts as found if a confirmed track lies on it; a confirmed track that lies on none is a false face. Stills are
searched as ``mien`` searches pictures. Videos show the same scenes, from their first frame on or fading in later, once
as the frames of a file and once as those of a camera; images without faces are shown as a camera that moves a little
shows them, with the search of files, which examines more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.config import TrackingConfig
from engine.tracking.mesh import FaceMesh
from engine.tracking.stills import StillTracker
from engine.tracking.tracker import FaceTracker, Tracker
from engine.types import FaceTrack, Float32, Frame, TrackState, UInt8
from training.evaluation.face_scenes import (
    CONDITIONS,
    DRAWN,
    Condition,
    Half,
    People,
    Portrait,
    Scene,
    SceneMaker,
    clip_portraits,
    drawn_image,
    faceless_frames,
    moved_images,
    photographs,
    portraits_of,
)

#: A track lies on a face if their middles are this near, in sizes of the face, and their sizes differ by this factor.
_SAME_PLACE: Final = 0.45
_SAME_SIZE: Final = 2.0
#: Half the width of a 95 % interval in standard deviations.
_Z: Final = 1.96
_FPS: Final = 25.0
#: Conditions measured in videos as well: stills get views that a video has no time for.
_VIDEO_CONDITIONS: Final = (
    "upright_24_40px",
    "upright_40_80px",
    "upright_80_200px",
    "upright_200_500px",
    "small_image_22_40px",
)
_VIDEO_FRAMES: Final = 25
#: Faces that come later do so after this many frames and fade in over this many.
_FRAMES_BEFORE: Final = 10
_FRAMES_OF_FADE: Final = 5
#: Faces followed at once in this measurement.
_MAX_FACES: Final = 64
#: Edges of the bins of face sizes in pixels, a factor of the root of 2 apart.
_SIZE_EDGES: Final = tuple(16 * 2 ** (step / 2) for step in range(13))


@dataclass(frozen=True, slots=True)
class FacesConfig:
    """How much is measured; the same settings give the same images."""

    scenes: int = 100  # per condition
    photographs: int = 1500  # of faces128, each as it is
    drawn: int = 200  # images without faces per kind; 0 = false faces are not counted, in the clips neither
    video_frames: int = 10  # frames of a video per drawn image
    portraits: int = 700  # photographs whose faces are pasted
    half: Half = "report"
    only: tuple[str, ...] = ()  # names of conditions; empty = all


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval (Wilson, JASA 22, 1927)."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class FalseFaces:
    """False faces on images without faces."""

    kind: str
    frames: int
    faces: int  # confirmed tracks that began
    rows: int  # frames times faces in which one was shown


@dataclass(frozen=True, slots=True)
class FacesReport:
    """All figures of one half."""

    config: FacesConfig
    closeups: Share  # photographs as they are
    conditions: dict[str, Share]  # stills
    false_in_conditions: dict[str, int]  # confirmed tracks beside the faces
    files: dict[str, Share]  # in videos: shown at the end of the first second
    files_later: dict[str, Share]  # likewise, of faces that come in later, a second after they began to
    cameras: dict[str, Share]
    cameras_later: dict[str, Share]
    by_size: dict[str, Share]  # upright faces; the lower edge of the bin in pixels
    false_stills: tuple[FalseFaces, ...]
    false_videos: tuple[FalseFaces, ...]
    figures: dict[str, Share | float]


def share_of(hits: Sequence[bool]) -> Share:
    """Share of hits.

    >>> share_of([True] * 9 + [False])
    Share(value=0.9, low=0.596, high=0.982, n=10)
    """
    n = len(hits)
    if not n:
        return Share(math.nan, math.nan, math.nan, 0)
    p, z = sum(hits) / n, _Z
    middle, width = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * width) / (1 + z * z / n) for sign in (-1, 1))
    return Share(p, round(max(low, 0.0), 3), round(min(high, 1.0), 3), n)


def lies_on(box: Float32, truth: Float32) -> bool:
    """Whether the box (4,) of a track or detection lies on the face with the box ``truth`` (4,)."""
    size = math.sqrt(float(np.prod(truth[2:] - truth[:2])))
    own = math.sqrt(max(float(np.prod(box[2:] - box[:2])), 1e-6))
    gap = np.abs(box[:2] + box[2:] - truth[:2] - truth[2:]).max() / 2
    return bool(gap < _SAME_PLACE * size) and 1 / _SAME_SIZE < own / size < _SAME_SIZE


def judge(tracks: Sequence[FaceTrack], scene: Scene) -> tuple[list[bool], int]:
    """Which faces of a scene the confirmed tracks found, and how many tracks lie on none."""
    boxes = [track.box for track in tracks if track.state is TrackState.CONFIRMED]
    hits = [any(lies_on(box, truth) for box in boxes) for truth in scene.boxes]
    return hits, sum(not any(lies_on(box, truth) for truth in scene.boxes) for box in boxes)


def still_tracker() -> Tracker:
    """The tracker of pictures that do not follow each other."""
    return StillTracker(FaceTracker(TrackingConfig(confirm_s=0.0, max_faces=_MAX_FACES), still=True))


def evaluate_faces(pack: Path, media: Path, config: FacesConfig, report: Callable[[str], None] = print) -> FacesReport:
    """Measure the tracker.

    Args:
        pack: faces128.npz.
        media: folder with the clips.
        config: how much.
        report: receives a line per step.

    Raises:
        SourceError: a file is missing.
        FaceModelError: a face network is not on this machine.
    """
    maker = scene_maker(pack, media, config.half, config.portraits)
    tracker = still_tracker()
    conditions: dict[str, Share] = {}
    extra: dict[str, int] = {}
    sizes: list[tuple[float, bool]] = []
    wanted = [each for each in CONDITIONS if not config.only or each.name in config.only]
    for condition in wanted:
        hits, extra[condition.name] = _stills(tracker, maker, condition, config.scenes, sizes)
        conditions[condition.name] = share_of(hits)
        report(f"{condition.name}: {conditions[condition.name].value:.3f}")
    closeups = _closeups(tracker, photographs(pack, config.half, config.photographs))
    report(f"photographs as they are: {closeups.value:.4f}")
    chosen = [condition for condition in wanted if condition.name in _VIDEO_CONDITIONS]
    files, files_later, cameras, cameras_later = (
        {each.name: _videos(maker, each, config.scenes, from_file, later) for each in chosen}
        for from_file in (True, False)
        for later in (False, True)
    )
    for name, share in files.items():
        others = (files_later[name], cameras[name], cameras_later[name])
        report(f"videos of {name}: {share.value:.3f} {[round(other.value, 3) for other in others]}")
    stills = _false_stills(tracker, media, config) if config.drawn else ()
    report(f"false faces in stills: {[(kind.kind, kind.faces) for kind in stills]}")
    moving = _false_videos(media, config) if config.drawn else ()
    report(f"false faces in videos: {[(kind.kind, kind.faces) for kind in moving]}")
    return FacesReport(
        config=config,
        closeups=closeups,
        conditions=conditions,
        false_in_conditions=extra,
        files=files,
        files_later=files_later,
        cameras=cameras,
        cameras_later=cameras_later,
        by_size=_by_size(sizes),
        false_stills=stills,
        false_videos=moving,
        figures=_figures(conditions, closeups, sizes, (*stills, *moving), files, cameras),
    )


def scene_maker(pack: Path, media: Path, half: Half, portraits: int) -> SceneMaker:
    """The maker of the scenes of one half.

    Raises:
        SourceError: a file is missing.
    """
    people: list[Portrait] = portraits_of(photographs(pack, half, portraits), FaceMesh())
    return SceneMaker(People(people + clip_portraits(media), half), faceless_frames(media, half, every=5))


def _stills(
    tracker: Tracker, maker: SceneMaker, condition: Condition, scenes: int, sizes: list[tuple[float, bool]]
) -> tuple[list[bool], int]:
    """Hits of all faces of a condition and its false faces; upright faces are added to ``sizes``."""
    hits, extra = [], 0
    for seed in range(scenes):
        scene = maker.make(condition, seed)
        found, beside = judge(tracker.track(Frame(scene.image, seed, float(seed), condition.name)), scene)
        hits += found
        extra += beside
        if condition.name.startswith("upright"):
            widths = np.sqrt(np.prod(scene.boxes[:, 2:] - scene.boxes[:, :2], axis=1))
            sizes += zip(widths.tolist(), found, strict=True)
    return hits, extra


def _closeups(tracker: Tracker, pictures: Sequence[tuple[str, UInt8]]) -> Share:
    """Photographs in which a confirmed track lies on the middle of the picture, where the face is."""
    hits = []
    for index, (_, image) in enumerate(pictures):
        side = image.shape[0]
        truth = np.array([[0.08, 0.06, 0.92, 0.97]], np.float32) * side
        hits += judge(tracker.track(Frame(image, index, float(index), "photograph")), Scene(image, truth))[0]
    return share_of(hits)


def _videos(maker: SceneMaker, condition: Condition, scenes: int, from_file: bool, later: bool) -> Share:
    """Faces that are shown a second after they came into an image that does not move otherwise."""
    hits = []
    for seed in range(scenes):
        scene, tracker = maker.make(condition, seed), FaceTracker(TrackingConfig(max_faces=_MAX_FACES))
        tracks: tuple[FaceTrack, ...] = ()
        for index, image in enumerate(_arrival(scene) if later else [scene.image] * _VIDEO_FRAMES):
            time_s = index / _FPS
            tracks = tracker.track(Frame(image, index, time_s, condition.name, time_s if from_file else None))
        hits += judge(tracks, scene)[0]
    return share_of(hits)


def _arrival(scene: Scene) -> Iterator[UInt8]:
    """A video in which the faces of a scene fade in."""
    empty = scene.image if scene.empty is None else scene.empty
    for index in range(_FRAMES_BEFORE + _VIDEO_FRAMES):
        share = min(max((index - _FRAMES_BEFORE + 1) / _FRAMES_OF_FADE, 0.0), 1.0)
        yield np.asarray(cv2.addWeighted(scene.image, share, empty, 1 - share, 0), np.uint8)


def _false_stills(tracker: Tracker, media: Path, config: FacesConfig) -> tuple[FalseFaces, ...]:
    counts = []
    for kind in (*DRAWN, "clips"):
        drawn = (drawn_image(kind, config.half, seed) for seed in range(config.drawn))
        images = faceless_frames(media, config.half, every=4) if kind == "clips" else drawn
        found = [len(tracker.track(Frame(image, index, float(index), kind))) for index, image in enumerate(images)]
        counts.append(FalseFaces(kind, len(found), sum(found), sum(found)))
    return tuple(counts)


def _false_videos(media: Path, config: FacesConfig) -> tuple[FalseFaces, ...]:
    random = np.random.default_rng(config.half == "report")
    counts = []
    for kind in DRAWN:
        totals = np.zeros(3, int)
        for seed in range(config.drawn):
            small = np.ascontiguousarray(drawn_image(kind, config.half, seed)[::2, ::2])
            totals += _false_tracks(list(moved_images(small, config.video_frames, random)))
        counts.append(FalseFaces(kind, *totals.tolist()))
    return (*counts, FalseFaces("clips", *_false_tracks(faceless_frames(media, config.half)).tolist()))


def _false_tracks(images: Sequence[UInt8]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Frames, confirmed tracks and rows of a video without faces."""
    tracker, ids, rows = FaceTracker(TrackingConfig()), set(), 0
    for index, image in enumerate(images):
        tracks = tracker.track(Frame(image, index, index / _FPS, "no face", index / _FPS))
        shown = [track.track_id for track in tracks if track.state is TrackState.CONFIRMED]
        ids |= set(shown)
        rows += len(shown)
    return np.array([len(images), len(ids), rows])


def _by_size(sizes: Sequence[tuple[float, bool]]) -> dict[str, Share]:
    bins = zip(_SIZE_EDGES, _SIZE_EDGES[1:], strict=False)
    shares = {f"{low:.0f}": share_of([hit for size, hit in sizes if low <= size < high]) for low, high in bins}
    return {name: share for name, share in shares.items() if share.n}


def _figures(
    conditions: dict[str, Share],
    closeups: Share,
    sizes: Sequence[tuple[float, bool]],
    false: Sequence[FalseFaces],
    files: dict[str, Share],
    cameras: dict[str, Share],
) -> dict[str, Share | float]:
    """The figures by which releases are compared."""
    figures: dict[str, Share | float] = {"closeups_found": closeups}
    figures["upright_24_40px_found"] = share_of([hit for size, hit in sizes if 24 <= size < 40])
    figures["upright_40px_up_found"] = share_of([hit for size, hit in sizes if size >= 40])
    figures |= {f"{name}_found": conditions[name] for name in ("tilted_45", "cut_off_30") if name in conditions}
    figures |= {f"file_{name}_found": share for name, share in files.items()}
    figures |= {f"camera_{name}_found": share for name, share in cameras.items()}
    if frames := sum(kind.frames for kind in false):
        figures["false_faces_per_10000_frames"] = 1e4 * sum(kind.faces for kind in false) / frames
    return figures
