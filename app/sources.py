"""From what the user gives to the sources in it: files, cameras, addresses, and the content of folders."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.session.identity import source_path
from engine.capture.folder import list_files
from engine.capture.opening import is_path_spec, is_video, open_lasting
from engine.capture.pictures import is_picture
from engine.capture.source import FrameSource, WrappedSource, path_text
from engine.config import CaptureConfig
from engine.errors import SourceError
from engine.types import Frame

#: Suffixes that a message names.
_MAX_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class GivenSource:
    """One source, as `engine.capture.opening.open_source` takes it."""

    spec: str
    file: str | None = None  # of a video found in a folder: its path below the folder given


@dataclass(frozen=True, slots=True)
class SourceFault:
    """A source that cannot be read."""

    spec: str
    problem: str  # a sentence that names it


@dataclass(frozen=True, slots=True)
class GivenSources:
    """The sources found, and everything else."""

    found: tuple[GivenSource, ...]
    empty: tuple[str, ...]  # folders without pictures or videos
    left_out: tuple[str, ...]  # a sentence for whatever is not read on purpose
    faults: tuple[SourceFault, ...]  # folders that cannot be read


def find_sources(given: Iterable[str], recursive: bool = False) -> GivenSources:
    """List the sources in files and folders.

    The pictures of a folder are one source, and so is each video in it.

    Args:
        given: as typed or dropped.
        recursive: whether subfolders are read; their pictures belong to the source of the folder given.
    """
    found: dict[str, GivenSource] = {}
    empty: list[str] = []
    left_out: list[str] = []
    faults: list[SourceFault] = []
    for spec in given:
        try:
            is_folder = _is_folder(spec)
            sources = _in_folder(Path(spec), recursive, left_out, faults) if is_folder else [GivenSource(spec)]
        except SourceError as error:
            faults.append(SourceFault(spec, error.problem))
            continue
        if not sources:
            empty.append(spec)
        for source in sources:
            key = source_path(source.spec) or source.spec
            if key in found:
                left_out.append(f"{source.spec} is given twice: it is read once")
            else:
                found[key] = source
    return GivenSources(tuple(found.values()), tuple(empty), tuple(left_out), tuple(faults))


def _is_folder(spec: str) -> bool:
    try:
        return is_path_spec(spec) and Path(spec).is_dir()
    except OSError as error:
        raise SourceError(f"{spec} cannot be read ({error.strerror}): check its path and permissions") from None
    except ValueError:  # a null character
        return False


def _in_folder(folder: Path, recursive: bool, left_out: list[str], faults: list[SourceFault]) -> list[GivenSource]:
    listing = list_files(folder, recursive)
    faults += [SourceFault(str(path), problem) for path, problem in listing.unreadable]
    pictures = [path for path in listing.files if is_picture(path)]
    found = set(pictures)
    videos = [path for path in listing.files if path not in found and is_video(path)]
    known = {*pictures, *videos}
    others = Counter(path.suffix.lower() or "no suffix" for path in listing.files if path not in known)
    if others:
        kinds = [f"{count} with {suffix}" for suffix, count in others.most_common(_MAX_NAMED)]
        more = ", ..." if len(others) > _MAX_NAMED else ""
        left_out.append(f"{folder}: {_count(others.total(), 'file')} left out ({', '.join(kinds)}{more})")
    if listing.subfolders:
        left_out.append(f"{folder}: {_count(len(listing.subfolders), 'subfolder')} not read")
    if listing.sessions:
        left_out.append(f"{folder}: {_count(len(listing.sessions), 'subfolder')} with results not read")
    sources = [GivenSource(str(folder))] if pictures else []
    return sources + [GivenSource(str(path), path_text(path.relative_to(folder).as_posix())) for path in videos]


def open_given(spec: str, file: str | None, recursive: bool, limits: CaptureConfig) -> FrameSource:
    """Open a source; ``file`` is that of GivenSource. A camera or stream that is lost is opened again.

    Raises:
        SourceError: see `engine.capture.opening.open_source`.
    """
    opened = open_lasting(spec, recursive=recursive, limits=limits)
    return opened if file is None else LabelledSource(opened, file)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class LabelledSource(WrappedSource):
    """A video of a folder, whose frames carry its path below that folder."""

    def __init__(self, source: FrameSource, file: str) -> None:
        super().__init__(source)
        self._file = file

    def read(self) -> Frame | None:
        """The next frame with the path."""
        frame = super().read()
        return None if frame is None else dataclasses.replace(frame, file=self._file)
