"""Faces of one person: what naming two faces alike means, and where it cannot be right."""

from __future__ import annotations

import numpy as np

from app.review.notes import Notes
from app.review.session import Session


def names_in_use(notes: Notes) -> tuple[str, ...]:
    """The names given so far, in alphabetical order."""
    return tuple(sorted({name.name for name in notes.names}))


def clash_s(session: Session, notes: Notes, face_id: int, name: str) -> float | None:
    """First time at which a face and another one of the same name are in one frame; None if they never are.

    One person cannot be in two places, so a face must not get a name for which this is a time.
    """
    faces = {face.face_id: face for face in session.faces}
    mine = faces.get(face_id)
    same = (other.face_id for other in notes.names if other.name == name and other.face_id != face_id)
    others = [faces[other] for other in same if other in faces]  # notes may name a face that the session lacks
    if mine is None or not others:
        return None
    shared = np.intersect1d(mine.positions, np.concatenate([other.positions for other in others]))
    return float(session.times_s[shared[0]]) if len(shared) else None
