"""Every text that a user sees is translatable, and fits when it becomes 40 % longer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from PySide6.QtCore import QAbstractItemModel, QAbstractListModel, QModelIndex, Qt, QTranslator
from PySide6.QtGui import QAction, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.kiosk import KioskOptions
from app.qt.bridge import LiveBridge, LiveState
from app.qt.kiosk.kiosk_window import KioskWindow
from app.system.licences import codecs, installed_packages
from app.system.model_facts import TASKS, read_model_facts
from engine.config import EngineConfig
from tests.app.qt.layout_checks import layout_problems
from tests.app.qt.window_fixture import (
    CAMERAS,
    FILM,
    SESSION,
    UNPLUGGED,
    FakeCamera,
    Until,
    open_windows,
    walk_states,
    write_queue,
    write_session,
)
from tests.fakes.engines import FakePipeline
from tests.fakes.sessions import FakeEngines

#: Contexts of Qt's own texts, which Qt translates, except the names of keys, which are part of our texts.
_OF_QT: Final = re.compile(r"Q[A-Z](?!hortcut)")
#: Words that are the same in every language.
_SAME: Final = (
    r"Mien",
    r"AU\d+",
    r"REC",
    r"(American )?English|Deutsch",
    r"Scroll (Left|Right)",  # Qt's buttons of tab bars
    r"onnxruntime|openvino",
    r"fake (expression|action_units): fake CPU",  # models, backends and devices
    r"[\w.-]*/\S*",  # folders
    rf"({FILM}-\d|long)\.mp4",
    rf"{FILM}-\d|^long$",  # the session of one
    SESSION,
    r"camera-\d-[\d-]+",  # a recording
)


class Longer(QTranslator):
    """Puts every text into brackets, 40 % longer."""

    def isEmpty(self) -> bool:  # noqa: N802 (Qt's name)
        return False

    def translate(self, context: str, text: str, disambiguation: str | None = None, number: int = -1) -> str | None:
        if _OF_QT.match(context) or not text:
            return None
        return f"⟦{text}{' ~~~~~' * round(0.4 * len(text) / 6)}⟧"


@pytest.fixture
def longer(qapp: QApplication) -> Iterator[None]:
    translator = Longer()
    qapp.installTranslator(translator)
    yield
    qapp.removeTranslator(translator)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts painted by our widgets."""
    texts: list[str] = []
    draw = QPainter.drawText

    def listen(painter: QPainter, *arguments: Any) -> object:
        texts.extend(argument for argument in arguments if isinstance(argument, str))
        return draw(painter, *arguments)

    monkeypatch.setattr(QPainter, "drawText", listen)
    return texts


def outside(text: str) -> str:
    """The parts of a text outside of brackets."""
    depth, left = 0, []
    for letter in text:
        depth += {"⟦": 1, "⟧": -1}.get(letter, 0)
        if depth == 0 and letter != "⟧":
            left.append(letter)
    return "".join(left)


def untranslated(text: str, same: re.Pattern[str]) -> str:
    """The untranslated parts of a text, except those that are equal in all languages."""
    left = same.sub("", outside(text.replace("\u200b", "")))
    return left.strip() if re.search(r"[^\W\d_]{2}", left) else ""


def same_everywhere() -> re.Pattern[str]:
    """Pattern of texts that are not translated: `_SAME`, and names of cameras, packages and models."""
    names = [
        text for package in installed_packages() for text in (f"{package.name} {package.version}", package.licence)
    ]
    names += [f"FFmpeg {codecs().version}", codecs().licence]
    for facts in map(read_model_facts, TASKS):
        names += [
            facts.name,
            f"{facts.sha256[:12]}…",
            "\n".join(facts.data),
            facts.fitted_on,
            facts.trained,
            facts.licence,
        ]
    names += [text for camera in CAMERAS for text in (camera.name, camera.problem)]
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    return re.compile("|".join([*map(re.escape, longest_first), *_SAME]))


def texts_of(widget: QWidget) -> Iterator[str]:
    """All texts of a widget and of its actions."""
    yield widget.windowTitle() if widget.isWindow() else ""
    yield from (widget.toolTip(), widget.accessibleName(), widget.accessibleDescription())
    if isinstance(widget, (QLabel, QAbstractButton, QAbstractSpinBox, QProgressBar)):
        yield widget.text()
    if isinstance(widget, QLineEdit):
        yield widget.placeholderText()
    if isinstance(widget, QTabBar):
        for place in range(widget.count()):
            yield from (widget.tabText(place), widget.tabToolTip(place))
    if isinstance(widget, (QAbstractItemView, QComboBox)) and widget.model() is not None:
        yield from texts_in(widget.model(), QModelIndex())
    for action in (*widget.actions(), *widget.findChildren(QAction)):
        yield from (action.text(), action.toolTip())


def texts_in(model: QAbstractItemModel, parent: QModelIndex) -> Iterator[str]:
    """All texts of a list or tree below ``parent``."""
    item = Qt.ItemDataRole
    columns = 1 if isinstance(model, QAbstractListModel) else model.columnCount(parent)
    for column in range(columns):
        yield str(model.headerData(column, Qt.Orientation.Horizontal) or "")
        for row in range(model.rowCount(parent)):
            index = model.index(row, column, parent)
            roles = (item.DisplayRole, item.ToolTipRole, item.AccessibleTextRole, item.AccessibleDescriptionRole)
            yield from (text for role in roles if isinstance(text := model.data(index, role), str))
            if column == 0 and not isinstance(model, QAbstractListModel):
                yield from texts_in(model, index)


def test_outside_of_nested_brackets() -> None:
    assert outside("a ⟦b ⟦c⟧ d⟧ e⟦f⟧") == "a  e"
    assert untranslated("⟦Start ~~~⟧ (Ctrl)", re.compile("Mien")) == "(Ctrl)"


def test_every_text_of_the_window_is_translatable(
    qtbot: QtBot, tmp_path: Path, until: Until, longer: None, drawn: list[str]
) -> None:
    write_queue(tmp_path)
    session = write_session(tmp_path)
    same = same_everywhere()
    found: dict[str, str] = {}
    counted = 0
    with open_windows(qtbot, tmp_path) as make:
        for state, top in walk_states(make(), until, session):
            top.grab()
            texts = [*(text for widget in (top, *top.findChildren(QWidget)) for text in texts_of(widget)), *drawn]
            drawn.clear()
            counted += len(texts)
            for text in texts:
                if words := untranslated(text, same):
                    found.setdefault(words, state)
    assert found == {}
    assert counted > 5000


def test_no_text_is_cut_when_texts_are_longer(qtbot: QtBot, tmp_path: Path, until: Until, longer: None) -> None:
    write_queue(tmp_path)
    session = write_session(tmp_path)
    found: dict[str, str] = {}
    with open_windows(qtbot, tmp_path) as make:
        for state, top in walk_states(make(), until, session):
            for _ in range(3):
                QTest.qWait(0)
            for words in layout_problems(top):
                found.setdefault(words, state)
    assert found == {}


def test_every_text_of_the_kiosk_is_translatable(qtbot: QtBot, until: Until, longer: None, drawn: list[str]) -> None:
    camera = FakeCamera()
    bridge = LiveBridge(
        EngineConfig(),
        "litert",
        "0.9",
        open_source=lambda spec: camera,
        engines=FakeEngines(FakePipeline()),
    )
    window = KioskWindow(bridge, KioskOptions("0", labels=True), cameras=lambda: CAMERAS)
    qtbot.addWidget(window)
    window.show()
    texts: list[str] = []

    def collect() -> None:
        window.grab()
        texts.extend(text for widget in (window, *window.findChildren(QWidget)) for text in texts_of(widget))

    window.begin()
    until(lambda: bridge.shown is not None)
    collect()
    camera.unplugged.set()
    until(lambda: bridge.state is LiveState.LOST)
    collect()
    window.close()
    bridge.shutdown()
    # Error messages of the engine are not translated.
    same = re.compile(f"Mien|{re.escape(UNPLUGGED)}")
    assert {words for text in (*texts, *drawn) if (words := untranslated(text, same))} == set()
