"""The page About: intended use, models, licences of the installed packages."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.overlay.disclaimer import DISCLAIMER
from app.qt.about.about_page import AboutPage
from app.qt.about.model_cards import ModelCardSheet, ModelsCard
from app.system.licences import codecs, installed_packages
from app.system.model_facts import ModelFacts, read_model_facts


def text_of(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel))


@pytest.fixture
def page(qtbot: QtBot) -> AboutPage:
    page = AboutPage("0.9")
    qtbot.addWidget(page)
    return page


def test_it_states_intended_use_law_and_limits(page: AboutPage) -> None:
    words = text_of(page)
    for text in (
        "Mien 0.9",
        DISCLAIMER,
        "In the EU, inferring emotions of people at work or in education is prohibited",
        "Not a certified FACS coding",
        "age, gender or skin colour has not been measured",
    ):
        assert text in words


def test_it_claims_nothing_about_feelings(page: AboutPage) -> None:
    words = text_of(page).replace(DISCLAIMER, "").lower()
    assert not any(word in words for word in ("mood", "true emotion", "detects emotion", "personality"))


def test_all_packages_and_codecs_are_listed_with_their_licence(page: AboutPage) -> None:
    words = text_of(page)
    for package in installed_packages():
        assert f"{package.name} {package.version}" in words
        assert package.licence in words
    assert f"FFmpeg {codecs().version}" in words
    assert ("libx264" in words) == codecs().has_gpl_parts


def test_models_are_listed_with_their_origin(page: AboutPage) -> None:
    words = text_of(page)
    for task in ("expression", "action_units"):
        facts = read_model_facts(task)
        assert facts.fitted_on in words
        assert facts.trained in words


def facts_with(card: Path | None) -> ModelFacts:
    return dataclasses.replace(read_model_facts("expression"), card=card)


def test_the_model_card_can_be_opened(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tmp_path / "expression.md"
    card.write_text("# A fake card\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n")
    monkeypatch.setattr(
        "app.qt.about.model_cards.read_model_facts", lambda task: facts_with(card if task == "expression" else None)
    )
    models = ModelsCard(complete=True)
    qtbot.addWidget(models)
    assert len(models.buttons) == 1
    models.buttons[0].click()
    sheet = models.findChild(ModelCardSheet)
    assert "A fake card" in sheet.text.toPlainText()
    sheet.close()
    short = ModelsCard(complete=False)
    qtbot.addWidget(short)
    assert short.buttons == []


def test_an_unreadable_card_shows_its_error(qtbot: QtBot, tmp_path: Path) -> None:
    sheet = ModelCardSheet(facts_with(tmp_path / "gone.md"))
    qtbot.addWidget(sheet)
    assert "gone.md cannot be read" in sheet.text.toPlainText()
