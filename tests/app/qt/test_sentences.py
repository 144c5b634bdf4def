"""Faults of the engine in German: as the sources word them, with their values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.qt.sentences import FAULTS, fault_text, translated_fault
from app.qt.translation import TextTranslator, installed_languages, read_texts, use_language
from app.remedies import WINDOW_REMEDIES
from app.review.session import open_session
from engine.capture.opening import open_source
from engine.errors import EngineError, OutputError, Remedy

ROOT = Path(__file__).parents[3]
GERMAN = read_texts(installed_languages()["de"])


@pytest.fixture
def in_german(qapp: QApplication) -> Iterator[None]:
    use_language(qapp, "de")
    yield
    for translator in qapp.findChildren(TextTranslator):
        qapp.removeTranslator(translator)
        translator.deleteLater()


def form(node: ast.expr) -> str:
    """A text of the sources with {} in place of its values."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(form(part) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def forms_in_the_sources() -> set[str]:
    folders = (ROOT / "engine", ROOT / "app" / "session", ROOT / "app" / "review")
    paths = [*(path for folder in folders for path in folder.rglob("*.py")), ROOT / "app" / "remedies.py"]
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {form(node) for node in nodes if isinstance(node, (ast.Constant, ast.JoinedStr))}


def test_the_sentences_are_those_of_the_sources() -> None:
    known = forms_in_the_sources()
    assert [fault for fault in FAULTS if re.sub(r"\{\w+\}", "{}", fault) not in known] == []


@pytest.mark.parametrize("text", [*FAULTS, *WINDOW_REMEDIES.values()])
def test_each_has_a_translation(text: str) -> None:
    assert GERMAN[text] != text


def fault_of(spec: str) -> EngineError:
    with pytest.raises(EngineError) as caught:
        open_source(spec).close()
    return caught.value


def test_a_missing_video_is_reported_in_german(in_german: None, tmp_path: Path) -> None:
    path = tmp_path / "film: one.mp4"
    text = fault_text(fault_of(str(path)))
    assert str(path) in text
    assert text == GERMAN["{path} does not exist: check the path"].format(path=path)


def test_a_folder_that_is_no_session_is_reported_in_german(in_german: None, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        open_session(tmp_path)
    assert "keine Sitzung" in fault_text(caught.value)


def test_problem_and_remedy_are_translated_apart(in_german: None) -> None:
    text = fault_text(OutputError("/films/a.mp4 cannot be written (No space left)", Remedy.FREE_SPACE))
    assert text.endswith(GERMAN[WINDOW_REMEDIES[Remedy.FREE_SPACE]])
    assert text.startswith("/films/a.mp4 kann nicht geschrieben werden (No space left)")


def test_a_fault_without_translation_stays_as_it_is(in_german: None) -> None:
    assert translated_fault("the moon is full: wait") == "the moon is full: wait"


def test_in_english_nothing_changes(tmp_path: Path) -> None:
    error = fault_of(str(tmp_path / "none.mp4"))
    assert fault_text(error) == str(error)
