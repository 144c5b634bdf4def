"""What must be known of the program stands on one page, as the installed files tell it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.overlay.overlay import DISCLAIMER
from app.qt.about.about_page import AboutPage
from app.qt.about.model_cards import ModelCardSheet, ModelsCard
from app.system.licences import codecs, installed_packages
from app.system.model_facts import ModelFacts, read_model_facts


def words_of(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel))


@pytest.fixture
def page(qtbot: QtBot) -> AboutPage:
    made = AboutPage("0.9")
    qtbot.addWidget(made)
    return made


def test_use_law_and_what_it_is_not(page: AboutPage) -> None:
    words = words_of(page)
    for text in (
        "Mien 0.9",
        DISCLAIMER,
        "In the EU, inferring emotions of people at work or in education is prohibited",
        "Not a certified FACS coding",
        "age, gender or skin colour is not measured",
    ):
        assert text in words


def test_words_that_claim_too_much_are_not_used(page: AboutPage) -> None:
    words = words_of(page).replace(DISCLAIMER, "").lower()
    assert not any(word in words for word in ("mood", "true emotion", "detects emotion", "personality"))


def test_every_package_and_the_codecs_stand_there_with_their_licence(page: AboutPage) -> None:
    words = words_of(page)
    for package in installed_packages():
        assert f"{package.name} {package.version}" in words
        assert package.licence in words
    assert f"FFmpeg {codecs().version}" in words
    assert ("libx264" in words) == codecs().has_gpl_parts


def test_a_model_says_where_it_comes_from(page: AboutPage) -> None:
    words = words_of(page)
    for task in ("expression", "action_units"):
        facts = read_model_facts(task)
        assert facts.fitted_on in words
        assert facts.trained in words


def facts_with(card: Path | None) -> ModelFacts:
    return dataclasses.replace(read_model_facts("expression"), card=card)


def test_the_whole_card_is_opened_where_there_is_one(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "expression.md"
    card.write_text("# A made card\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n")
    monkeypatch.setattr(
        "app.qt.about.model_cards.read_model_facts", lambda task: facts_with(card if task == "expression" else None)
    )
    models = ModelsCard(whole=True)
    qtbot.addWidget(models)
    assert len(models.buttons) == 1
    models.buttons[0].click()
    sheet = models.findChild(ModelCardSheet)
    assert "A made card" in sheet.text.toPlainText()
    sheet.close()
    short = ModelsCard(whole=False)
    qtbot.addWidget(short)
    assert short.buttons == []


def test_a_card_that_cannot_be_read_is_told(qtbot: QtBot, tmp_path: Path) -> None:
    sheet = ModelCardSheet(facts_with(tmp_path / "gone.md"))
    qtbot.addWidget(sheet)
    assert "gone.md cannot be read" in sheet.text.toPlainText()
