"""The row that wraps: all parts visible at every width, what is stretched takes the rest."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.qt.widgets.flow_row import FlowRow
from tests.app.qt.layout_checks import lay_out


class Rig:
    def __init__(self, qtbot: QtBot) -> None:
        self.parts = [QPushButton(f"button {place}") for place in range(5)]
        self.space = QWidget()
        self.space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.row = FlowRow((*self.parts[:3], self.space, *self.parts[3:]), (self.space,))
        self.top = QWidget()
        layout = QVBoxLayout(self.top)
        layout.addWidget(self.row)
        layout.addStretch(1)
        qtbot.addWidget(self.top)
        self.top.show()

    def resize(self, width: int) -> None:
        self.top.resize(width, 400)
        QWidget.repaint(self.top)


@pytest.fixture
def rig(qtbot: QtBot) -> Rig:
    return Rig(qtbot)


@pytest.mark.parametrize("width", [180, 300, 450, 900])
def test_no_part_is_cut_or_covered_at_any_width(rig: Rig, qtbot: QtBot, width: int) -> None:
    rig.resize(width)
    lay_out()
    places = [part.geometry() for part in rig.parts]
    assert all(rig.row.rect().contains(place) for place in places)
    assert all(place.width() >= part.sizeHint().width() for part, place in zip(rig.parts, places, strict=True))
    for place, other in ((a, b) for a in places for b in places if a is not b):
        assert not place.intersects(other)


def test_a_wide_row_is_one_line_that_ends_at_its_right_edge(rig: Rig, qtbot: QtBot) -> None:
    rig.resize(900)
    lay_out()
    assert len({part.geometry().center().y() for part in rig.parts}) == 1
    assert rig.parts[-1].geometry().right() >= rig.row.width() - 3
    assert rig.parts[0].geometry().left() == 0


def test_a_hidden_part_leaves_its_place(rig: Rig, qtbot: QtBot) -> None:
    rig.resize(900)
    lay_out()
    before = rig.parts[1].geometry().left()
    rig.parts[0].hide()
    qtbot.waitUntil(lambda: rig.parts[1].geometry().left() < before)
