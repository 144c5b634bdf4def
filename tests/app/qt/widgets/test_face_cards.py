"""A card per face, in steady order, with its picture, its decision and the direction of its head."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QPaintEvent, QRegion
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.qt.widgets import face_cards
from app.qt.widgets.face_cards import FaceCards, pose_text
from app.session.rows import NO_FACE, FaceRow

ONE = FaceRow(0, None, 0.0, "accept", 1.0, 3, labels=("happiness",), shares=(0.8,), yaw=-31.0, pitch=4.0)
TWO = dataclasses.replace(ONE, face_id=1, labels=("sadness",), shares=(0.6,))
NOBODY = FaceRow(0, None, 0.0, NO_FACE, 1.0)


@pytest.fixture
def cards(qtbot: QtBot) -> FaceCards:
    cards = FaceCards()
    qtbot.addWidget(cards)
    cards.resize(190, 400)
    cards.show()
    return cards


def test_before_the_first_frame_one_card_waits(cards: FaceCards) -> None:
    (card,) = cards.cards
    assert card.face_id is None
    assert card.chip.text.headline == "Waiting for a picture"


def test_a_frame_without_a_face_says_so(cards: FaceCards) -> None:
    cards.show_faces((NOBODY,), None, {})
    assert cards.cards[0].chip.text.headline == "No face in view"


def test_cards_are_in_the_order_of_the_ids_whichever_face_is_larger(cards: FaceCards) -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    for rows in ((ONE, TWO), (TWO, ONE)):
        cards.show_faces(rows, 3, {3: picture})
        assert [card.face_id for card in cards.cards] == [1, 3]
        assert [card.chip.text.headline for card in cards.cards] == ["sad 60 %", "happy 80 %"]
    assert cards.cards[1].head.pose == "head ← 30°"
    assert "Face 3" in cards.cards[1].head.accessibleName()


def test_the_followed_face_keeps_its_card_while_it_is_out_of_view(cards: FaceCards) -> None:
    cards.show_faces((ONE, TWO), 3, {})
    cards.show_faces((TWO,), 3, {})
    assert [card.face_id for card in cards.cards] == [1, 3]
    assert cards.cards[1].head.pose == "out of view"


def test_the_place_of_a_face_that_is_gone_says_nothing_while_another_is_in_view(cards: FaceCards) -> None:
    cards.show_faces((ONE, TWO), None, {})
    cards.show_faces((TWO,), None, {})
    kept = cards.cards[1]
    assert (kept.face_id, kept.head.isHidden(), kept.chip.isHidden()) == (None, True, True)
    assert kept.height() > 0
    cards.show_faces((ONE, TWO), None, {})
    assert not cards.cards[1].head.isHidden()
    assert cards.cards[1].chip.text.headline == "happy 80 %"


def test_the_place_of_a_face_that_is_gone_is_drawn_without_the_bar_of_the_followed_face(cards: FaceCards) -> None:
    cards.show_faces((ONE, TWO), 3, {})
    card = cards.cards[1]
    QApplication.processEvents()
    painted = Painted(card)
    cards.show_faces((TWO,), None, {})
    QApplication.processEvents()
    assert any(region.contains(QPoint(1, card.height() // 2)) for region in painted.regions)


class Painted(QObject):
    """The regions of a widget that were painted."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.regions: list[QRegion] = []
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            self.regions.append(event.region())
        return False


def test_the_height_stays_for_a_face_and_is_that_of_its_text_for_another(cards: FaceCards) -> None:
    long = dataclasses.replace(ONE, decision="reject", labels=(), shares=(), quality_reasons=())
    cards.show_faces((ONE,), None, {})
    low = cards.cards[0].chip.height()
    cards.show_faces((long,), None, {})
    high = cards.cards[0].chip.height()
    assert high > low
    for rows in ((ONE,), (NOBODY,), (ONE,)):
        cards.show_faces(rows, None, {})
        assert cards.cards[0].chip.height() == high
    cards.show_faces((dataclasses.replace(ONE, face_id=4),), None, {})
    assert cards.cards[0].chip.height() == low


def test_the_place_of_a_face_that_is_gone_closes_after_a_while(cards: FaceCards, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(face_cards.time, "monotonic", lambda: now[0])
    cards.show_faces((ONE, TWO), 1, {})
    now[0] += 1
    cards.show_faces((TWO,), 1, {})
    assert len(cards.cards) == 2
    now[0] += 5
    cards.show_faces((TWO,), 1, {})
    assert len(cards.cards) == 1


def test_a_click_or_return_chooses_the_face(cards: FaceCards) -> None:
    chosen: list[int] = []
    cards.chosen.connect(chosen.append)
    cards.show_faces((ONE, TWO), 1, {})
    QTest.mouseClick(cards.cards[1].chip, Qt.MouseButton.LeftButton)
    QTest.keyClick(cards.cards[0].chip, Qt.Key.Key_Return)
    assert chosen == [3, 1]


@pytest.mark.parametrize(
    ("yaw", "pitch", "text"),
    [(0, 0, "frontal"), (12, -22, "head → 10°, ↓ 20°"), (None, None, ""), (-47, 9, "head ← 45°")],
)
def test_the_direction_of_the_head_is_given_in_steps(yaw: float | None, pitch: float | None, text: str) -> None:
    assert pose_text(dataclasses.replace(ONE, yaw=yaw, pitch=pitch)) == text
