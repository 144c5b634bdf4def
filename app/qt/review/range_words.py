"""The range in hand, in words: where it is, whose it is, what the model says there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QCoreApplication

from app.qt.review.timeline_tip import state_words
from app.review.session import Session
from app.review.timeline_scale import clock_text


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
