"""One picture, or the pictures of a folder in natural order, through OpenCV."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.capture.opencv_log import quiet_opencv
from engine.capture.source import FrameSource, SourceInfo, SourceKind, UnreadFile, check_size, path_text, source_name
from engine.errors import SourceError
from engine.types import Frame, UInt8

#: Suffixes of pictures. GIF is missing on purpose: it moves, so it goes to the video reader.
PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
#: Pictures have no times. A second apart is far enough that nothing is smoothed from one to the next.
PICTURE_STEP_S: Final = 1.0
#: Pictures that a message names.
_MAX_NAMED: Final = 5
#: A subfolder with this file holds results of this program.
_SESSION_FILE: Final = "journal.jsonl"


class PictureSource(FrameSource):
    """Pictures as frames, turned upright by their EXIF data. In a folder, those that cannot be read are left out."""

    def __init__(self, path: Path, recursive: bool = False) -> None:
        """Open one picture, or a folder, and read the first picture.

        Args:
            path: of the picture or folder.
            recursive: whether subfolders are included.

        Raises:
            SourceError: the folder holds no picture, or none can be read; or the one picture cannot.
        """
        super().__init__()
        self._name = str(path)
        self._is_folder = path.is_dir()
        self._root = path if self._is_folder else path.parent
        self.files = tuple(list_pictures(path, recursive) if self._is_folder else [path])
        self._next_index = 0
        first = self._load_next()
        if first is None:
            reason = f" ({self.unread[0].reason})" if self.unread else ""
            raise SourceError(f"{self._name} holds no picture that can be decoded{reason}: check it, or copy it again")
        self.unread.clear()  # the reading starts over
        self.damaged, self._next_index = 0, 0
        height_px, width_px = first.shape[:2]
        count = len(self.files)
        self.info = SourceInfo(
            source_name(path.resolve()),
            SourceKind.PICTURES,
            width_px,
            height_px,
            count,
            count * PICTURE_STEP_S,
            1 / PICTURE_STEP_S,
            is_live=False,
        )

    def read(self) -> Frame | None:
        """The next picture that can be decoded; its index is its place in the folder."""
        image = None if self._interrupted.is_set() else self._load_next()
        if image is None:
            return None
        index = self._next_index - 1
        file = self._relative(self.files[index])
        return Frame(image, index, index * PICTURE_STEP_S, self.info.source_id, file=file)

    def skip_to(self, frame_index: int) -> None:
        """Decode up to this picture, so that those left out are known; see the base."""
        if not self._next_index <= frame_index <= len(self.files):
            raise SourceError(
                f"{self._name} stands at picture {self._next_index} of {len(self.files)}, "
                f"it cannot go on at {frame_index}: start anew"
            )
        while self._next_index < frame_index and not self._interrupted.is_set():
            self._load_one()

    def fault(self) -> str | None:
        """What was lost; see the base."""
        if not self.unread:
            return None
        named = "; ".join(f"{item.file}: {item.reason}" for item in self.unread[:_MAX_NAMED])
        more = f"; and {len(self.unread) - _MAX_NAMED} more" if len(self.unread) > _MAX_NAMED else ""
        return f"{self._name}: {len(self.unread)} of {len(self.files)} pictures were left out ({named}{more})"

    def close(self) -> None:
        """Nothing stays open between pictures."""

    def _load_next(self) -> UInt8 | None:
        while self._next_index < len(self.files):
            image = self._load_one()
            if image is not None:
                return image
        return None

    def _load_one(self) -> UInt8 | None:
        """The next picture; None if it cannot be read.

        Raises:
            SourceError: likewise, if it is not one of a folder.
        """
        path = self.files[self._next_index]
        self._next_index += 1
        try:
            return _load(path)
        except SourceError as error:
            if not self._is_folder:
                raise
            self.damaged += 1
            self.unread.append(UnreadFile(self._relative(path), error.problem.removeprefix(f"{path} ")))
            return None

    def _relative(self, path: Path) -> str:
        return path_text(path.relative_to(self._root).as_posix())


def list_pictures(folder: Path, recursive: bool = False) -> list[Path]:
    """The pictures of a folder, by their suffixes, in the order in which people count; hidden ones are left out.

    Raises:
        SourceError: the folder cannot be read, or holds none.
    """
    found = [path for path in list_files(folder, recursive).files if path.suffix.lower() in PICTURE_SUFFIXES]
    if not found:
        raise SourceError(
            f"{folder} holds no pictures ({', '.join(sorted(PICTURE_SUFFIXES))}): give a folder that does"
        )
    return found


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """The content of a folder without hidden files and folders."""

    files: tuple[Path, ...]  # in the order in which people count, each folder's own files first
    subfolders: tuple[Path, ...]  # those that were not read
    unreadable: tuple[tuple[Path, str], ...]  # subfolders that cannot be read, each with a sentence
    sessions: tuple[Path, ...]  # subfolders with results of this program, which are not sources


def list_files(folder: Path, recursive: bool = False) -> FolderFiles:
    """List a folder; with ``recursive`` also its subfolders, each once, links followed.

    Raises:
        SourceError: the folder itself cannot be read.
    """
    files, subfolders, sessions = [], [], []
    unreadable: list[tuple[Path, str]] = []
    waiting, seen = [folder], set()
    while waiting:
        place = waiting.pop()
        try:
            stat = place.stat()
            entries = sorted((item for item in place.iterdir() if not item.name.startswith(".")), key=_natural_key)
        except OSError as error:
            problem = f"{place} cannot be read ({error.strerror}): check its permissions"
            if place == folder:
                raise SourceError(problem) from None
            unreadable.append((place, problem))
            continue
        if (stat.st_dev, stat.st_ino) in seen and stat.st_ino:
            continue
        seen.add((stat.st_dev, stat.st_ino))
        if place != folder and any(item.name == _SESSION_FILE for item in entries):
            sessions.append(place)
            continue
        folders = [item for item in entries if item.is_dir()]
        files += [item for item in entries if not item.is_dir()]
        if recursive:
            waiting += reversed(folders)
        else:
            subfolders += folders
    return FolderFiles(tuple(files), tuple(subfolders), tuple(unreadable), tuple(sessions))


def _natural_key(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Order in which people count: face2 before face10.

    >>> [path.name for path in sorted([Path("face10.png"), Path("face2.png")], key=_natural_key)]
    ['face2.png', 'face10.png']
    """
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], path.name


def _load(path: Path) -> UInt8:
    """RGB (H, W, 3) uint8, upright.

    Raises:
        SourceError: the file cannot be read, is not a picture, or is too large.
    """
    try:
        data = np.fromfile(path, np.uint8)  # cv2.imread fails on names outside the code page of Windows
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from None
    try:
        with quiet_opencv():
            image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # no bytes at all, or more pixels than OpenCV itself allows
        image = None
    if image is None:
        raise SourceError(f"{path} holds no picture that can be decoded: check it, or copy it again")
    check_size(str(path), image.shape[1], image.shape[0])
    return np.asarray(image, np.uint8)
