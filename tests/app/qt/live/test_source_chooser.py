"""The list of sources, and cameras that are connected and removed."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from app.qt.live import source_chooser
from app.qt.live.source_chooser import SourceChooser
from engine.capture.camera_list import Camera

FRONT = Camera("0", "Front camera", True, "")
DENIED = Camera("2", "Microscope", False, "it may not be used: join the group video")


@pytest.fixture
def cameras(monkeypatch, tmp_path):
    """The connected cameras; append to the list and touch the folder to plug one in."""
    here: list[Camera] = [FRONT]
    monkeypatch.setattr(source_chooser, "list_cameras", lambda: tuple(here))
    monkeypatch.setattr(source_chooser, "watch_folders", lambda: (tmp_path,))
    return here


@pytest.fixture
def chooser(qtbot, cameras):
    chooser = SourceChooser()
    qtbot.addWidget(chooser)
    yield chooser
    chooser.shutdown()


def names(chooser) -> list[str]:
    return [chooser.list.itemText(place) for place in range(chooser.list.count())]


def pick(chooser, name: str) -> list[str]:
    emitted: list[str] = []
    chooser.chosen.connect(emitted.append)
    place = names(chooser).index(name)
    chooser.list.setCurrentIndex(place)
    chooser.list.activated.emit(place)
    return emitted


def test_cameras_come_first_then_demo_file_and_address(chooser):
    assert names(chooser) == ["Front camera", "Demo clip", "Video file…", "Address or number…"]


def test_picking_a_camera_emits_its_spec(chooser):
    assert pick(chooser, "Front camera") == ["0"]
    assert chooser.spec == "0"


def test_an_unusable_camera_is_marked_with_the_reason(cameras, chooser):
    cameras.append(DENIED)
    chooser.refresh()
    place = names(chooser).index("Microscope (cannot be used)")
    assert "group video" in chooser.list.itemData(place, Qt.ItemDataRole.ToolTipRole)


def test_a_camera_that_is_plugged_in_appears(chooser, cameras, tmp_path, until):
    emitted: list[tuple[Camera, ...]] = []
    chooser.cameras_changed.connect(emitted.append)
    cameras.append(Camera("4", "Second camera", True, ""))
    (tmp_path / "video4").touch()
    until(lambda: bool(emitted))
    assert "Second camera" in names(chooser)
    assert [camera.spec for camera in emitted[-1]] == ["0", "4"]


def test_a_picked_camera_stays_listed_after_its_removal(chooser, cameras):
    pick(chooser, "Front camera")
    cameras.clear()
    chooser.refresh()
    assert chooser.list.currentText() == "Camera 0"
    assert chooser.spec == "0"


def test_an_address_is_entered_and_shown_without_its_password(chooser, qtbot):
    assert pick(chooser, "Address or number…") == []
    assert not chooser.address.isHidden()
    emitted: list[str] = []
    chooser.chosen.connect(emitted.append)
    qtbot.keyClicks(chooser.address, "rtsp://me:secret@10.0.0.7/live")
    qtbot.keyClick(chooser.address, Qt.Key.Key_Return)
    assert emitted == ["rtsp://me:secret@10.0.0.7/live"]
    assert chooser.address.isHidden()
    assert "secret" not in chooser.list.currentText()


def test_an_empty_address_opens_nothing(chooser, qtbot):
    pick(chooser, "Address or number…")
    emitted: list[str] = []
    chooser.chosen.connect(emitted.append)
    qtbot.keyClick(chooser.address, Qt.Key.Key_Return)
    assert emitted == []
    assert not chooser.address.isHidden()


def test_a_file_is_chosen_in_a_dialog_and_cancelling_changes_nothing(chooser, monkeypatch):
    pick(chooser, "Front camera")
    monkeypatch.setattr(source_chooser.QFileDialog, "getOpenFileName", lambda *args: ("", ""))
    assert pick(chooser, "Video file…") == []
    assert chooser.list.currentText() == "Front camera"
    monkeypatch.setattr(source_chooser.QFileDialog, "getOpenFileName", lambda *args: ("/clips/talk.mp4", ""))
    assert pick(chooser, "Video file…") == ["/clips/talk.mp4"]
    assert chooser.list.currentText() == "talk.mp4"


def test_the_address_field_is_hidden_for_other_sources(chooser, cameras):
    pick(chooser, "Address or number…")
    chooser.refresh()  # a camera is plugged in: the user is still typing
    assert not chooser.address.isHidden()
    assert chooser.list.currentText() == "Address or number…"
    chooser.set_spec("talk.mp4")
    assert chooser.address.isHidden()
    assert chooser.list.currentText() == "talk.mp4"
