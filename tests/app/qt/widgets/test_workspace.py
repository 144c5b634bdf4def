"""The arrangement of Live and Review: layouts, panels that collapse, tabs in a narrow window, room for the picture."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QSplitter, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.qt.widgets.flow_row import FlowRow
from app.qt.widgets.page import Page
from app.qt.widgets.workspace import Panel, Workspace, WorkspaceLayout
from tests.app.qt.layout_checks import lay_out


class Rig(Page):
    def __init__(self) -> None:
        super().__init__()
        self.picture, self.faces, self.units, self.chart, self.limits = (QLabel(word) for word in "pfucl")
        self.picture.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        side = (Panel("Faces", self.faces), Panel("Units", self.units))
        dock = (Panel("Chart", self.chart, scrolls=True), Panel("Limits", self.limits))
        self.workspace = Workspace("test", (self.picture,), side, dock, self.make_action)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(FlowRow((self.workspace.chooser, *self.workspace.switches)))
        layout.addWidget(self.workspace)

    def resize(self, width: int, height: int) -> None:  # type: ignore[override]  # one of its forms
        super().resize(width, height)
        lay_out()

    def shown(self) -> set[str]:
        lay_out()
        parts = (self.picture, self.faces, self.units, self.chart, self.limits)
        return {part.text() for part in parts if part.isVisible()}

    def titles(self) -> tuple[list[str], list[str]]:
        tabs = (self.workspace.side, self.workspace.dock)
        side, dock = ([one.tabText(place) for place in range(one.count())] for one in tabs)
        return side, dock


@pytest.fixture
def rig(qtbot: QtBot) -> Rig:
    rig = Rig()
    qtbot.addWidget(rig)
    rig.resize(1240, 740)
    rig.show()
    lay_out()
    return rig


def test_simple_shows_one_panel_beside_and_one_below_the_picture_without_tabs(rig: Rig) -> None:
    assert rig.shown() == {"p", "f", "c"}
    assert not rig.workspace.side.tabBar().isVisible()


def test_research_shows_all_panels_as_tabs_and_presentation_none(rig: Rig) -> None:
    rig.workspace.choose(WorkspaceLayout.RESEARCH)
    assert rig.titles() == (["Faces", "Units"], ["Chart", "Limits"])
    assert rig.workspace.side.tabBar().isVisible()
    rig.workspace.choose(WorkspaceLayout.PRESENTATION)
    assert rig.shown() == {"p"}
    rig.workspace.choose(WorkspaceLayout.SIMPLE)
    assert rig.shown() == {"p", "f", "c"}


def test_a_chosen_layout_is_emitted_and_shown_by_the_chooser(rig: Rig) -> None:
    chosen: list[WorkspaceLayout] = []
    rig.workspace.layout_chosen.connect(chosen.append)
    rig.workspace.chooser.activated.emit(1)
    assert chosen == [WorkspaceLayout.RESEARCH]
    assert rig.workspace.chooser.currentIndex() == 1


def test_the_panels_can_be_hidden_and_shown(rig: Rig) -> None:
    wide = rig.picture.width()
    rig.workspace.side_action.trigger()
    assert rig.shown() == {"p", "c"}
    assert rig.picture.width() > wide
    rig.workspace.dock_action.trigger()
    assert rig.shown() == {"p"}
    rig.workspace.side_action.trigger()
    assert rig.shown() == {"p", "f"}


def test_a_narrow_window_has_the_side_as_tabs_below_and_a_wide_one_beside(rig: Rig) -> None:
    rig.resize(960, 600)
    assert rig.workspace.narrow
    assert [switch.isVisible() for switch in rig.workspace.switches] == [False, True]
    assert rig.titles() == ([], ["Faces", "Chart"])
    rig.workspace.choose(WorkspaceLayout.RESEARCH)
    lay_out()
    assert rig.titles() == ([], ["Faces", "Units", "Chart", "Limits"])
    assert rig.picture.height() > 0.4 * 600
    rig.resize(1240, 740)
    assert all(switch.isVisible() for switch in rig.workspace.switches)
    assert rig.titles() == (["Faces", "Units"], ["Chart", "Limits"])


def test_a_workspace_that_shares_a_wide_window_has_the_side_below(rig: Rig) -> None:
    window = QSplitter()
    window.addWidget(rig)
    window.addWidget(QLabel("beside"))
    window.resize(1280, 740)
    window.show()
    window.setSizes([620, 660])
    lay_out()
    assert rig.workspace.narrow
    assert rig.titles() == ([], ["Faces", "Chart"])
    window.setSizes([1200, 80])
    lay_out()
    assert not rig.workspace.narrow
    rig.setParent(None)
    window.close()


def test_a_panel_that_the_layout_lacks_is_revealed_in_research(rig: Rig) -> None:
    rig.workspace.reveal(rig.limits)
    assert rig.workspace.chosen is WorkspaceLayout.RESEARCH
    assert rig.limits.isVisible()
    rig.workspace.dock_action.trigger()
    rig.workspace.reveal(rig.limits)
    assert rig.limits.isVisible()
    rig.workspace.choose(WorkspaceLayout.PRESENTATION)
    rig.workspace.reveal(rig.units)
    assert rig.units.isVisible()


def test_the_current_tab_stays_in_front_when_the_window_becomes_narrow(rig: Rig) -> None:
    rig.workspace.reveal(rig.units)
    rig.workspace.dock.setCurrentIndex(1)
    rig.resize(900, 600)
    assert rig.limits.isVisible()


def test_sizes_of_the_user_stay_when_the_window_grows(rig: Rig) -> None:
    rig.workspace._columns.setSizes([800, 436])
    lay_out()
    before = rig.workspace._columns.sizes()[1]
    rig.resize(1500, 900)
    assert rig.workspace._columns.sizes()[1] == pytest.approx(before, abs=2)
    assert rig.workspace._columns.orientation() is Qt.Orientation.Horizontal


def test_every_page_is_kept_by_the_workspace_when_it_is_not_shown(rig: Rig) -> None:
    owner: QWidget | None = rig.units
    while owner is not None and owner is not rig:
        owner = owner.parentWidget()
    assert owner is rig


def test_a_press_on_a_panels_key_arranges_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(rig.workspace.side, "setVisible", calls.append)
    rig.workspace.side_action.trigger()
    assert calls == [False]


def test_the_enlarged_dock_gets_its_usual_height_back_and_the_side_keeps_its_width(rig: Rig) -> None:
    rig.workspace.choose(WorkspaceLayout.RESEARCH)
    lay_out()
    usual = rig.workspace.dock.height()
    rig.workspace._columns.setSizes([800, 436])
    lay_out()
    side = rig.workspace.side.width()
    rig.workspace.enlarge_dock(0.6)
    lay_out()
    assert rig.workspace.dock.height() > 1.2 * usual
    rig.workspace.enlarge_dock(0.0)
    lay_out()
    assert rig.workspace.dock.height() == pytest.approx(usual, abs=2)
    assert rig.workspace.side.width() == side
