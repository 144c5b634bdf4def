"""The output form: free space and the typed folder. What it changes is tested with the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from app.jobs.source_scan import Disk
from app.qt.annotate.annotate_panels import OutputForm
from app.qt.preference_store import PreferenceStore


@pytest.mark.parametrize(
    ("disk", "text"),
    [
        (Disk(120 * 10**9, True), "120.0 GB free"),
        (Disk(10**9, True), "⚠ Only 1.0 GB free: free space before annotating long videos."),
        (Disk(120 * 10**9, False), "⚠ This folder is read-only: choose another one."),
        (None, ""),
    ],
)
def test_the_free_space_is_shown(qtbot: QtBot, disk: Disk | None, text: str) -> None:
    form = OutputForm(PreferenceStore(None))
    qtbot.addWidget(form)
    form.show_disk(Disk(1, True))
    form.show_disk(disk)
    assert text in [label.text() for label in form.findChildren(QLabel)]
    assert sum("free" in label.text() for label in form.findChildren(QLabel)) == ("free" in text)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("~/results", Path.home() / "results"),
        ("~no-such-user", Path.cwd() / "~no-such-user"),
        ("results", Path.cwd() / "results"),
    ],
)
def test_a_typed_folder_becomes_an_absolute_path(qtbot: QtBot, typed: str, expected: Path) -> None:
    store = PreferenceStore(None)
    form = OutputForm(store)
    qtbot.addWidget(form)
    field = form.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)
    field.setText(typed)
    field.editingFinished.emit()
    assert store.now.annotations == expected
