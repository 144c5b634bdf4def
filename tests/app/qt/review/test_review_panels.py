"""The notes panel: label buttons, list of notes and agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

from app.qt.review.action_sets import NoteActions
from app.qt.review.agreement_box import AgreementBox
from app.qt.review.review_panels import LabelButton, NoteList, NotesPanel
from app.qt.theme import ThemeName, apply_theme
from app.review.agreement import Agreement, KappaMissing
from app.review.notes import HUMAN_LABELS, Exclusion, HumanLabel, Marker, Notes

Until = Callable[[Callable[[], bool]], None]
MARKER, EXCLUSION, LABEL = Marker(2.0, "door"), Exclusion(3.0, 4.5), HumanLabel(7, 5.0, 6.0, "anger")
NOTES = Notes("ab", (MARKER,), (EXCLUSION,), (LABEL,))


@pytest.fixture
def triggered() -> list[str]:
    return []


@pytest.fixture
def panel(qtbot, triggered: list[str]) -> Iterator[NotesPanel]:
    owner = QWidget()
    qtbot.addWidget(owner)

    def make(text: str) -> QAction:
        action = QAction(text, owner)
        action.triggered.connect(lambda: triggered.append(text))
        return action

    labels = {label: make(label) for label in HUMAN_LABELS}
    exclude, remove, codes, compare, neutral = map(make, ("exclude", "remove", "codes", "compare", "neutral"))
    actions = (*labels.values(), exclude, remove, codes, compare, neutral)
    notes_panel = NotesPanel(NoteActions(actions, labels, exclude, remove, codes, compare, neutral), QWidget())
    qtbot.addWidget(notes_panel)
    yield notes_panel
    owner.close()


def agreement(**changes: object) -> Agreement:
    fields: dict[str, object] = {
        "coder": "ab",
        "kappa": 0.614,
        "kappa_missing": None,
        "interval": (0.4, 0.81),
        "interval_missing": None,
        "table": np.diag([30, 12]).astype(np.int64),
        "ranges": 5,
        "agreeing": 42,
        "within_set": 42,
        "not_assessed": 9,
        "unclear": 0,
        "excluded": 4,
    }
    return Agreement(**{**fields, **changes})  # type: ignore[arg-type]  # the fields above, by name


def test_every_label_has_a_button_that_triggers_it(panel: NotesPanel, triggered: list[str]) -> None:
    buttons = panel.findChildren(LabelButton)
    assert len(buttons) == len(HUMAN_LABELS)
    for button in buttons:
        button.click()
    assert tuple(triggered) == HUMAN_LABELS


def test_buttons_are_enabled_with_their_action(panel: NotesPanel) -> None:
    button = panel.findChildren(LabelButton)[0]
    assert button.isEnabled()
    button.label_action.setEnabled(False)
    assert not button.isEnabled()


@pytest.mark.parametrize("width", [260, 420, 700])
def test_no_button_is_cut_off_at_any_width(panel: NotesPanel, width: int) -> None:
    panel.resize(width, 700)
    panel.show()
    for button in panel.findChildren(LabelButton):
        assert button.width() >= button.sizeHint().width()


def test_the_panel_fits_a_narrow_window_at_200_percent(panel: NotesPanel) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    apply_theme(application, ThemeName.DARK, 200)
    panel.show()
    panel.resize(480, 700)
    assert panel.minimumSizeHint().width() <= 480


def test_without_a_range_the_panel_explains_how_to_mark_one(panel: NotesPanel) -> None:
    panel.show_range("", "")
    assert panel.range_text.startswith("Mark a range first")
    panel.show_range("Face 1, 0:01 – 0:02", "The model: happy")
    assert panel.range_text == "Face 1, 0:01 – 0:02"
    assert panel.model_text == "The model: happy"


def test_the_coder_changes_when_editing_is_finished(panel: NotesPanel) -> None:
    named: list[str] = []
    panel.coder_changed.connect(named.append)
    QTest.keyClicks(panel.coder, " cd ")
    assert named == []
    QTest.keyClick(panel.coder, Qt.Key.Key_Return)
    assert named == ["cd"]


def test_notes_are_grouped_by_kind(panel: NotesPanel) -> None:
    panel.show_notes(NOTES, 10.0)
    assert panel.coder.text() == "ab"
    groups = [panel.notes.topLevelItem(place) for place in range(panel.notes.topLevelItemCount())]
    assert [group.text(0) for group in groups] == ["Markers: 1", "Excluded ranges: 1", "Human labels: 1"]
    assert [groups[0].child(0).text(column) for column in (0, 1)] == ["0:02.0", "door"]
    assert groups[1].child(0).text(0) == "0:03.0 – 0:04.5"
    assert groups[2].child(0).text(1) == "Face 7: angry"


@pytest.fixture
def notes(qtbot) -> NoteList:
    note_list = NoteList()
    qtbot.addWidget(note_list)
    note_list.show_notes(NOTES, 10.0)
    note_list.show()
    return note_list


@pytest.mark.parametrize(("group", "time_s"), [(0, 2.0), (1, 3.0), (2, 5.0)])
def test_a_click_seeks_to_the_note(notes: NoteList, group: int, time_s: float) -> None:
    seek_requested: list[float] = []
    notes.seek_requested.connect(seek_requested.append)
    item = notes.topLevelItem(group).child(0)
    QTest.mouseClick(
        notes.viewport(),
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        notes.visualItemRect(item).center(),
    )
    assert seek_requested == [time_s]


def test_the_selected_note_stays_selected(notes: NoteList) -> None:
    notes.choose(LABEL)
    assert notes.current_note == LABEL
    notes.show_notes(NOTES.with_marker(Marker(1.0, "first")), 10.0)
    assert notes.current_note == LABEL
    notes.show_notes(NOTES.without_label(LABEL), 10.0)
    assert notes.current_note is None


def test_a_marker_can_be_renamed_and_a_label_cannot(notes: NoteList, until: Until) -> None:
    renamed: list[tuple[Marker, str]] = []
    notes.renamed.connect(lambda marker, text: renamed.append((marker, text)))
    notes.choose(LABEL)
    notes.edit_current()
    assert notes.findChildren(QLineEdit) == []
    notes.choose(MARKER)
    notes.edit_current()
    editor = notes.findChild(QLineEdit)
    assert isinstance(editor, QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "window")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    until(lambda: bool(renamed))
    assert renamed == [(MARKER, "window")]


@pytest.fixture
def box(qtbot) -> Iterator[AgreementBox]:
    owner = QWidget()
    qtbot.addWidget(owner)
    agreement_box = AgreementBox(QAction("compare", owner))
    qtbot.addWidget(agreement_box)
    yield agreement_box
    owner.close()


def test_agreement_shows_kappa_interval_counts_and_caveat(box: AgreementBox) -> None:
    box.show_agreement(agreement())
    assert "kappa 0.61 (95 % interval 0.40 to 0.81)" in box.text
    assert "42 frames in 5 labelled ranges" in box.text
    assert "not assessed by the model: 9, excluded: 4" in box.text
    assert "unclear to you" not in box.text  # its count is 0
    assert "biases this number" in box.text


def test_without_kappa_the_reason_is_shown(box: AgreementBox) -> None:
    box.show_agreement(
        agreement(
            kappa=None, kappa_missing=KappaMissing.ONE_LABEL, interval=None, interval_missing=KappaMissing.ONE_LABEL
        )
    )
    assert KappaMissing.ONE_LABEL.value in box.text
    box.show_agreement(agreement(interval=None, interval_missing=KappaMissing.TOO_FEW_RANGES))
    assert KappaMissing.TOO_FEW_RANGES.value in box.text


def test_without_labels_the_box_asks_for_some(box: AgreementBox) -> None:
    box.show_agreement(agreement())
    box.show_agreement(None)
    assert "Label some ranges" in box.text
    assert "kappa" not in box.text


def test_a_failed_computation_is_shown(box: AgreementBox) -> None:
    box.show_fault("disk gone")
    assert box.text == "The agreement could not be computed: disk gone"
