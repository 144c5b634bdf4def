"""Texts of the timeline: the tooltip under the mouse, and the description of the marked range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QCoreApplication

from app.overlay.words import LOW_QUALITY_TEXT, REJECT_TEXT
from app.qt.review.timeline_painter import face_title, label_text
from app.qt.translation import expression_name, translated
from app.review.face_timeline import FaceBuckets, FaceState
from app.review.notes import Notes
from app.review.session import Session
from app.review.timeline_layout import Row, RowKind, clock_text, unit_order
from engine.facs import UNIT_NAMES, unit_code
from engine.types import Float32


def tooltip_text(session: Session, notes: Notes, row: Row | None, line: float, time_s: float) -> str:
    """Time, face, and the decision, human label or unit probability at a point of the timeline.

    Args:
        session: the open session.
        notes: the coder's notes.
        row: the row at the point; None = ruler or markers.
        line: height of the point in the row, 0-1 from its top.
        time_s: time of the point in seconds.
    """
    lines = [clock_text(time_s, session.duration_s, 2)]
    if notes.is_excluded(time_s):
        lines.append(QCoreApplication.translate("mien", "excluded"))
    if row is None:
        near = [marker.text for marker in notes.markers if abs(marker.time_s - time_s) < session.duration_s / 200]
        during = [event.code for event in notes.events if event.start_s <= time_s < event.end_s]
        return "\n".join([*lines, *during, *filter(None, near)])
    lines[0] += " · " + face_title(row.face_id, notes)
    if any(each.face_id == row.face_id and each.start_s <= time_s < each.end_s for each in notes.neutral):
        lines.append(QCoreApplication.translate("mien", "neutral range"))
    position = session.position_at(time_s)
    edges = np.array([position, position + 1], np.int64)
    if row.kind is RowKind.LABELS:
        label = notes.label_at(row.face_id, time_s)
        form = QCoreApplication.translate("mien", "Human label: {label}")
        none = QCoreApplication.translate("mien", "No human label here")
        lines.append(none if label is None else form.format(label=label_text(label.label)))
    elif row.kind is RowKind.UNITS:
        lines.append(_unit_text(session, row.face.occurrence(edges)[0], line))
    else:
        lines.append(state_text(session.header.expressions, row.face.buckets(edges)))
    return "\n".join(lines)


def state_text(expressions: tuple[str, ...], buckets: FaceBuckets) -> str:
    """The model's decision in the first bucket."""
    state = FaceState(int(buckets.state[0]))
    if state is FaceState.ACCEPT:
        return expression_name(expressions[int(buckets.label[0])])
    if state is FaceState.AMBIGUOUS:
        form = QCoreApplication.translate("mien", "ambiguous between {first} and {second}")
        places = (int(buckets.label[0]), int(buckets.second[0] if buckets.second[0] >= 0 else buckets.label[0]))
        first, second = (expression_name(expressions[place]) for place in places)
        return form.format(first=first, second=second)
    if state is FaceState.REJECT:
        return translated(REJECT_TEXT)
    if state is FaceState.LOW_QUALITY:
        return translated(LOW_QUALITY_TEXT)
    return QCoreApplication.translate("mien", "not in view")


def _unit_text(session: Session, occurrence: Float32, line: float) -> str:
    header = session.header
    order = unit_order(header)
    place = order[min(int(line * len(order)), len(order) - 1)]
    number = header.au_codes[place]
    name = f"{unit_code(number)} {translated(UNIT_NAMES.get(number, ''))}".strip()
    probability = float(occurrence[place])
    if math.isnan(probability):
        return QCoreApplication.translate("mien", "{unit}: not computed").format(unit=name)
    percent = f"{100 * probability:.0f} %"
    if number not in header.au_trusted:
        form = QCoreApplication.translate("mien", "{unit}: {percent}, not a trusted unit")
    elif probability > header.au_thresholds[place]:
        form = QCoreApplication.translate("mien", "{unit}: {percent}, present")
    else:
        form = QCoreApplication.translate("mien", "{unit}: {percent}, not present")
    return form.format(unit=name, percent=percent)


@dataclass(frozen=True, slots=True)
class RangeText:
    """Two lines; empty where there is nothing to show."""

    range: str
    model: str


def range_text(
    session: Session, notes: Notes, face_id: int | None, start_s: float | None, end_s: float | None
) -> RangeText:
    """Describe the range for the selected face; None: no such end is marked yet, or no face is selected."""
    start, end = (None if time_s is None else clock_text(time_s, session.duration_s, 2) for time_s in (start_s, end_s))
    translate = QCoreApplication.translate
    if start_s is None and end_s is None:
        return RangeText("", "")
    if end_s is None:
        return RangeText(translate("mien", "From {start}: press O where it ends").format(start=start), "")
    if start_s is None:
        return RangeText(translate("mien", "To {end}: press I where it starts").format(end=end), "")
    if face_id is None:
        text = translate("mien", "{start} – {end}, no face selected").format(start=start, end=end)
        return RangeText(text, "")
    text = f"{face_title(face_id, notes)}, {start} – {end}"
    return RangeText(text, _model_text(session, face_id, start_s, end_s))


def _model_text(session: Session, face_id: int, start_s: float, end_s: float) -> str:
    face = next((face for face in session.faces if face.face_id == face_id), None)
    if face is None:
        return ""
    edges = np.searchsorted(session.times_s, [start_s, end_s]).astype(np.int64)
    state = state_text(session.header.expressions, face.buckets(edges))
    return QCoreApplication.translate("mien", "Model, for most of the range: {state}").format(state=state)
