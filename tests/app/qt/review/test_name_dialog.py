"""Asking for the name of a face."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QInputDialog, QWidget
from pytestqt.qtbot import QtBot

from app.qt.review.name_dialog import ask_for_name


@pytest.mark.parametrize(("accepted", "answer"), [(1, "Ada"), (0, None)])
def test_a_name_is_typed_or_chosen_or_the_question_cancelled(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, accepted: int, answer: str | None
) -> None:
    shown: list[object] = []

    def answer_it(dialog: QInputDialog) -> int:
        buttons = (dialog.okButtonText(), dialog.cancelButtonText())
        shown.extend((dialog.windowTitle(), dialog.comboBoxItems(), dialog.textValue(), buttons))
        dialog.setTextValue("Ada")
        return accepted

    monkeypatch.setattr(QInputDialog, "exec", answer_it)
    window = QWidget()
    qtbot.addWidget(window)
    assert ask_for_name(window, 3, "Bo", ("Ada", "Bo")) == answer
    assert shown == ["Face 3", ["Bo", "Ada"], "Bo", ("OK", "Cancel")]
