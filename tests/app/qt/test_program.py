"""The program: all pages in one window, their requests, shortcuts without collisions, clean shutdown."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import PySide6
import pytest
from PySide6.QtCore import QCoreApplication, QTranslator
from pytestqt.qtbot import QtBot

from app.qt import program, translation
from app.qt.annotate.annotate_page import AnnotatePage
from app.qt.application import make_application
from app.qt.live.live_page import LivePage
from app.qt.main_window import MainWindow
from app.qt.preference_store import PreferenceStore
from app.qt.review.review_page import ReviewPage
from app.qt.widgets.page import Page
from app.settings.preferences import PAGES, Preferences, load_preferences, save_preferences
from engine.config import EngineConfig
from engine.errors import ConfigError, ThreadStuckError


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    window = program.Program(PreferenceStore(None), EngineConfig(), lambda: "0.9", tmp_path / "queue.json").window
    qtbot.addWidget(window)
    window.show()
    yield window
    window.close()
    assert window.errors == ()


def test_every_page_can_be_shown(window: MainWindow) -> None:
    for name in (*PAGES, *reversed(PAGES)):
        window.show_page(name)
        assert window.shown == name
        assert window.notice is None


def test_no_shortcut_is_used_twice_on_a_page(window: MainWindow) -> None:
    everywhere, *pages = window.shortcut_groups()
    assert len(pages) == len(PAGES)
    for page in pages:
        keys = [key.toString() for action in (*everywhere.actions, *page.actions) for key in action.shortcuts()]
        assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_every_action_has_a_text_and_every_page_a_title(window: MainWindow) -> None:
    for group in window.shortcut_groups():
        assert group.title
        assert all(action.text() for action in group.actions)


def replace_method(monkeypatch: pytest.MonkeyPatch, page: type, name: str) -> list[object]:
    """Replace a method of a page; return the list of its arguments."""
    calls: list[object] = []
    monkeypatch.setattr(page, name, lambda self, argument: calls.append(argument))
    return calls


def test_requests_open_on_their_page(monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, tmp_path: Path) -> None:
    live = replace_method(monkeypatch, LivePage, "open_source")
    queued = replace_method(monkeypatch, AnnotatePage, "add")
    reviewed = replace_method(monkeypatch, ReviewPage, "open_path")
    pages = program.Program(PreferenceStore(None), EngineConfig(), lambda: "0.9", tmp_path / "queue.json")
    window = pages.window
    qtbot.addWidget(window)
    start, annotate = pages.start, pages.annotate
    window.create_pages()
    start.live_requested.emit("2")
    assert (live, window.shown) == (["2"], "live")
    start.annotate_requested.emit(("a.mp4", "b.mp4"))
    assert (queued, window.shown) == ([("a.mp4", "b.mp4")], "annotate")
    annotate.session_requested.emit(tmp_path)
    assert (reviewed, window.shown) == ([tmp_path], "review")
    session = tmp_path / "session"
    session.mkdir()
    (session / "journal.jsonl").write_text("x")
    pages.open_in("demo")
    assert (live[-1], window.shown) == ("demo", "live")
    pages.open_in(str(session))
    assert (reviewed[-1], window.shown) == (session, "review")
    window.close()


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The program closes as soon as it is shown; the path of its settings."""
    path = tmp_path / "mien" / "desktop.json"
    monkeypatch.setenv("MIEN_CONFIG", str(path))
    monkeypatch.setattr(program, "run_until_closed", lambda application, window: closed(window))
    return path


def closed(window: MainWindow) -> None:
    window.close()
    window.deleteLater()


def test_settings_are_stored_except_those_of_the_run(no_loop: Path) -> None:
    save_preferences(no_loop, Preferences(threads=2, notice_read=True))
    program.run_program(EngineConfig(), lambda: "0.9", None, "settings", backend="onnxruntime")
    kept = load_preferences(no_loop)
    assert (kept.backend, kept.threads, kept.page) == (None, 2, "settings")
    assert kept.window


def test_only_the_page_that_is_asked_for_is_created_before_the_window_is_shown(
    no_loop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_preferences(no_loop, Preferences(notice_read=True, page="about"))
    created = []
    take = MainWindow._take

    def log(window: MainWindow, name: str, page: Page) -> None:
        created.append(name)
        take(window, name, page)

    monkeypatch.setattr(MainWindow, "_take", log)
    program.run_program(EngineConfig(), lambda: "0.9", page="settings")
    assert created == ["settings"]


def test_the_error_of_a_stuck_page_is_raised_at_the_end(no_loop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutdown = LivePage.shutdown

    def stuck(page: LivePage) -> None:
        shutdown(page)
        raise ThreadStuckError("mien-capture did not end")

    monkeypatch.setattr(LivePage, "shutdown", stuck)
    with pytest.raises(ThreadStuckError, match="mien-capture"):
        program.run_program(EngineConfig(), lambda: "0.9", page="live")


def test_without_a_display_the_error_names_the_remedy() -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    code = (
        "from app.qt.program import run_program\n"
        "from engine.config import EngineConfig\n"
        "run_program(EngineConfig(), lambda: '0')"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=Path(__file__).resolve().parents[3],
        timeout=60,
    )
    if sys.platform == "linux":
        assert finished.returncode == 1
        assert f"{ConfigError.__name__}: no display is set" in finished.stderr


def test_an_installed_translation_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = Path(PySide6.__file__).parent / "lrelease"
    if not release.exists():
        pytest.skip("needs lrelease of PySide6")
    (tmp_path / "mien_de.ts").write_text(
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE TS><TS version="2.1" language="de"><context>'
        "<name>StartPage</name><message><source>Start</source><translation>Anfang</translation></message>"
        "</context></TS>"
    )
    compiled = tmp_path / "mien_de.qm"
    subprocess.run(
        [str(release), str(compiled.with_suffix(".ts")), "-qm", str(compiled)], check=True, capture_output=True
    )
    monkeypatch.setattr(translation, "installed_languages", lambda: {"de": compiled})
    application = make_application()
    before = set(application.findChildren(QTranslator))
    try:
        translation.use_language(application, "de")
        assert QCoreApplication.translate("StartPage", "Start") == "Anfang"
    finally:
        for translator in set(application.findChildren(QTranslator)) - before:
            application.removeTranslator(translator)
            translator.deleteLater()
    translation.use_language(application, "en")
    assert QCoreApplication.translate("StartPage", "Start") == "Start"


#: Slow to import, and not needed for the first page: networks, video, tables, the command line, and the other pages.
NOT_BEFORE_PAINTING = (
    *(
        "av",
        "cv2",
        "numpy",
        "onnxruntime",
        "ai_edge_litert",
        "arro3",
        "typer",
        "rich",
        "pydantic",
        "importlib.metadata",
    ),
    *("engine.engine", "engine.backends.registry", "app.qt.bridge", "app.qt.live", "app.qt.annotate", "app.qt.review"),
)
PAINTED_PROGRAM = """
import os, sys
sys.argv = ["mien"]
import app.qt.program as program
def painted(*lines):
    print(*sys.modules)
    sys.stdout.flush()
    os._exit(0)
program.notify = painted
from app.entry import main
main()
"""


def test_the_window_is_painted_before_networks_videos_and_other_pages_are_imported(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PAINTED_PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MIEN_CONFIG": str(tmp_path / "desktop.json"), "QT_QPA_PLATFORM": "offscreen"},
        cwd=Path(__file__).resolve().parents[3],
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    modules = set(finished.stdout.split())
    assert "app.qt.start.start_page" in modules
    assert [name for name in NOT_BEFORE_PAINTING if name in modules] == []
