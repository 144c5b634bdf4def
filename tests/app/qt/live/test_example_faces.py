"""The row of example faces: texts, frames that differ without colour, what fits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from app.live.routing_history import ExampleFace
from app.qt import theme
from app.qt.live.example_faces import _PICTURE_EM, _PLACE_EM, EXAMPLES, ExampleFaces
from engine.types import Decision, Reason, Route

ONE = Decision(Route.ACCEPT, Reason.CLEAR, ("happiness",), (0.8,))
TWO = Decision(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("sadness", "neutral"), (0.4, 0.35))
NONE = Decision(Route.REJECT, Reason.UNLIKE_TRAINING_DATA)
UNSEEN = Decision(Route.REJECT, Reason.LOW_QUALITY)


def example(decision: Decision) -> ExampleFace:
    return ExampleFace(np.full((96, 96, 3), 128, np.uint8), decision)


@pytest.fixture
def row(qtbot: QtBot) -> ExampleFaces:
    row = ExampleFaces()
    qtbot.addWidget(row)
    row.resize(row.sizeHint())
    row.show()
    return row


def test_each_face_has_its_decision_as_text(row: ExampleFaces) -> None:
    row.show_examples([example(decision) for decision in (ONE, TWO, NONE, UNSEEN)])
    assert row.texts == ("happy", "sad or neutral", "no label", "not seen well")
    assert row.accessibleDescription() == "happy, sad or neutral, no label, not seen well"


def test_another_decision_on_the_same_face_is_drawn(row: ExampleFaces) -> None:
    face = example(ONE)
    row.show_examples([face])
    before = row.grab().toImage()
    row.show_examples([ExampleFace(face.picture, TWO)])
    row.repaint()
    assert row.grab().toImage() != before


def test_frames_differ_in_form_and_not_only_in_colour(row: ExampleFaces) -> None:
    def breaks(decision: Decision) -> int:
        """Changes of brightness along the upper edge of the picture."""
        row.show_examples([example(decision)])
        image = row.grab().toImage()
        em = theme.em(row)
        y, left, right = round(0.2 * em), round((_PLACE_EM - _PICTURE_EM) / 2 * em) + 4, round(4.5 * em)
        line = [QColor(image.pixel(x, y)).lightness() for x in range(left, right)]
        return sum(abs(one - other) > 20 for one, other in pairwise(line))

    assert breaks(ONE) == 0
    assert breaks(NONE) > breaks(TWO) > 0


def test_at_most_so_many_are_shown_and_none_is_a_text(row: ExampleFaces) -> None:
    row.show_examples([example(ONE)] * (EXAMPLES + 3))
    assert len(row.texts) == EXAMPLES
    row.show_examples([])
    assert row.texts == ()
    assert row.accessibleDescription() == ""
