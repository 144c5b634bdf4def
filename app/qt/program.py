"""The desktop program: creates and connects the pages, and runs the window."""

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

#: The queue of Annotate, stored beside the preferences.
_QUEUE_NAME: Final = "queue.json"


def build_window(store: PreferenceStore, config: EngineConfig, app_version: str, queue_file: Path) -> MainWindow:
    """Create the window with all pages.

    Args:
        store: the preferences; the window becomes its Qt parent.
        config: engine settings, overridden by the preferences.
        app_version: for metadata and the page About.
        queue_file: the queue of Annotate.
    """
    # Before the pages are created, since some of them measure in em on creation.
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
        config: engine settings, overridden by the preferences.
        app_version: for metadata and the page About.
        source: a session folder, opened in Review; or a source for Live, as open_source takes it.
        page: the page to show; None = the last one.
        this_run: preferences that apply to this run only.

    Raises:
        ConfigError: no display.
        ThreadStuckError: a thread of a page does not end.
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
    for error in window.errors:
        raise error


def open_in(window: MainWindow, source: str) -> None:
    """Open a session folder in Review, any other source in Live."""
    if is_session(Path(source)):
        window.session_requested.emit(Path(source).absolute())
    else:
        window.live_requested.emit(source)
