"""Preferences of the window, and the file in which they are saved."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast, get_args

from app.session.table import replaced
from app.settings.limits import Limits
from engine.backends.registry import BACKENDS
from engine.capture.stream import redact_url
from engine.config import EngineConfig, TrackerName
from engine.errors import OutputError

#: Values of ``theme``, as in app.qt.theme.ThemeName.
THEMES: Final = ("system", "light", "dark", "high-contrast")
#: Smallest and largest ``scale_percent``.
SCALE_RANGE: Final = (100, 200)
#: Values of ``page``, in the order of the window's navigation.
PAGES: Final = ("start", "live", "annotate", "review", "settings", "about")
#: Number of recent sessions.
MAX_SESSIONS: Final = 8
#: No network runs faster with more threads.
MAX_THREADS: Final = 64


def _results_folder() -> Path:
    try:
        return Path.home() / "Mien"
    except RuntimeError:  # no home folder, as for service users
        return Path.cwd() / "Mien"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Choices of the user. They contain nothing from the camera."""

    theme: str = "system"  # one of THEMES
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
    window: str = ""  # saveGeometry() in base64
    splitters: dict[str, str] = field(default_factory=dict)  # saveState() in base64, by the splitter's name
    page: str = "start"  # one of PAGES
    sessions: tuple[Path, ...] = ()  # folders opened in Review, newest first
    notice_read: bool = False  # whether the notice of the first start was confirmed

    def with_session(self, folder: Path) -> Preferences:
        """Return a copy with this session first; the oldest ones are dropped."""
        others = tuple(path for path in self.sessions if path != folder)
        return dataclasses.replace(self, sessions=(folder, *others)[:MAX_SESSIONS])


def preferences_path() -> Path:
    """The file named by MIEN_CONFIG, otherwise ``desktop.json`` in the user's configuration folder."""
    named = os.environ.get("MIEN_CONFIG")
    if named:
        return Path(named)
    if sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support" / "Mien"
    elif sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "Mien"
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mien"
    return folder / "desktop.json"


def load_preferences(path: Path, warn: Callable[[str], None] = lambda sentence: None) -> Preferences:
    """Read the preferences; never raises. Invalid fields get their default, unknown ones are ignored.

    Args:
        path: the file; if it does not exist, all defaults are used.
        warn: called with a sentence if the file cannot be read, and for every invalid value.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError, RecursionError) as error:
        warn(f"{path} cannot be read ({error}): the default settings are used")
        return Preferences()
    if not isinstance(raw, dict):
        warn(f"{path} does not contain settings: the defaults are used")
        return Preferences()
    values: dict[str, Any] = {}
    for name, read in _READERS.items():
        if name not in raw:
            continue
        try:
            values[name] = read(raw[name])
        except (TypeError, ValueError, OverflowError) as error:
            warn(f"{path}: {name} {error}: its default is used")
    return Preferences(**values)


def save_preferences(path: Path, preferences: Preferences) -> None:
    """Write the file atomically and create its folder. An address that may contain a secret is not saved.

    Raises:
        OutputError: it cannot be written.
    """
    if "://" in preferences.source and redact_url(preferences.source) != preferences.source:
        preferences = dataclasses.replace(preferences, source=Preferences().source)
    text = json.dumps(dataclasses.asdict(preferences), indent=1, default=str) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"settings cannot be saved in {path} ({error.strerror or error}): fix this, or set MIEN_CONFIG to another file"
        ) from error


def chosen_config(config: EngineConfig, preferences: Preferences) -> EngineConfig:
    """Apply the user's backend and threads to the settings of the engine, for the next engine that is opened."""
    backends = config.backends if preferences.backend is None else (preferences.backend,)
    return dataclasses.replace(config, backends=backends, threads=preferences.threads)


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if raw not in choices:
            raise ValueError(f"is {_short(raw)}, not one of {', '.join(choices)}")
        return cast(str, raw)

    return read


def _within(low: int, high: int) -> Callable[[Any], int]:
    def read(raw: Any) -> int:
        if type(raw) is not int or not low <= raw <= high:
            raise ValueError(f"is {_short(raw)}, not a whole number from {low} to {high}")
        return raw

    return read


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"is {_short(raw)}, not a string")
    return raw


def _filled(raw: Any) -> str:
    if not _text(raw).strip():
        raise ValueError("is empty")
    return _text(raw)


def _folder(raw: Any) -> Path:
    try:
        if b"\0" not in os.fsencode(_filled(raw)):
            return Path(raw)
    except UnicodeEncodeError:
        pass
    raise ValueError("is not a folder name")


def _flag(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise TypeError(f"is {_short(raw)}, not true or false")
    return raw


def _folders(raw: Any) -> tuple[Path, ...]:
    if not isinstance(raw, list):
        raise TypeError(f"is {_short(raw)}, not a list")
    return tuple(map(_folder, raw))[:MAX_SESSIONS]


def _strings(raw: Any) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise TypeError(f"is {_short(raw)}, not an object")
    return {name: _text(value) for name, value in raw.items()}


def _backend(raw: Any) -> str | None:
    return None if raw is None else _one_of(tuple(BACKENDS))(raw)


def _limits(raw: Any) -> Limits | None:
    if raw is None:
        return None
    if not isinstance(raw, dict) or set(raw) != {item.name for item in dataclasses.fields(Limits)}:
        raise TypeError(f"is {_short(raw)}, not aleatoric_limit and ood_limit")
    if any(type(value) not in (int, float) or not math.isfinite(value) for value in raw.values()):
        raise TypeError(f"is {_short(raw)}, not two numbers")
    if raw["aleatoric_limit"] < 0 or not 0 <= raw["ood_limit"] <= 1:
        raise ValueError(f"is {_short(raw)}: aleatoric_limit must be 0 or more, ood_limit from 0 to 1")
    return Limits(float(raw["aleatoric_limit"]), float(raw["ood_limit"]))


def _short(raw: Any) -> str:
    text = repr(raw)
    return text if len(text) <= 40 else f"{text[:37]}..."


#: Reads and checks each field.
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "theme": _one_of(THEMES),
    "scale_percent": _within(*SCALE_RANGE),
    "language": _text,
    "source": _filled,
    "recordings": _folder,
    "annotations": _folder,
    "backend": _backend,
    "tracker": _one_of(get_args(TrackerName)),
    "threads": _within(1, MAX_THREADS),
    "limits": _limits,
    "preset": _filled,
    "coder": _text,
    "window": _text,
    "splitters": _strings,
    "page": _one_of(PAGES),
    "sessions": _folders,
    "notice_read": _flag,
}
