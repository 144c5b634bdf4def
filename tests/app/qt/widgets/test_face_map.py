"""The drawing of a face: regions lit by strength, blurred by uncertainty, untrusted units only if asked for."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.qt.widgets.face_map import FaceMap
from app.session.rows import FaceRow
from tests.fakes.sessions import fake_header

HEADER = fake_header(au_codes=(4, 5, 12), au_thresholds=(0.5, 0.5, 0.5), au_trusted=(4, 12))
ROW = FaceRow(0, None, 0.0, "accept", 1.0, 1, occurrence=(0.0, 0.9, 0.9), occurrence_std=(0.0, 0.05, 0.0))
#: Left lip corner and between the brows, in shares of the widget.
LIP, BROWS, LID = (0.34, 0.70), (0.50, 0.36), (0.34, 0.40)


@pytest.fixture
def face(qtbot: QtBot) -> FaceMap:
    face = FaceMap()
    qtbot.addWidget(face)
    face.resize(200, 200)
    face.set_header(HEADER)
    face.show()
    return face


def picture(face: FaceMap, row: FaceRow | None) -> QImage:
    face.show_row(row)
    return face.grab().toImage()


def changed(before: QImage, after: QImage, spot: tuple[float, float], reach: int = 4) -> int:
    """Sum of the differences around a point."""
    x, y = (round(200 * share) for share in spot)
    return sum(
        abs(before.pixelColor(x + i, y + j).lightness() - after.pixelColor(x + i, y + j).lightness())
        for i in range(-reach, reach + 1)
        for j in range(-reach, reach + 1)
    )


def test_a_likely_unit_lights_its_region_and_no_other(face: FaceMap) -> None:
    plain = picture(face, None)
    lit = picture(face, ROW)
    assert changed(plain, lit, LIP) > 0
    assert changed(plain, lit, BROWS) == 0
    mirrored = (1 - LIP[0], LIP[1])
    assert changed(plain, lit, mirrored) > 0
    faint = picture(face, dataclasses.replace(ROW, occurrence=(0.0, 0.0, 0.2)))
    assert 0 < changed(plain, faint, mirrored) < changed(plain, lit, mirrored)


def test_an_uncertain_unit_is_softer_and_wider(face: FaceMap) -> None:
    plain, edge = picture(face, None), (1 - LIP[0] + 0.075, LIP[1])
    sharp = picture(face, ROW)
    soft = picture(face, dataclasses.replace(ROW, occurrence_std=(0.0, 0.0, 0.2)))
    assert changed(plain, soft, edge, 2) > changed(plain, sharp, edge, 2)
    inside = (1 - LIP[0] + 0.035, LIP[1])
    assert changed(plain, soft, inside, 2) < changed(plain, sharp, inside, 2)


def test_units_that_are_not_trusted_are_hidden_unless_asked_for(face: FaceMap) -> None:
    picture(face, ROW)
    assert face.lit == (4, 12)
    before = face.grab().toImage()
    face.show_all_units(True)
    assert face.lit == (4, 5, 12)
    assert changed(before, face.grab().toImage(), LID) > 0


def test_the_text_names_the_unit_and_its_numbers(face: FaceMap) -> None:
    picture(face, ROW)
    lip = QPointF(200 * LIP[0], 200 * LIP[1])
    assert face.text_at(lip).startswith("AU12 lip corner puller: 0.90 ± 0.00\n")
    assert "not a certified FACS coding" in face.text_at(QPointF(2, 2))
    assert face.accessibleDescription() == "AU12 lip corner puller"
    face.show_row(dataclasses.replace(ROW, occurrence=(), occurrence_std=()))
    assert face.accessibleDescription() == "Action units: not assessed"
    assert face.lit == ()
