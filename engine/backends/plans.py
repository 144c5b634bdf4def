"""TensorRT plans on disk: which machine and network each belongs to, written atomically and checked on load.

A *plan* is TensorRT's serialised engine. It is valid for one version of TensorRT on one model of GPU, and running it
elsewhere fails or is silently slower, so everything it depends on is its key. The file name is a digest of the key, the
file begins with the key itself and the plan's sha256, and anything that differs makes the plan missing, never an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from engine.config import Precision
from engine.errors import BackendError
from engine.files import atomic_write, cache_folder
from engine.records import read_record

_MAGIC: Final = b"MIENPLAN1\n"
#: A header is under 1 KiB; a longer one is damage.
_MAX_HEADER_BYTES: Final = 1 << 16
_SUFFIX: Final = ".plan"
_DIGEST_CHARACTERS: Final = 32


class PlanError(BackendError):
    """There is no usable plan: missing, damaged, of another key, or refused by TensorRT. It has to be built."""


@dataclass(frozen=True, slots=True)
class PlanKey:
    """Everything that a plan depends on; plans of different keys never share a file."""

    task: str  # "expression" or "action_units"
    model_sha256: str  # of the ONNX file that was parsed
    tensorrt: str  # version of the package
    gpu: str  # name of the GPU
    capability: str  # compute capability (SM), such as "8.7"
    system: str  # operating system and processor, such as "Linux-aarch64"
    precision: Precision
    shapes: tuple[str, ...]  # "image 1x1x48x48 4x1x48x48 8x1x48x48", sorted
    flags: tuple[str, ...]  # of the builder, sorted, with its workspace

    @property
    def digest(self) -> str:
        """Digest of all fields, which names the file."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:_DIGEST_CHARACTERS]

    @property
    def file_name(self) -> str:
        """Name of the plan's file."""
        return f"{self.task}-{self.precision}-{self.digest}{_SUFFIX}"


@dataclass(frozen=True, slots=True)
class _Header:
    key: PlanKey
    plan_sha256: str


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan in the store, for listing; the plan itself is not checked."""

    path: Path
    size_bytes: int
    key: PlanKey | None  # None: the header cannot be read


def system_name() -> str:
    """Operating system and processor of this machine, as in `PlanKey.system`."""
    return f"{platform.system()}-{platform.machine()}"


class PlanStore:
    """The folder of plans and timing caches."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder``: None is that of this user; it is created when something is written."""
        self.folder = folder or cache_folder() / "engines"

    def read(self, key: PlanKey) -> bytes:
        """The plan of a key.

        Raises:
            PlanError: there is none, or its file is damaged or belongs to another key; the message says which.
        """
        path = self.folder / key.file_name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise PlanError(f"there is no {key.precision} engine for {key.gpu} and TensorRT {key.tensorrt}") from None
        except OSError as error:
            raise PlanError(f"{path} cannot be read ({error.strerror})") from None
        header, plan = _split(path, content)
        if header.key != key:
            raise PlanError(f"{path} belongs to another model, GPU or version of TensorRT")
        if hashlib.sha256(plan).hexdigest() != header.plan_sha256:
            raise PlanError(f"{path} is damaged")
        return plan

    def write(self, key: PlanKey, plan: bytes) -> Path:
        """Store a plan and return its path; a reader sees the whole file or the previous one.

        Raises:
            OSError: it cannot be written.
        """
        header = json.dumps(asdict(_Header(key, hashlib.sha256(plan).hexdigest())), ensure_ascii=True).encode("ascii")
        path = self.folder / key.file_name
        self._replace(path, _MAGIC + len(header).to_bytes(4, "big") + header + plan)
        return path

    def discard(self, key: PlanKey) -> None:
        """Delete the plan of a key, so that it is built again.

        Raises:
            PlanError: it cannot be deleted.
        """
        path = self.folder / key.file_name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise PlanError(f"{path} cannot be deleted ({error.strerror})") from None

    def read_timing(self, key: PlanKey) -> bytes:
        """TensorRT's timing cache for this GPU and version; empty if there is none or it is damaged."""
        try:
            content = self._timing_path(key).read_bytes()
        except OSError:
            return b""
        digest, timing = content[:32], content[32:]
        return timing if hashlib.sha256(timing).digest() == digest else b""

    def write_timing(self, key: PlanKey, timing: bytes) -> None:
        """Store a timing cache; without it the next build takes longer and nothing else changes.

        Raises:
            OSError: it cannot be written.
        """
        self._replace(self._timing_path(key), hashlib.sha256(timing).digest() + timing)

    def stored(self) -> list[StoredPlan]:
        """All plans, by file name."""
        found = []
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            with contextlib.suppress(OSError):  # deleted meanwhile
                content = path.read_bytes()
                try:
                    key = _split(path, content)[0].key
                except PlanError:
                    key = None
                found.append(StoredPlan(path, len(content), key))
        return found

    def clear(self) -> int:
        """Delete all plans, timing caches and derived float16 files; return how many files.

        Raises:
            OSError: one of them cannot be deleted.
        """
        paths = [*self.folder.glob(f"*{_SUFFIX}"), *self.folder.glob("*.timing"), *self.folder.glob("*.fp16.*")]
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def _timing_path(self, key: PlanKey) -> Path:
        text = "\n".join((key.tensorrt, key.gpu, key.capability, key.system))
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]}.timing"

    def _replace(self, path: Path, content: bytes) -> None:
        """Write a file that several processes may write at once: each under a name of its own, then renamed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f"{path.name}.{os.getpid()}")
        with atomic_write(own) as part:
            part.write_bytes(content)
        own.replace(path)


def _split(path: Path, content: bytes) -> tuple[_Header, bytes]:
    """Header and plan of a file."""
    start = len(_MAGIC) + 4
    length = int.from_bytes(content[len(_MAGIC) : start], "big")
    if not content.startswith(_MAGIC) or length > _MAX_HEADER_BYTES:
        raise PlanError(f"{path} is not an engine of this version")
    try:
        raw = json.loads(content[start : start + length])
    except ValueError:  # also of text that is not UTF-8
        raise PlanError(f"{path} is damaged") from None
    header = read_record(
        _Header, raw, lambda problem: PlanError(f"{path} has a damaged header: {problem}"), require_all=True
    )
    return header, content[start + length :]
