"""Head pose from the mesh: the rotation of MediaPipe's canonical face that fits it best as a solid.

Model, points and weights are those of MediaPipe's geometry pipeline (canonical_face_model and the Procrustes basis in
``geometry_pipeline_metadata_landmarks.binarypb`` of its face landmarker bundle, Apache-2.0). The mesh network draws
turned heads flatter than they are. On photographs turned by rendering, PnP of twelve points moves by .69 of the true
pitch and .83 of the true yaw, this fit by .95 and .83: the depth that the network gives to each point keeps the pitch.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from engine.types import Float32, Float64, HeadPose

#: Mesh points of the basis.
POSE_POINTS: Final = np.array(
    [
        4,
        6,
        10,
        33,
        54,
        67,
        117,
        119,
        121,
        127,
        129,
        132,
        133,
        136,
        143,
        147,
        198,
        205,
        263,
        284,
        297,
        346,
        348,
        350,
        356,
        358,
        361,
        362,
        365,
        372,
        376,
        420,
        425,
    ]
)
#: Their weights.
POSE_WEIGHTS: Final[Float64] = np.array(
    [
        0.0709,
        0.0321,
        0.0084,
        0.0587,
        0.0077,
        0.0091,
        0.0098,
        0.0146,
        0.0186,
        0.0052,
        0.1206,
        0.0056,
        0.0533,
        0.0669,
        0.0148,
        0.0143,
        0.0255,
        0.0473,
        0.0587,
        0.0077,
        0.0091,
        0.0098,
        0.0146,
        0.0186,
        0.0052,
        0.1206,
        0.0056,
        0.0533,
        0.0669,
        0.0148,
        0.0143,
        0.0255,
        0.0473,
    ],
    np.float64,
)
#: The canonical face in mm, outer eye corners 89 mm apart, their middle the origin; x to the right of the image, y
#: down, z away from the camera. Its orientation is what zero means.
FACE_MM: Final[Float64] = np.array(
    [
        [0.0, 31.3, -44.1],
        [0.0, 1.9, -26.2],
        [0.0, -56.0, -13.1],
        [-44.5, 0.0, 0.0],
        [-62.8, -39.5, 17.5],
        [-35.2, -53.4, -5.6],
        [-52.6, 17.2, 2.0],
        [-33.0, 18.0, -7.0],
        [-18.2, 12.0, -10.5],
        [-77.4, 3.0, 51.8],
        [-17.9, 36.4, -16.8],
        [-72.7, 55.5, 54.3],
        [-18.6, 0.8, -5.8],
        [-50.9, 98.4, 24.6],
        [-64.1, 4.3, 16.1],
        [-62.3, 46.1, 15.1],
        [-12.5, 24.3, -25.1],
        [-38.3, 42.0, -9.6],
        [44.5, 0.0, 0.0],
        [62.8, -39.5, 17.5],
        [35.2, -53.4, -5.6],
        [52.6, 17.2, 2.0],
        [33.0, 18.0, -7.0],
        [18.2, 12.0, -10.5],
        [77.4, 3.0, 51.8],
        [17.9, 36.4, -16.8],
        [72.7, 55.5, 54.3],
        [18.6, 0.8, -5.8],
        [50.9, 98.4, 24.6],
        [64.1, 4.3, 16.1],
        [62.3, 46.1, 15.1],
        [12.5, 24.3, -25.1],
        [38.3, 42.0, -9.6],
    ],
    np.float64,
)


#: The face around its weighted mean, times the weights; its columns sum to 0.
_SHARES: Final[Float64] = POSE_WEIGHTS[:, np.newaxis] / POSE_WEIGHTS.sum()
_WEIGHTED_FACE: Final[Float64] = _SHARES * (FACE_MM - (_SHARES * FACE_MM).sum(0))


def head_pose(mesh: Float32) -> HeadPose:
    """Rotation of the head relative to the line from the camera to the face; signs as in `HeadPose`.

    The network sees each face in a window of its own, as if from afar, so that its mesh is relative to the line of
    sight whatever the camera: a face at the edge of the image that looks into the camera has yaw 0.

    Args:
        mesh: (468, 3) frame pixels; values that are not finite count as 0.
    """
    points = mesh[POSE_POINTS].astype(np.float64)
    if not np.isfinite(points.sum()):
        points = np.nan_to_num(points, posinf=0.0, neginf=0.0)
    return pose_of(_rotation_to(points))


def pose_of(rotation: Float64) -> HeadPose:
    """Angles of a rotation (3, 3) of the face, which looks along -z when it is the identity.

    The face turns about its own forward axis by roll first, then up by pitch, then sideways by yaw.
    """
    right, back = rotation[:, 0].tolist(), rotation[:, 2].tolist()
    yaw = math.atan2(-back[0], back[2])
    pitch = math.asin(min(max(back[1], -1.0), 1.0))
    cos_yaw, sin_yaw, cos_pitch, sin_pitch = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    level = cos_yaw * right[0] + sin_yaw * right[2]  # along the first axis of the same face without roll
    down = sin_yaw * sin_pitch * right[0] + cos_pitch * right[1] - cos_yaw * sin_pitch * right[2]  # along its second
    roll = math.atan2(down, level)
    return HeadPose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))


def rotation_of(pose: HeadPose) -> Float64:
    """Rotation (3, 3) with these angles; the inverse of `pose_of`."""
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
    sideways = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    upward = np.array([[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]])
    tilt = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return np.asarray(sideways @ upward @ tilt, np.float64)


def _rotation_to(points: Float64) -> Float64:
    """Rotation (3, 3) from the canonical face to points (33, 3), weighted (Kabsch, Acta Cryst. A32, 1976)."""
    spread = points.T @ _WEIGHTED_FACE  # weighted and centred, so that the points need not be
    _, left, right = cv2.SVDecomp(spread)  # a tenth of the time of numpy's
    turned = left @ right
    if cv2.determinant(turned) < 0:  # a reflection
        left[:, 2] = -left[:, 2]
        turned = left @ right
    return np.asarray(turned, np.float64)
