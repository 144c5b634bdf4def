"""Sources and sessions at addresses that fsspec reads and writes: ``s3://``, ``gs://``, ``hdfs://``, ``file://`` ...

A session is made in a temporary folder and copied to its address, the metadata last. It counts as done when its
metadata say so and name the same source with the same mark: size, time and tag of the file, as its store gives them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from app.remedies import DISK_FULL
from app.session.folder import SessionFolder
from app.session.metadata import read_metadata, write_metadata
from app.sources import GivenSource, GivenSources, SourceFault
from engine.capture.folder import natural_key
from engine.capture.opening import VIDEO_SUFFIXES, source_stem
from engine.capture.redaction import redact_url
from engine.capture.source import path_text
from engine.capture.stream import STREAM_SCHEMES
from engine.errors import ConfigError, OutputError, Remedy, SourceError

#: Key of the configuration in the metadata that identifies a remote source.
_MARK: Final = "source_mark"
_INSTALL: Final = "addresses of files need the package fsspec: install the extra cluster"


def is_remote(spec: str) -> bool:
    """Whether a text is an address of a file or folder, and not a path or a stream.

    >>> is_remote("s3://lab/videos"), is_remote("videos/a.mp4"), is_remote("rtsp://camera/1")
    (True, False, False)
    """
    scheme, separator, _ = spec.partition("://")
    return bool(separator) and scheme.isascii() and scheme.isalnum() and scheme.lower() not in STREAM_SCHEMES


def shown(spec: str) -> str:
    """An address without its password, or a path, for texts.

    >>> shown("s3://key:secret@lab/videos"), shown("/data/videos")
    ('s3://***@lab/videos', '/data/videos')
    """
    return redact_url(spec) if is_remote(spec) else spec


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A source, remote or not."""

    spec: str
    name: str
    mark: str | None  # changes with the content; None for a path, which is not copied

    def copy_to(self, folder: Path) -> str:
        """Copy an address to a folder; returns the path to read.

        Raises:
            SourceError: it cannot be copied.
        """
        if self.mark is None:
            return self.spec
        path = folder / self.name
        with _source_errors(self.spec):
            files, place = _open(self.spec)
            files.get_file(place, str(path))
        return str(path)


def fetch(spec: str) -> RemoteFile:
    """Look a source up; nothing is copied yet.

    Raises:
        SourceError: an address cannot be read.
    """
    if not is_remote(spec):
        return RemoteFile(spec, Path(spec).name, None)
    with _source_errors(spec):
        files, place = _open(spec)
        return RemoteFile(spec, PurePosixPath(place).name, str(files.ukey(place)))


class RemoteSession:
    """The folder of a session at an address, or a path."""

    def __init__(self, folder: str) -> None:
        """Nothing is read yet."""
        self._folder = folder

    def is_done(self, source: RemoteFile) -> bool:
        """Whether it is complete, and of this source as it is now.

        Raises:
            OutputError: the folder cannot be read.
        """
        with _output_errors(self._folder, "read"):
            files, place = _open(self._folder)
            try:
                raw: Any = json.loads(files.cat_file(f"{place}/metadata.json"))
                before = raw["source"]["path"], raw["config"][_MARK]
                return raw["completed"] is True and before == (shown(source.spec), _mark_of(source))
            except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
                return False

    def publish(self, folder: SessionFolder, source: RemoteFile) -> list[str]:
        """Copy a finished session here, the metadata last; what was here before is replaced.

        Returns:
            The addresses of its files.

        Raises:
            OutputError: it cannot be written.
        """
        metadata = read_metadata(folder.metadata)
        named = dataclasses.replace(metadata.source, source=shown(source.spec), path=shown(source.spec))
        config = metadata.config | {_MARK: _mark_of(source)}
        write_metadata(folder.metadata, dataclasses.replace(metadata, source=named, config=config))
        with _output_errors(self._folder, "written"):
            files, place = _open(self._folder)
            files.makedirs(place, exist_ok=True)
            last = f"{place}/{folder.metadata.name}"
            if files.exists(last):
                files.rm_file(last)
            written = []
            for path in sorted(folder.path.rglob("*")):
                if path.is_file() and path not in (folder.metadata, folder.lock):
                    name = path.relative_to(folder.path).as_posix()
                    files.makedirs(f"{place}/{name}".rpartition("/")[0], exist_ok=True)
                    files.put_file(str(path), f"{place}/{name}")
                    written.append(name)
            files.put_file(str(folder.metadata), last)
        return [f"{shown(self._folder)}/{name}" for name in (*written, folder.metadata.name)]


def find_remote(spec: str, recursive: bool) -> tuple[GivenSources, dict[str, int | None]]:
    """List the videos of an address, by their suffixes; and the size in bytes of each.

    Raises:
        ConfigError: the package for this kind of address is missing.
    """
    try:
        with _source_errors(spec):
            files, place = _open(spec)
            if not files.isdir(place):
                size = files.size(place)
                return GivenSources((GivenSource(spec),), (), (), ()), {spec: size}
            entries = files.find(place, maxdepth=None if recursive else 1, detail=True)
    except SourceError as error:
        return GivenSources((), (), (), (SourceFault(spec, error.problem),)), {}
    root = PurePosixPath(place)
    paths = sorted((Path(path) for path in entries), key=lambda path: (path.parent.as_posix(), natural_key(path)))
    videos = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
    found = tuple(
        GivenSource(files.unstrip_protocol(path.as_posix()), path_text(str(PurePosixPath(path).relative_to(root))))
        for path in videos
    )
    others = Counter(path.suffix.lower() or "no suffix" for path in set(paths) - set(videos))
    kinds = ", ".join(f"{count} with {suffix}" for suffix, count in others.most_common(4))
    left_out = (f"{shown(spec)}: only videos are read from addresses; left out: {kinds}",) if others else ()
    sizes = {source.spec: entries[path.as_posix()].get("size") for source, path in zip(found, videos, strict=True)}
    return GivenSources(found, () if found else (spec,), left_out, ()), sizes


def copy_file(address: str, path: Path, *, to_address: bool) -> None:
    """Copy a small file from or to an address; where the original is missing, delete the copy.

    Raises:
        OutputError: it cannot be read or written.
    """
    with _output_errors(address, "written" if to_address else "read"):
        files, place = _open(address)
        if not to_address:
            if files.exists(place):
                files.get_file(place, str(path))
        elif path.exists():
            files.makedirs(place.rpartition("/")[0], exist_ok=True)
            files.put_file(str(path), place)
        elif files.exists(place):
            files.rm_file(place)


def session_address(out: str, spec: str) -> str:
    """Folder of the session of a source: the same for the same source, whatever else is given."""
    name = PurePosixPath(spec.replace("\\", "/")).name
    digest = hashlib.sha256(shown(spec).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{out.rstrip('/')}/{source_stem('/' + name)}-{digest}"


def _mark_of(source: RemoteFile) -> str:
    """Mark in the metadata: of a path, its size and modification time."""
    if source.mark is not None:
        return source.mark
    stat = Path(source.spec).stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def _open(spec: str) -> tuple[Any, str]:
    """File system and path of an address.

    Raises:
        ConfigError: a package is missing.
    """
    try:
        fsspec: Any = importlib.import_module("fsspec.core")
    except ImportError:
        raise ConfigError(_INSTALL) from None
    try:
        files, place = fsspec.url_to_fs(spec)
    except ImportError as error:  # fsspec names the package
        raise ConfigError(f"{shown(spec)} cannot be read: {error}") from None
    except ValueError as error:
        raise SourceError(f"{shown(spec)} is not an address that fsspec knows ({error})") from None
    return files, str(place)


@contextlib.contextmanager
def _source_errors(spec: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{shown(spec)} cannot be read ({error.strerror or error}): check the address") from error


@contextlib.contextmanager
def _output_errors(folder: str, action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = Remedy.FREE_SPACE if error.errno in DISK_FULL else Remedy.OTHER_FOLDER
        problem = f"{shown(folder)} cannot be {action} ({error.strerror or error})"
        raise OutputError(problem, remedy) from error
