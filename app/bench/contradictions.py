"""Counts rows whose label contradicts the estimate beside it: ``python -m app.bench.contradictions SESSION``.

A row contradicts itself if its labels lack the steady top label, or if it is accepted over the limit of one label.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.session.folder import SessionFolder
from app.session.journal import read_header, read_journal
from app.session.rows import FaceRow, SessionHeader
from engine.records import json_text
from engine.types import Route


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Numbers of rows."""

    rows: int = 0  # with a face
    labelled: int = 0  # accepted or ambiguous
    accepted: int = 0
    without_steady_top: int = 0  # labels lack the steady top label
    without_frame_top: int = 0  # labels lack the top label of the frame alone, which is no fault
    accepted_over_limit: int = 0  # by the steady aleatoric uncertainty


def count_contradictions(folder: SessionFolder) -> Contradictions:
    """Count the rows of a session.

    Raises:
        OutputError: its journal cannot be read.
    """
    header = read_header(folder.journal)
    rows = [row for entry in read_journal(folder.journal) for row in entry.rows if row.face_id is not None]
    labelled = [row for row in rows if row.labels]
    accepted = [row for row in labelled if row.decision == Route.ACCEPT.value]
    return Contradictions(
        rows=len(rows),
        labelled=len(labelled),
        accepted=len(accepted),
        without_steady_top=sum(_lacks_top(row, row.steady_probabilities, header) for row in labelled),
        without_frame_top=sum(_lacks_top(row, row.probabilities, header) for row in labelled if row.probabilities),
        accepted_over_limit=sum(_is_over(row, header) for row in accepted),
    )


def _lacks_top(row: FaceRow, probabilities: tuple[float, ...], header: SessionHeader) -> bool:
    """Whether the labels lack the top one; also where the row has no such estimate."""
    return not probabilities or header.expressions[int(np.argmax(probabilities))] not in row.labels


def _is_over(row: FaceRow, header: SessionHeader) -> bool:
    return row.steady_aleatoric is None or row.steady_aleatoric > header.aleatoric_limit


if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(json_text(count_contradictions(SessionFolder(Path(name)))))
