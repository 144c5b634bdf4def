"""The graph of action units: what is drawn follows the estimate, and every number can be read by pointer and keys."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.qt import theme
from app.qt.live.unit_graph import UnitGraphView
from app.session.journal import RunHeader
from engine.facs import EXPRESSIONS, OPEN_UNITS
from engine.types import AUEstimate

K = len(OPEN_UNITS)
A, B = OPEN_UNITS.index(5), OPEN_UNITS.index(43)
HEADER = RunHeader("made", "0.1", "e" * 64, EXPRESSIONS, OPEN_UNITS, (0.5,) * K, (4, 12, 43), 1.2, 0.95)


def estimate(link: float = 0.4, mask: float = 0.6, deviation: float = 0.1, occurrence: float = 0.3) -> AUEstimate:
    """One link, between AU5 and AU43; AU43 takes 0.25 of what the mask lets through the other way."""
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
    made = UnitGraphView()
    qtbot.addWidget(made)
    made.resize(380, 600)
    made.set_header(HEADER)
    made.show()
    QApplication.processEvents()
    return made


def picture(view: UnitGraphView) -> QImage:
    return view.canvas.grab().toImage()


def inked(view: UnitGraphView, box: QRectF) -> int:
    """Pixels in a box that are not the ground."""
    image, ground = picture(view), theme.current().colour("panel").rgb()
    area = box.toAlignedRect()
    return sum(
        image.pixel(x, y) != ground for x in range(area.left(), area.right()) for y in range(area.top(), area.bottom())
    )


def half(view: UnitGraphView, to: int, source: int) -> QRectF:
    """Around the middle of the half of a link that ends at ``to``."""
    near, far = view.canvas._points[to], view.canvas._points[source]
    middle = near + (far - near) * 0.36
    return QRectF(middle.x() - 14, middle.y() - 9, 28, 18)


def test_a_larger_occurrence_is_a_larger_node(view: UnitGraphView) -> None:
    spot = view.canvas._points[OPEN_UNITS.index(12)]
    box = QRectF(spot.x() - 10, spot.y() - 10, 20, 20)
    view.show_estimate(estimate(occurrence=0.05))
    small = inked(view, box)
    view.show_estimate(estimate(occurrence=0.6))
    assert inked(view, box) > 2 * small


def test_the_width_of_a_half_is_what_its_unit_takes(view: UnitGraphView) -> None:
    view.show_estimate(estimate(deviation=0.0))
    assert inked(view, half(view, A, B)) > 2 * inked(view, half(view, B, A)) > 0


def test_a_mask_that_varies_breaks_the_line(view: UnitGraphView) -> None:
    view.show_estimate(estimate(deviation=0.0))
    whole = inked(view, half(view, A, B))
    view.show_estimate(estimate(deviation=0.3))
    assert 0 < inked(view, half(view, A, B)) < 0.7 * whole


def test_weak_links_are_not_drawn_and_that_is_said(view: UnitGraphView) -> None:
    view.show_estimate(estimate(link=0.04))
    assert inked(view, half(view, A, B)) == 0
    assert view.canvas._told() == "The model keeps no link of 0.05 or more."
    view.show_estimate(estimate())
    picture(view)
    assert "Learned links below 0.05 are left out." in view.canvas._told()


def test_units_that_are_not_trusted_are_hollow(view: UnitGraphView) -> None:
    view.show_estimate(estimate(occurrence=0.9))
    image, colour = picture(view), theme.current().colour("present").rgb()
    for place, code in enumerate(OPEN_UNITS):
        spot = view.canvas._points[place].toPoint()
        solid = all(image.pixel(spot.x() + step, spot.y()) == colour for step in range(-6, 7))
        assert solid == (code in HEADER.au_trusted)


def test_a_node_tells_all_its_numbers(view: UnitGraphView) -> None:
    view.show_estimate(estimate())
    told = view.canvas.told_at(view.canvas._points[A])
    assert told.splitlines() == [
        "AU5 upper lid raiser, not trusted",
        "occurrence 0.30 ± 0.03",
        "aleatoric 0.15, epistemic 0.03 nats",
        "strongest link: AU43, 0.40",
        "mask from it 0.60 ± 0.10, to it 0.15 ± 0.10",
    ]


def test_a_link_tells_its_numbers_seen_from_the_nearer_unit(view: UnitGraphView) -> None:
    view.show_estimate(estimate())
    picture(view)
    near, far = view.canvas._points[A], view.canvas._points[B]
    a, b = OPEN_UNITS[A], OPEN_UNITS[B]
    assert view.canvas.told_at(near + (far - near) * 0.45).startswith(
        f"AU{a} linked with AU{b}, 0.40\nmask from it 0.60"
    )
    assert view.canvas.told_at(near + (far - near) * 0.55).startswith(
        f"AU{b} linked with AU{a}, 0.40\nmask from it 0.15"
    )
    assert view.canvas.told_at(QPointF(1, 1)) == ""


def test_a_unit_without_links_says_so(view: UnitGraphView) -> None:
    view.show_estimate(estimate())
    assert view.canvas.numbers(OPEN_UNITS.index(12)).endswith("no link of 0.05 or more")


def test_arrow_keys_move_the_choice(view: UnitGraphView, qtbot: QtBot) -> None:
    view.show_estimate(estimate())
    qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
    assert view.canvas.chosen == OPEN_UNITS[0]
    qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
    assert view.canvas.chosen == 4
    assert view.canvas.accessibleDescription().startswith("AU4 brow lowerer\noccurrence 0.30")
    qtbot.keyClick(view.canvas, Qt.Key.Key_Escape)
    assert view.canvas.chosen is None


def test_a_click_chooses(view: UnitGraphView, qtbot: QtBot) -> None:
    view.show_estimate(estimate())
    plain = picture(view)
    qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, pos=view.canvas._points[B].toPoint())
    assert view.canvas.chosen == 43
    assert picture(view) != plain
    qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, pos=QPoint(4, 4))
    assert view.canvas.chosen is None


def test_a_face_that_is_not_assessed_has_empty_places(view: UnitGraphView) -> None:
    view.show_estimate(estimate(occurrence=0.0))
    zero = picture(view)
    view.show_estimate(None)
    assert view.canvas.accessibleDescription() == "Action units: not assessed"
    assert picture(view) != zero
    view.canvas._choose(A)
    assert view.canvas.accessibleDescription() == "AU5 upper lid raiser: not assessed"


def test_without_a_run_there_is_no_graph(view: UnitGraphView, qtbot: QtBot) -> None:
    view.show_estimate(estimate())
    view.set_header(None)
    view.show_estimate(estimate())
    qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
    assert view.canvas.chosen is None
    assert not picture(view).isNull()


@pytest.mark.parametrize("scale", [100, 200])
@pytest.mark.parametrize("codes", [OPEN_UNITS, (*OPEN_UNITS, 11, 28)])
def test_no_node_covers_another_at_the_least_size(view: UnitGraphView, scale: int, codes: tuple[int, ...]) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    theme.apply_theme(application, theme.ThemeName.LIGHT, scale)
    QApplication.processEvents()
    view.set_header(dataclasses.replace(HEADER, au_codes=codes, au_thresholds=(0.5,) * len(codes)))
    view.canvas.resize(view.canvas.minimumSizeHint())
    view.canvas.grab()
    canvas, em = view.canvas, theme.em(view.canvas)
    for place, point in enumerate(canvas._points):
        assert canvas.rect().contains(point.toPoint())
        for other in canvas._points[place + 1 :]:
            apart = point - other
            assert abs(apart.x()) > 2.4 * em or abs(apart.y()) > 2 * canvas._radius + em  # a code stands under a node


def test_the_legend_takes_the_lines_that_it_needs(view: UnitGraphView) -> None:
    assert view.legend.heightForWidth(200) > view.legend.heightForWidth(900)
    assert "not trusted" in view.legend.accessibleName()
