"""One picture, or the pictures of a folder in natural order, through OpenCV."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.capture.opencv_log import quiet_opencv
from engine.capture.source import FrameSource, SourceInfo, SourceKind, check_size, source_name
from engine.errors import SourceError
from engine.types import Frame, UInt8

#: Suffixes of pictures. GIF is missing on purpose: it moves, so it goes to the video reader.
PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
#: Pictures have no times. A second apart is far enough that nothing is smoothed from one to the next.
PICTURE_STEP_S: Final = 1.0


class PictureSource(FrameSource):
    """Pictures as frames, turned upright by their EXIF data. In a folder, damaged ones are skipped and counted."""

    def __init__(self, path: Path) -> None:
        """Open one picture, or a folder (not its subfolders), and read the first picture.

        Raises:
            SourceError: the folder holds no picture, none can be decoded, or the first is too large.
        """
        super().__init__()
        self._name = str(path)
        self._paths = _pictures_of(path)
        self.files = tuple(self._paths)
        self._next_index = 0
        first = self._load_next()
        if first is None:
            raise SourceError(f"{self._name} holds no picture that can be decoded: check it, or copy it again")
        self.damaged, self._next_index = 0, 0  # the reading starts over
        height_px, width_px = first.shape[:2]
        count = len(self._paths)
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
        return Frame(image, index, index * PICTURE_STEP_S, self.info.source_id)

    def skip_to(self, frame_index: int) -> None:
        """Go on at this picture; see the base."""
        if not self._next_index <= frame_index <= len(self._paths):
            raise SourceError(
                f"{self._name} stands at picture {self._next_index} of {len(self._paths)}, "
                f"it cannot go on at {frame_index}: start anew"
            )
        self._next_index = frame_index

    def fault(self) -> str | None:
        """What was lost; see the base."""
        if not self.damaged:
            return None
        return f"{self._name} holds {self.damaged} of {len(self._paths)} pictures that cannot be decoded: left out"

    def close(self) -> None:
        """Nothing stays open between pictures."""

    def _load_next(self) -> UInt8 | None:
        while self._next_index < len(self._paths):
            path = self._paths[self._next_index]
            self._next_index += 1
            image = _load(path)
            if image is not None:
                return image
            self.damaged += 1
        return None


def _pictures_of(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        entries = [entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith(".")]
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check its permissions") from None
    found = sorted((entry for entry in entries if entry.suffix.lower() in PICTURE_SUFFIXES), key=_natural_key)
    if not found:
        raise SourceError(f"{path} holds no pictures ({', '.join(sorted(PICTURE_SUFFIXES))}): give a folder that does")
    return found


def _natural_key(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Order in which people count: face2 before face10.

    >>> [path.name for path in sorted([Path("face10.png"), Path("face2.png")], key=_natural_key)]
    ['face2.png', 'face10.png']
    """
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], path.name


def _load(path: Path) -> UInt8 | None:
    """RGB (H, W, 3) uint8, upright; None when the file is no picture.

    Raises:
        SourceError: the file cannot be read, or the picture is too large.
    """
    try:
        data = np.fromfile(path, np.uint8)  # cv2.imread fails on names outside the code page of Windows
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from None
    try:
        with quiet_opencv():
            image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # no bytes at all, or more pixels than OpenCV itself allows
        return None
    if image is None:
        return None
    check_size(str(path), image.shape[1], image.shape[0])
    return np.asarray(image, np.uint8)
