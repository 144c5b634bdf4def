"""A scenario in the real window, on its own display: keyboard input only, and the files it leaves."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.session.journal import read_header, read_journal
from app.settings.preferences import Preferences, save_preferences
from app.system.libraries import X11_LIBRARIES, is_installed
from engine.tracking.face_models import models_folder

pytestmark = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool") and all(map(is_installed, X11_LIBRARIES))),
    reason="needs Xvfb, xdotool and the libraries of Qt on X11",
)

ROOT = Path(__file__).resolve().parents[2]
#: Timeout of every wait, for a busy machine.
LIMIT_S = 60.0


class User:
    """The window under test and its keyboard."""

    def __init__(self, display: str, folder: Path) -> None:
        self.recordings = folder / "Mien"
        preferences = folder / "desktop.json"
        save_preferences(
            preferences, Preferences(notice_read=True, recordings=self.recordings, annotations=self.recordings)
        )
        self.environment = os.environ | {
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb",
            "HOME": str(folder),
            "MIEN_CONFIG": str(preferences),
            "MIEN_MODELS": str(models_folder()),
            "PYTHONPATH": str(ROOT),
        }
        self.output = folder / "output.txt"
        with self.output.open("w") as output:
            command = [sys.executable, "-m", "app", "live", "demo"]
            self.program = subprocess.Popen(command, env=self.environment, cwd=folder, stderr=output, stdout=output)
        self.focus()

    def xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments], env=self.environment, capture_output=True, text=True, timeout=LIMIT_S
        )
        return done.stdout

    def focus(self, title: str = "^Mien") -> None:
        """Give a window the keyboard focus."""
        windows = self.until(lambda: self.xdotool("search", "--onlyvisible", "--name", title), f"a window {title}")
        self.xdotool("windowfocus", "--sync", windows.split()[-1])

    def press(self, *keys: str) -> None:
        self.xdotool("key", "--delay", "40", *keys)

    def until(self, poll: Callable[[], object], what: str, keys: tuple[str, ...] = ()) -> str:
        """Poll until the result is true, pressing keys meanwhile; returns the result."""
        end_s = time.monotonic() + LIMIT_S
        while not (found := poll()):
            assert self.program.poll() is None, f"the program ended: {self.output.read_text()}"
            assert time.monotonic() < end_s, f"timed out waiting for {what}: {self.output.read_text()}"
            if keys:
                self.press(*keys)
            time.sleep(0.3 if keys else 0.1)
        return str(found)

    def snapshot(self) -> np.ndarray:
        """The shown image, as Snapshot saves it."""
        before = set(self.recordings.glob("mien-*.png"))
        self.press("s")
        self.until(lambda: set(self.recordings.glob("mien-*.png")) - before, "a snapshot")
        path = (set(self.recordings.glob("mien-*.png")) - before).pop()
        image = cv2.imread(str(path))
        assert image is not None
        return image

    def record(self, frames: int) -> Path:
        """Record at least so many frames; returns the finished folder."""
        before = set(self.folders())
        self.press("r")
        self.until(lambda: set(self.folders()) - before, "a recording")
        folder = (set(self.folders()) - before).pop()
        self.until(lambda: _frames(folder) >= frames, f"{frames} frames")
        self.press("r")
        self.until(lambda: '"completed": true' in _text(folder / "metadata.json"), "a finished recording")
        return folder

    def folders(self) -> list[Path]:
        return list(self.recordings.glob("demo-*"))


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _frames(folder: Path) -> int:
    return _text(folder / "journal.jsonl").count('{"frame":')


def _decisions(folder: Path) -> set[str]:
    """Decisions after the first half second, in which earlier ones may be held."""
    entries = read_journal(folder / "journal.jsonl")
    return {row.decision for entry in entries for row in entry.rows if row.time_s > 0.5}


@pytest.fixture
def user(face_models: None, tmp_path: Path) -> Iterator[User]:
    read, write = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as number:
        display = f":{number.readline().strip()}"
    user = User(display, tmp_path)
    try:
        yield user
    finally:
        user.program.kill()
        user.program.wait()
        screen.terminate()
        screen.wait()


def test_watch_a_clip_move_a_limit_record_review_and_export(user: User) -> None:
    # Pause freezes the image, a step advances it.
    user.until(lambda: list(user.recordings.glob("mien-*.png")), "the first image", keys=("s",))
    user.press("space")
    user.snapshot()  # the current frame is still shown
    first, second = user.snapshot(), user.snapshot()
    np.testing.assert_array_equal(first, second)
    for _ in range(60):  # the demo is motionless now and then
        user.press("Right")
        if not np.array_equal(user.snapshot(), second):
            break
    else:
        pytest.fail("sixty steps changed nothing")
    user.press("space")

    # With an aleatoric limit of 0 all faces are ambiguous; the recording contains the limit.
    user.press("t", "Home")
    ambiguous = user.record(80)
    assert read_header(ambiguous / "journal.jsonl").aleatoric_limit == 0.0
    assert "ambiguous" in _decisions(ambiguous)
    assert "accept" not in _decisions(ambiguous)
    user.press("ctrl+0")
    plain = user.record(80)
    assert read_header(plain / "journal.jsonl").aleatoric_limit > 0.5
    assert "accept" in _decisions(plain)

    # Review: a marker, a label and an excluded range, stored apart from the results.
    results = (plain / "faces.csv").read_bytes()
    user.press("ctrl+shift+o")
    user.focus("^Open session")
    user.xdotool("type", "--delay", "20", str(plain))
    user.press("Return")
    user.focus()
    notes = plain / "review.json"
    user.until(notes.exists, "a marker", keys=("m",))
    user.press("Home", "i", *(10 * ["Right"]), "o", "2")
    user.until(lambda: "happiness" in _text(notes), "a label")
    user.press("Right", "i", *(5 * ["Right"]), "o", "x")
    user.until(lambda: json.loads(_text(notes))["exclusions"], "an excluded range")

    user.press("ctrl+e")
    user.focus("^Export")
    user.press("Return")
    table = Path(user.until(lambda: next(iter(plain.rglob("reviewed_faces.csv")), None), "the reviewed table"))
    rows = list(csv.DictReader(_text(table).splitlines()))
    assert {row["human_label"] for row in rows} == {"", "happiness"}
    assert {row["excluded"] for row in rows} == {"0", "1"}
    assert (plain / "faces.csv").read_bytes() == results

    user.press("Escape")
    user.focus()
    user.press("ctrl+q")
    assert user.program.wait(LIMIT_S) == 0
    assert "Traceback" not in user.output.read_text()
