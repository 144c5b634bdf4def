"""Translation: installing a language, and looking up texts that are defined outside app.qt."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, QLocale, QTranslator
from PySide6.QtWidgets import QApplication

from engine.facs import EXPRESSION_ADJECTIVES, EXPRESSIONS

#: Where translations are packaged.
TRANSLATIONS_FOLDER: Final = Path(__file__).resolve().parents[2] / "assets" / "translations"
_PREFIX: Final = "mien_"
_ADJECTIVES: Final = dict(zip(EXPRESSIONS, EXPRESSION_ADJECTIVES, strict=True))


def installed_languages(folder: Path = TRANSLATIONS_FOLDER) -> dict[str, Path]:
    """Find the translations ``mien_XX.qm`` by language code, such as "de" or "pt_BR", in alphabetical order."""
    return {path.stem.removeprefix(_PREFIX): path for path in sorted(folder.glob(f"{_PREFIX}*.qm"))}


def chosen_language(wanted: str, desktop: str, installed: dict[str, Path]) -> Path | None:
    """Select a translation; None = the English of the source.

    Args:
        wanted: as in the preferences; "" = that of the desktop, "en" = English.
        desktop: locale of the desktop, such as "de_AT".
        installed: see `installed_languages`.
    """
    if wanted:
        return installed.get(wanted)
    return installed.get(desktop) or installed.get(desktop.split("_")[0])


def use_language(application: QApplication, language: str) -> None:
    """Install the translation for ``language`` ("" = the desktop's); without one, texts stay English."""
    path = chosen_language(language, QLocale.system().name(), installed_languages())
    if path is None:
        return
    translator = QTranslator(application)
    if translator.load(str(path)):
        application.installTranslator(translator)


def translated(text: str) -> str:
    """Translate a text of the modules that do not import Qt."""
    return QCoreApplication.translate("mien", text)


def expression_name(label: str) -> str:
    """Name of an expression as a translated adjective.

    Raises:
        KeyError: unknown label.
    """
    return translated(_ADJECTIVES[label])
