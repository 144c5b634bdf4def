"""What the timeline says under the mouse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QCoreApplication

from app.overlay.overlay import LOW_QUALITY_TEXT, REJECT_TEXT
from app.qt.review.timeline_painter import label_word
from app.qt.translation import expression_name, translated
from app.review.face_timeline import LaneState, LaneView
from app.review.notes import Notes
from app.review.session import Session
from app.review.timeline_layout import Row, RowKind, clock_text, unit_order
from engine.facs import UNIT_NAMES, unit_code
from engine.types import Float32


def timeline_tip(session: Session, notes: Notes, row: Row | None, line: float, time_s: float) -> str:
    """Time, face, decision, labels or the unit's probability there.

    Args:
        session: what is shown.
        notes: what people noted.
        row: under the mouse; None = ruler or markers.
        line: where in the row, 0-1 from its top.
        time_s: where in the session.
    """
    lines = [clock_text(time_s, session.duration_s, 2)]
    if notes.is_excluded(time_s):
        lines.append(QCoreApplication.translate("mien", "excluded from every count"))
    if row is None:
        near = [marker.text for marker in notes.markers if abs(marker.time_s - time_s) < session.duration_s / 200]
        return "\n".join([*lines, *filter(None, near)])
    lines[0] += " · " + QCoreApplication.translate("mien", "Face {number}").format(number=row.face_id)
    position = session.position_at(time_s)
    edges = np.array([position, position + 1], np.int64)
    if row.kind is RowKind.NOTED:
        label = notes.label_at(row.face_id, time_s)
        form = QCoreApplication.translate("mien", "A person says: {label}")
        none = QCoreApplication.translate("mien", "No label by a person here")
        lines.append(none if label is None else form.format(label=label_word(label.label)))
    elif row.kind is RowKind.UNITS:
        lines.append(_unit_words(session, row.lane.occurrence(edges)[0], line))
    else:
        lines.append(state_words(session.header.expressions, row.lane.view(edges)))
    return "\n".join(lines)


def state_words(expressions: tuple[str, ...], view: LaneView) -> str:
    """What the model said in the first bucket of a view."""
    state = LaneState(int(view.state[0]))
    if state is LaneState.ACCEPT:
        return expression_name(expressions[int(view.label[0])])
    if state is LaneState.AMBIGUOUS:
        form = QCoreApplication.translate("mien", "ambiguous between {first} and {second}")
        places = (int(view.label[0]), int(view.second[0] if view.second[0] >= 0 else view.label[0]))
        first, second = (expression_name(expressions[place]) for place in places)
        return form.format(first=first, second=second)
    if state is LaneState.REJECT:
        return translated(REJECT_TEXT)
    if state is LaneState.LOW_QUALITY:
        return translated(LOW_QUALITY_TEXT)
    return QCoreApplication.translate("mien", "not in the picture")


def _unit_words(session: Session, occurrence: Float32, line: float) -> str:
    header = session.header
    order = unit_order(header)
    place = order[min(int(line * len(order)), len(order) - 1)]
    number = header.au_codes[place]
    name = f"{unit_code(number)} {translated(UNIT_NAMES.get(number, ''))}".strip()
    probability = float(occurrence[place])
    if math.isnan(probability):
        return QCoreApplication.translate("mien", "{unit}: not computed").format(unit=name)
    percent = f"{100 * probability:.0f}%"
    if number not in header.au_trusted:
        form = QCoreApplication.translate("mien", "{unit}: {percent}, a unit that is not trusted")
    elif probability > header.au_thresholds[place]:
        form = QCoreApplication.translate("mien", "{unit}: {percent}, present")
    else:
        form = QCoreApplication.translate("mien", "{unit}: {percent}, not present")
    return form.format(unit=name, percent=percent)


@dataclass(frozen=True, slots=True)
class RangeWords:
    """Two lines; empty ones where there is nothing to say."""

    range: str
    model: str


def range_words(session: Session, face_id: int | None, start_s: float | None, end_s: float | None) -> RangeWords:
    """Both lines for the chosen face; None stands for an end that is not marked yet, or for no face."""
    start, end = (None if time_s is None else clock_text(time_s, session.duration_s, 2) for time_s in (start_s, end_s))
    translate = QCoreApplication.translate
    if start_s is None and end_s is None:
        return RangeWords("", "")
    if end_s is None:
        return RangeWords(translate("mien", "From {start}: press O where it ends").format(start=start), "")
    if start_s is None:
        return RangeWords(translate("mien", "To {end}: press I where it starts").format(end=end), "")
    if face_id is None:
        text = translate("mien", "{start} – {end}, no face is chosen").format(start=start, end=end)
        return RangeWords(text, "")
    text = translate("mien", "Face {number}, {start} – {end}").format(number=face_id, start=start, end=end)
    return RangeWords(text, _model_words(session, face_id, start_s, end_s))


def _model_words(session: Session, face_id: int, start_s: float, end_s: float) -> str:
    lane = next((lane for lane in session.lanes if lane.face_id == face_id), None)
    if lane is None:
        return ""
    edges = np.searchsorted(session.times_s, [start_s, end_s]).astype(np.int64)
    words = state_words(session.header.expressions, lane.view(edges))
    return QCoreApplication.translate("mien", "The model, in most of it: {words}").format(words=words)
