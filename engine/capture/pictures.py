"""One still image, or the images of a folder in natural order, through OpenCV.

An image with several pages (TIFF, animated WebP, AVIF or PNG) gives one frame per page.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np

from engine.capture.file_type import FileType, file_type
from engine.capture.opencv_log import quiet_opencv
from engine.capture.source import FrameSource, SourceInfo, SourceKind, check_size, source_name
from engine.errors import SourceError
from engine.types import Frame, UInt8

#: Suffixes that file dialogs offer. What a file is, its content decides (engine/capture/file_type.py).
PICTURE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif", ".heic"}
)
#: Images have no times. A second apart is far enough that nothing is smoothed from one to the next.
PICTURE_STEP_S: Final = 1.0
_HEIF_HINT: Final = "is a HEIC image: install pillow-heif, or convert it to JPEG"


@dataclass(frozen=True, slots=True)
class _Page:
    path: Path
    page: int = 0
    pages: int = 1


class PictureSource(FrameSource):
    """Images as frames, upright by their EXIF data. In a folder, those that cannot be read are skipped and reported."""

    def __init__(self, path: Path) -> None:
        """Open one image, or a folder (not its subfolders), and read the first image.

        Raises:
            SourceError: the folder holds no image, none can be decoded, or a single image is too large.
        """
        super().__init__()
        self._name = str(path)
        self._in_folder = path.is_dir()
        self._pages, self._other = _pages_of(path)
        self._next_index = 0
        self._problems: dict[str, str] = {}  # name of an image -> why it was skipped
        self._open_file: tuple[Path, list[UInt8]] | None = None  # pages of the file that was read last
        first = self._load_next()
        if first is None:
            reason = next(iter(self._problems.values()), "check it, or copy it again")
            raise SourceError(f"{self._name} holds no picture that can be decoded: {reason}")
        self.damaged, self._next_index = 0, 0  # the reading starts over
        self._problems.clear()
        height_px, width_px = first[0].shape[:2]
        count = len(self._pages)
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
        """The next image that can be decoded; its index is its place in the folder, pages counted."""
        loaded = None if self._interrupted.is_set() else self._load_next()
        if loaded is None:
            return None
        image, page = loaded
        index = self._next_index - 1
        return Frame(image, index, index * PICTURE_STEP_S, self.info.source_id, file=_label(page))

    def skip_to(self, frame_index: int) -> None:
        """Continue at this image; see the base."""
        if not self._next_index <= frame_index <= len(self._pages):
            raise SourceError(
                f"{self._name} stands at picture {self._next_index} of {len(self._pages)}, "
                f"it cannot go on at {frame_index}: start anew"
            )
        self._next_index = frame_index

    def fault(self) -> str | None:
        """What was skipped; see the base."""
        parts = []
        if self.damaged:
            names = ", ".join(sorted(self._problems)[:3]) + (", ..." if len(self._problems) > 3 else "")
            parts.append(f"{self.damaged} of {len(self._pages)} pictures that cannot be decoded ({names}): left out")
        if self._other:
            names = ", ".join(self._other[:3]) + (", ..." if len(self._other) > 3 else "")
            parts.append(f"{len(self._other)} files that are not pictures ({names}): give videos by name")
        return f"{self._name} holds {'; '.join(parts)}" if parts else None

    def close(self) -> None:
        """Nothing stays open between images."""
        self._open_file = None

    def _load_next(self) -> tuple[UInt8, _Page] | None:
        while self._next_index < len(self._pages):
            page = self._pages[self._next_index]
            self._next_index += 1
            try:
                image = self._load(page)
            except SourceError as error:
                if not self._in_folder:
                    raise
                image, reason = None, error.problem
            else:
                reason = "check it, or copy it again"
            if image is not None:
                return image, page
            self._problems[_label(page)] = reason
            self.damaged += 1
        return None

    def _load(self, page: _Page) -> UInt8 | None:
        """RGB (H, W, 3) uint8, upright; None when the file cannot be decoded.

        Raises:
            SourceError: the file cannot be read, needs a package, or is too large.
        """
        if page.pages == 1:
            return _decode_one(page.path)
        if self._open_file is None or self._open_file[0] != page.path:
            self._open_file = page.path, _decode_pages(page.path)
        pages = self._open_file[1]
        return pages[page.page] if page.page < len(pages) else None


def _label(page: _Page) -> str:
    """Name of an image for tables; pages are counted from 1."""
    name = source_name(page.path)
    return f"{name}#{page.page + 1}" if page.pages > 1 else name


def _pages_of(path: Path) -> tuple[list[_Page], list[str]]:
    """Every page of the image or of the images of a folder, and the names of the folder's other files.

    Raises:
        SourceError: the folder cannot be read, or holds no image.
    """
    try:
        if not path.is_dir():
            return _pages(path), []
        entries = [entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith(".")]
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check its permissions") from None
    images = sorted(filter(is_picture, entries), key=_natural_key)
    if not images:
        suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
        raise SourceError(f"{path} holds no pictures ({suffixes}): give a folder that does")
    other = sorted(source_name(entry) for entry in set(entries) - set(images))
    return [page for image in images for page in _pages(image)], other


def is_picture(path: Path) -> bool:
    """Whether a file holds still images: by its content, or if that is damaged by its suffix."""
    try:
        kind = file_type(path)
    except OSError:
        kind = FileType.OTHER
    if kind is FileType.GIF:
        return _page_count(path) == 1
    return kind in (FileType.IMAGE, FileType.HEIF) or (
        kind is FileType.OTHER and path.suffix.lower() in PICTURE_SUFFIXES
    )


def _pages(path: Path) -> list[_Page]:
    count = _page_count(path)
    return [_Page(path, page, count) for page in range(count)]


def _page_count(path: Path) -> int:
    """Number of pages of an image; 1 if unknown."""
    try:
        with quiet_opencv():
            return max(int(cv2.imcount(str(path))), 1)
    except (cv2.error, UnicodeError):
        return 1


def _natural_key(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Order in which people count: face2 before face10.

    >>> [path.name for path in sorted([Path("face10.png"), Path("face2.png")], key=_natural_key)]
    ['face2.png', 'face10.png']
    """
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], path.name


def _decode_one(path: Path) -> UInt8 | None:
    data = _bytes_of(path)
    if data.size and file_type(path) is FileType.HEIF:
        return _decode_heif(path)
    images = _decoded(lambda: [cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)], path)
    return images[0] if images else None


def _decode_pages(path: Path) -> list[UInt8]:
    data = _bytes_of(path)
    return _decoded(lambda: cv2.imdecodemulti(data, cv2.IMREAD_COLOR_RGB)[1], path)


def _decoded(decode: Callable[[], Sequence[Any]], path: Path) -> list[UInt8]:
    """What OpenCV decodes; nothing for no bytes at all, or for more pixels than it allows.

    Raises:
        SourceError: an image is too large.
    """
    try:
        with quiet_opencv():
            images = [np.asarray(image, np.uint8) for image in decode() if image is not None]
    except cv2.error:
        return []
    for image in images:
        check_size(str(path), image.shape[1], image.shape[0])
    return images


def _bytes_of(path: Path) -> UInt8:
    try:
        return np.fromfile(path, np.uint8)  # cv2.imread fails on names outside the code page of Windows
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from None


def _decode_heif(path: Path) -> UInt8:
    """HEIC through the package pillow-heif, where it is installed.

    Raises:
        SourceError: it is not, or the image cannot be decoded.
    """
    try:
        open_heif = cast(Callable[[str], object], importlib.import_module("pillow_heif").open_heif)
    except ImportError:
        raise SourceError(f"{path} {_HEIF_HINT}") from None
    try:
        image = np.asarray(open_heif(str(path)))[:, :, :3]
    except Exception as error:  # noqa: BLE001 (whatever the package raises, the image cannot be decoded)
        raise SourceError(f"{path} cannot be decoded ({error}): convert it to JPEG") from None
    check_size(str(path), image.shape[1], image.shape[0])
    return np.ascontiguousarray(image, np.uint8)
