"""What the timeline says under the mouse."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QCoreApplication

from app.overlay.overlay import LOW_QUALITY_TEXT, REJECT_TEXT
from app.qt.review.timeline_painter import label_word
from app.qt.widgets.drawn_panel import expression_word, told
from app.review.lanes import LaneState, LaneView
from app.review.notes import Notes
from app.review.session import Session
from app.review.timeline_rows import Row, RowKind, unit_order
from app.review.timeline_scale import clock_text
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
        return expression_word(expressions[int(view.label[0])])
    if state is LaneState.AMBIGUOUS:
        form = QCoreApplication.translate("mien", "ambiguous between {first} and {second}")
        places = (int(view.label[0]), int(view.second[0] if view.second[0] >= 0 else view.label[0]))
        first, second = (expression_word(expressions[place]) for place in places)
        return form.format(first=first, second=second)
    if state is LaneState.REJECT:
        return told(REJECT_TEXT)
    if state is LaneState.LOW_QUALITY:
        return told(LOW_QUALITY_TEXT)
    return QCoreApplication.translate("mien", "not in the picture")


def _unit_words(session: Session, occurrence: Float32, line: float) -> str:
    header = session.header
    order = unit_order(header)
    place = order[min(int(line * len(order)), len(order) - 1)]
    number = header.au_codes[place]
    name = f"{unit_code(number)} {told(UNIT_NAMES.get(number, ''))}".strip()
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
