"""CSV with the columns of py-feat 2 (`Fex`, class Detectorv2; Cheong et al., "Py-Feat", Affective Science 2023).

Landmarks, position, valence, arousal and gaze are not estimated, so their columns are empty. There is no embedding of
an identity: ``Identity`` is the track of the face.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from app.export.job import ExportJob, Progress
from app.session.rows import FaceRow
from app.session.text_tables import text_table

#: Units of Detectorv2.
UNITS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
#: Its expressions, in its order, by our names; contempt, which its current model lacks, comes last.
EXPRESSION_COLUMNS: Final = {
    "Neutral": "neutral",
    "Happy": "happiness",
    "Sad": "sadness",
    "Surprise": "surprise",
    "Fear": "fear",
    "Disgust": "disgust",
    "Anger": "anger",
    "Contempt": "contempt",
}
_LANDMARKS: Final = tuple(f"{axis}_{place}" for axis in "xy" for place in range(68))
_BOX: Final = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
_POSE: Final = ("Pitch", "Roll", "Yaw", "X", "Y", "Z")
_NOT_ESTIMATED: Final = ("valence", "arousal", "gaze_pitch", "gaze_yaw", "gaze_angle")
_END: Final = ("FrameHeight", "FrameWidth", "input", "frame", "approx_time", "Identity")


def write_pyfeat(job: ExportJob, path: Path, report: Progress) -> None:
    """Write one row per face and frame; frames without a face have one row without values."""
    units = tuple(f"AU{code:02d}" for code in UNITS)
    with text_table(path, excel=job.choice.excel) as writer:
        writer.writerow((*_BOX, *_LANDMARKS, *_POSE, *units, *EXPRESSION_COLUMNS, *_NOT_ESTIMATED, *_END))
        for frame in job.frames(report):
            writer.writerows(_cells(job, row) for row in frame.rows)


def _cells(job: ExportJob, row: FaceRow) -> tuple[Any, ...]:
    metadata, units = job.session.metadata, job.unit_values(row)
    expressions = dict(zip(job.header.expressions, row.probabilities, strict=False))
    size = (None, None) if metadata is None else (metadata.source.height or None, metadata.source.width or None)
    return (
        *(row.x, row.y, row.w, row.h, row.det_score),
        *(None for _ in _LANDMARKS),
        *_pose(row),
        *(units.get(code) for code in UNITS),
        *(expressions.get(name) for name in EXPRESSION_COLUMNS.values()),
        *(None for _ in _NOT_ESTIMATED),
        *size,
        *(job.header.source_id, row.frame, f"{int(row.time_s // 60):02d}:{int(row.time_s % 60):02d}"),
        None if row.face_id is None else f"face_{row.face_id}",
    )


def _pose(row: FaceRow) -> tuple[float | None, ...]:
    """Pitch, Roll, Yaw in radians (positive: up; tilted, turned to the person's right), and no position."""
    if row.yaw is None or row.pitch is None or row.roll is None:
        return (None,) * len(_POSE)
    angles = (row.pitch, -row.roll, -row.yaw)
    return (*(float(format(math.radians(angle), ".6g")) for angle in angles), None, None, None)
