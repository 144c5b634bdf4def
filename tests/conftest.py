"""Shared fixtures: external data, and the check that no thread is left running."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from engine.errors import FaceModelError
from engine.tracking.face_models import FACE_MODELS, face_model_path

# Property tests have no deadline: a busy machine must not fail them.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def _missing_qt() -> str | None:
    """Why Qt cannot be imported, or None."""
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        return str(error)
    return None


_MISSING_QT = _missing_qt()
#: Tests of the window need PySide6 and the system libraries that Qt loads.
collect_ignore_glob = ["app/qt/*", "scenarios/test_window.py"] if _MISSING_QT else []


def pytest_report_header() -> str | None:
    """Name the tests that are not collected."""
    return f"window tests are not collected: {_MISSING_QT}" if _MISSING_QT else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of clips and data beside the checkout."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not (folder / "media").is_dir():
        pytest.skip(f"needs the shared clips in {folder.name}/media beside the checkout")
    return folder


@pytest.fixture(scope="session")
def face_models() -> None:
    """The face networks on this machine."""
    try:
        for model in FACE_MODELS:
            face_model_path(model)
    except FaceModelError as error:
        pytest.skip(f"needs the face networks: {error}")


@pytest.fixture(autouse=True)
def trusted_models(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models made by a test are opened at once; ``tries_models`` marks tests of the trial in a process of its own."""
    if request.node.get_closest_marker("tries_models") is None:
        monkeypatch.setattr("engine.backends.registry.try_model", lambda model: None)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail a test that leaves a thread running, with the stack of the thread."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    for thread in left:
        thread.join(timeout=1.0)
    left = [thread for thread in left if thread.is_alive()]
    if left:
        frames = sys._current_frames()
        stacks = [thread.name + "\n" + "".join(traceback.format_stack(frames[thread.ident])) for thread in left]
        pytest.fail("threads left running: " + "\n".join(stacks))


@pytest.fixture
def open_files() -> Callable[[], set[tuple[str, str]]]:
    """Reads the number and the target of each open file of this process; nothing where the system lists none.

    Compare with ``<=``: what earlier tests left may be closed at any moment by a collection.
    """
    folder = Path("/proc/self/fd")

    def read() -> set[tuple[str, str]]:
        files = set()
        for link in folder.iterdir() if folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):  # the folder itself, which was open while it was read
                files.add((link.name, str(link.readlink())))
        return files

    return read
