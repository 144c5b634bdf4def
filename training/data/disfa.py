"""DISFA: one video of each of 27 people, intensity 0-5 of the units coded on every frame, in the publisher's layout.

Codes: ``ActionUnit_Labels/SN001/SN001_au1.txt``, a line ``frame,intensity`` per frame, frames numbered without a gap:
4,845 in a video. A unit occurs from intensity 2 on (SPEC 3.5).
Videos: ``Videos_LeftCamera/LeftVideoSN001_comp.avi``, else ``Video_RightCamera/RightVideoSN001_comp.avi``; copies
differ in capitals and in "Video" or "Videos". The left camera is used where both exist.

Mavadati, Mahoor, Bartlett, Trinh, Cohn, "DISFA: A Spontaneous Facial Action Intensity Database", IEEE Transactions on
Affective Computing 2013. Layout after its readers in public repositories (docs/action_unit_sets.md); the data were not
at hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.capture.video_file import VideoFileSource
from engine.errors import SourceError
from engine.facs import DISFA_UNITS
from engine.types import Int64, UInt8
from training.data.action_unit_faces import UnitFaces
from training.data.face_sequences import CodedSequence, CodedSet, read_sequences
from training.data.jaa_folds import DISFA_FOLDS, published_fold

#: A unit occurs from this intensity on.
OCCURS_FROM: Final = 2
_LINE: Final = re.compile(r"\s*(\d+)\s*,\s*([0-5])\s*")
_VIDEO_FOLDERS: Final = ("Videos_LeftCamera", "Video_LeftCamera", "Video_RightCamera", "Videos_RightCamera")
_LABELS: Final = "ActionUnit_Labels"
#: Frames by which a video may be shorter or longer than its codes: JAA-Net's lists fit one missing frame in fold 1.
_TAIL_FRAMES: Final = 1


def read_disfa(folder: Path, cache: Path, workers: int = 2, report: Callable[[str], None] | None = None) -> UnitFaces:
    """All coded frames with a reliable face; memory, ``cache`` and ``report`` as in `read_sequences`.

    Line k is the code of the k-th decoded frame. A video may end one frame before its codes or after them. Any other
    difference would shift the codes against the faces and is an error.

    Raises:
        SourceError: a folder or file is missing or broken, codes and frames differ in number, or a person is unknown.
        FaceModelError: a face network is not on this machine.
    """
    data = CodedSet("disfa", DISFA_UNITS, DISFA_FOLDS, video_frames)
    return read_sequences(data, list_disfa(folder), cache, workers, report)


def list_disfa(folder: Path) -> list[CodedSequence]:
    """The coded videos, ordered by name; no video is opened.

    Raises:
        SourceError: as in `read_disfa`, except for faults inside videos.
    """
    labels = folder / _LABELS
    if not labels.is_dir():
        raise SourceError(f"{labels} is missing: point to the folder that holds {_LABELS} and the videos")
    place = next((folder / name for name in _VIDEO_FOLDERS if (folder / name).is_dir()), None)
    if place is None:
        raise SourceError(f"{folder} has none of the folders {', '.join(_VIDEO_FOLDERS)}: copy the videos there")
    people = sorted(path.name for path in labels.iterdir() if path.is_dir() and path.name.startswith("SN"))
    if not people:
        raise SourceError(f"{labels} has no folder of a subject such as SN001: unpack the codes there")
    sequences = []
    for person in people:
        fold = published_fold(person, DISFA_FOLDS, str(labels))
        intensities = read_intensities(labels / person)
        video = _video_of(place, person)
        known = np.ones(intensities.shape, np.bool_)
        sequences.append(CodedSequence(person, person, fold, (video,), intensities >= OCCURS_FROM, known))
    return sequences


def read_intensities(folder: Path) -> Int64:
    """Intensities (T, 8), 0-5, of one person in the order of DISFA_UNITS.

    Raises:
        SourceError: a unit's file is missing, has a line that cannot be read, or differs in length from the first.
    """
    columns = []
    for unit in DISFA_UNITS:
        path = folder / f"{folder.name}_au{unit}.txt"
        columns.append(_read_intensity(path))
        if len(columns[-1]) != len(columns[0]):
            raise SourceError(
                f"{path} has {len(columns[-1])} lines, {folder.name}_au{DISFA_UNITS[0]}.txt has {len(columns[0])}: "
                "copy both again"
            )
    return np.stack(columns, axis=1)


def video_frames(sequence: CodedSequence) -> Iterator[UInt8]:
    """The coded frames of a video, RGB (H, W, 3), one at a time.

    Raises:
        SourceError: it cannot be decoded, or its frames and codes differ in number.
    """
    coded = len(sequence.occurs)
    count = 0
    with closing(VideoFileSource(sequence.files[0])) as video:
        while (frame := video.read()) is not None:
            count += 1
            if count <= coded:
                yield frame.image
        # A damaged packet may have lost a frame anywhere, not only at the end.
        allowed = 0 if video.damaged and count < coded else _TAIL_FRAMES
    if abs(count - coded) > allowed:
        raise SourceError(
            f"{sequence.files[0]} has {count} frames that can be decoded, but {coded} are coded for {sequence.person}: "
            "copy the video and its codes again"
        )


def _read_intensity(path: Path) -> npt.NDArray[np.int64]:
    try:
        lines = path.read_text(encoding="utf-8-sig").strip().splitlines()
    except FileNotFoundError:
        raise SourceError(f"{path} is missing: unpack the codes again") from None
    numbers, values = [], []
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise SourceError(
                f"{path}, line {number}: {line!r} is not a frame and an intensity of 0 to 5: copy it again"
            )
        numbers.append(int(match[1]))
        values.append(int(match[2]))
    first = numbers[0] if numbers else 1
    # Public readers do not tell whether they begin with 0 or 1: all count lines.
    if first > 1 or numbers != list(range(first, first + len(numbers))):
        raise SourceError(f"{path} does not number its frames from 0 or 1 without a gap: copy it again")
    if not values:
        raise SourceError(f"{path} is empty: copy it again")
    return np.array(values, np.int64)


def _video_of(place: Path, person: str) -> Path:
    """The video of a person, whatever the capitals of its name."""
    wanted = re.compile(rf"(left|right)video{person}_comp\.avi", re.IGNORECASE)
    found = sorted(path for path in place.iterdir() if wanted.fullmatch(path.name))
    if not found:
        raise SourceError(f"{place} has no video of {person} such as LeftVideo{person}_comp.avi: copy it there")
    return found[0]
