"""``mien-train evaluate faces``: which faces the tracker finds, and what it takes for one, on images of known content.

Scenes come from training/evaluation/face_scenes.py, of the half ``report``, which the rule of evidence has not seen. A
face counts as found if a confirmed track lies on it; a confirmed track that lies on none is a false face. Stills are
searched as ``mien`` searches pictures. Videos show the same scenes, from their first frame on or fading in later, once
as the frames of a file and once as those of a camera; images without faces are shown as a camera that moves a little
shows them, with the search of files. Drawn faces are reported but not counted as images without faces.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.config import TrackingConfig
from engine.files import write_text
from engine.tracking.mesh import FaceMesh
from engine.tracking.stills import StillTracker
from engine.tracking.tracker import FaceTracker, Tracker
from engine.types import FaceTrack, Float32, Frame, TrackState, UInt8
from training.evaluation.face_scenes import (
    CONDITIONS,
    DRAWN,
    NOT_COUNTED,
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
from training.loop.checkpoint import code_version

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
#: Frames of a file or a camera, with the faces there from the first frame on or fading in later.
_MODES: Final = ("file", "file_later", "camera", "camera_later")
#: Conditions behind the figures, measured on more scenes.
_OF_FIGURES: Final = (*_VIDEO_CONDITIONS[:4], "tilted_45", "cut_off_30")
_FIGURE_FACTOR: Final = 4
#: Faces that come later do so after this many frames and fade in over this many.
_FRAMES_BEFORE: Final = 10
_FRAMES_OF_FADE: Final = 5
#: Images of a kind or condition at most; the next ones belong to the next seed.
_MAX_SEEDS: Final = 1_000_000
#: Faces followed at once in this measurement.
_MAX_FACES: Final = 64
#: Edges of the bins of face sizes in pixels, a factor of the root of 2 apart.
_SIZE_EDGES: Final = tuple(16 * 2 ** (step / 2) for step in range(13))


@dataclass(frozen=True, slots=True)
class FacesConfig:
    """How much is measured; the same settings give the same images."""

    scenes: int = 25  # per condition; four times as many of those that give figures
    photographs: int = 1500  # of faces128, each as it is
    drawn: int = 50  # images without faces per kind; 0 = false faces are not counted, in the clips neither
    moving: int = 150  # likewise, in videos
    video_frames: int = 10  # frames of a video per drawn image
    portraits: int = 700  # photographs whose faces are pasted
    half: Half = "report"
    seed: int = 0  # another number gives other scenes, drawings and photographs


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
    videos: dict[str, dict[str, Share]]  # by mode and condition: shown a second after the faces came
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


@dataclass(frozen=True, slots=True)
class _Part:
    """The result of one part of the measurement, as it is kept in a file."""

    hits: list[bool]
    sizes_px: list[float]  # of the faces behind ``hits``, where they count
    images: int  # seen
    false: int  # confirmed tracks without a face
    rows: int  # frames times such tracks


class _Parts:
    """Parts in a folder: what was measured with the same settings by the same commit is not measured again."""

    def __init__(
        self, folder: Path | None, config: FacesConfig, only: Sequence[str], report: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._key = json.dumps(dataclasses.asdict(config) | {"code": code_version()})
        self._only = tuple(only)
        self._report = report

    def get(self, name: str, measure: Callable[[], _Part]) -> _Part | None:
        """The part, from its file or measured now; None if it is not wanted and there is no file."""
        path = self._folder / f"{name.replace('/', '-')}.json" if self._folder else None
        if path and path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["config"] == self._key:
                return _Part(**kept["part"])
        if self._only and not name.startswith(self._only):
            return None
        part = measure()
        if path:
            write_text(path, json.dumps({"config": self._key, "part": dataclasses.asdict(part)}) + "\n")
        found = f"{sum(part.hits)} of {len(part.hits)} found, " if part.hits else ""
        self._report(f"{name}: {found}{part.false} false in {part.images} images")
        return part


def evaluate_faces(
    pack: Path,
    media: Path,
    config: FacesConfig,
    report: Callable[[str], None] = print,
    parts_folder: Path | None = None,
    only: Sequence[str] = (),
) -> FacesReport:
    """Measure the tracker.

    Args:
        pack: faces128.npz.
        media: folder with the clips.
        config: how much.
        report: receives a line per part.
        parts_folder: keeps the result of each part, so that a measurement can be resumed, or done in several processes.
        only: beginnings of the names of the parts to measure; empty = all. Parts that lie in the folder count anyway.

    Raises:
        SourceError: a file is missing.
        FaceModelError: a face network is not on this machine.
    """
    parts = _Parts(parts_folder, config, only, report)
    tools = _Tools(pack, media, config)
    stills = {each.name: parts.get(f"stills/{each.name}", partial(tools.stills, each)) for each in CONDITIONS}
    closeups = parts.get("photographs", tools.photographs)
    videos = {
        mode: {
            each.name: parts.get(f"{mode}/{each.name}", partial(tools.videos, each, mode))
            for each in CONDITIONS
            if each.name in _VIDEO_CONDITIONS
        }
        for mode in _MODES
    }
    false_stills = _kinds(parts, "false_stills", tools.false_stills) if config.drawn else {}
    false_videos = _kinds(parts, "false_videos", tools.false_videos) if config.moving else {}
    upright = [part for name, part in stills.items() if part and name.startswith("upright")]
    sizes = [pair for part in upright for pair in zip(part.sizes_px, part.hits, strict=True)]
    shares = {name: share_of(part.hits) for name, part in stills.items() if part}
    return FacesReport(
        config=config,
        closeups=share_of(closeups.hits if closeups else []),
        conditions=shares,
        false_in_conditions={name: part.false for name, part in stills.items() if part},
        videos={
            mode: {name: share_of(part.hits) for name, part in each.items() if part} for mode, each in videos.items()
        },
        by_size=_by_size(sizes),
        false_stills=_counts(false_stills),
        false_videos=_counts(false_videos),
        figures=_figures(shares, share_of(closeups.hits if closeups else []), sizes, {**false_stills, **false_videos}),
    )


def _kinds(parts: _Parts, name: str, measure: Callable[[str], _Part]) -> dict[str, _Part]:
    """The parts of all kinds of images without faces that were measured."""
    found = {f"{name}/{kind}": parts.get(f"{name}/{kind}", partial(measure, kind)) for kind in (*DRAWN, "clips")}
    return {kind: part for kind, part in found.items() if part}


def _counts(parts: dict[str, _Part]) -> tuple[FalseFaces, ...]:
    return tuple(
        FalseFaces(name.split("/")[1], part.images, part.false, part.rows) for name, part in sorted(parts.items())
    )


class _Tools:
    """What the parts share, made when it is needed."""

    def __init__(self, pack: Path, media: Path, config: FacesConfig) -> None:
        self._pack, self._media, self._config = pack, media, config

    @functools.cached_property
    def _maker(self) -> SceneMaker:
        return scene_maker(self._pack, self._media, self._config.half, self._config.portraits)

    @functools.cached_property
    def _tracker(self) -> Tracker:
        return still_tracker()

    def _seeds(self, count: int) -> range:
        return range(self._config.seed * _MAX_SEEDS, self._config.seed * _MAX_SEEDS + count)

    def stills(self, condition: Condition) -> _Part:
        """Stills of a condition."""
        hits: list[bool] = []
        sizes: list[float] = []
        beside = 0
        scenes = self._config.scenes * (_FIGURE_FACTOR if condition.name in _OF_FIGURES else 1)
        for seed in self._seeds(scenes):
            scene = self._maker.make(condition, seed)
            found, extra = judge(self._tracker.track(Frame(scene.image, seed, float(seed), condition.name)), scene)
            hits += found
            beside += extra
            sizes += np.sqrt(np.prod(scene.boxes[:, 2:] - scene.boxes[:, :2], axis=1)).tolist()
        return _Part(hits, sizes, scenes, beside, beside)

    def photographs(self) -> _Part:
        """Photographs in which a confirmed track lies on the middle of the picture, where the face is."""
        hits: list[bool] = []
        pictures = photographs(self._pack, self._config.half, self._config.photographs, self._config.seed)
        for index, (_, image) in enumerate(pictures):
            truth = np.array([[0.08, 0.06, 0.92, 0.97]], np.float32) * image.shape[0]
            hits += judge(self._tracker.track(Frame(image, index, float(index), "photograph")), Scene(image, truth))[0]
        return _Part(hits, [], len(pictures), 0, 0)

    def videos(self, condition: Condition, mode: str) -> _Part:
        """Faces that are shown a second after they came into an image that does not move otherwise."""
        hits: list[bool] = []
        sizes: list[float] = []
        beside = 0
        for seed in self._seeds(self._config.scenes):
            scene, tracker = self._maker.make(condition, seed), FaceTracker(TrackingConfig(max_faces=_MAX_FACES))
            tracks: tuple[FaceTrack, ...] = ()
            for index, image in enumerate(_arrival(scene) if "later" in mode else [scene.image] * _VIDEO_FRAMES):
                time_s = index / _FPS
                pts_s = time_s if "file" in mode else None
                tracks = tracker.track(Frame(image, index, time_s, condition.name, pts_s))
            found, extra = judge(tracks, scene)
            hits += found
            beside += extra
            sizes += np.sqrt(np.prod(scene.boxes[:, 2:] - scene.boxes[:, :2], axis=1)).tolist()
        return _Part(hits, sizes, self._config.scenes, beside, beside)

    def false_stills(self, kind: str) -> _Part:
        """Stills without faces."""
        drawn = (drawn_image(kind, self._config.half, seed) for seed in self._seeds(self._config.drawn))
        images = faceless_frames(self._media, self._config.half, every=4) if kind == "clips" else drawn
        found = [
            len(self._tracker.track(Frame(image, index, float(index), kind))) for index, image in enumerate(images)
        ]
        return _Part([], [], len(found), sum(found), sum(found))

    def false_videos(self, kind: str) -> _Part:
        """Videos without faces, with the search of files, which examines more."""
        half = self._config.half
        if kind == "clips":
            return _false_tracks(faceless_frames(self._media, half))
        random = np.random.default_rng([half == "report", zlib.crc32(kind.encode()), self._config.seed])
        frames = false = rows = 0
        for seed in self._seeds(self._config.drawn + self._config.moving)[self._config.drawn :]:
            small = np.ascontiguousarray(drawn_image(kind, half, seed)[::2, ::2])
            part = _false_tracks(list(moved_images(small, self._config.video_frames, random)))
            frames, false, rows = frames + part.images, false + part.false, rows + part.rows
        return _Part([], [], frames, false, rows)


def scene_maker(pack: Path, media: Path, half: Half, portraits: int) -> SceneMaker:
    """The maker of the scenes of one half.

    Raises:
        SourceError: a file is missing.
    """
    people: list[Portrait] = portraits_of(photographs(pack, half, portraits), FaceMesh())
    return SceneMaker(People(people + clip_portraits(media), half), faceless_frames(media, half, every=5))


def _arrival(scene: Scene) -> Iterator[UInt8]:
    """A video in which the faces of a scene fade in."""
    empty = scene.image if scene.empty is None else scene.empty
    for index in range(_FRAMES_BEFORE + _VIDEO_FRAMES):
        share = min(max((index - _FRAMES_BEFORE + 1) / _FRAMES_OF_FADE, 0.0), 1.0)
        yield np.asarray(cv2.addWeighted(scene.image, share, empty, 1 - share, 0), np.uint8)


def _false_tracks(images: Sequence[UInt8]) -> _Part:
    """Confirmed tracks of a video without faces."""
    tracker, ids, rows = FaceTracker(TrackingConfig()), set(), 0
    for index, image in enumerate(images):
        tracks = tracker.track(Frame(image, index, index / _FPS, "no face", index / _FPS))
        shown = [track.track_id for track in tracks if track.state is TrackState.CONFIRMED]
        ids |= set(shown)
        rows += len(shown)
    return _Part([], [], len(images), len(ids), rows)


def _by_size(sizes: Sequence[tuple[float, bool]]) -> dict[str, Share]:
    bins = zip(_SIZE_EDGES, _SIZE_EDGES[1:], strict=False)
    shares = {f"{low:.0f}": share_of([hit for size, hit in sizes if low <= size < high]) for low, high in bins}
    return {name: share for name, share in shares.items() if share.n}


def _figures(
    conditions: dict[str, Share], closeups: Share, sizes: Sequence[tuple[float, bool]], false: dict[str, _Part]
) -> dict[str, Share | float]:
    """The figures by which releases are compared."""
    figures: dict[str, Share | float] = {"closeups_found": closeups}
    figures["upright_24_40px_found"] = share_of([hit for size, hit in sizes if 24 <= size < 40])
    figures["upright_40px_up_found"] = share_of([hit for size, hit in sizes if size >= 40])
    figures |= {f"{name}_found": conditions[name] for name in ("tilted_45", "cut_off_30") if name in conditions}
    counted = [part for name, part in false.items() if not name.endswith(NOT_COUNTED)]
    if frames := sum(part.images for part in counted):
        figures["false_faces_per_10000_frames"] = 1e4 * sum(part.false for part in counted) / frames
    return figures
