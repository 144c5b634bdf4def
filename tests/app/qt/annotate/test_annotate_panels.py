"""The room on the disk, in words. What the form changes is tested with its page."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtWidgets import QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from app.jobs.source_scan import Disk
from app.qt.annotate.annotate_panels import OutputForm
from app.qt.preference_store import PreferenceStore


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (Disk(120 * 10**9, True), "120.0 GB free"),
        (Disk(10**9, True), "⚠ Only 1.0 GB free: free space before annotating long videos."),
        (Disk(120 * 10**9, False), "⚠ This folder is read-only: choose another one."),
        (None, ""),
    ],
)
def test_the_room_on_the_disk_is_told(qtbot: QtBot, disk: Disk | None, words: str) -> None:
    form = OutputForm(PreferenceStore(None))
    qtbot.addWidget(form)
    form.show_disk(Disk(1, True))
    form.show_disk(disk)
    assert words in [label.text() for label in form.findChildren(QLabel)]
    assert sum("free" in label.text() for label in form.findChildren(QLabel)) == ("free" in words)


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("~/results", Path.home() / "results"),
        ("~nobody-of-this-name", Path.cwd() / "~nobody-of-this-name"),
        ("results", Path.cwd() / "results"),
    ],
)
def test_a_folder_that_is_typed_is_a_whole_path(qtbot: QtBot, typed: str, taken: Path) -> None:
    store = PreferenceStore(None)
    form = OutputForm(store)
    qtbot.addWidget(form)
    field = form.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)
    field.setText(typed)
    field.editingFinished.emit()
    assert store.now.annotations == taken
