"""What ``mien doctor`` looks at: everything that must be there before a run, and how to get what is not."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.system.libraries import QT_LIBRARIES, X11_LIBRARIES, is_there
from engine.backends.contract import ActionUnitContract
from engine.backends.registry import BACKENDS, open_backend
from engine.errors import EngineError
from engine.model_files import model_path
from engine.tracking.face_models import FACE_MODELS, face_model_path

#: Package of the index to the module it brings, for what annotate needs.
_NEEDED: Final = {
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "ai-edge-litert": "ai_edge_litert",
    "onnxruntime": "onnxruntime",
    "av": "av",
    "typer": "typer",
    "rich": "rich",
    "arro3-core": "arro3.core",
    "arro3-io": "arro3.io",
}
#: Likewise for what only some commands or choices need, with what to ask pip for (as in pyproject.toml).
_OPTIONAL: Final = {
    "PySide6-Essentials": "PySide6-Essentials<6.12",
    "openvino": "openvino",
    "mediapipe": "mediapipe==1.2.2",
}
_OLDEST_PYTHON: Final = (3, 10)
#: Below so many bytes free a film of an hour may not fit.
_ENOUGH_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    good: bool
    told: str  # what was found, or what to do
    needed: bool = True  # by annotate

    @property
    def is_fatal(self) -> bool:
        """Whether annotate cannot run."""
        return self.needed and not self.good


def examine(out: Path) -> list[Check]:
    """All checks; ``out`` is the folder where results are to be written."""
    return [
        _python(),
        *(_package(name, module) for name, module in _NEEDED.items()),
        *(_extra(name, requirement) for name, requirement in _OPTIONAL.items()),
        *(_from_engine(f"face network {model.name}", partial(face_model_path, model)) for model in FACE_MODELS),
        *_models(),
        *(_qt_libraries() if sys.platform == "linux" else ()),
        _space(out),
        _writable(out),
    ]


def show(checks: list[Check], console: Console) -> None:
    """Print the checks as a table."""
    table = Table(show_edge=False)
    for heading in ("", "what", "found"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        mark = "[green]ok[/]" if check.good else "[red]missing[/]" if check.needed else "[yellow]optional[/]"
        table.add_row(mark, Text(check.name), Text(check.told))
    console.print(table)


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= _OLDEST_PYTHON
    return Check("Python", good, found if good else f"{found}: install 3.10, 3.11 or 3.12")


def _package(name: str, module: str) -> Check:
    try:
        importlib.import_module(module)
        return Check(name, True, metadata.version(name))
    except (ImportError, metadata.PackageNotFoundError) as error:
        return Check(name, False, f"{error}: run 'pip install {name}'")


def _extra(name: str, requirement: str) -> Check:
    try:
        return Check(name, True, metadata.version(name), needed=False)
    except metadata.PackageNotFoundError:
        return Check(name, False, f'for more: pip install "{requirement}"', needed=False)


def _from_engine(name: str, look: Callable[[], object], needed: bool = True) -> Check:
    """A check whose answer is what it gives, or the engine's own error."""
    try:
        return Check(name, True, str(look()), needed)
    except EngineError as error:
        return Check(name, False, str(error), needed)


def _models() -> Iterator[Check]:
    """Each model with its contract on each backend; one backend that can run it is enough."""
    for task in ("expression", "action_units"):
        checks = [
            _from_engine(f"{task} model on {name}", partial(_open, task, name), needed=False) for name in BACKENDS
        ]
        if any(check.good for check in checks):
            yield from checks
        else:
            yield Check(f"{task} model", False, checks[0].told)


def _open(task: str, backend: str) -> str:
    opened = open_backend(model_path(task), (backend,), 1)
    try:
        contract = opened.contract
        told = f"{contract.name}, sha256 {contract.sha256[:12]}..., on {opened.name} {opened.device}"
        return f"{told}; {_trusted(contract)}" if isinstance(contract, ActionUnitContract) else told
    finally:
        opened.close()


def _trusted(contract: ActionUnitContract) -> str:
    """How many units are trusted, and which; the others are shown greyed."""
    pairs = zip(contract.labels, contract.calibration.trusted, strict=True)
    named = [label for label, trusted in pairs if trusted]
    return f"{len(named)} of {len(contract.labels)} units trusted: {', '.join(named) or 'none'}"


def _qt_libraries() -> Iterator[Check]:
    for library, package in (QT_LIBRARIES | X11_LIBRARIES).items():
        there = is_there(library)
        told = "found" if there else f"the window needs it: 'sudo apt-get install {package}'"
        yield Check(library, there, told, needed=False)


def _space(out: Path) -> Check:
    try:
        free = shutil.disk_usage(_existing(out)).free
    except OSError as error:
        return Check("disk space", False, f"{out}: {error.strerror}")
    told = f"{free / 1e9:.1f} GB free at {_existing(out)}"
    return Check("disk space", free >= _ENOUGH_BYTES, told if free >= _ENOUGH_BYTES else f"{told}: free some")


def _writable(out: Path) -> Check:
    folder = _existing(out)
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("write access", False, f"{folder}: {error.strerror}; choose another folder")
    return Check("write access", os.access(folder, os.W_OK), str(folder))


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    path = path.resolve()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path
