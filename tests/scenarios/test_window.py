"""Scenarios in the real window, on its own display: input by keyboard and mouse, what it shows, and files it leaves."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder
from app.session.journal import read_header, read_journal
from app.settings.preferences import Preferences, save_preferences
from app.system.libraries import X11_LIBRARIES, is_installed
from engine.capture.synthetic import SyntheticSource
from engine.tracking.face_models import models_folder

pytestmark = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool") and all(map(is_installed, X11_LIBRARIES))),
    reason="needs Xvfb, xdotool and the libraries of Qt on X11",
)

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).with_name("window_probe.py")
#: Timeout of every wait, for a busy machine.
LIMIT_S = 60.0
#: Displays below are left to the user's own servers.
_FIRST_DISPLAY = 100


class User:
    """The window under test and its keyboard."""

    def __init__(self, display: str, folder: Path, *arguments: str) -> None:
        """Open the window with these arguments; it writes what it shows, see window_probe.py."""
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
        self.state_file = folder / "state.json"
        self.output = folder / "output.txt"
        with self.output.open("w") as output:
            command = [sys.executable, str(PROBE), str(self.state_file), *arguments]
            self.program = subprocess.Popen(command, env=self.environment, cwd=folder, stderr=output, stdout=output)
        self.focus()

    def xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments], env=self.environment, capture_output=True, text=True, timeout=LIMIT_S
        )
        return done.stdout

    def focus(self, title: str = "^Mien") -> None:
        """Give a window the keyboard focus."""
        self.xdotool("windowfocus", "--sync", self.window(title))

    def focus_after(self, title: str) -> None:
        """Give the main window the focus once a dialog is closed, which would take it back."""
        search = ("search", "--all", "--onlyvisible", "--pid", str(self.program.pid), "--name", title)
        self.until(lambda: not self.xdotool(*search).split(), f"the end of {title}")
        self.focus()

    def window(self, title: str = "^Mien") -> str:
        """The number that X gave a window of this program."""
        search = ("search", "--all", "--onlyvisible", "--pid", str(self.program.pid), "--name", title)
        return self.until(lambda: self.xdotool(*search), f"a window {title}").split()[-1]

    def state(self) -> dict[str, Any]:
        """What the window shows, not more than a moment ago."""
        with contextlib.suppress(FileNotFoundError):
            return json.loads(self.state_file.read_text())
        live = {"state": "", "faces": {}, "frame": -1}
        return {"live": live, "review": {"session": "", "face": None}, "notices": [], "page": "", "field": None}

    def click(self, x: int, y: int) -> None:
        """Click at a place of the screen."""
        self.xdotool("mousemove", "--sync", str(x), str(y), "click", "1")

    def press(self, *keys: str) -> None:
        self.xdotool("key", "--delay", "40", *keys)

    def until(self, poll: Callable[[], object], what: str, keys: tuple[str, ...] = ()) -> str:
        """Poll until the result is true, pressing keys meanwhile; returns the result."""
        end_s = time.monotonic() + LIMIT_S
        while not (found := poll()):
            assert self.program.poll() is None, f"the program ended: {self.output.read_text()}"
            assert time.monotonic() < end_s, f"timed out waiting for {what}: {self.state()} {self.output.read_text()}"
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

    def pause(self) -> None:
        """Pause Live; a frame may still be on its way."""
        self.press("space")
        self.until(lambda: self.state()["live"]["state"] == "paused", "a pause")

    def is_frozen(self) -> bool:
        """Whether the shown image stays the same."""
        before = self.state()["live"]["frame"]
        is_same = np.array_equal(self.snapshot(), self.snapshot())
        return is_same and self.state()["live"]["frame"] == before

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


def _first_frame_of(folder: Path, face_id: int) -> int:
    """Where a face comes in, which depends on the moment of the demo at which the recording began."""
    entries = read_journal(folder / "journal.jsonl")
    return next(place for place, entry in enumerate(entries) if face_id in [row.face_id for row in entry.rows])


Open = Callable[..., User]


def _start_screen() -> tuple[subprocess.Popen[bytes], str]:
    """Start Xvfb and wait until it answers; return it and its display.

    The display has the number of this process: of two servers that look for a free number at the same time, one that
    ends removes the socket of the other.
    """
    own = _FIRST_DISPLAY + os.getpid() % 30_000
    for number in range(own, own + 3):
        read, write = os.pipe()
        screen = subprocess.Popen(
            ["Xvfb", f":{number}", "-r", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
            pass_fds=(write,),
            stderr=subprocess.DEVNULL,
        )  # -r: a key that is held longer on a busy machine is not repeated
        os.close(write)
        with os.fdopen(read) as ready:
            ready.readline()  # written once it accepts connections; empty if it ends before
        environment = os.environ | {"DISPLAY": f":{number}"}
        asked = subprocess.run(["xdotool", "getmouselocation"], env=environment, capture_output=True, timeout=LIMIT_S)
        if asked.returncode == 0 and screen.poll() is None:
            return screen, f":{number}"
        screen.terminate()
        screen.wait()
    pytest.fail(f"no Xvfb answered on the displays :{own} to :{number}")


@pytest.fixture
def open_window(face_models: None, tmp_path: Path) -> Iterator[Open]:
    """Opens windows on one screen; each has a folder of its own."""
    screen, display = _start_screen()
    users: list[User] = []

    def make(*arguments: str) -> User:
        folder = tmp_path / str(len(users))
        folder.mkdir()
        users.append(User(display, folder, *arguments))
        return users[-1]

    try:
        yield make
    finally:
        for user in users:
            user.program.kill()
            user.program.wait()
        screen.terminate()
        screen.wait()


def test_watch_a_clip_move_a_limit_record_review_and_export(open_window: Open) -> None:
    user = open_window("live", "demo")
    # Pause freezes the image, a step advances it.
    user.until(lambda: list(user.recordings.glob("mien-*.png")), "the first image", keys=("s",))
    user.pause()
    user.until(user.is_frozen, "a still image")
    before = user.snapshot()
    for _ in range(60):  # the demo is motionless now and then
        user.press("Right")
        if not np.array_equal(user.snapshot(), before):
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
    user.until(lambda: user.state()["field"] is not None, "the field for the name")
    user.xdotool("type", "--delay", "40", plain.name)  # the dialog opens where recordings are
    user.until(lambda: user.state()["field"] == plain.name, "the name")
    user.press("Return")
    user.focus_after("^Open session")
    notes = plain / "review.json"
    user.until(notes.exists, "a marker", keys=("m",))
    user.until(lambda: user.state()["review"]["face"] is not None, "a face")
    start = _first_frame_of(plain, user.state()["review"]["face"])
    user.press("Home", *(start * ["Right"]), "i", *(10 * ["Right"]), "o", "2")
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

    user.focus("^Export")
    user.press("Escape")
    user.focus_after("^Export")
    user.press("ctrl+q")
    assert user.program.wait(LIMIT_S) == 0
    assert "Traceback" not in user.output.read_text()


def write_two_faces(path: Path) -> Path:
    """A video of 200 frames: the demo's moving and tilting face, and one that stays beside it."""
    source = SyntheticSource()
    with source, av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=25, width=1000, height=360, pix_fmt="yuv420p", bit_rate=4_000_000)
        beside = source.draw(10)[:, 140:500]
        for index in range(200):
            image = np.ascontiguousarray(np.hstack([source.draw(index), beside]))
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        output.mux(stream.encode())
    return path


def test_two_windows_on_one_session_lose_nothing_and_space_plays(open_window: Open, tmp_path: Path) -> None:
    session = tmp_path / "shared session"
    write_synthetic_session(SessionFolder(session), 8.0, 10.0, 2, 5)
    first = open_window("gui", str(session))
    first.until(lambda: first.state()["review"]["session"] == str(session), "the session")
    first.focus()
    first.press("m")
    first.until(lambda: first.state()["review"]["markers"] == 1, "a marker")

    second = open_window("gui", str(session))
    second.until(lambda: second.state()["review"]["session"] == str(session), "the session")
    state = second.state()
    assert state["review"]["read_only"]
    assert state["review"]["markers"] == 1
    said = next(text for text in state["notices"] if "read only" in text)
    assert str(first.program.pid) in said  # who has it
    second.focus()
    second.press("m", "Home", "i", "Right", "o", "x")
    first.focus()
    first.press("End", "m")
    first.until(lambda: first.state()["review"]["markers"] == 2, "a second marker")
    first.until(lambda: len(json.loads(_text(session / "review.json") or "{}").get("markers", ())) == 2, "the file")
    assert json.loads(_text(session / "review.json"))["exclusions"] == []
    assert second.state()["review"]["markers"] == 1

    # Space plays, whatever had the focus before the session was opened.
    second.focus()
    second.press("Home", "space")
    second.until(lambda: second.state()["review"]["playing"], "playing")
    assert second.state()["dialogs"] == []
    for user in (first, second):
        user.focus()
        user.press("ctrl+q")
        assert user.program.wait(LIMIT_S) == 0


def test_faces_are_chosen_while_paused_labels_agree_with_bars_and_all_fits_a_small_window(
    open_window: Open, tmp_path: Path
) -> None:
    user = open_window("live", str(write_two_faces(tmp_path / "two faces.mp4")))
    user.until(lambda: len(user.state()["live"]["faces"]) == 2, "two faces")
    user.focus()
    user.pause()
    before, places = user.state()["live"]["followed"], user.state()["live"]["faces"]
    other = next(int(face) for face in places if int(face) != before)
    user.press("f")
    user.until(lambda: user.state()["live"]["followed"] == other, "the other face by its key")
    user.click(*places[str(before)])
    user.until(lambda: user.state()["live"]["followed"] == before, "the first face by a click")
    assert user.state()["live"]["state"] == "paused"

    user.xdotool("windowsize", "--sync", user.window(), "960", "600")
    user.until(lambda: user.state()["size"] == "960x600", "a small window")
    for key, page in (("ctrl+1", "start"), ("ctrl+4", "review"), ("ctrl+3", "annotate"), ("ctrl+2", "live")):
        user.press(key)
        user.until(lambda page=page: f"{page} 960x600" in user.state()["problems"], page)
    assert all(found == [] for found in user.state()["problems"].values()), user.state()["problems"]
    width, height = user.state()["live"]["picture"]
    assert width * height > 0.35 * 960 * 600

    user.press("space")
    user.until(lambda: user.state()["live"]["state"] == "ended", "the end of the clip")
    state = user.state()
    assert state["frames"] > 100
    assert state["contradictions"] == []
    user.press("ctrl+q")
    assert user.program.wait(LIMIT_S) == 0
