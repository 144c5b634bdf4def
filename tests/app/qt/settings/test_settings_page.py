"""The page Settings: every control changes its field at once and follows changes from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.qt.preference_store import PreferenceStore
from app.qt.settings.settings_cards import AppearanceCard, LimitsCard, RuntimeCard
from app.qt.settings.settings_page import SettingsPage
from app.qt.widgets.notice_bar import Notice
from app.settings.limits import Limits
from app.system.check import Check
from app.system.model_facts import read_model_facts
from engine.backends.registry import BACKENDS
from engine.errors import ModelError
from tests.app.qt.conftest import Until

CHECKS = [
    Check("Python", True, "3.11.7"),
    Check("face network", False, "run 'mien prepare'"),
    Check("openvino", False, "not installed: pip install openvino", required=False),
]


@pytest.fixture
def store() -> PreferenceStore:
    return PreferenceStore(None)


@pytest.fixture
def page(qtbot: QtBot, store: PreferenceStore, tmp_path: Path) -> Iterator[SettingsPage]:
    chosen = tmp_path / "chosen"
    page = SettingsPage(store, "0.9", ask=lambda parent, title, first: chosen, run_checks=lambda out: CHECKS)
    qtbot.addWidget(page)
    page.resize(900, 700)
    page.show()
    yield page
    page.shutdown()


def choose(box: QComboBox, value: object) -> None:
    place = next(place for place in range(box.count()) if box.itemData(place) == value)
    box.setCurrentIndex(place)
    box.activated.emit(place)


def text_of(widget: QWidget) -> str:
    return "\n".join(label.text().replace("\u200b", "") for label in widget.findChildren(QLabel))


def test_appearance_changes_and_follows_the_store(page: SettingsPage, store: PreferenceStore) -> None:
    choose(page.appearance.theme, "dark")
    choose(page.appearance.scale, 150)
    assert (store.now.theme, store.now.scale_percent) == ("dark", 150)
    store.change(theme="light", scale_percent=100)
    assert (page.appearance.theme.currentData(), page.appearance.scale.currentData()) == ("light", 100)


def test_runtime_changes_and_follows_the_store(page: SettingsPage, store: PreferenceStore) -> None:
    choose(page.runtime.backend, "onnxruntime")
    page.runtime.threads.setValue(page.runtime.threads.maximum())
    assert (store.now.backend, store.now.threads) == ("onnxruntime", page.runtime.threads.maximum())
    choose(page.runtime.backend, None)
    assert store.now.backend is None
    store.change(backend="onnxruntime")
    assert page.runtime.backend.currentData() == "onnxruntime"
    assert "when a source is started next" in text_of(page.runtime)


def test_backends_of_the_registry_are_listed_and_missing_ones_disabled(
    qtbot: QtBot, store: PreferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.qt.settings.settings_cards.is_installed", lambda name: name == "onnxruntime")
    card = RuntimeCard(store)
    qtbot.addWidget(card)
    box = card.backend
    assert [box.itemData(place) for place in range(box.count())] == [None, *BACKENDS]
    usable = {
        box.itemData(place): bool(box.model().flags(box.model().index(place, 0)) & Qt.ItemFlag.ItemIsEnabled)
        for place in range(box.count())
    }
    assert usable == {None: True} | {name: name == "onnxruntime" for name in BACKENDS}
    assert box.itemText(2) == "openvino (not installed)"
    assert card.tracker.itemData(0) == "litert"
    choose(card.tracker, "mediapipe")
    assert store.now.tracker == "mediapipe"


def test_changing_one_limit_keeps_the_other_exact(page: SettingsPage, store: PreferenceStore) -> None:
    own = read_model_facts("expression").limits
    assert own is not None
    card = page.limits
    assert isinstance(card, LimitsCard)
    assert card.accept.value() == pytest.approx(own.aleatoric_limit, abs=1e-3)
    assert not card.reset.isEnabled()
    card.ood.setValue(0.8)
    assert store.now.limits == Limits(own.aleatoric_limit, 0.8)
    card.accept.setValue(0.5)
    assert store.now.limits == Limits(0.5, 0.8)
    card.reset.click()
    assert store.now.limits is None
    assert card.ood.value() == pytest.approx(own.ood_limit, abs=1e-3)
    store.change(limits=Limits(0.25, 0.75))
    assert (card.accept.value(), card.ood.value()) == (0.25, 0.75)


def test_an_unreadable_model_is_reported_in_place_of_its_settings(
    qtbot: QtBot, store: PreferenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(task: str) -> None:
        raise ModelError(f"{task}.onnx is missing: install the program again")

    monkeypatch.setattr("app.qt.settings.settings_page.read_model_facts", missing)
    monkeypatch.setattr("app.qt.about.model_cards.read_model_facts", missing)
    page = SettingsPage(store, "0.9", run_checks=lambda out: CHECKS)
    qtbot.addWidget(page)
    assert text_of(page).count("expression.onnx is missing") == 2
    assert "action_units.onnx is missing" in text_of(page)
    page.shutdown()


def test_models_are_listed_with_hash_and_licence(page: SettingsPage) -> None:
    words = text_of(page)
    for task in ("expression", "action_units"):
        facts = read_model_facts(task)
        assert facts.name in words
        assert facts.sha256[:12] in words
        assert facts.licence in words
    assert "8 of 18" in words or f"of {len(read_model_facts('action_units').labels)}" in words


def test_folders_can_be_chosen(page: SettingsPage, store: PreferenceStore, tmp_path: Path) -> None:
    page.folders.buttons["recordings"].click()
    assert store.now.recordings == tmp_path / "chosen"
    assert str(tmp_path / "chosen") in text_of(page.folders)
    store.change(annotations=tmp_path / "else")
    assert str(tmp_path / "else") in text_of(page.folders)


def test_privacy_names_the_settings_file(qtbot: QtBot, tmp_path: Path) -> None:
    page = SettingsPage(PreferenceStore(tmp_path / "desktop.json"), "0.9", run_checks=lambda out: CHECKS)
    qtbot.addWidget(page)
    assert str(tmp_path / "desktop.json") in text_of(page)
    page.shutdown()


def test_a_language_can_be_chosen_if_one_is_installed(qtbot: QtBot, store: PreferenceStore) -> None:
    alone = AppearanceCard(store, {})
    card = AppearanceCard(store, {"de": Path("mien_de.qm")})
    for one in (alone, card):
        qtbot.addWidget(one)
    assert alone.language is None
    assert "Language" not in text_of(alone)
    assert card.language is not None
    assert [card.language.itemText(place) for place in range(3)][2] == "Deutsch"
    choose(card.language, "de")
    assert store.now.language == "de"


def test_the_wheel_does_not_change_an_unfocused_control(page: SettingsPage, store: PreferenceStore) -> None:
    box = page.appearance.scale
    box.clearFocus()
    middle = QPointF(box.rect().center())
    turn = QWheelEvent(
        middle,
        box.mapToGlobal(middle),
        QPoint(0, -120),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(box, turn)
    assert store.now.scale_percent == 100


def test_every_control_is_named(page: SettingsPage) -> None:
    controls = (page.appearance.theme, page.appearance.scale, page.runtime.backend, page.runtime.threads)
    assert all(control.accessibleName() for control in (*controls, page.runtime.tracker))
    names = {button.accessibleName() for button in page.folders.buttons.values()}
    assert len(names) == 2


def test_the_checks_are_shown_and_copied(page: SettingsPage, until: Until) -> None:
    card = page.diagnostics
    notices: list[Notice] = []
    page.noticed.connect(notices.append)
    assert not card.copy.isEnabled()
    card.start.click()
    assert not card.start.isEnabled()
    until(card.start.isEnabled)
    words = text_of(card)
    assert all(text in words for text in ("✓ ok", "✗ missing", "○ optional", "face network", "run 'mien prepare'"))
    card.copy.click()
    assert QGuiApplication.clipboard().text().startswith("Mien 0.9\n")
    assert len(notices) == 1
    card.start.click()
    until(card.start.isEnabled)
    assert text_of(card).count("✗ missing") == 1


def test_failing_checks_give_a_notice(qtbot: QtBot, store: PreferenceStore, until: Until) -> None:
    def broken(out: Path) -> list[Check]:
        raise RuntimeError("no such thing")

    page = SettingsPage(store, "0.9", run_checks=broken)
    qtbot.addWidget(page)
    notices: list[Notice] = []
    page.noticed.connect(notices.append)
    page.diagnostics.start.click()
    until(lambda: bool(notices))
    assert "no such thing" in notices[0].text
    assert page.diagnostics.start.isEnabled()
    page.shutdown()


def test_closing_during_the_checks_shows_no_result(qtbot: QtBot, store: PreferenceStore) -> None:
    started, release = threading.Event(), threading.Event()

    def slow(out: Path) -> list[Check]:
        started.set()
        release.wait(5)
        return CHECKS

    page = SettingsPage(store, "0.9", run_checks=slow)
    qtbot.addWidget(page)
    page.diagnostics.start.click()
    assert started.wait(5)
    release.set()
    page.shutdown()
    QTest.qWait(1)
    assert "face network" not in text_of(page.diagnostics)
