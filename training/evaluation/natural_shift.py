"""Natural distribution shift: other cameras, occlusion, rotation, drawings, and images without a face.

Sets come from faces128 (news photographs, sharper than FER2013) and from a folder of clips and images, which pass
through the engine's own capture, tracking and alignment. Frames of one clip show the same person, so intervals are over
people or clips, not over images.

Further sets are derived from the faces of each source. A covered half is filled with grey. A rotated image keeps the
upright landmarks, as after a wrong alignment. Drawn faces are the real ones through two filters of OpenCV: a pencil
sketch, and a cartoon (`cv2.stylization`). Patches without a face get the mean landmarks of the faces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engine.alignment import CROP_SIDE_PX, align_face
from engine.capture.opening import open_source
from engine.config import TrackingConfig
from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from engine.tracking.stills import StillTracker
from engine.tracking.tracker import FaceTracker
from engine.types import Float32, Frame, Int64, UInt8
from training.data.news_faces import measured_news
from training.evaluation.estimates import Estimator
from training.evaluation.routes import RouteLimits, RouteRow, route_row
from training.evaluation.uncertainty_tables import Scores, scores_of
from training.metrics.bootstrap import Draws, Figure, draw, drawn_mean, figure_of
from training.metrics.decisions import macro_f1
from training.metrics.ranking import drawn_auroc

#: How many of the measured news faces the derived sets use.
_CHANGED_NEWS_FACES: Final = 400
#: Time between two frames of a clip that are used.
_EVERY_S: Final = 0.5
_PATCHES: Final = 400
_GREY: Final = 128


@dataclass(frozen=True, slots=True, eq=False)
class ShiftSet:
    """Images in the canonical view that differ from the training data in one way."""

    name: str
    crops: UInt8  # (N, S, S) grey
    landmarks: Float32  # (N, 468, 2) 0-1
    groups: npt.NDArray[np.str_]  # (N,) person or clip
    labels: Int64 | None = None  # (N,) index into EXPRESSIONS, -1 = none
    base: str | None = None  # name of the set of the same faces without this change


@dataclass(frozen=True, slots=True)
class MediaSets:
    """Sets from a folder, and the files without a usable face, each with the reason."""

    sets: tuple[ShiftSet, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """Agreement with the labels of volunteers."""

    accuracy: Figure
    macro_f1: float  # over the classes that occur
    faces_per_class: dict[str, int]


@dataclass(frozen=True, slots=True)
class ShiftSetFigures:
    """Detection of a set against the clean faces of the data set, and against its own unchanged faces."""

    name: str
    n: int
    groups: int  # persons or clips
    auroc_epistemic: Figure  # against the clean faces
    auroc_aleatoric: Figure
    epistemic_over_base: Figure | None  # AUROC against the same faces without the change
    aleatoric_over_base: Figure | None
    labels: LabelFigures | None
    routes: RouteRow | None = None  # at the limits of a model file


@dataclass(frozen=True, slots=True)
class NaturalShift:
    """The figures of every set."""

    clean_n: int
    sets: tuple[ShiftSetFigures, ...]
    skipped: tuple[str, ...]


def natural_shift(
    estimate: Estimator,
    clean: Scores,
    sets: Sequence[ShiftSet],
    skipped: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
    limits: RouteLimits | None = None,
) -> NaturalShift:
    """Figures of each set against the scores of clean faces; the estimator takes crops of the sets' side."""
    clean_draws = draw(len(clean.epistemic), resamples, seed)
    scores = {item.name: scores_of(estimate(item.crops, item.landmarks)) for item in sets}
    figures = []
    for item in sets:
        draws = draw(len(item.crops), resamples, seed + 1, item.groups)
        own = scores[item.name]
        found = _figures(item, own, draws, (clean, clean_draws), scores.get(item.base or ""))
        if limits is not None:
            found = replace(found, routes=route_row(item.name, [own], limits, draws, item.labels))
        figures.append(found)
    return NaturalShift(len(clean.epistemic), tuple(figures), tuple(skipped))


def _figures(
    item: ShiftSet, own: Scores, draws: Draws, clean: tuple[Scores, Draws], base: Scores | None
) -> ShiftSetFigures:
    n = len(item.crops)
    reference, clean_draws = clean
    return ShiftSetFigures(
        name=item.name,
        n=n,
        groups=len(np.unique(item.groups)),
        auroc_epistemic=figure_of(drawn_auroc(clean_draws, reference.epistemic, draws, own.epistemic), n),
        auroc_aleatoric=figure_of(drawn_auroc(clean_draws, reference.aleatoric, draws, own.aleatoric), n),
        epistemic_over_base=figure_of(drawn_auroc(draws, base.epistemic, draws, own.epistemic), n) if base else None,
        aleatoric_over_base=figure_of(drawn_auroc(draws, base.aleatoric, draws, own.aleatoric), n) if base else None,
        labels=None if item.labels is None else _label_figures(item.labels, own.predicted, draws),
    )


def _label_figures(labels: Int64, predicted: Int64, draws: Draws) -> LabelFigures:
    known = labels >= 0
    counts = np.bincount(labels[known], minlength=len(EXPRESSIONS))
    return LabelFigures(
        accuracy=figure_of(drawn_mean(draws.of(known), (labels == predicted)[known]), int(known.sum())),
        macro_f1=macro_f1(labels[known], predicted[known], len(EXPRESSIONS)),
        faces_per_class=dict(zip(EXPRESSIONS, counts.tolist(), strict=True)),
    )


def news_sets(folder: Path, cache: Path, seed: int = 0) -> tuple[ShiftSet, ...]:
    """Sets from the faces128 folder: faces of all kinds with the labels of volunteers, and some of them changed.

    Raises:
        FileNotFoundError: labels.csv or an image is missing.
    """
    found = measured_news(folder, cache, seed)
    faces = ShiftSet("faces128", found.crops, found.landmarks, found.people, found.labels)
    few = _first(faces, _CHANGED_NEWS_FACES, "faces128 few")
    return (faces, few, *changed_sets(few))


def _first(faces: ShiftSet, count: int, name: str) -> ShiftSet:
    return ShiftSet(name, faces.crops[:count], faces.landmarks[:count], faces.groups[:count])


def changed_sets(faces: ShiftSet) -> tuple[ShiftSet, ...]:
    """The same faces covered, rotated and drawn (module docstring)."""
    return tuple(
        replace(
            faces,
            name=f"{faces.name}: {name}",
            crops=np.stack([change(crop) for crop in faces.crops]),
            labels=None,
            base=faces.name,
        )
        for name, change in _CHANGES.items()
    )


def _covered(rows: slice, columns: slice) -> Callable[[UInt8], UInt8]:
    """Fill a region with grey; ``rows`` and ``columns`` are in halves of the side, slice(1, 2) is the second half."""

    def cover(crop: UInt8) -> UInt8:
        half = len(crop) // 2
        changed = np.array(crop)
        changed[rows.start * half : rows.stop * half, columns.start * half : columns.stop * half] = _GREY
        return changed

    return cover


def _turned(quarters: int) -> Callable[[UInt8], UInt8]:
    return lambda crop: np.ascontiguousarray(np.rot90(crop, quarters))


def _pencil(crop: UInt8) -> UInt8:
    sketch, _ = cv2.pencilSketch(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR), sigma_s=10, sigma_r=0.1, shade_factor=0.05)
    return np.asarray(sketch, np.uint8)


def _cartoon(crop: UInt8) -> UInt8:
    drawn = cv2.stylization(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR), sigma_s=20, sigma_r=0.4)
    return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY), np.uint8)


_BOTH: Final = slice(0, 2)
_CHANGES: Final[dict[str, Callable[[UInt8], UInt8]]] = {
    "lower half covered": _covered(slice(1, 2), _BOTH),
    "upper half covered": _covered(slice(0, 1), _BOTH),
    "left half covered": _covered(_BOTH, slice(0, 1)),
    "turned by 90 degrees": _turned(1),
    "turned by 180 degrees": _turned(2),
    "pencil sketch": _pencil,
    "cartoon": _cartoon,
}


def media_sets(folder: Path, seed: int = 0) -> MediaSets:
    """Faces from the clips and images under a folder, derived sets, and patches of the clips without a face.

    Raises:
        FileNotFoundError: no file has a face.
        FaceModelError: a network of the tracker is not on this machine.
    """
    tracker = StillTracker(FaceTracker(TrackingConfig(confirm_s=0.0)))
    seen: list[_Clip] = []
    skipped = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            seen.append(_read_clip(path, tracker))
        except SourceError as error:
            skipped.append(str(error).replace(str(path), path.name))
    tracker.close()
    if not any(clip.crops for clip in seen):
        raise FileNotFoundError(f"{folder} has no clip or image with a face: {'; '.join(skipped) or 'it is empty'}")
    faces = ShiftSet(
        name="media",
        crops=np.stack([crop for clip in seen for crop in clip.crops]),
        landmarks=np.stack([points for clip in seen for points in clip.landmarks]),
        groups=np.array([clip.name for clip in seen for _ in clip.crops]),
    )
    empty = [clip for clip in seen if not clip.crops]
    return MediaSets((faces, *changed_sets(faces), *_patches(empty, faces, seed)), tuple(skipped))


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """What was found in one file."""

    name: str
    crops: list[UInt8]  # (S, S) each
    landmarks: list[Float32]  # (468, 2) each
    frames: list[UInt8]  # (H, W) grey, kept where no frame has a face


def _read_clip(path: Path, tracker: StillTracker) -> _Clip:
    clip = _Clip(path.name, [], [], [])
    for frame in _some_frames(path):
        for track in tracker.track(frame):
            crop, landmarks, _ = align_face(frame.image, track.mesh, CROP_SIDE_PX)
            clip.crops.append(crop)
            clip.landmarks.append(landmarks)
        clip.frames.append(np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8))
    if clip.crops:
        clip.frames.clear()
    return clip


def _some_frames(path: Path) -> Iterator[Frame]:
    """A frame every half second.

    Raises:
        SourceError: the file cannot be read.
    """
    due_s = 0.0
    with open_source(str(path)) as source:
        while (frame := source.read()) is not None:
            if frame.timestamp_s >= due_s:
                due_s = frame.timestamp_s + _EVERY_S
                yield frame


def _patches(clips: Sequence[_Clip], faces: ShiftSet, seed: int) -> tuple[ShiftSet, ...]:
    """Squares of random position and size, at least a quarter of the frame's height; empty without a faceless clip.

    The bootstrap resamples patches, not clips: there are too few such clips.
    """
    if not clips:
        return ()
    random = np.random.default_rng(seed)
    crops, groups = [], []
    for _ in range(_PATCHES):
        clip = clips[int(random.integers(len(clips)))]
        frame = clip.frames[int(random.integers(len(clip.frames)))]
        side = int(random.integers(min(frame.shape) // 4, min(frame.shape)))
        top, left = (int(random.integers(0, size - side)) for size in frame.shape)
        patch = frame[top : top + side, left : left + side]
        crops.append(cv2.resize(patch, (CROP_SIDE_PX, CROP_SIDE_PX), interpolation=cv2.INTER_AREA))
        groups.append(f"{clip.name} {len(crops)}")
    landmarks = np.repeat(faces.landmarks.mean(0, keepdims=True), len(crops), 0)
    return (ShiftSet("no face", np.asarray(crops, np.uint8), landmarks, np.array(groups)),)
