"""Uncertainty in plain words: the zone follows the decision, numbers are behind "Details"."""

from __future__ import annotations

import dataclasses
import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.qt.widgets.expression_panel import ExpressionPanel
from app.qt.widgets.uncertainty_view import Zone, ZoneStrip, reading_of
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow
from app.settings.limits import Limits
from engine.types import Route

LIMITS = Limits(1.0, 0.9)
CLEAR = FaceRow(
    *(0, None, 0.0, Route.ACCEPT.value, 5.0),
    face_id=1,
    labels=("happiness",),
    shares=(0.82,),
    probabilities=(0.1, 0.8, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0),
    ood_score=0.5,
    aleatoric=0.6,
    epistemic=0.01,
)
SEVERAL = dataclasses.replace(
    CLEAR, decision=Route.AMBIGUOUS.value, labels=("sadness", "neutral"), shares=(0.5, 0.4), aleatoric=1.5
)
UNLIKE = dataclasses.replace(CLEAR, decision=Route.REJECT.value, labels=(), shares=(), probabilities=(), ood_score=0.95)
POOR = dataclasses.replace(UNLIKE, decision=LOW_QUALITY, ood_score=None, aleatoric=None)


@pytest.mark.parametrize(
    ("row", "zone", "words"),
    [
        (CLEAR, Zone.CLEAR, "Clear: looks happy"),
        (SEVERAL, Zone.SEVERAL, "Two readings: sad or neutral. People often disagree on such faces."),
        (
            dataclasses.replace(SEVERAL, labels=("anger", "fear", "disgust"), shares=(0.3, 0.3, 0.3)),
            Zone.SEVERAL,
            "Three readings: angry, fearful or disgusted.",
        ),
        (UNLIKE, Zone.UNLIKE, "Unlike what it learned from: no label."),
        (POOR, None, "Not seen well"),
        (dataclasses.replace(POOR, decision=NO_FACE, face_id=None), None, "No face"),
        (None, None, "No face"),
    ],
)
def test_every_decision_has_a_zone_and_a_sentence(row: FaceRow | None, zone: Zone | None, words: str) -> None:
    reading = reading_of(row, LIMITS)
    assert reading.zone is zone
    assert reading.sentence.startswith(words)


def test_sentences_have_no_units_and_no_feelings() -> None:
    for row in (CLEAR, SEVERAL, UNLIKE, POOR, None):
        assert not re.search(r"nats|aleatoric|epistemic|feel|\d", reading_of(row, LIMITS).sentence)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        (CLEAR, 0.6 / 1.0),
        (SEVERAL, 1.5 / 1.0 - 1),
        (UNLIKE, (0.95 - 0.9) / (1 - 0.9)),
        (dataclasses.replace(CLEAR, aleatoric=1.4), 1.0),  # the label is held: the mark stays in its zone
        (dataclasses.replace(SEVERAL, aleatoric=0.7), 0.0),
    ],
)
def test_the_mark_shows_how_far_the_face_is_from_the_limit(row: FaceRow, place: float) -> None:
    assert reading_of(row, LIMITS).place == pytest.approx(place)


@pytest.mark.parametrize("limits", [None, Limits(0.0, 1.0)])
def test_without_a_limit_the_mark_is_in_the_middle(limits: Limits | None) -> None:
    assert {reading_of(row, limits).place for row in (CLEAR, SEVERAL, UNLIKE)} == {0.5}


@pytest.fixture
def panel(qtbot: QtBot, header) -> ExpressionPanel:
    panel = ExpressionPanel()
    qtbot.addWidget(panel)
    panel.resize(320, 620)
    panel.set_header(header)
    panel.show()
    return panel


def test_numbers_and_units_are_behind_details(panel: ExpressionPanel, qtbot: QtBot) -> None:
    panel.show_row(SEVERAL)
    assert not panel.aleatoric.isVisible()
    assert not panel.ood_score.isVisible()
    qtbot.mouseClick(panel.uncertainty.details.button, Qt.MouseButton.LeftButton)
    assert panel.aleatoric.isVisible()
    assert panel.ood_score.isVisible()


def test_the_panel_shows_the_sentence_of_the_face(panel: ExpressionPanel) -> None:
    for row in (CLEAR, SEVERAL, UNLIKE, None):
        panel.show_row(row)
        shown = [label.text() for label in panel.findChildren(QLabel) if label.isVisible()]
        assert reading_of(row, LIMITS).sentence in shown
    panel.show_row(SEVERAL)
    assert panel.uncertainty.strip.accessibleDescription() == "Several"


def test_zones_differ_without_colour(qtbot: QtBot) -> None:
    strip = ZoneStrip()
    qtbot.addWidget(strip)
    strip.resize(420, 60)
    strip.show()
    images = []
    for row in (CLEAR, SEVERAL, UNLIKE, None):
        strip.show_reading(reading_of(row, LIMITS))
        strip.redraw(static=True)
        images.append(strip.grab().toImage())
    greys = [
        [image.pixelColor(x, y).lightness() for x in range(0, 420, 3) for y in range(0, 60, 3)] for image in images
    ]
    assert len({tuple(grey) for grey in greys}) == 4
