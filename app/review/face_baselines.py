"""Neutral baselines in Review: from the ranges that the coder called neutral, otherwise those of the session.

Faces of one name are one person: a range of one of them counts for all. Names, ranges and the values of the model
determine the result, so it is computed again instead of stored.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from app.review.face_timeline import FaceTimeline
from app.review.notes import NeutralRange, Notes
from app.review.session import Session
from app.session.baselines import MAX_LOGIT
from engine.baseline import FrameSample, estimate_baseline, frame_values
from engine.types import Float32, UnitBaseline


def usual_logits(session: Session) -> Float32 | None:
    """The model's usual neutral logits (K,); None where the metadata of a session do not have them."""
    metadata = session.metadata
    calibration = None if metadata is None else metadata.calibration.get("action_units")
    values = calibration.get("neutral") if isinstance(calibration, dict) else None
    if not isinstance(values, (list, tuple)) or len(values) != len(session.header.au_codes):
        return None
    if not all(type(value) in (int, float) and abs(value) <= MAX_LOGIT for value in values):
        return None
    return np.array(values, np.float32)


def session_baselines(session: Session, notes: Notes) -> dict[int, UnitBaseline]:
    """The baseline of each face that has one, by face id.

    A person with neutral ranges has the baseline of the frames in them, known or not; all others have the one that was
    recorded with the session.
    """
    found, usual = dict(session.recorded_baselines), usual_logits(session)
    if usual is None or not notes.neutral:
        return found
    faces = {face.face_id: face for face in session.faces}
    people: defaultdict[str | int, list[NeutralRange]] = defaultdict(list)
    for each in notes.neutral:
        if each.face_id in faces:
            people[notes.name_of(each.face_id) or each.face_id].append(each)
    for person, ranges in people.items():
        sample = FrameSample()
        for each in ranges:
            _add(sample, faces[each.face_id], session, each)
        baseline = estimate_baseline(sample, usual)
        for face_id in faces:
            if person in (face_id, notes.name_of(face_id)):
                found[face_id] = baseline
    return found


def _add(sample: FrameSample, face: FaceTimeline, session: Session, chosen: NeutralRange) -> None:
    """Add the frames of a face in a range in which its units were estimated."""
    times_s = session.times_s[face.positions]
    within = (chosen.start_s <= times_s) & (times_s < chosen.end_s)
    values = frame_values(face.measured_units[within], face.measured_intensities[within])
    for frame in values[np.isfinite(values).all(axis=1)]:
        sample.add(frame)
