"""The desktop program: creates and connects the pages, and runs the window.

Pages, and with them their modules, are imported when they are created: the window is painted first, with one page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QCoreApplication, QObject, QTimer

from app.qt.application import make_application, run_until_closed
from app.qt.main_window import MainWindow
from app.qt.preference_store import PreferenceStore
from app.qt.theme import ThemeName, apply_theme
from app.qt.translation import use_language
from app.qt.widgets.page import DeferredPage, Page
from app.serve.systemd import notify
from app.session.folder import is_session
from app.settings.preferences import chosen_config, preferences_path

if TYPE_CHECKING:
    from app.qt.about.about_page import AboutPage
    from app.qt.annotate.annotate_page import AnnotatePage
    from app.qt.live.live_page import LivePage
    from app.qt.review.review_page import ReviewPage
    from app.qt.settings.settings_page import SettingsPage
    from app.qt.start.start_page import StartPage
    from engine.config import EngineConfig

#: The queue of Annotate, stored beside the preferences.
_QUEUE_NAME: Final = "queue.json"


class Program(QObject):
    """The window and its pages, each of which is created when it is first needed. Lives as long as the window."""

    def __init__(
        self,
        store: PreferenceStore,
        config: EngineConfig | None,
        app_version: Callable[[], str],
        queue_file: Path,
        page: str | None = None,
    ) -> None:
        """Create the window with the page that it shows.

        Args:
            store: the preferences; the window becomes its Qt parent.
            config: engine settings, overridden by the preferences; None = those of this machine.
            app_version: of the program, for metadata and the page About.
            queue_file: the queue of Annotate.
            page: the page to show; None = the last one.
        """
        super().__init__()
        self._store, self._given, self._app_version, self._queue_file = store, config, app_version, queue_file
        # Before the pages are created, since some of them measure in em on creation.
        apply_theme(make_application(), ThemeName(store.now.theme), store.now.scale_percent)
        title = QCoreApplication.translate
        self.window = MainWindow(
            store,
            {
                "start": DeferredPage(title("StartPage", "Start"), lambda: self._connected(self.start)),
                "live": DeferredPage(title("LivePage", "Live"), lambda: self._connected(self.live)),
                "annotate": DeferredPage(title("AnnotatePage", "Annotate"), lambda: self._connected(self.annotate)),
                "review": DeferredPage(title("ReviewPage", "Review"), lambda: self._connected(self.review)),
                "settings": DeferredPage(title("SettingsPage", "Settings"), lambda: self._connected(self.settings)),
                "about": DeferredPage(title("AboutPage", "About"), lambda: self._connected(self.about)),
            },
            first=page,
        )
        store.setParent(self.window)
        self.setParent(self.window)
        self.window.session_requested.connect(self.open_session)
        self.window.live_requested.connect(self.open_live)

    @cached_property
    def _config(self) -> EngineConfig:
        from app.settings.tuning import load_settings

        return load_settings(None) if self._given is None else self._given

    @cached_property
    def start(self) -> StartPage:
        """The page Start."""
        from app.qt.start.start_page import StartPage

        start = StartPage(self._store)
        start.live_requested.connect(self.open_live)
        start.annotate_requested.connect(self.queue)
        return start

    @cached_property
    def live(self) -> LivePage:
        """The page Live."""
        from app.qt.bridge import LiveBridge
        from app.qt.live.live_page import LivePage

        now = self._store.now
        bridge = LiveBridge(chosen_config(self._config, now), now.tracker, self._app_version())
        return LivePage(self._store, self._config, bridge)

    @cached_property
    def annotate(self) -> AnnotatePage:
        """The page Annotate."""
        from app.jobs.job_run import JobExecutor
        from app.qt.annotate.annotate_page import AnnotatePage

        return AnnotatePage(self._store, self._queue_file, JobExecutor(self._app_version()))

    @cached_property
    def review(self) -> ReviewPage:
        """The page Review."""
        from app.qt.review.review_page import ReviewPage

        return ReviewPage(self._store)

    @cached_property
    def settings(self) -> SettingsPage:
        """The page Settings."""
        from app.qt.settings.settings_page import SettingsPage

        return SettingsPage(self._store, self._app_version())

    @cached_property
    def about(self) -> AboutPage:
        """The page About."""
        from app.qt.about.about_page import AboutPage

        return AboutPage(self._app_version())

    def open_in(self, source: str) -> None:
        """Open a session folder in Review, any other source in Live."""
        if is_session(Path(source)):
            self.open_session(Path(source).absolute())
        else:
            self.open_live(source)

    def open_session(self, folder: Path) -> None:
        """Open a session folder in Review."""
        self.window.show_page("review")
        self.review.open_path(folder)

    def open_live(self, spec: str) -> None:
        """Open a source in Live."""
        self.window.show_page("live")
        self.live.open_source(spec)

    def queue(self, paths: tuple[str, ...]) -> None:
        """Add files to the queue of Annotate."""
        self.window.show_page("annotate")
        self.annotate.add(paths)

    def _connected(self, page: Page) -> Page:
        page.session_requested.connect(self.open_session)
        return page


def run_program(
    config: EngineConfig | None,
    app_version: Callable[[], str],
    source: str | None = None,
    page: str | None = None,
    **this_run: Any,
) -> None:
    """Show the window until it is closed.

    Args:
        config: engine settings, overridden by the preferences; None = those of this machine.
        app_version: of the program, for metadata and the page About.
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
    program = Program(store, config, app_version, preferences_path().with_name(_QUEUE_NAME), page)
    window = program.window
    window.painted.connect(lambda: notify("READY=1"))
    if source is not None:  # once the page shown has been entered
        window.painted.connect(lambda: QTimer.singleShot(0, window, lambda: program.open_in(source)))
    window.show()
    run_until_closed(application, window)
    for error in window.errors:
        raise error
