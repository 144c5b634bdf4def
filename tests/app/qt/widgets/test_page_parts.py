"""Pages fit the smallest window at every text size; rows reflow; icons differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QRectF
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QLabel, QPushButton, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from app.qt import theme
from app.qt.about.about_page import AboutPage
from app.qt.application import make_application
from app.qt.preference_store import PreferenceStore
from app.qt.settings.settings_page import SettingsPage
from app.qt.start.action_card import ActionCard, DropZone
from app.qt.start.start_page import StartPage
from app.qt.widgets.icons import IconName, draw_icon
from app.qt.widgets.page import Page
from app.qt.widgets.page_parts import ReflowRow, breakable


def make_page(name: str, folder: Path) -> Page:
    store = PreferenceStore(None, recordings=folder / "a_very_long_name_of_a_folder_chosen_by_a_user" / ("x" * 30))
    if name == "about":
        return AboutPage("0.9")
    return StartPage(store) if name == "start" else SettingsPage(store, "0.9", run_checks=lambda out: [])


@pytest.mark.parametrize("name", ["start", "settings", "about"])
@pytest.mark.parametrize("scale", [100, 200])
def test_pages_need_no_horizontal_scrolling_in_the_smallest_window(
    qtbot: QtBot, tmp_path: Path, name: str, scale: int
) -> None:
    theme.apply_theme(make_application(), theme.ThemeName.LIGHT, scale)
    page = make_page(name, tmp_path)
    qtbot.addWidget(page)
    page.resize(750, 560)  # 960 x 600 less the navigation at 200 %
    page.show()
    QCoreApplication.processEvents()
    area = page.findChild(QScrollArea)
    assert area.horizontalScrollBar().maximum() == 0
    for label in page.findChildren(QLabel):
        if label.isVisibleTo(page) and label.wordWrap():
            assert label.height() >= label.heightForWidth(label.width()), label.text()
    for button in page.findChildren(QPushButton):
        if button.isVisibleTo(page) and not isinstance(button, (ActionCard, DropZone)):
            assert button.width() >= button.minimumSizeHint().width(), button.text()
    page.shutdown()


def test_a_row_stops_requesting_layouts(qtbot: QtBot) -> None:
    class Counted(ReflowRow):
        requests = 0

        def event(self, event: QEvent) -> bool:
            self.requests += event.type() is QEvent.Type.LayoutRequest
            return super().event(event)

    row = Counted([QPushButton("A button with words") for _ in range(2)])
    qtbot.addWidget(row)
    row.show()
    for _ in range(20):
        QCoreApplication.processEvents()
    first = row.requests
    assert first > 0
    for _ in range(20):
        QCoreApplication.processEvents()
    assert row.requests == first


def test_a_row_is_stacked_if_it_would_cut_its_parts(qtbot: QtBot) -> None:
    parts = [QPushButton("A button with words") for _ in range(3)]
    page = QWidget()
    qtbot.addWidget(page)
    row = ReflowRow(parts, page)
    narrow = parts[0].minimumSizeHint().width()
    row.resize(4 * narrow, 200)
    page.show()
    QCoreApplication.processEvents()
    assert parts[0].y() == parts[1].y()
    row.resize(2 * narrow, 200)
    QCoreApplication.processEvents()
    assert parts[0].x() == parts[1].x()
    assert parts[1].y() >= parts[0].geometry().bottom()
    row.resize(4 * narrow, 200)
    QCoreApplication.processEvents()
    assert parts[0].y() == parts[1].y()


def test_long_names_get_invisible_break_points() -> None:
    text = "/home/me/face_detection_full_range_sparse.tflite"
    assert breakable(text).replace("\u200b", "") == text
    assert max(map(len, breakable(text).split("\u200b"))) < 20


def render_icon(name: IconName, side: int) -> QImage:
    image = QImage(side, side, QImage.Format.Format_ARGB32)
    image.fill(QColor("white"))
    painter = QPainter(image)
    draw_icon(painter, name, QRectF(0, 0, side, side), QColor("black"))
    painter.end()
    return image


def test_icons_are_drawn_inside_their_box_and_differ() -> None:
    drawn = {name: render_icon(name, 32) for name in IconName}
    assert len({bytes(image.constBits()) for image in drawn.values()}) == len(IconName)
    for image in drawn.values():
        edge = [image.pixelColor(x, y).lightness() for x in range(32) for y in (0, 31)]
        edge += [image.pixelColor(x, y).lightness() for y in range(32) for x in (0, 31)]
        assert min(edge) > 100  # thick lines may touch the edge
        assert min(image.pixelColor(x, y).lightness() for x in range(32) for y in range(32)) < 60
