"""The two limit sliders: values, signals, and the lock while recording."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from app.live.routing_history import RouteShares
from app.qt.live.limits_panel import LimitsPanel, SharesBar
from app.qt.widgets.expression_panel import MAX_NATS
from app.settings.limits import Limits, bold_limits

MODEL = Limits(0.9075789344327557, 0.95)


@pytest.fixture
def panel(qtbot):
    panel = LimitsPanel()
    qtbot.addWidget(panel)
    panel.set_limits(MODEL, MODEL)
    return panel


def emitted(panel) -> list[Limits | None]:
    limits: list[Limits | None] = []
    panel.changed.connect(limits.append)
    return limits


def test_it_is_disabled_until_a_model_is_known(qtbot):
    panel = LimitsPanel()
    qtbot.addWidget(panel)
    assert not panel.isEnabled()
    panel.set_limits(MODEL, MODEL)
    assert panel.isEnabled()


def test_the_models_limits_are_not_rounded_to_slider_steps(panel):
    assert panel.limits == MODEL


def test_setting_limits_emits_nothing(panel):
    changes = emitted(panel)
    panel.set_limits(MODEL, Limits(0.5, 0.8))
    assert changes == []
    assert panel.limits == Limits(0.5, 0.8)


def test_arrow_keys_move_the_slider_by_a_hundredth_of_a_nat(panel, qtbot):
    changes = emitted(panel)
    qtbot.keyClick(panel.accept, Qt.Key.Key_Left)
    assert changes == [Limits(0.9, 0.95)]  # 0.91 is the model's; one step below
    assert "0.90 nats" in panel.accept_value.text()


def test_moving_back_to_the_models_limits_emits_none(panel, qtbot):
    changes = emitted(panel)
    qtbot.keyClick(panel.ood, Qt.Key.Key_Left)
    qtbot.keyClick(panel.ood, Qt.Key.Key_Right)
    assert changes == [Limits(MODEL.aleatoric_limit, 0.94), None]


def test_reset_restores_the_models_limits_and_is_disabled_there(panel, qtbot):
    assert not panel.reset.isEnabled()
    panel.set_limits(MODEL, Limits(0.5, 0.8))
    changes = emitted(panel)
    qtbot.mouseClick(panel.reset, Qt.MouseButton.LeftButton)
    assert changes == [None]
    assert panel.limits == MODEL
    assert not panel.reset.isEnabled()


def test_a_lock_shows_its_reason_until_unlocked(panel):
    panel.lock("Fixed while recording.")
    assert not panel.accept.isEnabled()
    assert panel.lock_reason.text() == "Fixed while recording."
    assert not panel.lock_reason.isHidden()
    panel.lock("")
    assert panel.accept.isEnabled()
    assert panel.lock_reason.isHidden()


def test_shares_are_shown_as_text(panel):
    panel.show_shares(RouteShares(0.5, 0.25, 0.125, 0.125, 8))
    assert "50 % accepted, 25 % ambiguous, 12 % not assessed, 12 % not seen well" in panel.shares_text.text()
    assert panel.bar.accessibleDescription() == panel.shares_text.text()
    panel.show_shares(RouteShares(0.0, 0.0, 0.0, 0.0, 0))
    assert panel.shares_text.text() == "No face in the last 30 s."


def test_the_parts_of_the_bar_differ_without_colour(qtbot):
    bar = SharesBar()
    qtbot.addWidget(bar)
    bar.resize(400, 20)
    bar.show_shares(RouteShares(0.25, 0.25, 0.25, 0.25, 8))
    image = bar.grab().toImage()
    patterns = []
    for part in range(4):
        places = [(x, y) for x in range(100 * part + 10, 100 * part + 90) for y in range(20)]
        patterns.append(tuple(image.pixelColor(x, y).lightness() for x, y in places))
    assert len(set(patterns[0])) == 1  # solid
    assert all(len(set(pattern)) > 1 for pattern in patterns[1:])  # hatched, slashes, dots
    edges = [tuple(lightness == pattern[0] for lightness in pattern) for pattern in patterns]
    assert len(set(edges)) == 4


def test_an_unmoved_slider_keeps_a_limit_between_its_steps_or_beyond_its_range(panel, qtbot):
    panel.set_limits(MODEL, Limits(0.123, 0.3))
    assert "30 %" in panel.ood_value.text()
    changes = emitted(panel)
    qtbot.keyClick(panel.accept, Qt.Key.Key_Right)
    qtbot.keyClick(panel.ood, Qt.Key.Key_Right)
    assert changes == [Limits(0.13, 0.3), Limits(0.13, 0.51)]


def test_one_slider_moves_both_limits_from_careful_to_bold(panel, qtbot):
    changes = emitted(panel)
    panel.boldness.setValue(0)
    assert panel.limits == Limits(0.0, 0.5)
    panel.boldness.setValue(75)
    assert panel.limits.aleatoric_limit == pytest.approx((MODEL.aleatoric_limit + MAX_NATS) / 2)
    assert panel.limits.ood_limit == pytest.approx((0.95 + 1) / 2)
    panel.boldness.setValue(50)
    assert panel.limits == MODEL
    assert changes[-1] is None
    assert panel.bold_value.text() == "as calibrated"


def test_the_slider_follows_limits_set_elsewhere(panel):
    for boldness in (0.0, 0.2, 0.5, 0.8, 1.0):
        panel.set_limits(MODEL, bold_limits(MODEL, boldness, MAX_NATS))
        assert panel.boldness.value() == round(100 * boldness)
    panel.set_limits(MODEL, Limits(MODEL.aleatoric_limit, 1.0))  # bold in one limit only
    assert panel.boldness.value() == 75


def test_the_two_limits_are_behind_advanced(panel, qtbot):
    panel.show()
    assert not panel.accept.isVisible()
    qtbot.mouseClick(panel.advanced.button, Qt.MouseButton.LeftButton)
    assert panel.accept.isVisible()
    assert panel.ood.isVisible()


def test_a_lock_disables_the_slider_too(panel):
    panel.lock("Fixed while recording.")
    assert not panel.boldness.isEnabled()
