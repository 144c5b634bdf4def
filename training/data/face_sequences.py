"""Coded recordings of faces, cropped to the canonical view frame by frame and cached on disk.

The engine's mesh network follows its own points from frame to frame, as in live use. Where it loses the face, the
detector runs again. A frame without a reliable mesh is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.alignment import CROP_SIDE_PX, CROP_TEMPLATE, align_face
from engine.errors import SourceError
from engine.files import atomic_write
from engine.tracking.detector import FaceDetector
from engine.tracking.mesh import FaceMesh, FaceRoi, is_plausible, roi_from_detection, roi_from_mesh
from engine.types import FaceDetection, Float32, Int64, UInt8
from training.data.action_unit_faces import FOLDS, UnitFaces
from training.data.meshes import MIN_PRESENCE, worker_pool

#: Runs of the mesh network on a newly detected face, so that the mesh converges as in live use.
_FIRST_STEPS: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class CodedSequence:
    """One recording of one person, with the codes of T frames for K units."""

    name: str
    person: str
    fold: int  # in FOLDS
    files: tuple[Path, ...]  # an image per coded frame, or the one video of which the first T frames are coded
    occurs: npt.NDArray[np.bool_]  # (T, K)
    known: npt.NDArray[np.bool_]  # (T, K) False where the coders gave no code


@dataclass(frozen=True, slots=True)
class CodedSet:
    """What the sequences of a data set share."""

    source: str  # its name in UnitFaces
    units: tuple[int, ...]  # FACS numbers, the order of axis K
    folds: Mapping[str, int]  # of every person in the set
    frames: Callable[[CodedSequence], Iterator[UInt8]]  # RGB (H, W, 3) in order; a module-level function, for processes


class FaceFollower:
    """Tracks the face of one recording."""

    def __init__(self) -> None:
        """Load the networks.

        Raises:
            FaceModelError: one of them is not on this machine.
        """
        self._detector = FaceDetector(threads=1)
        self._mesh = FaceMesh(threads=1)
        self._roi: FaceRoi | None = None

    def mesh_of(self, image: UInt8) -> Float32 | None:
        """The mesh (468, 3) in pixels of the next frame, RGB (H, W, 3); None without a reliable face."""
        mesh = None if self._roi is None else self._located(image, self._roi, 1)
        if mesh is None:
            found = sorted(self._detector.detect(image), key=_area, reverse=True)  # passers-by are smaller
            starts = (self._located(image, roi_from_detection(face), _FIRST_STEPS) for face in found)
            mesh = next((start for start in starts if start is not None), None)
        self._roi = None if mesh is None else roi_from_mesh(mesh)
        return mesh

    def _located(self, image: UInt8, roi: FaceRoi, steps: int) -> Float32 | None:
        for _ in range(steps):
            mesh, presence = self._mesh.locate(image, roi)
            own = roi_from_mesh(mesh)
            if presence < MIN_PRESENCE or not is_plausible(mesh, own, roi, image):
                return None
            roi = own
        return mesh


def crops_of(frames: Iterable[UInt8]) -> tuple[UInt8, npt.NDArray[np.bool_]]:
    """Canonical views (n, 96, 96) of the n frames with a reliable face, and the mask (T,) of these frames."""
    follower = FaceFollower()
    crops: list[UInt8] = []
    kept: list[bool] = []
    for image in frames:
        mesh = follower.mesh_of(image)
        kept.append(mesh is not None)
        if mesh is not None:
            crops.append(align_face(image, mesh)[0])
    return np.array(crops, np.uint8).reshape(-1, CROP_SIDE_PX, CROP_SIDE_PX), np.array(kept, np.bool_)


def read_sequences(
    data: CodedSet,
    sequences: Sequence[CodedSequence],
    cache: Path,
    workers: int,
    report: Callable[[str], None] | None = None,
) -> UnitFaces:
    """All faces with a reliable mesh, in the order of the sequences.

    One frame per worker is decoded at a time. ``cache`` gets a file per sequence (9.2 kB per frame), under a key of
    the names, sizes and times of its files, so that an interrupted reading resumes and a second one takes seconds. The
    crops of BP4D, 146,576 frames in JAA-Net's lists, take 1.35 GB in memory, plus one sequence while they are joined.

    Args:
        data: what the sequences share.
        sequences: at least one.
        cache: folder, created where it is missing.
        workers: processes; 1 reads in this one.
        report: gets a line per sequence that is cropped, one on frames left out, and one on missing people.

    Raises:
        SourceError: a file cannot be read, or no frame has a reliable face.
        FaceModelError: a face network is not on this machine.
    """
    log = report or _discard
    cache.mkdir(parents=True, exist_ok=True)
    paths = [_cache_path(data.source, sequence, cache) for sequence in sequences]
    todo = [pair for pair in zip(sequences, paths, strict=True) if not pair[1].is_file()]
    for number, name in enumerate(_crop_all(data, todo, workers), 1):
        log(f"{data.source}: {name} cropped, {number} of {len(todo)} sequences")
    kept = [_stored(path, "kept").astype(np.bool_) for path in paths]
    faces = _joined(data, sequences, paths, kept)
    _summarise(data, sequences, faces, log)
    return faces


def _discard(_: str) -> None:
    pass


def _area(face: FaceDetection) -> float:
    x0, y0, x1, y1 = face.box.tolist()
    return float((x1 - x0) * (y1 - y0))


def _cache_path(source: str, sequence: CodedSequence, cache: Path) -> Path:
    digest = hashlib.sha256(f"{CROP_TEMPLATE} {CROP_SIDE_PX} {MIN_PRESENCE} {len(sequence.occurs)}".encode())
    for file in sequence.files:
        facts = file.stat()
        digest.update(f"\n{file.name} {facts.st_size} {facts.st_mtime_ns}".encode())
    return cache / f"{source}_{sequence.name}_{digest.hexdigest()[:16]}.npz"


def _crop_all(data: CodedSet, todo: Sequence[tuple[CodedSequence, Path]], workers: int) -> Iterator[str]:
    """Crop and store sequences; yields the name of each finished one."""
    if workers <= 1 or len(todo) <= 1:
        for sequence, path in todo:
            yield _crop(data.frames, sequence, path)
        return
    with worker_pool(workers) as pool:
        yield from pool.map(_crop, repeat(data.frames), *zip(*todo, strict=True))


def _crop(frames: Callable[[CodedSequence], Iterator[UInt8]], sequence: CodedSequence, path: Path) -> str:
    crops, seen = crops_of(frames(sequence))
    kept = np.zeros(len(sequence.occurs), np.bool_)  # a video may lack the last coded frame
    kept[: len(seen)] = seen
    with atomic_write(path) as part:
        np.savez(part, crops=crops, kept=kept)
    return sequence.name


def _stored(path: Path, name: str) -> npt.NDArray[np.uint8 | np.bool_]:
    with np.load(path) as stored:
        array: npt.NDArray[np.uint8 | np.bool_] = stored[name]
    return array


def _joined(
    data: CodedSet, sequences: Sequence[CodedSequence], paths: Sequence[Path], kept: Sequence[npt.NDArray[np.bool_]]
) -> UnitFaces:
    counts = [int(mask.sum()) for mask in kept]
    if not sum(counts):
        coded = sum(len(mask) for mask in kept)
        raise SourceError(f"{data.source}: no face is found in any of {coded} frames: are these the right images?")
    crops = np.empty((sum(counts), CROP_SIDE_PX, CROP_SIDE_PX), np.uint8)
    place = 0
    for path, count in zip(paths, counts, strict=True):
        crops[place : place + count] = _stored(path, "crops")
        place += count
    occurs = np.concatenate([sequence.occurs[mask] for sequence, mask in zip(sequences, kept, strict=True)])
    folds: Int64 = np.repeat(np.array([sequence.fold for sequence in sequences], np.int64), counts)
    return UnitFaces(
        units=data.units,
        crops=crops,
        occurs=occurs,
        known=np.concatenate([sequence.known[mask] for sequence, mask in zip(sequences, kept, strict=True)]),
        targets=occurs.astype(np.float32),
        people=np.repeat(np.array([sequence.person for sequence in sequences]), counts),
        folds=folds,
        sources=np.full(len(occurs), data.source),
    )


def _summarise(
    data: CodedSet, sequences: Sequence[CodedSequence], faces: UnitFaces, log: Callable[[str], None]
) -> None:
    coded = sum(len(sequence.occurs) for sequence in sequences)
    per_fold = " / ".join(f"{int((faces.folds == fold).sum()):,}" for fold in FOLDS)
    people = {sequence.person for sequence in sequences}
    log(
        f"{data.source}: {len(faces.people):,} of {coded:,} coded frames of {len(people)} people (folds 1 / 2 / 3: "
        f"{per_fold}); {coded - len(faces.people):,} without a reliable face are left out"
    )
    missing = sorted(set(data.folds) - people)
    if missing:
        log(
            f"{data.source}: {len(missing)} of {len(data.folds)} people are missing ({' '.join(missing)}): the figures "
            "cannot be compared with published ones"
        )
