"""The video view: image, borders, message, and click positions."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.overlay.overlay import bgrx
from app.overlay.region import WHOLE, Region
from app.qt.widgets.video_view import VideoView


@pytest.fixture
def view(qtbot):
    view = VideoView()
    qtbot.addWidget(view)
    view.resize(400, 200)
    return view


def image_of(width: int, height: int, level: int = 200):
    return np.full((height, width, 3), level, np.uint8)


def lightness(view, x: int, y: int) -> int:
    return view.grab().toImage().pixelColor(x, y).lightness()


def test_a_fitted_image_is_centred_between_dark_borders(view):
    view.show_image(image_of(200, 200))
    assert lightness(view, 200, 100) == 200
    assert lightness(view, 101, 1) == 200
    assert lightness(view, 50, 100) < 30
    assert lightness(view, 350, 100) < 30


def test_rgb_and_bgrx_images_look_the_same(view):
    colours = np.zeros((200, 200, 3), np.uint8)
    colours[:, :100], colours[:, 100:] = (250, 10, 60), (0, 90, 200)
    view.show_image(colours)
    plain = view.grab().toImage()
    assert plain.pixelColor(120, 100).getRgb()[:3] == (250, 10, 60)
    view.show_image(bgrx(colours))
    assert view.grab().toImage() == plain


def test_an_image_of_another_size_is_scaled(view):
    view.show_image(image_of(50, 100))  # 1 : 2, so 100 x 200 here
    assert lightness(view, 200, 100) == 200
    assert lightness(view, 160, 100) == 200
    assert lightness(view, 140, 100) < 30


def test_a_message_replaces_the_image_and_is_accessible(view):
    view.show_image(image_of(200, 200))
    view.show_message("Choose a source")
    assert view.image is None
    assert view.accessibleDescription() == "Choose a source"
    image = view.grab().toImage()
    assert any(image.pixelColor(x, 100).lightness() > 150 for x in range(400))


def test_a_new_size_is_emitted_in_device_pixels(view, qtbot):
    view.show()
    with qtbot.waitSignal(view.resized_px) as signal:
        view.resize(300, 250)
    assert signal.args == [300, 250]


def test_a_click_inside_the_image_is_emitted_as_fractions_of_it(view):
    clicks: list[tuple[float, float]] = []
    view.face_picked.connect(lambda x, y: clicks.append((x, y)))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 100))  # no image
    view.show_image(image_of(200, 200))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(50, 100))  # the border
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(150, 50))
    assert clicks == [(pytest.approx(0.25, abs=0.01), pytest.approx(0.25, abs=0.01))]


# Zoom and pan.


def wheel(view, x: int, y: int, notches: int) -> None:
    at = QPointF(x, y)
    none, phase = Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(at, at, QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton, none, phase, False)
    QApplication.sendEvent(view, event)


def test_the_wheel_zooms_at_the_pointer_and_a_double_click_shows_all_again(view):
    regions = []
    view.region_changed.connect(regions.append)
    view.show_image(image_of(200, 200))
    wheel(view, 50, 100, 1)
    assert regions == [], "beside the image"
    wheel(view, 150, 50, 3)
    assert regions[-1].share < 0.6
    assert regions[-1].image_point(0.25, 0.25) == (pytest.approx(0.25), pytest.approx(0.25))
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 100))
    assert regions[-1] == WHOLE
    wheel(view, 150, 50, -3)
    assert regions[-1] == WHOLE


def test_a_drag_moves_the_part_shown_and_picks_no_face(view):
    picked = []
    view.face_picked.connect(lambda x, y: picked.append((x, y)))
    view.show_image(image_of(200, 200))
    view.toggle_zoom((0.4, 0.4, 0.6, 0.6))
    before = view.region
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 100))
    QTest.mouseMove(view, QPoint(150, 100))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(150, 100))
    assert view.region.left > before.left
    assert view.region.top == before.top
    assert picked == []


def test_a_click_in_a_part_is_a_point_of_the_whole_image(view):
    picked = []
    view.face_picked.connect(lambda x, y: picked.append((x, y)))
    view.show_image(image_of(200, 200))
    view.show_region(Region(0.5, 0.5, 0.5))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 100))
    assert picked == [(pytest.approx(0.75, abs=0.01), pytest.approx(0.75, abs=0.01))]


def test_the_view_of_a_kiosk_does_not_zoom(qtbot):
    view = VideoView(zoomable=False)
    qtbot.addWidget(view)
    view.resize(400, 200)
    view.show_image(image_of(200, 200))
    wheel(view, 200, 100, 3)
    assert view.region == WHOLE
