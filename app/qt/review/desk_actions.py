"""Making the actions of the review desk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QAction

from app.qt.review.action_sets import NoteActions, PlaybackActions
from app.qt.review.timeline_painter import label_text
from app.qt.widgets.glyph_button import Glyph
from app.review.notes import HUMAN_LABELS, UNCLEAR
from engine.facs import EXPRESSIONS

if TYPE_CHECKING:
    from app.qt.review.review_desk import ReviewDesk


def playback_actions(desk: ReviewDesk, make: Callable[..., QAction]) -> PlaybackActions:
    """Make the actions of a desk; ``make`` registers each with the page."""
    tr = desk.tr
    play = make(tr("Play or pause"), "Space", desk.toggle)
    back = make(tr("Frame back"), "Left", partial(desk.step, -1))
    forward = make(tr("Frame forward"), "Right", partial(desk.step, 1))
    five_back = make(tr("Five frames back"), "Ctrl+Left", partial(desk.step, -5))
    five_forward = make(tr("Five frames forward"), "Ctrl+Right", partial(desk.step, 5))
    uncertain = make(
        tr("Next uncertain moment"),
        "N",
        desk.go_to_uncertain,
        tr("Go to where the chosen face is next ambiguous or not assessed"),
    )
    second_back = make(tr("Second back"), "Shift+Left", partial(desk.skip, -1.0))
    second_forward = make(tr("Second forward"), "Shift+Right", partial(desk.skip, 1.0))
    start = make(tr("Go to start"), "Home", partial(desk.go_to, 0.0))
    end = make(tr("Go to end"), "End", desk.go_to_end)
    backwards = partial(desk.shuttle, -1)
    reverse = make(tr("Play backwards"), "J", backwards, tr("Play backwards; press again to double the speed"))
    stop = make(tr("Pause"), "K", desk.pause)
    forwards = partial(desk.shuttle, 1)
    shuttle = make(tr("Play forwards"), "L", forwards, tr("Play forwards; press again to double the speed"))
    mark_in = make(tr("Start of range"), "I", desk.mark_in)
    mark_out = make(tr("End of range"), "O", desk.mark_out)
    next_face = make(tr("Next face"), "F", desk.choose_next_face)
    zoom = make(tr("Zoom"), "Z", desk.toggle_zoom, tr("Zoom to the face, or show all; the wheel zooms, a drag moves"))
    zooms = (
        make(tr("Zoom in"), "+", lambda: desk.timeline.zoom(1), tr("Show less time on the timeline")),
        make(tr("Zoom out"), "-", lambda: desk.timeline.zoom(-1), tr("Show more time on the timeline")),
        make(tr("Whole session"), "A", lambda: desk.timeline.zoom_out_full()),
        make(tr("Zoom to range"), "Shift+A", lambda: desk.timeline.zoom_to_range(), tr("Show the marked range alone")),
    )
    large_series = make(
        tr("Time series"),
        "T",
        desk.toggle_series,
        tr("Plots of expressions, uncertainties, units and pose over time; again: as before"),
    )
    large_series.setCheckable(True)
    actions = (
        *(play, back, forward, five_back, five_forward, second_back, second_forward, start, end, uncertain),
        *(reverse, stop, shuttle, mark_in, mark_out, next_face, zoom, *zooms, large_series),
    )
    buttons = {Glyph.START: start, Glyph.BACK: back, Glyph.PLAY: play, Glyph.NEXT: forward, Glyph.END: end}
    return PlaybackActions(actions, buttons, zooms, large_series)


def note_actions(desk: ReviewDesk, make: Callable[..., QAction]) -> NoteActions:
    """Make the actions of a desk that change notes; ``make`` registers each with the page."""
    tr = desk.tr
    marker = make(tr("Add marker"), "M", desk.add_marker, tr("Mark this moment"))
    exclude = make(
        tr("Exclude range"), "X", desk.exclude_range, tr("Leave the range out of agreement and reviewed tables")
    )
    labels = {}
    for label in HUMAN_LABELS:
        key = "0" if label == UNCLEAR else str(EXPRESSIONS.index(label) + 1)
        text = tr("Label as {label}").format(label=label_text(label))
        labels[label] = make(text, key, partial(desk.label_range, label))
    remove = make(tr("Delete selected note"), "Del", desk.remove_note)
    rename = make(tr("Rename selected marker"), "F2", desk.edit_marker)
    name = make(
        tr("Name face…"), "Shift+F", desk.name_face, tr("Name the chosen face; faces of one name are one person")
    )
    codes = make(tr("Event codes…"), "Ctrl+K", desk.codes_requested.emit, tr("Your own keys for events"))
    compare = make(
        tr("Compare with a person…"),
        "Ctrl+M",
        desk.coder_requested.emit,
        tr("Kappa with the labels of another person"),
    )
    neutral = make(
        tr("Use range as neutral"),
        "Shift+N",
        desk.neutral_ranges.mark,
        tr("What the units of the chosen face show in the marked range is subtracted from all its frames"),
    )
    undo = make(tr("Undo"), "Ctrl+Z", desk.undo)
    redo = make(tr("Redo"), "Ctrl+Shift+Z", desk.redo)
    actions = (marker, exclude, *labels.values(), remove, rename, name, neutral, codes, compare, undo, redo)
    return NoteActions(actions, labels, exclude, remove, codes, compare, neutral)


def overlay_actions(make: Callable[..., QAction], apply: Callable[[], None]) -> tuple[QAction, ...]:
    """Make the switches of what is drawn over the image, and of the blur, which call ``apply``."""
    tr = partial(QCoreApplication.translate, "mien")
    texts = (
        (tr("Boxes"), "B", tr("Boxes around faces")),
        (tr("Labels"), "Shift+B", tr("Labels and decisions over the picture")),
        (tr("Units"), "U", tr("Action units over the picture")),
        (tr("Pose"), "H", tr("Axes of the head; the white one is its direction")),
        (tr("Blur"), "Shift+X", tr("Blur faces in this view; the export writes a video with blurred faces")),
    )
    switches = tuple(make(text, key, apply, tip) for text, key, tip in texts)
    for place, switch in enumerate(switches):
        switch.setCheckable(True)
        switch.setChecked(place < 2)  # the units are shown beside the picture
    return switches
