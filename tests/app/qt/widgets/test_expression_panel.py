"""The expression panel: a text for every decision, empty bars without assessment, marks at the limits."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.overlay.patterns import shade
from app.qt import theme
from app.qt.widgets.decision_chip import DecisionChip
from app.qt.widgets.expression_panel import ExpressionPanel
from app.qt.widgets.icons import IconName
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow, SessionHeader
from app.settings.limits import Limits
from engine.types import COVERED_PARTS, QualityReason, Route

ACCEPTED = FaceRow(
    *(0, None, 0.0, Route.ACCEPT.value, 5.0),
    face_id=1,
    labels=("happiness",),
    shares=(0.824,),
    probabilities=(0.1, 0.8, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0),
    ood_score=0.5,
    aleatoric=0.6,
    epistemic=0.01,
)
AMBIGUOUS = dataclasses.replace(
    ACCEPTED,
    decision=Route.AMBIGUOUS.value,
    labels=("happiness", "surprise"),
    shares=(0.48, 0.41),
    probabilities=(0.05, 0.45, 0.45, 0.01, 0.01, 0.01, 0.01, 0.01),
    aleatoric=1.3,
)
REJECTED = dataclasses.replace(
    ACCEPTED, decision=Route.REJECT.value, labels=(), shares=(), probabilities=(), ood_score=0.99
)
POOR_IMAGE = dataclasses.replace(
    REJECTED, decision=LOW_QUALITY, ood_score=None, aleatoric=None, quality_reasons=("dark", "blurred", "cut_off")
)


@pytest.fixture
def panel(qtbot: QtBot, header: SessionHeader) -> ExpressionPanel:
    panel = ExpressionPanel()
    qtbot.addWidget(panel)
    panel.resize(320, 560)
    panel.set_header(header)
    panel.show()
    return panel


@pytest.fixture
def chip(qtbot: QtBot) -> DecisionChip:
    chip = DecisionChip()
    qtbot.addWidget(chip)
    chip.resize(320, 100)
    chip.show()
    return chip


def screenshot(widget: QWidget) -> QImage:
    return widget.grab().toImage()


def count(widget: QWidget, colour: QColor) -> int:
    image = screenshot(widget)
    return sum(image.pixel(x, y) == colour.rgb() for x in range(image.width()) for y in range(image.height()))


def test_an_accepted_face_has_one_label_with_its_percentage(chip: DecisionChip) -> None:
    chip.show_row(ACCEPTED)
    assert chip.text.icon is IconName.ACCEPTED
    assert chip.text.headline == "happy 82 %"
    assert "FERPlus PrivateTest" in chip.toolTip()
    assert "Not measured for your camera" in chip.toolTip()
    assert chip.accessibleName() == "happy 82 %"


def test_an_ambiguous_face_has_both_labels(chip: DecisionChip) -> None:
    chip.show_row(AMBIGUOUS)
    assert chip.text.icon is IconName.AMBIGUOUS
    assert chip.text.headline == "happy or surprised"
    assert chip.text.parts == (("happiness", 48), ("surprise", 41))
    assert chip.toolTip().startswith("Both labels fit. In pictures like this, people disagree too.")


def test_an_ambiguous_face_may_have_three_labels(chip: DecisionChip) -> None:
    labels, shares = ("contempt", "disgust", "anger"), (0.34, 0.3, 0.25)
    chip.show_row(dataclasses.replace(AMBIGUOUS, labels=labels, shares=shares))
    assert chip.text.headline == "contemptuous, disgusted or angry"
    assert "Both" not in chip.toolTip()


def test_a_rejected_face_says_why(chip: DecisionChip) -> None:
    chip.show_row(REJECTED)
    assert chip.text.icon is IconName.NOT_ASSESSED
    assert chip.text.headline.startswith("Not assessed: unlike")
    chip.show_row(dataclasses.replace(REJECTED, quality_reasons=("mouth_covered", "side_covered")))
    assert chip.text.headline == "Not assessed: mouth covered, one side covered"


def test_a_rejected_face_has_empty_bars_unlike_zero_bars(panel: ExpressionPanel) -> None:
    panel.show_row(dataclasses.replace(ACCEPTED, probabilities=(0.0,) * 8))
    zero = screenshot(panel.bars)
    panel.show_row(REJECTED)
    assert screenshot(panel.bars) != zero
    assert panel.bars.accessibleDescription() == "not assessed"
    assert "above the limit" in panel.ood_score.accessibleDescription()


@pytest.mark.parametrize("reason", [reason for reason in QualityReason if reason not in COVERED_PARTS])
def test_every_quality_reason_comes_with_advice(
    panel: ExpressionPanel, chip: DecisionChip, reason: QualityReason
) -> None:
    for part in (panel, chip):
        part.show_row(dataclasses.replace(POOR_IMAGE, quality_reasons=(reason.value,)))
    assert chip.text.icon is IconName.POOR_IMAGE
    assert chip.text.headline.startswith("Can't see well: ")
    assert chip.text.note.endswith(".")
    assert panel.aleatoric.accessibleDescription() == "not assessed"


def test_at_most_two_quality_reasons_are_shown(chip: DecisionChip) -> None:
    chip.show_row(POOR_IMAGE)
    assert chip.text.headline == "Can't see well: too dark, blurred"


def test_no_face_and_no_frame_have_different_texts(chip: DecisionChip) -> None:
    chip.show_row(FaceRow(0, None, 0.0, NO_FACE, 5.0))
    assert chip.text.headline == "No face in view"
    chip.show_row(None)
    assert chip.text.headline == "Waiting for a picture"


def test_the_percentage_is_updated_while_the_label_stays(chip: DecisionChip) -> None:
    chip.show_row(ACCEPTED)
    before = screenshot(chip)
    chip.show_row(dataclasses.replace(ACCEPTED, shares=(0.55,)))
    assert screenshot(chip) != before
    assert chip.text.headline == "happy 55 %"
    assert chip.accessibleName() == "happy 55 %"


def test_only_competing_labels_are_hatched(panel: ExpressionPanel) -> None:
    colour = theme.current().expression("happiness")
    panel.show_row(dataclasses.replace(ACCEPTED, probabilities=AMBIGUOUS.probabilities))
    full = count(panel.bars, colour)
    panel.show_row(AMBIGUOUS)
    assert 0 < count(panel.bars, colour) < 0.7 * full


def test_bars_are_described_in_steps_of_ten_percent(panel: ExpressionPanel) -> None:
    panel.show_row(ACCEPTED)
    assert panel.bars.accessibleDescription() == "about happy 80 %, surprised 10 %, neutral 10 %"


STEADY = dataclasses.replace(
    ACCEPTED,
    steady_probabilities=(0.1, 0.824, 0.076, 0.0, 0.0, 0.0, 0.0, 0.0),
    probabilities=(0.5, 0.3, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0),
    steady_ood_score=0.5,
    ood_score=0.99,
    steady_aleatoric=0.6,
    steady_epistemic=0.01,
    aleatoric=1.9,
)


def test_bars_and_gauges_show_the_estimate_that_the_label_is_made_of(
    panel: ExpressionPanel, chip: DecisionChip
) -> None:
    panel.show_row(STEADY)
    chip.show_row(STEADY)
    assert chip.text.headline == "happy 82 %"
    assert panel.bars.accessibleDescription() == "about happy 80 %, surprised 10 %, neutral 10 %"
    assert not panel.aleatoric.over
    assert not panel.ood_score.over


def test_a_thin_line_on_each_bar_shows_the_frame_alone(panel: ExpressionPanel) -> None:
    panel.show_row(STEADY)
    before = screenshot(panel.bars)
    panel.show_row(dataclasses.replace(STEADY, probabilities=(0.2, 0.3, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0)))
    QApplication.processEvents()
    moved = screenshot(panel.bars)
    assert moved != before
    panel.show_row(dataclasses.replace(STEADY, probabilities=()))  # not analysed in this frame
    assert screenshot(panel.bars) not in (before, moved)


def test_a_new_label_is_painted_at_once_with_all_that_waits(panel: ExpressionPanel, chip: DecisionChip) -> None:
    panel.uncertainty.details.open()
    panel.show_row(ACCEPTED)
    chip.show_row(ACCEPTED)
    QApplication.processEvents()
    panel.show_row(dataclasses.replace(ACCEPTED, aleatoric=0.9))  # waits
    gauge = next(timer for timer in panel.aleatoric.findChildren(QTimer))
    assert gauge.isActive()
    chip.show_row(dataclasses.replace(AMBIGUOUS, aleatoric=0.9))
    assert not any(timer.isActive() for timer in panel.findChildren(QTimer))


def test_each_uncertainty_has_its_own_limit(panel: ExpressionPanel) -> None:
    panel.show_row(AMBIGUOUS)
    assert panel.aleatoric.over
    assert not panel.ood_score.over


def test_marks_follow_the_limits(panel: ExpressionPanel, header: SessionHeader) -> None:
    panel.show_row(ACCEPTED)
    assert not panel.aleatoric.over
    before = screenshot(panel.aleatoric)
    panel.set_limits(Limits(0.5, 0.4))
    assert panel.aleatoric.over
    assert panel.ood_score.over
    assert screenshot(panel.aleatoric) != before
    panel.set_header(header)
    panel.show_row(ACCEPTED)
    assert not panel.aleatoric.over


def test_without_a_session_there_are_no_limits(panel: ExpressionPanel) -> None:
    panel.show_row(ACCEPTED)
    panel.set_header(None)
    panel.show_row(ACCEPTED)
    assert not panel.aleatoric.over


def test_a_long_text_makes_the_chip_higher(chip: DecisionChip) -> None:
    low = chip.minimumHeight()
    chip.resize(170, 700)
    chip.show_row(dataclasses.replace(AMBIGUOUS, labels=("contempt", "disgust", "surprise"), shares=(0.3, 0.3, 0.3)))
    assert chip.minimumHeight() > low


def test_every_part_is_reached_by_tab(panel: ExpressionPanel, qtbot: QtBot) -> None:
    panel.activateWindow()
    panel.bars.setFocus()
    reached = []
    for _ in range(3):
        focused = QApplication.focusWidget()
        assert focused is not None
        reached.append(focused.accessibleName())
        plain = screenshot(focused)
        panel.focusNextChild()
        assert screenshot(focused) != plain  # the focus frame is gone
    assert len(set(reached)) == 3


def test_a_change_of_theme_redraws_the_chip(chip: DecisionChip) -> None:
    chip.show_row(AMBIGUOUS)
    light = screenshot(chip).pixelColor(40, 20)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    theme.apply_theme(application, theme.ThemeName.DARK, 100)
    QApplication.processEvents()
    dark = screenshot(chip).pixelColor(40, 20)
    assert dark.lightness() < 100 < light.lightness()


def test_no_timer_runs_while_the_panel_is_hidden(panel: ExpressionPanel) -> None:
    panel.show_row(ACCEPTED)
    QApplication.processEvents()
    panel.show_row(dataclasses.replace(ACCEPTED, aleatoric=0.9))
    assert any(timer.isActive() for timer in panel.findChildren(QTimer))
    panel.hide()
    panel.show_row(ACCEPTED)
    assert not any(timer.isActive() for timer in panel.findChildren(QTimer))
    panel.show()
    assert panel.bars.accessibleDescription() == "about happy 80 %, surprised 10 %, neutral 10 %"


def test_a_narrow_panel_has_the_names_above_the_bars(panel: ExpressionPanel) -> None:
    panel.show_row(ACCEPTED)
    panel.bars.resize(400, 300)
    beside = panel.bars.minimumSizeHint().height()
    panel.bars.resize(170, 300)
    assert panel.bars.minimumSizeHint().height() > beside
    screenshot(panel.bars)
    assert all(bar.width() > 0.8 * 170 for bar in panel.bars._full)


def test_the_last_of_several_fast_rows_is_painted(chip: DecisionChip, qtbot: QtBot) -> None:
    for share in (0.5, 0.6, 0.7):
        chip.show_row(dataclasses.replace(ACCEPTED, shares=(share,)))
    qtbot.waitUntil(lambda: chip.text.headline == "happy 70 %", timeout=5000)


def test_a_bar_has_the_pattern_of_its_expression(panel: ExpressionPanel) -> None:
    panel.resize(500, 400)
    panel.show_row(dataclasses.replace(ACCEPTED, probabilities=(0.5, 0.5, 0, 0, 0, 0, 0, 0)))
    plain = theme.current().expression("happiness")
    marks = QColor(*shade(plain.red(), plain.green(), plain.blue()))
    assert count(panel.bars, plain) > count(panel.bars, marks) > 0
    neutral = theme.current().expression("neutral")
    assert count(panel.bars, QColor(*shade(neutral.red(), neutral.green(), neutral.blue()))) == 0


@pytest.mark.parametrize("share", [0.985, 0.9851, 0.4949, 0.5051, 0.0149])
def test_bars_and_card_show_the_same_number(panel: ExpressionPanel, chip: DecisionChip, share: float) -> None:
    rest = (1 - share) / 7
    row = dataclasses.replace(
        ACCEPTED, shares=(share,), probabilities=(rest, share, rest, rest, rest, rest, rest, rest)
    )
    panel.show_row(row)
    chip.show_row(row)
    assert chip.text.parts == (("happiness", panel.bars.percents[1]),)
