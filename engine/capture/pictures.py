"""One still image, or the images of a folder in natural order, through OpenCV.

An image with several pages (TIFF, animated WebP, AVIF or PNG) gives one frame per page.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np

from engine.capture.file_type import FileType, file_type
from engine.capture.folder import list_files
from engine.capture.opencv_log import quiet_opencv
from engine.capture.source import (
    MAX_SIDE_PX,
    FrameSource,
    SourceInfo,
    SourceKind,
    UnreadFile,
    check_size,
    path_text,
    source_name,
)
from engine.errors import SourceError, error_of
from engine.types import Frame, UInt8

#: Suffixes that file dialogs offer. What a file is, its content decides (engine/capture/file_type.py).
PICTURE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif", ".heic"}
)
#: Images have no times. A second apart is far enough that nothing is smoothed from one to the next.
PICTURE_STEP_S: Final = 1.0
#: Pages of one file that are decoded together take this much memory at most, and so much a file itself.
_MAX_PAGES_BYTES: Final = 1 << 30
_MAX_FILE_BYTES: Final = 1 << 30
#: What OpenCV's error names if an image has more pixels than engine/__init__.py allows.
_PIXEL_LIMIT: Final = "CV_IO_MAX_IMAGE_PIXELS"
_TIFF_STARTS: Final = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
#: Images that a message names.
_MAX_NAMED: Final = 5
_HEIF_HINT: Final = "is a HEIC image: install pillow-heif, or convert it to JPEG"


@dataclass(frozen=True, slots=True)
class _Page:
    path: Path
    page: int = 0
    pages: int = 1


class PictureSource(FrameSource):
    """Images as frames, upright by their EXIF data. In a folder, those that cannot be read are skipped and reported."""

    def __init__(self, path: Path, recursive: bool = False) -> None:
        """Open one image, or a folder, and read the first image.

        Args:
            path: of the image or folder.
            recursive: whether subfolders are included.

        Raises:
            SourceError: the folder holds no image, none can be decoded, or a single image is too large.
        """
        super().__init__()
        self._name = str(path)
        self._in_folder = path.is_dir()
        self._pages = _pages_of(path, recursive)
        root = path if self._in_folder else path.parent
        self.files = tuple(dict.fromkeys(page.path for page in self._pages))
        self.names = tuple(_label(page, root) for page in self._pages)
        self._next_index = 0
        self._open_file: _OpenFile | None = None  # the file with several pages that was read last
        first = self._load_next()
        if first is None:
            reason = self.unread[0].reason if self.unread else "check it, or copy it again"
            raise SourceError(f"{self._name} holds no picture that can be decoded: {reason}")
        self.damaged, self._next_index = 0, 0  # the reading starts over
        self.unread.clear()
        height_px, width_px = first.shape[:2]
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
        image = None if self._interrupted.is_set() else self._load_next()
        if image is None:
            return None
        index = self._next_index - 1
        return Frame(image, index, index * PICTURE_STEP_S, self.info.source_id, file=self.names[index])

    def skip_to(self, frame_index: int) -> None:
        """Decode up to this image, so that those left out are known; see the base."""
        if not self._next_index <= frame_index <= len(self._pages):
            raise SourceError(
                f"{self._name} stands at picture {self._next_index} of {len(self._pages)}, "
                f"it cannot go on at {frame_index}: start anew"
            )
        while self._next_index < frame_index and not self._interrupted.is_set():
            self._load_one()

    def fault(self) -> str | None:
        """What was skipped; see the base."""
        if not self.unread:
            return None
        named = "; ".join(f"{item.file}: {item.reason}" for item in self.unread[:_MAX_NAMED])
        more = f"; and {len(self.unread) - _MAX_NAMED} more" if len(self.unread) > _MAX_NAMED else ""
        return f"{self._name}: {len(self.unread)} of {len(self._pages)} pictures were left out ({named}{more})"

    def close(self) -> None:
        """Nothing stays open between images."""
        self._open_file = None

    def _load_next(self) -> UInt8 | None:
        while self._next_index < len(self._pages):
            image = self._load_one()
            if image is not None:
                return image
        return None

    def _load_one(self) -> UInt8 | None:
        """The next image; None if it cannot be read.

        Raises:
            SourceError: likewise, if it is not one of a folder and there is a reason to name.
        """
        index = self._next_index
        page = self._pages[index]
        self._next_index += 1
        reason = "check it, or copy it again"
        try:
            image = self._load(page)
        except SourceError as error:
            if not self._in_folder:
                raise
            image, reason = None, error.problem.removeprefix(f"{page.path} ")
        if image is None:
            self.damaged += 1
            self.unread.append(UnreadFile(self.names[index], reason))
        return image

    def _load(self, page: _Page) -> UInt8 | None:
        """RGB (H, W, 3) uint8, upright; None when the file cannot be decoded.

        Raises:
            SourceError: the file cannot be read, needs a package, or is too large.
        """
        if page.pages == 1:
            return _decode_one(page.path)
        if self._open_file is None or self._open_file.path != page.path:
            self._open_file = _OpenFile(page.path)
        return self._open_file.image(page)


def _label(page: _Page, root: Path) -> str:
    """Name of an image for tables: its path below the folder given; pages are counted from 1."""
    name = path_text(page.path.relative_to(root).as_posix())
    return f"{name}#{page.page + 1}" if page.pages > 1 else name


def _pages_of(path: Path, recursive: bool) -> list[_Page]:
    """Every page of the image or of the images of a folder.

    Raises:
        SourceError: the folder cannot be read, or holds no image.
    """
    if not path.is_dir():
        return _pages(path)
    images = [file for file in list_files(path, recursive).files if is_picture(file)]
    if not images:
        suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
        raise SourceError(f"{path} holds no pictures ({suffixes}): give a folder that does")
    return [page for image in images for page in _pages(image)]


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


def _decode_one(path: Path) -> UInt8 | None:
    data = _bytes_of(path)
    if data.size and file_type(path) is FileType.HEIF:
        return _decode_heif(path)
    images = _decoded(lambda: [cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)], path)
    return images[0] if images else None


class _OpenFile:
    """A file with several pages.

    Those of a TIFF are decoded one by one. OpenCV decodes single frames of an animation wrongly (5.0.0: other pixels in
    WebP, none in PNG), so these are decoded together, within a limit of memory: all have one size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._data = _bytes_of(path)
        self._is_tiff = self._data[:4].tobytes() in _TIFF_STARTS
        self._images: list[UInt8] | None = None  # of an animation
        self._problem: Exception | None = None  # of all its images: found once, not once per image

    def image(self, page: _Page) -> UInt8 | None:
        """The image of a page; None if it cannot be decoded.

        Raises:
            SourceError: it is too large, or the animation is.
        """
        if self._is_tiff:
            only = (page.page, page.page + 1)
            images = _decoded(lambda: cv2.imdecodemulti(self._data, cv2.IMREAD_COLOR_RGB, range=only)[1], self.path)
            return images[0] if images else None
        if self._images is None and self._problem is None:
            self._problem = error_of(partial(self._decode_all, page.pages))
        if self._problem is not None:
            raise self._problem
        images = self._images or []
        return images[page.page] if page.page < len(images) else None

    def _decode_all(self, pages: int) -> None:
        self._check_memory(pages)
        self._images = _decoded(lambda: cv2.imdecodemulti(self._data, cv2.IMREAD_COLOR_RGB)[1], self.path)

    def _check_memory(self, pages: int) -> None:
        first = _decoded(lambda: [cv2.imdecode(self._data, cv2.IMREAD_COLOR_RGB)], self.path)
        size_bytes = pages * first[0].nbytes if first else 0
        if size_bytes > _MAX_PAGES_BYTES:
            raise SourceError(
                f"{self.path} has {pages} images that take {size_bytes >> 20} MB, the limit is "
                f"{_MAX_PAGES_BYTES >> 20} MB: convert it to a video"
            )


def _decoded(decode: Callable[[], Sequence[Any]], path: Path) -> list[UInt8]:
    """What OpenCV decodes; nothing for no bytes at all.

    Raises:
        SourceError: an image is too large.
    """
    try:
        with quiet_opencv():
            images = [np.asarray(image, np.uint8) for image in decode() if image is not None]
    except cv2.error as error:
        if _PIXEL_LIMIT in str(error):
            raise SourceError(f"{path} has more than {MAX_SIDE_PX} x {MAX_SIDE_PX} pixels: shrink it") from None
        return []
    for image in images:
        check_size(str(path), image.shape[1], image.shape[0])
    return images


def _bytes_of(path: Path) -> UInt8:
    """The whole file.

    Raises:
        SourceError: it cannot be read, or is too large.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > _MAX_FILE_BYTES:
            raise SourceError(
                f"{path} has {size_bytes >> 20} MB, the limit of an image is {_MAX_FILE_BYTES >> 20} MB: shrink it"
            )
        return np.fromfile(path, np.uint8)  # cv2.imread fails on names outside the code page of Windows
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from None


def _decode_heif(path: Path) -> UInt8:
    """HEIC through the package pillow-heif, where it is installed.

    Raises:
        SourceError: it is not, or the image cannot be decoded.
    """
    try:
        open_heif = cast(Callable[[str], Any], importlib.import_module("pillow_heif").open_heif)
    except ImportError:
        raise SourceError(f"{path} {_HEIF_HINT}") from None
    images: list[UInt8] = []

    def decode() -> None:
        opened = open_heif(str(path))  # reads the header only
        check_size(str(path), *opened.size)
        images.append(np.ascontiguousarray(np.asarray(opened)[:, :, :3], np.uint8))

    error = error_of(decode)  # whatever the package raises
    if isinstance(error, SourceError):
        raise error
    if error is not None:
        raise SourceError(f"{path} cannot be decoded ({error}): convert it to JPEG")
    return images[0]
