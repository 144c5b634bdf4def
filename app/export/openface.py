"""CSV with the columns of OpenFace 2 (Baltrusaitis et al., "OpenFace 2.0", FG 2018; RecorderCSV.cpp).

Differences: a value that was not computed is empty, where OpenFace writes 0. ``AUxx_r`` is the intensity or, where the
model does not grade it, five times the probability that the unit is present. Landmarks, gaze and translation are not
stored in a session.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.export.job import ExportJob, Progress
from app.session.rows import FaceRow
from app.session.text_tables import text_table
from engine.tracking.pose import rotation_of
from engine.types import HeadPose, Route

#: Units of OpenFace with an intensity; its presence columns have AU28 too.
INTENSITY_UNITS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
PRESENCE_UNITS: Final = tuple(sorted((*INTENSITY_UNITS, 28)))
_POSE: Final = ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")


def write_openface(job: ExportJob, path: Path, report: Progress) -> None:
    """Write one row per face and frame; frames without a face have one row with ``success`` 0."""
    ours = [job.header.au_codes[place] for place in job.unit_places]
    intensity = sorted({*INTENSITY_UNITS, *ours})
    presence = sorted({*PRESENCE_UNITS, *ours})
    with text_table(path, excel=job.choice.excel) as writer:
        writer.writerow(
            (
                *("frame", "face_id", "timestamp", "confidence", "success"),
                *_POSE,
                *(f"AU{code:02d}_r" for code in intensity),
                *(f"AU{code:02d}_c" for code in presence),
            )
        )
        for frame in job.frames(report):
            for row in frame.rows:
                units = job.unit_values(row)
                graded = job.unit_intensities(row)
                success = row.decision in (Route.ACCEPT.value, Route.AMBIGUOUS.value)
                writer.writerow(
                    (
                        *(row.frame + 1, row.face_id, _text(row.time_s, 3), _text(row.det_score, 2), int(success)),
                        *(None, None, None),
                        *_rotation(row),
                        *(_text(graded[code], 2) if code in graded else None for code in intensity),
                        *(
                            _text(float(units[code] > job.thresholds[code]), 1) if code in units else None
                            for code in presence
                        ),
                    )
                )


def _rotation(row: FaceRow) -> Iterator[float | str | None]:
    """``pose_Rx`` to ``pose_Rz`` in radians: the Euler angles of R = Rx Ry Rz, x right, y down, z away from the camera.

    Both are relative to the line from the camera to the head.
    """
    if row.yaw is None or row.pitch is None or row.roll is None:
        yield from (None, None, None)
        return
    rotation = rotation_of(HeadPose(row.yaw, row.pitch, row.roll))
    yield _text(math.atan2(-rotation[1, 2], rotation[2, 2]), 3)
    yield _text(math.asin(min(max(float(rotation[0, 2]), -1.0), 1.0)), 3)
    yield _text(math.atan2(-rotation[0, 1], rotation[0, 0]), 3)


def _text(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
