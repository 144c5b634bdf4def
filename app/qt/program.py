"""The desktop program: its pages made and wired, its window shown until it is closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from app.jobs.job_run import JobExecutor
from app.qt.about.about_page import AboutPage
from app.qt.annotate.annotate_page import AnnotatePage
from app.qt.application import make_application, run_until_closed
from app.qt.bridge import LiveBridge
from app.qt.live.live_page import LivePage
from app.qt.main_window import MainWindow
from app.qt.preference_store import PreferenceStore
from app.qt.review.review_page import ReviewPage
from app.qt.settings.settings_page import SettingsPage
from app.qt.start.start_page import StartPage
from app.qt.theme import ThemeName, apply_theme
from app.qt.translation import use_language
from app.qt.widgets.page import Page
from app.session.folder import is_session
from app.settings.preferences import chosen_config, preferences_path
from engine.config import EngineConfig

#: The queue of Annotate stands beside the preferences.
_QUEUE_NAME: Final = "queue.json"


def build_window(store: PreferenceStore, config: EngineConfig, app_version: str, queue_file: Path) -> MainWindow:
    """The window with all pages.

    Args:
        store: what is remembered; the window owns it from now on.
        config: lies under what the preferences choose.
        app_version: for metadata and the page About.
        queue_file: where Annotate keeps its queue.
    """
    # Before the pages, some parts of which measure in em when they are made.
    apply_theme(make_application(), ThemeName(store.now.theme), store.now.scale_percent)
    start, review = StartPage(store), ReviewPage(store)
    bridge = LiveBridge(chosen_config(config, store.now), store.now.tracker, app_version)
    live = LivePage(store, config, bridge)
    annotate = AnnotatePage(store, queue_file, JobExecutor(app_version))
    pages: dict[str, Page] = {
        "start": start,
        "live": live,
        "annotate": annotate,
        "review": review,
        "settings": SettingsPage(store, app_version),
        "about": AboutPage(app_version),
    }
    window = MainWindow(store, pages)
    store.setParent(window)

    def open_session(folder: Path) -> None:
        window.show_page("review")
        review.open_path(folder)

    def open_live(spec: str) -> None:
        window.show_page("live")
        live.open_source(spec)

    def queue(paths: tuple[str, ...]) -> None:
        window.show_page("annotate")
        annotate.add(paths)

    for page in pages.values():
        page.session_requested.connect(open_session)
    window.session_requested.connect(open_session)
    start.live_requested.connect(open_live)
    window.live_requested.connect(open_live)
    start.annotate_requested.connect(queue)
    return window


def run_program(
    config: EngineConfig, app_version: str, source: str | None = None, page: str | None = None, **this_run: Any
) -> None:
    """Show the window until it is closed.

    Args:
        config: the engine's settings below the preferences.
        app_version: for metadata and the page About.
        source: a session folder, which opens in Review; or what `engine.capture.opening.open_source` takes, for Live.
        page: the page to show instead of the one that was shown last.
        this_run: fields of the preferences that hold for this run only.

    Raises:
        ConfigError: there is no display.
        ThreadStuckError: what a page had begun did not end.
    """
    application = make_application()
    store = PreferenceStore(preferences_path(), **this_run)
    use_language(application, store.now.language)
    window = build_window(store, config, app_version, preferences_path().with_name(_QUEUE_NAME))
    if page is not None:
        window.show_page(page)
    window.show()
    if source is not None:
        open_in(window, source)
    run_until_closed(application, window)
    for fault in window.faults:
        raise fault


def open_in(window: MainWindow, source: str) -> None:
    """Open a session folder in Review, anything else in Live."""
    if is_session(Path(source)):
        window.session_requested.emit(Path(source).absolute())
    else:
        window.live_requested.emit(source)
