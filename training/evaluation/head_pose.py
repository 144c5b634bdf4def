"""Head pose against an outside reference: per frame CSV files of OpenFace for the clips of the media folder.

The reference's rotation is in the camera's frame, so that the direction to the face is taken out first. It is a
reference, not the truth, and fails where a hand covers the face: frames in which its yaw and ours are far apart are
left out (`MAX_YAW_GAP_DEG`), as are those of which it is not confident.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.errors import SourceError
from engine.types import Float64
from training.evaluation.reference_clips import clips_with_reference, reference_frames

#: Yaw agrees within a few degrees where both follow the face; the reference's failures are 15 to 25 off.
MAX_YAW_GAP_DEG: Final = 12.0
_MIN_FRAMES: Final = 10


@dataclass(frozen=True, slots=True)
class AngleAgreement:
    """Ours against the reference for one angle."""

    slope: float  # of ours over the reference, each clip centred
    correlation: float  # likewise
    bias_deg: float  # mean over the clips of the mean difference


@dataclass(frozen=True, slots=True)
class HeadPoseAgreement:
    """Agreement over all clips."""

    clips: int
    frames: int
    left_out: int  # frames in which the two follow different things
    yaw: AngleAgreement
    pitch: AngleAgreement
    roll: AngleAgreement


def compare_head_pose(media: Path, reference: Path) -> HeadPoseAgreement:
    """Track every clip that has a reference and compare the angles.

    Args:
        media: folder with the clips.
        reference: folder with ``<clip>.csv``.

    Raises:
        SourceError: a clip cannot be read, or none has a reference.
        FaceModelError: a face network is not on this machine.
    """
    pairs, left_out = [], 0
    for clip, table in clips_with_reference(media, reference):
        both = np.array(list(_both(clip, table))).reshape(-1, 2, 3)
        together = np.abs(both[:, 1, 0] - both[:, 0, 0]) <= MAX_YAW_GAP_DEG
        left_out += int((~together).sum())
        if together.sum() >= _MIN_FRAMES:
            pairs.append(both[together])
    if not pairs:
        raise SourceError(f"no clip of {media} has {_MIN_FRAMES} frames in {reference}: give a folder of <clip>.csv")
    yaw, pitch, roll = (_agreement([both[:, :, angle] for both in pairs]) for angle in range(3))
    return HeadPoseAgreement(len(pairs), sum(map(len, pairs)), left_out, yaw, pitch, roll)


def _both(clip: Path, table: Path) -> Iterator[Float64]:
    """Angles (2, 3) yaw pitch roll in degrees of reference and ours, for each frame in which both see the same face."""
    for both in reference_frames(clip, table):
        pose = both.track.pose
        yield np.array([_reference_angles(both.row), (pose.yaw_deg, pose.pitch_deg, pose.roll_deg)])


def _reference_angles(row: dict[str, str]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees with our signs, relative to the line of sight."""
    x, y, z, pitch, yaw, roll = (float(row[f"pose_{name}"]) for name in ("Tx", "Ty", "Tz", "Rx", "Ry", "Rz"))
    angles = (-(yaw - math.atan2(x, z)), -(pitch + math.atan2(y, z)), roll)
    return math.degrees(angles[0]), math.degrees(angles[1]), math.degrees(angles[2])


def _agreement(clips: list[Float64]) -> AngleAgreement:
    """Agreement of pairs (N, 2) of reference and ours per clip."""
    centred = np.concatenate([clip - clip.mean(0) for clip in clips])
    theirs, ours = centred[:, 0], centred[:, 1]
    return AngleAgreement(
        slope=float(theirs @ ours / (theirs @ theirs)),
        correlation=float(np.corrcoef(theirs, ours)[0, 1]),
        bias_deg=float(np.mean([(clip[:, 1] - clip[:, 0]).mean() for clip in clips])),
    )
