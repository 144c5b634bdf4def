"""German, the translation that comes with the program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QLocale
from PySide6.QtWidgets import QApplication, QLabel

from app.overlay.disclaimer import DISCLAIMER
from app.overlay.overlay import OverlayParts
from app.overlay.words import ENGLISH, TEXTS
from app.qt.bridge import LiveBridge
from app.qt.live.live_page import LivePage
from app.qt.preference_store import PreferenceStore
from app.qt.start.start_page import StartPage
from app.qt.translation import (
    TextTranslator,
    expression_name,
    installed_languages,
    picture_words,
    read_texts,
    translated,
    use_language,
)
from engine.config import EngineConfig
from engine.facs import EXPRESSIONS, UNIT_NAMES

SOURCES = Path(__file__).parents[3] / "app" / "qt"
GERMAN = read_texts(installed_languages()["de"])
#: Texts of the picture and of the engine, which modules without Qt define.
OTHER_TEXTS = (*TEXTS, *UNIT_NAMES.values())


def texts_of_the_window() -> set[str]:
    """The texts that app.qt passes to tr and translate."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                constants = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                texts = [text for text in constants if isinstance(text, str) and text != "mien"]
                if name in ("tr", "translate") and texts:
                    found.add(texts[0])
    return found


def test_all_texts_have_a_translation() -> None:
    texts = texts_of_the_window()
    assert len(texts) > 500
    assert sorted(text for text in texts if text not in GERMAN) == []


@pytest.mark.parametrize("text", OTHER_TEXTS)
def test_texts_of_the_picture_have_a_translation(text: str) -> None:
    assert GERMAN[text]


def test_places_for_values_and_lines_are_the_same() -> None:
    for text, german in GERMAN.items():
        assert sorted(re.findall(r"\{[^}]*\}", text)) == sorted(re.findall(r"\{[^}]*\}", german))
        assert text.count("\n") == german.count("\n")
        assert text.count("&") == german.count("&"), text
        assert german.strip(), text


@pytest.fixture
def in_german(qapp: QApplication) -> Iterator[None]:
    use_language(qapp, "de")
    yield
    for translator in qapp.findChildren(TextTranslator):
        qapp.removeTranslator(translator)
        translator.deleteLater()


def test_the_window_is_in_german(in_german: None, qtbot) -> None:
    page = StartPage(PreferenceStore(None))
    qtbot.addWidget(page)
    texts = {label.text() for label in page.findChildren(QLabel)}
    assert {"Beispiel ansehen", "Meine Kamera", GERMAN[DISCLAIMER]} <= texts
    assert [expression_name(label) for label in EXPRESSIONS][:2] == ["neutral", "fröhlich"]


def test_the_words_over_the_picture_are_in_german(in_german: None) -> None:
    words = picture_words()
    assert words.either(("happiness", "sadness")) == "fröhlich oder traurig"
    problem, dark, blurred = (GERMAN[text] for text in ("Can't see well", "too dark", "blurred"))
    assert words.poor_image(("dark", "blurred")) == f"{problem}: {dark}, {blurred}"
    assert words.of(DISCLAIMER) == GERMAN[DISCLAIMER]


def test_the_window_gives_its_words_to_the_picture(in_german: None, qtbot) -> None:
    bridge = LiveBridge(EngineConfig(), "litert", "0.9")
    given: list[OverlayParts] = []
    bridge.set_overlay = given.append  # type: ignore[method-assign]
    page = LivePage(PreferenceStore(None), EngineConfig(), bridge)
    qtbot.addWidget(page)
    assert given[-1].words == picture_words() != ENGLISH
    page.shutdown()


def test_a_text_without_translation_stays_english(in_german: None) -> None:
    assert translated("no such text") == "no such text"
    assert QCoreApplication.translate("AnyClass", "Close") == "Schließen"


def test_the_language_has_a_name_to_choose() -> None:
    assert QLocale("de").nativeLanguageName() == "Deutsch"


def test_a_damaged_translation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mien_xx.json"
    path.write_text('{"a": 1}')
    with pytest.raises(ValueError, match="is not a translation"):
        read_texts(path)
