"""Translation: installing a language, and looking up texts that are defined outside app.qt.

A translation is a JSON object from the English text to the translated one, in a file of assets/translations with the
code of its language in its name; Qt's compiled form (.qm) is read too. Texts without a translation stay English.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QCoreApplication, QLocale, QObject, QTranslator
from PySide6.QtWidgets import QApplication

from engine.facs import EXPRESSION_ADJECTIVES, EXPRESSIONS
from engine.records import load_json

if TYPE_CHECKING:
    from app.overlay.words import Words

#: Where translations are packaged.
TRANSLATIONS_FOLDER: Final = Path(__file__).resolve().parents[2] / "assets" / "translations"
_PREFIX: Final = "mien_"
_SUFFIXES: Final = (".json", ".qm")
_ADJECTIVES: Final = dict(zip(EXPRESSIONS, EXPRESSION_ADJECTIVES, strict=True))


class TextTranslator(QTranslator):
    """Looks texts up in a translation, whatever class they belong to."""

    def __init__(self, texts: dict[str, str], parent: QObject | None = None) -> None:
        """``texts``: translated by English text."""
        super().__init__(parent)
        self._texts = texts

    def isEmpty(self) -> bool:  # noqa: N802 (Qt's name)
        """Whether nothing is translated; Qt ignores an empty translator."""
        return not self._texts

    def translate(self, context: str, text: str, disambiguation: str | None = None, n: int = -1) -> str | None:  # type: ignore[override, unused-ignore]  # PySide6 types the result as str, though None means "not translated"
        """The translation of a text; None if there is none."""
        return self._texts.get(text)


def installed_languages(folder: Path = TRANSLATIONS_FOLDER) -> dict[str, Path]:
    """Find the translations by language code, such as "de" or "pt_BR", in alphabetical order."""
    paths = (path for path in sorted(folder.glob(f"{_PREFIX}*")) if path.suffix in _SUFFIXES)
    return {path.stem.removeprefix(_PREFIX): path for path in paths}


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


def read_texts(path: Path) -> dict[str, str]:
    """Read a translation.

    Raises:
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    raw = load_json(path)
    if not isinstance(raw, dict) or not all(isinstance(text, str) for text in raw.values()):
        raise ValueError(f"{path} is not a translation: it must be an object of texts")
    return raw


def use_language(application: QApplication, language: str) -> None:
    """Install the translation for ``language`` ("" = the desktop's); without one, texts stay English."""
    path = chosen_language(language, QLocale.system().name(), installed_languages())
    if path is None:
        return
    if path.suffix == ".json":
        application.installTranslator(TextTranslator(read_texts(path), application))
        return
    translator = QTranslator(application)
    if translator.load(str(path)):
        application.installTranslator(translator)


def translated(text: str) -> str:
    """Translate a text of the modules that do not import Qt."""
    return QCoreApplication.translate("mien", text)


def picture_words() -> Words:
    """The words over a picture in the language of the window."""
    from app.overlay.words import TEXTS, Words  # not before the window is painted

    return Words(tuple((text, translated(text)) for text in TEXTS if translated(text) != text))


def either_text(labels: Sequence[str]) -> str:
    """The adjectives of two or more competing expressions, as over the picture."""
    from app.overlay.words import EITHER  # not before the window is painted

    names = [expression_name(label) for label in labels]
    return translated(EITHER).format(first=", ".join(names[:-1]), last=names[-1])


def expression_name(label: str) -> str:
    """Name of an expression as a translated adjective.

    Raises:
        KeyError: unknown label.
    """
    return translated(_ADJECTIVES[label])
