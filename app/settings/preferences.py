"""Preferences of the window, and the file in which they are saved."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_type_hints

from app.settings.codes import EventCode, fault_of
from app.settings.limits import Limits, are_valid
from engine.capture.redaction import redact_url
from engine.config import MAX_THREADS, EngineConfig, TrackerName
from engine.errors import OutputError
from engine.files import settings_folder, write_text
from engine.records import json_text, load_json, read_value

#: Values of ``theme``, as in app.qt.theme.ThemeName.
Theme = Literal["system", "light", "dark", "high-contrast"]
#: Smallest and largest ``scale_percent``.
SCALE_RANGE: Final = (100, 200)
#: Values of ``page``, in the order of the window's navigation.
PageName = Literal["start", "live", "annotate", "review", "settings", "about"]
#: Values of ``layout``.
LayoutName = Literal["simple", "research", "presentation"]
PAGES: Final[tuple[PageName, ...]] = get_args(PageName)
#: Number of recent sessions.
MAX_SESSIONS: Final = 8


def _results_folder() -> Path:
    try:
        return Path.home() / "Mien"
    except RuntimeError:  # no home folder, as for service users
        return Path.cwd() / "Mien"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Choices of the user. They contain nothing from the camera."""

    theme: Theme = "system"
    scale_percent: int = 100  # of text and controls, within SCALE_RANGE
    language: str = ""  # such as "de", if a translation is installed; "" = that of the desktop
    source: str = "0"  # opened last in Live; addresses with a login are not saved
    recordings: Path = field(default_factory=_results_folder)
    annotations: Path = field(default_factory=_results_folder)
    backend: str | None = None  # a key of registry.BACKENDS; None = the order of the engine's settings
    tracker: TrackerName = "litert"
    threads: int = 1  # per model
    limits: Limits | None = None  # None = the model's own
    preset: str = "balanced"  # of Annotate, see app/settings/presets.py
    coder: str = ""  # name or initials of the person who labels in Review
    codes: tuple[EventCode, ...] = ()  # for events in Review, with their keys
    layout: LayoutName = "simple"  # of Live and Review, see app/qt/widgets/workspace.py
    window: str = ""  # saveGeometry() in base64
    splitters: dict[str, str] = field(default_factory=dict)  # saveState() in base64, by the splitter's name
    page: PageName = "start"
    sessions: tuple[Path, ...] = ()  # folders recorded, annotated or opened in Review, newest first
    hints_seen: tuple[PageName, ...] = ()  # pages whose keys were shown at their first use
    notice_read: bool = False  # whether the notice of the first start was confirmed

    def with_session(self, folder: Path) -> Preferences:
        """Return a copy with this session first; the oldest ones are dropped."""
        others = tuple(path for path in self.sessions if path != folder)
        return dataclasses.replace(self, sessions=(folder, *others)[:MAX_SESSIONS])


def preferences_path() -> Path:
    """The file named by MIEN_CONFIG, otherwise ``desktop.json`` in the user's configuration folder."""
    named = os.environ.get("MIEN_CONFIG")
    return Path(named) if named else settings_folder() / "desktop.json"


def load_preferences(path: Path, warn: Callable[[str], None] = lambda sentence: None) -> Preferences:
    """Read the preferences; never raises. Invalid fields get their default, unknown ones are ignored.

    Args:
        path: the file; if it does not exist, all defaults are used.
        warn: called with a sentence if the file cannot be read, and for every invalid value.
    """
    try:
        raw = load_json(path)
    except FileNotFoundError:
        return Preferences()
    except ValueError as error:
        warn(f"{error}: the default settings are used")
        return Preferences()
    if not isinstance(raw, dict):
        warn(f"{path} does not contain settings: the defaults are used")
        return Preferences()
    values: dict[str, Any] = {}
    for name, kind in get_type_hints(Preferences).items():
        if name not in raw:
            continue
        try:
            value = read_value(kind, raw[name], field=name)
            _check(name, value)
        except ValueError as error:
            warn(f"{path}: {error}: its default is used")
            continue
        values[name] = value[:MAX_SESSIONS] if name == "sessions" else value
    return Preferences(**values)


def save_preferences(path: Path, preferences: Preferences) -> None:
    """Write the file atomically and create its folder. An address that may contain a secret is not saved.

    Raises:
        OutputError: it cannot be written.
    """
    if "://" in preferences.source and redact_url(preferences.source) != preferences.source:
        preferences = dataclasses.replace(preferences, source=Preferences().source)
    try:
        write_text(path, json_text(preferences))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"settings cannot be saved in {path} ({reason}): fix this, or set MIEN_CONFIG to another file"
        ) from error


def chosen_config(config: EngineConfig, preferences: Preferences) -> EngineConfig:
    """Apply the user's backend and threads to the settings of the engine, for the next engine that is opened."""
    backends = config.backends if preferences.backend is None else (preferences.backend,)
    return dataclasses.replace(config, backends=backends, threads=preferences.threads)


def _check(name: str, value: Any) -> None:
    """Check what the type of a field does not.

    Raises:
        ValueError: the value is not allowed.
    """
    is_valid, expected = _CHECKS.get(name, (lambda value: True, ""))
    if not is_valid(value):
        raise ValueError(f"{name} must be {expected}, not {value!r:.60}")


def _is_path(path: Path) -> bool:
    try:
        return bool(os.fsencode(path))
    except UnicodeEncodeError:
        return False


def _is_backend(name: str | None) -> bool:
    if name is None:
        return True
    from engine.backends.registry import BACKENDS  # not before the window is painted, as far as possible

    return name in BACKENDS


#: Condition of a field and its description.
_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "scale_percent": (lambda percent: SCALE_RANGE[0] <= percent <= SCALE_RANGE[1], f"in the range {SCALE_RANGE}"),
    "source": (lambda source: bool(source.strip()), "the name of a source"),
    "recordings": (_is_path, "a folder"),
    "annotations": (_is_path, "a folder"),
    "backend": (_is_backend, "the name of a backend"),
    "threads": (lambda count: 1 <= count <= MAX_THREADS, f"from 1 to {MAX_THREADS}"),
    "limits": (lambda limits: limits is None or are_valid(limits), "at least 0, and from 0 to 1"),
    "preset": (lambda name: bool(name.strip()), "the name of a preset"),
    "codes": (lambda codes: fault_of(codes) is None, "codes with a letter and a name each, all different"),
    "sessions": (lambda folders: all(map(_is_path, folders)), "a list of folders"),
}
