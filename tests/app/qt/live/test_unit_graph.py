"""The graph of action units follows the estimate; all numbers can be read with pointer and keys."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt import theme
from app.qt.live.unit_graph import UnitGraphView
from engine.facs import OPEN_UNITS
from engine.types import AUEstimate
from tests.fakes.sessions import fake_header

K = len(OPEN_UNITS)
A, B = OPEN_UNITS.index(5), OPEN_UNITS.index(43)
HEADER = fake_header(au_codes=OPEN_UNITS, au_thresholds=(0.5,) * K, au_trusted=(4, 12, 43))


def estimate(link: float = 0.4, mask: float = 0.6, deviation: float = 0.1, occurrence: float = 0.3) -> AUEstimate:
    """An estimate with one link, AU5 - AU43, whose mask is four times weaker towards AU43."""
    adjacency = np.eye(K, dtype=np.float32)
    adjacency[A, B] = adjacency[B, A] = link
    means = np.full((K, K), mask, np.float32)
    means[B, A] = 0.25 * mask
    level = np.full(K, occurrence, np.float32)
    return AUEstimate(
        np.array(OPEN_UNITS), level, level / 10, level / 2, level / 10, means,
        np.full((K, K), deviation, np.float32), adjacency,
    )  # fmt: skip


@pytest.fixture
def view(qtbot: QtBot) -> UnitGraphView:
    view = UnitGraphView()
    qtbot.addWidget(view)
    view.resize(380, 600)
    view.set_header(HEADER)
    view.show_all_units(True)
    view.show()
    QApplication.processEvents()
    return view


def screenshot(view: UnitGraphView) -> QImage:
    return view.canvas.grab().toImage()


def painted_pixels(view: UnitGraphView, box: QRectF) -> int:
    """Number of pixels in a box that differ from the background."""
    image, background = screenshot(view), theme.current().colour("panel").rgb()
    area = box.toAlignedRect()
    points = [(x, y) for x in range(area.left(), area.right()) for y in range(area.top(), area.bottom())]
    return sum(image.pixel(x, y) != background for x, y in points)


def half(view: UnitGraphView, to: int, source: int) -> QRectF:
    """Around the middle of the half of a link that ends at ``to``."""
    near, far = view.canvas.node_centre(to), view.canvas.node_centre(source)
    middle = near + (far - near) * 0.36
    return QRectF(middle.x() - 14, middle.y() - 9, 28, 18)


def test_a_larger_occurrence_is_a_larger_node(view: UnitGraphView) -> None:
    spot = view.canvas.node_centre(OPEN_UNITS.index(12))
    box = QRectF(spot.x() - 10, spot.y() - 10, 20, 20)
    view.show_estimate(estimate(occurrence=0.05))
    small = painted_pixels(view, box)
    view.show_estimate(estimate(occurrence=0.6))
    assert painted_pixels(view, box) > 2 * small


def settle(view: UnitGraphView, frames: int = 40) -> None:
    """A session in which the links hardly change."""
    for _ in range(frames):
        view.show_estimate(estimate(deviation=0.0))


def test_links_as_usual_are_thin_and_one_that_differs_is_wide(view: UnitGraphView) -> None:
    settle(view)
    usual = painted_pixels(view, half(view, A, B))
    assert view.canvas.unusual == 0
    view.show_estimate(estimate(mask=0.9, deviation=0.0))
    assert view.canvas.unusual == 2
    assert painted_pixels(view, half(view, A, B)) > 2 * usual > 0


def test_a_link_weaker_than_usual_is_dashed(view: UnitGraphView) -> None:
    settle(view)
    view.show_estimate(estimate(mask=0.9, deviation=0.0))
    solid = painted_pixels(view, half(view, A, B))
    settle(view)
    view.show_estimate(estimate(mask=0.3, deviation=0.0))
    assert 0 < painted_pixels(view, half(view, A, B)) < 0.8 * solid


def test_nothing_is_unusual_in_the_first_frames(view: UnitGraphView) -> None:
    settle(view, 5)
    view.show_estimate(estimate(mask=0.9))
    assert view.canvas.unusual == 0


def test_units_that_are_not_trusted_are_hidden_unless_asked_for(view: UnitGraphView) -> None:
    view.show_all_units(False)
    view.show_estimate(estimate())
    spot = view.canvas.node_centre(A)
    assert painted_pixels(view, QRectF(spot.x() - 8, spot.y() - 8, 16, 16)) == 0
    assert view.canvas.text_at(spot) == ""
    view.show_all_units(True)
    assert painted_pixels(view, QRectF(spot.x() - 8, spot.y() - 8, 16, 16)) > 0


def test_weak_links_are_not_drawn_and_the_text_mentions_it(view: UnitGraphView) -> None:
    view.show_estimate(estimate(link=0.04))
    assert painted_pixels(view, half(view, A, B)) == 0
    assert view.canvas.accessibleDescription() == "The model keeps no link of 0.05 or more."
    view.show_estimate(None)
    view.show_estimate(estimate())
    assert "Learned links below 0.05 are left out." in view.canvas.accessibleDescription()


def test_untrusted_units_are_hollow(view: UnitGraphView) -> None:
    view.show_estimate(estimate(occurrence=0.9))
    image, colour = screenshot(view), theme.current().colour("present").rgb()
    for place, code in enumerate(OPEN_UNITS):
        spot = view.canvas.node_centre(place).toPoint()
        solid = all(image.pixel(spot.x() + step, spot.y()) == colour for step in range(-6, 7))
        assert solid == (code in HEADER.au_trusted)


def test_the_text_of_a_node_has_all_its_numbers(view: UnitGraphView) -> None:
    view.show_estimate(estimate())
    assert view.canvas.text_at(view.canvas.node_centre(A)).splitlines() == [
        "AU5 upper lid raiser, not trusted",
        "occurrence 0.30 ± 0.03",
        "aleatoric 0.15, epistemic 0.03 nats",
        "strongest link: AU43, 0.40",
        "mask from it 0.60 ± 0.10, to it 0.15 ± 0.10",
    ]
    settle(view)
    view.show_estimate(estimate(deviation=0.0))
    assert view.canvas.text_at(view.canvas.node_centre(A)).endswith("usually 0.240 ± 0.000; to it usually 0.060")


def test_the_text_of_a_link_starts_with_the_nearer_unit(view: UnitGraphView) -> None:
    view.show_estimate(estimate())
    screenshot(view)
    near, far = view.canvas.node_centre(A), view.canvas.node_centre(B)
    a, b = OPEN_UNITS[A], OPEN_UNITS[B]
    assert view.canvas.text_at(near + (far - near) * 0.45).startswith(
        f"AU{a} linked with AU{b}, 0.40\nmask from it 0.60"
    )
    assert view.canvas.text_at(near + (far - near) * 0.55).startswith(
        f"AU{b} linked with AU{a}, 0.40\nmask from it 0.15"
    )
    assert view.canvas.text_at(QPointF(1, 1)) == ""


def test_the_text_of_a_unit_without_links_mentions_it(view: UnitGraphView) -> None:
    view.show_estimate(estimate())
    assert view.canvas.numbers(OPEN_UNITS.index(12)).endswith("no link of 0.05 or more")


def test_arrow_keys_move_the_selection(view: UnitGraphView, qtbot: QtBot) -> None:
    view.show_estimate(estimate())
    qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
    assert view.canvas.selected == OPEN_UNITS[0]
    qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
    assert view.canvas.selected == 4
    assert view.canvas.accessibleDescription().startswith("AU4 brow lowerer\noccurrence 0.30")
    qtbot.keyClick(view.canvas, Qt.Key.Key_Escape)
    assert view.canvas.selected is None


def test_a_click_selects_a_unit(view: UnitGraphView, qtbot: QtBot) -> None:
    view.show_estimate(estimate())
    plain = screenshot(view)
    qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, pos=view.canvas.node_centre(B).toPoint())
    assert view.canvas.selected == 43
    assert screenshot(view) != plain
    qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, pos=QPoint(4, 4))
    assert view.canvas.selected is None


def test_a_face_that_is_not_assessed_has_empty_nodes(view: UnitGraphView, qtbot: QtBot) -> None:
    view.show_estimate(estimate(occurrence=0.0))
    zero = screenshot(view)
    view.show_estimate(None)
    assert view.canvas.accessibleDescription() == "Action units: not assessed"
    assert screenshot(view) != zero
    qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, pos=view.canvas.node_centre(A).toPoint())
    assert view.canvas.accessibleDescription() == "AU5 upper lid raiser: not assessed"


def test_without_a_session_there_is_no_graph(view: UnitGraphView, qtbot: QtBot) -> None:
    view.show_estimate(estimate())
    view.set_header(None)
    view.show_estimate(estimate())
    qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
    assert view.canvas.selected is None
    assert not screenshot(view).isNull()


@pytest.mark.parametrize("scale", [100, 200])
@pytest.mark.parametrize("codes", [OPEN_UNITS, (*OPEN_UNITS, 11, 28)])
def test_nodes_do_not_overlap_at_the_minimum_size(view: UnitGraphView, scale: int, codes: tuple[int, ...]) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    theme.apply_theme(application, theme.ThemeName.LIGHT, scale)
    QApplication.processEvents()
    view.set_header(dataclasses.replace(HEADER, au_codes=codes, au_thresholds=(0.5,) * len(codes)))
    view.canvas.resize(view.canvas.minimumSizeHint())
    view.canvas.grab()
    canvas, em = view.canvas, theme.em(view.canvas)
    points = [canvas.node_centre(index) for index in range(len(codes))]
    for index, point in enumerate(points):
        assert canvas.rect().contains(point.toPoint())
        for other in points[index + 1 :]:
            apart = point - other
            # a node has a radius of 0.95 em, and its code of one em below it
            assert abs(apart.x()) > 2.4 * em or abs(apart.y()) > 2.9 * em


def test_a_narrow_legend_is_higher(view: UnitGraphView) -> None:
    assert view.legend.heightForWidth(200) > view.legend.heightForWidth(900)
    assert "not trusted" in view.legend.accessibleName()
