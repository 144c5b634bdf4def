"""The two sliders: what they show, what they tell, and when they may be moved."""

from __future__ import annotations

import pytest

pytest.importorskip(
    "PySide6.QtWidgets", reason="needs PySide6 and the libraries of the system that Qt loads", exc_type=ImportError
)

from PySide6.QtCore import Qt

from app.live.routing_history import RouteShares
from app.qt.live.limits_panel import LimitsPanel, SharesBar
from app.settings.limits import Limits

MODEL = Limits(0.9075789344327557, 0.95)


@pytest.fixture
def panel(qtbot):
    made = LimitsPanel()
    qtbot.addWidget(made)
    made.set_limits(MODEL, MODEL)
    return made


def emitted(panel) -> list[Limits | None]:
    heard: list[Limits | None] = []
    panel.changed.connect(heard.append)
    return heard


def test_it_stands_still_until_a_model_is_known(qtbot):
    made = LimitsPanel()
    qtbot.addWidget(made)
    assert not made.isEnabled()
    made.set_limits(MODEL, MODEL)
    assert made.isEnabled()


def test_the_models_own_limits_survive_the_sliders_steps(panel):
    assert panel.limits == MODEL


def test_setting_limits_tells_nobody(panel):
    heard = emitted(panel)
    panel.set_limits(MODEL, Limits(0.5, 0.8))
    assert heard == []
    assert panel.limits == Limits(0.5, 0.8)


def test_keys_move_a_slider_by_a_hundredth_of_a_nat(panel, qtbot):
    heard = emitted(panel)
    qtbot.keyClick(panel.accept, Qt.Key.Key_Left)
    assert heard == [Limits(0.9, 0.95)]  # 0.91 is the model's; one step below
    assert "0.90 nats" in panel.accept_value.text()


def test_moving_back_to_the_models_limits_is_none(panel, qtbot):
    heard = emitted(panel)
    qtbot.keyClick(panel.ood, Qt.Key.Key_Left)
    qtbot.keyClick(panel.ood, Qt.Key.Key_Right)
    assert heard == [Limits(MODEL.aleatoric_limit, 0.94), None]


def test_reset_goes_back_to_the_models_limits_and_is_off_there(panel, qtbot):
    assert not panel.reset.isEnabled()
    panel.set_limits(MODEL, Limits(0.5, 0.8))
    heard = emitted(panel)
    qtbot.mouseClick(panel.reset, Qt.MouseButton.LeftButton)
    assert heard == [None]
    assert panel.limits == MODEL
    assert not panel.reset.isEnabled()


def test_a_lock_says_why_and_holds_until_it_is_taken_off(panel):
    panel.lock("Fixed while recording.")
    assert not panel.accept.isEnabled()
    assert panel.lock_reason.text() == "Fixed while recording."
    assert not panel.lock_reason.isHidden()
    panel.lock("")
    assert panel.accept.isEnabled()
    assert panel.lock_reason.isHidden()


def test_shares_are_told_in_words(panel):
    panel.show_shares(RouteShares(0.5, 0.25, 0.125, 0.125, 8))
    assert "50 % accepted, 25 % ambiguous, 12 % not assessed, 12 % not seen well" in panel.shares_text.text()
    assert panel.bar.accessibleDescription() == panel.shares_text.text()
    panel.show_shares(RouteShares(0.0, 0.0, 0.0, 0.0, 0))
    assert panel.shares_text.text() == "No face in the last 30 s."


def test_the_bar_tells_its_parts_apart_without_colour(qtbot):
    bar = SharesBar()
    qtbot.addWidget(bar)
    bar.resize(400, 20)
    bar.show_shares(RouteShares(0.25, 0.25, 0.25, 0.25, 8))
    image = bar.grab().toImage()
    looks = []
    for part in range(4):
        places = [(x, y) for x in range(100 * part + 10, 100 * part + 90) for y in range(20)]
        looks.append(tuple(image.pixelColor(x, y).lightness() for x, y in places))
    assert len(set(looks[0])) == 1  # solid
    assert all(len(set(look)) > 1 for look in looks[1:])  # hatched, slashes, dots
    edges = [tuple(lightness == look[0] for lightness in look) for look in looks]
    assert len(set(edges)) == 4  # and no two in the same pattern


def test_a_slider_that_is_not_moved_keeps_a_limit_between_its_steps_or_beyond_its_end(panel, qtbot):
    panel.set_limits(MODEL, Limits(0.123, 0.3))
    assert "30 %" in panel.ood_value.text()
    heard = emitted(panel)
    qtbot.keyClick(panel.accept, Qt.Key.Key_Right)
    qtbot.keyClick(panel.ood, Qt.Key.Key_Right)
    assert heard == [Limits(0.13, 0.3), Limits(0.13, 0.51)]
