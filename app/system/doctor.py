"""``mien doctor``: check everything that a job and the window need, and say how to get what is missing."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.settings.tuning import read_tuning, this_machine
from app.system.check import Check
from app.system.gpu import gpu_checks
from app.system.libraries import QT_LIBRARIES, X11_LIBRARIES, is_installed
from engine.backends.contract import AUCalibration
from engine.backends.cuda import has_driver
from engine.backends.model_file import model_path
from engine.backends.registry import BACKENDS, GPU_BACKENDS, open_backend
from engine.errors import EngineError
from engine.tracking.face_models import FACE_MODELS, face_model_path

#: Packages that annotate needs, with the module that each provides.
REQUIRED_PACKAGES: Final = {
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "ai-edge-litert": "ai_edge_litert",
    "onnxruntime": "onnxruntime",
    "av": "av",
    "typer": "typer",
    "rich": "rich",
    "arro3-core": "arro3.core",
    "arro3-io": "arro3.io",
    "platformdirs": "platformdirs",
}
#: Packages that provide the module of a required one in its place.
ALTERNATIVES: Final = {"onnxruntime": ("onnxruntime-gpu",)}
#: Packages that only some commands or options need, with their requirement as in pyproject.toml.
OPTIONAL_PACKAGES: Final = {
    "PySide6-Essentials": "PySide6-Essentials<6.12",
    "openvino": "openvino",
    "mediapipe": "mediapipe==1.2.2",
}
_OLDEST_PYTHON: Final = (3, 10)
#: Free space below which the session of a one-hour film may not fit.
_ENOUGH_BYTES: Final = 1 << 30


def examine(out: Path) -> list[Check]:
    """Run all checks; ``out`` is the folder for results."""
    return [
        _python(),
        *(_package(name, module) for name, module in REQUIRED_PACKAGES.items()),
        *(_extra(name, requirement) for name, requirement in OPTIONAL_PACKAGES.items()),
        *(_engine_check(f"face network {model.name}", partial(face_model_path, model)) for model in FACE_MODELS),
        *_models(),
        _tuning(),
        *gpu_checks(),
        *(_qt_libraries() if sys.platform == "linux" else ()),
        _disk_space(out),
        _write_access(out),
    ]


def _tuning() -> Check:
    """The choice of ``mien tune``."""
    choice = read_tuning()
    if choice is None:
        return Check("CPU runtime", False, "not measured: run 'mien tune' to find the fastest", required=False)
    what = f"{choice.backend}, {choice.threads} thread{'s' if choice.threads > 1 else ''}, measured {choice.date}"
    if choice.machine != this_machine():
        changed = "not used, because a runtime, a model or the processor has changed since: run 'mien tune' again"
        return Check("CPU runtime", False, f"{what}; {changed}", required=False)
    return Check("CPU runtime", True, what, required=False)


def show(checks: Sequence[Check], console: Console) -> None:
    """Print the checks as a table."""
    colours = {"ok": "green", "missing": "red", "optional": "yellow"}
    table = Table(show_edge=False)
    for heading in ("", "what", "found"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        table.add_row(f"[{colours[check.status]}]{check.status}[/]", Text(check.name), Text(check.detail))
    console.print(table)


def report_text(checks: Sequence[Check], app_version: str) -> str:
    """The checks as plain text for a bug report; the user's home folder is replaced by ``~``."""
    lines = [f"Mien {app_version}", f"{platform.system()} {platform.release()} {platform.machine()}"]
    lines += [f"{check.status:8} {check.name}: {check.detail}" for check in checks]
    try:
        home = str(Path.home())
    except RuntimeError:
        home = ""
    text = "\n".join(lines) + "\n"
    return text.replace(home, "~") if len(home) > 1 else text


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    passed = sys.version_info[:2] >= _OLDEST_PYTHON
    return Check("Python", passed, found if passed else f"{found}: install 3.10, 3.11 or 3.12")


def _package(name: str, module: str) -> Check:
    try:
        importlib.import_module(module)
    except ImportError as error:
        return Check(name, False, f"{error}: run 'pip install {name}'")
    for provider in (name, *ALTERNATIVES.get(name, ())):
        with contextlib.suppress(metadata.PackageNotFoundError):
            version = metadata.version(provider)
            return Check(name, True, version if provider == name else f"{version} ({provider})")
    return Check(name, False, f"its package is not registered: run 'pip install {name}'")


def _extra(name: str, requirement: str) -> Check:
    try:
        return Check(name, True, metadata.version(name), required=False)
    except metadata.PackageNotFoundError:
        return Check(name, False, f'not installed: pip install "{requirement}"', required=False)


def _engine_check(name: str, find: Callable[[], object], required: bool = True) -> Check:
    """Call ``find``; its result or the engine's error is the detail."""
    try:
        return Check(name, True, str(find()), required)
    except EngineError as error:
        return Check(name, False, str(error), required)


def _models() -> Iterator[Check]:
    """Open each model on each backend; one backend that can run it is enough."""
    for task in ("expression", "action_units"):
        checks = [
            _engine_check(f"{task} model on {name}", partial(_describe, task, name), required=False)
            for name in BACKENDS
            if name not in GPU_BACKENDS or has_driver()  # the check of the GPU has the reason
        ]
        if any(check.passed for check in checks):
            yield from checks
        else:
            yield Check(f"{task} model", False, checks[0].detail)


def _describe(task: str, backend: str) -> str:
    opened = open_backend(model_path(task), (backend,), 1)
    try:
        contract = opened.contract
        text = f"{contract.name}, sha256 {contract.sha256[:12]}..., on {opened.name} {opened.device}"
        calibration = contract.calibration
        return f"{text}; {_trusted(contract.labels, calibration)}" if isinstance(calibration, AUCalibration) else text
    finally:
        opened.close()


def _trusted(labels: tuple[str, ...], calibration: AUCalibration) -> str:
    """Number and names of the trusted units."""
    named = [label for label, trusted in zip(labels, calibration.trusted, strict=True) if trusted]
    return f"{len(named)} of {len(labels)} units trusted: {', '.join(named) or 'none'}"


def _qt_libraries() -> Iterator[Check]:
    for library, package in (QT_LIBRARIES | X11_LIBRARIES).items():
        passed = is_installed(library)
        detail = "found" if passed else f"the window needs it: 'sudo apt-get install {package}'"
        yield Check(library, passed, detail, required=False)


def _disk_space(out: Path) -> Check:
    try:
        free = shutil.disk_usage(_existing(out)).free
    except OSError as error:
        return Check("disk space", False, f"{out}: {error.strerror}")
    detail = f"{free / 1e9:.1f} GB free at {_existing(out)}"
    passed = free >= _ENOUGH_BYTES
    return Check("disk space", passed, detail if passed else f"{detail}: free some")


def _write_access(out: Path) -> Check:
    folder = _existing(out)
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("write access", False, f"{folder}: {error.strerror}; choose another --out")
    return Check("write access", os.access(folder, os.W_OK), str(folder))


def _existing(path: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    path = path.resolve()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path
