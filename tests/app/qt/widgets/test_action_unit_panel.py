"""The panel of action units: trusted units first, others never present, numbers by pointer and keys."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent, QImage
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from app.qt import theme
from app.qt.widgets.action_unit_panel import ActionUnitPanel
from app.session.rows import FaceRow
from engine.facs import OPEN_UNITS
from tests.fakes.sessions import fake_header

TRUSTED = (4, 12, 25)
HEADER = fake_header(au_codes=OPEN_UNITS, au_thresholds=(0.5,) * 18, au_trusted=TRUSTED)


def row(**occurrence: float) -> FaceRow:
    """A face with some units, as in ``AU12=0.9``; all others at 0.1."""
    means = tuple(occurrence.get(f"AU{unit}", 0.1) for unit in OPEN_UNITS)
    return FaceRow(0, None, 0.0, "accept", 5.0, occurrence=means, occurrence_std=tuple(0.05 for _ in means))


@pytest.fixture
def panel(qtbot: QtBot) -> ActionUnitPanel:
    panel = ActionUnitPanel()
    qtbot.addWidget(panel)
    panel.show_all_units(True)
    panel.set_header(HEADER)
    panel.resize(340, panel.sizeHint().height())
    panel.show()
    return panel


def screenshot(panel: ActionUnitPanel) -> QImage:
    return panel.grab().toImage()


def coloured(panel: ActionUnitPanel, line: int, name: str) -> int:
    """Pixels of a colour of the theme along the middle of a bar."""
    image = screenshot(panel)
    bar = panel.bar_box(line).toRect()
    wanted = theme.current().colour(name).rgb()
    y = bar.top() + 2  # clear of the whisker's line
    return sum(image.pixel(x, y) == wanted for x in range(bar.left(), bar.right()))


def test_units_that_are_not_trusted_are_hidden_unless_asked_for(qtbot: QtBot) -> None:
    panel = ActionUnitPanel()
    qtbot.addWidget(panel)
    panel.set_header(HEADER)
    panel.show_row(row(AU12=0.9))
    low = panel.sizeHint().height()
    panel.show_all_units(True)
    assert panel.sizeHint().height() > 2 * low
    assert panel.present == (12,), "the row stays"
    panel.show_all_units(False)
    assert panel.sizeHint().height() == low


def test_present_trusted_units_are_named(panel: ActionUnitPanel) -> None:
    panel.show_row(row(AU12=0.9, AU25=0.8, AU6=0.95))
    assert panel.present == (12, 25)
    assert panel.accessibleDescription() == "Present: AU12 lip corner puller, AU25 lips part"


def test_many_present_units_are_listed_by_code(qtbot: QtBot, panel: ActionUnitPanel) -> None:
    panel.set_header(fake_header(au_codes=OPEN_UNITS, au_thresholds=(0.5,) * 18))
    panel.show_row(row(AU1=0.9, AU2=0.9, AU4=0.9, AU5=0.9))
    assert panel.accessibleDescription() == "Present: AU1, AU2, AU4, AU5"


def test_no_unit_present(panel: ActionUnitPanel) -> None:
    panel.show_row(row())
    assert panel.present == ()
    assert panel.accessibleDescription() == "None of the trusted units is present"


def test_a_unit_at_its_threshold_is_not_present(panel: ActionUnitPanel) -> None:
    panel.show_row(row(AU12=0.5))
    assert panel.present == ()


def test_a_face_that_is_not_assessed_has_empty_bars(panel: ActionUnitPanel) -> None:
    panel.show_row(row(**{f"AU{unit}": 0.0 for unit in OPEN_UNITS}))
    zero = screenshot(panel)
    panel.show_row(FaceRow(0, None, 0.0, "reject", 5.0))
    assert panel.accessibleDescription() == "Action units: not assessed"
    assert screenshot(panel) != zero


def test_bars_distinguish_present_below_threshold_and_untrusted(panel: ActionUnitPanel) -> None:
    panel.show_row(row(AU4=0.45, AU12=0.9, AU1=0.9))  # lines: AU4, AU12, AU25, then AU1
    assert coloured(panel, 0, "below") > 10
    assert coloured(panel, 1, "present") > 50
    assert coloured(panel, 3, "present") == 0
    assert 10 < coloured(panel, 3, "hatch") < 0.8 * panel.bar_box(3).width()


def test_bars_grow_with_occurrence(panel: ActionUnitPanel) -> None:
    panel.show_row(row(AU12=0.6))
    shorter = coloured(panel, 1, "present")
    panel.show_row(row(AU12=0.95))
    assert coloured(panel, 1, "present") > shorter


def tip_at(panel: ActionUnitPanel, point: QPoint) -> str:
    QApplication.sendEvent(panel, QHelpEvent(QEvent.Type.ToolTip, point, panel.mapToGlobal(point)))
    text = QToolTip.text()
    QToolTip.hideText()
    return text


def test_the_tooltip_shows_the_numbers(panel: ActionUnitPanel) -> None:
    panel.show_row(row(AU12=0.9))
    screenshot(panel)
    tip = tip_at(panel, panel.bar_box(1).center().toPoint())
    assert tip.startswith("AU12 lip corner puller: 0.90 ± 0.05, present (above 0.50)")
    assert "not a certified FACS coding" in tip
    tip = tip_at(panel, panel.bar_box(3).center().toPoint())
    assert "not trusted" in tip
    assert "not accurate enough" in tip
    assert tip_at(panel, QPoint(5, 5)).startswith("Estimated muscle movements (FACS codes)")


def test_arrow_keys_select_units(panel: ActionUnitPanel, qtbot: QtBot) -> None:
    panel.show_row(row(AU12=0.9))
    qtbot.keyClick(panel, Qt.Key.Key_Down)
    assert panel.accessibleDescription().startswith("AU4 brow lowerer: 0.10 ± 0.05, not present")
    qtbot.keyClick(panel, Qt.Key.Key_Down)
    assert panel.accessibleDescription().startswith("AU12 lip corner puller: 0.90")
    for _ in range(30):
        qtbot.keyClick(panel, Qt.Key.Key_Down)
    assert panel.accessibleDescription().startswith("AU43")
    qtbot.keyClick(panel, Qt.Key.Key_Escape)
    assert panel.accessibleDescription() == "Present: AU12 lip corner puller"
    qtbot.keyClick(panel, Qt.Key.Key_Up)
    assert panel.accessibleDescription().startswith("AU43")


def test_a_click_selects_a_unit(panel: ActionUnitPanel, qtbot: QtBot) -> None:
    panel.show_row(row(AU12=0.9))
    screenshot(panel)
    qtbot.mouseClick(panel, Qt.MouseButton.LeftButton, pos=panel.bar_box(1).center().toPoint())
    assert panel.accessibleDescription().startswith("AU12")
    qtbot.mouseClick(panel, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert panel.accessibleDescription() == "Present: AU12 lip corner puller"


def test_a_narrow_panel_has_no_names(panel: ActionUnitPanel) -> None:
    panel.show_row(row(AU12=0.9))
    screenshot(panel)
    wide = panel.bar_box(1).left()
    panel.resize(240, panel.height())
    screenshot(panel)
    assert panel.bar_box(1).left() < wide


@pytest.mark.parametrize("scale", [100, 200])
def test_all_bars_are_inside_at_any_scale(panel: ActionUnitPanel, scale: int) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    theme.apply_theme(application, theme.ThemeName.DARK, scale)
    QApplication.processEvents()
    panel.resize(panel.minimumSizeHint())
    screenshot(panel)
    boxes = [panel.bar_box(line) for line in range(len(OPEN_UNITS))]
    assert all(panel.rect().contains(box.toAlignedRect()) for box in boxes)
    assert boxes[0].width() > 50


def test_without_a_session_there_are_no_units(panel: ActionUnitPanel, qtbot: QtBot) -> None:
    panel.show_row(row(AU12=0.9))
    panel.set_header(None)
    qtbot.keyClick(panel, Qt.Key.Key_Down)
    assert panel.present == ()
    assert panel.accessibleDescription() == "Action units: not assessed"
    assert not screenshot(panel).isNull()


def test_the_tip_of_a_unit_has_its_intensity_where_the_model_grades_it(panel: ActionUnitPanel) -> None:
    graded = dataclasses.replace(row(AU12=0.9), intensity=(2.34,) * len(OPEN_UNITS))
    panel.show_row(graded)
    assert "intensity 2.3 of 5" in tip_at(panel, panel.bar_box(1).center().toPoint())
    panel.show_row(row(AU12=0.95))
    assert "intensity" not in tip_at(panel, panel.bar_box(1).center().toPoint())
