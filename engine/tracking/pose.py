"""Head pose from the mesh: PnP of a generic face, seen along the line of sight to it."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from engine.types import Float32, Float64, HeadPose

#: Mesh points that neither mouth nor brows move: eye corners, nose bridge, tip and base, top of the forehead, temples,
#: and where the ears begin.
POSE_POINTS: Final = np.array([33, 133, 362, 263, 168, 1, 2, 10, 127, 356, 234, 454])
#: A generic adult face in mm, outer eye corners 90 mm apart, their middle the origin; x to the right of the picture, y
#: down, z away from the camera. Rounded and made symmetric from the mean mesh of 414 news photographs of people who
#: look about into the camera, which is what zero pitch means here.
FACE_MM: Final[Float64] = np.array(
    [
        [-45, 0, 0],
        [-17, 2, -5],
        [17, 2, -5],
        [45, 0, 0],
        [0, -3, -21],
        [0, 40, -41],
        [0, 46, -25],
        [0, -50, -18],
        [-70, 3, 49],
        [70, 3, 49],
        [-69, 17, 54],
        [69, 17, 54],
    ],
    np.float64,
)
_NO_DISTORTION: Final = np.zeros(4)


def head_pose(mesh: Float32, width: int, height: int) -> HeadPose:
    """Rotation of the head relative to the line from the camera to the face; signs as in `HeadPose`.

    The camera is unknown: its focal length is taken as the width of the frame, its centre as the frame's middle.
    Because angles are measured from the line of sight, a wrong focal length matters little, and a face at the edge of
    the picture that looks into the camera has yaw 0.

    Args:
        mesh: (468, 3) frame pixels.
        width: of the frame in pixels.
        height: of the frame in pixels.
    """
    rotation = _pnp_rotation(mesh, width, height)
    if rotation is None or rotation[2, 2] <= 0:  # a face turned away cannot be seen: PnP took the mirror solution
        rotation = _mesh_rotation(mesh)
    return pose_of(rotation)


def pose_of(rotation: Float64) -> HeadPose:
    """Angles of a rotation (3, 3) of the face, which looks along -z when it is the identity.

    The face turns about its own forward axis by roll first, then up by pitch, then sideways by yaw.
    """
    forward = -rotation[:, 2]
    yaw = math.atan2(forward[0], -forward[2])
    pitch = math.asin(min(max(-float(forward[1]), -1.0), 1.0))
    level = rotation_of(HeadPose(math.degrees(yaw), math.degrees(pitch), 0.0))
    rolled = level.T @ rotation
    roll = math.atan2(rolled[1, 0], rolled[0, 0])
    return HeadPose(math.degrees(yaw), math.degrees(pitch), math.degrees(roll))


def rotation_of(pose: HeadPose) -> Float64:
    """Rotation (3, 3) with these angles; the inverse of `pose_of`."""
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
    sideways = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    upward = np.array([[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]])
    tilt = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return np.asarray(sideways @ upward @ tilt, np.float64)


def _pnp_rotation(mesh: Float32, width: int, height: int) -> Float64 | None:
    """Rotation relative to the line of sight, or None where PnP finds no face before the camera."""
    camera = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]], np.float64)
    points = mesh[POSE_POINTS, :2].astype(np.float64)
    if not np.isfinite(points).all():
        return None
    try:
        found, turn, shift = cv2.solvePnP(FACE_MM, points, camera, _NO_DISTORTION, flags=cv2.SOLVEPNP_SQPNP)
    except cv2.error:  # points that coincide
        return None
    if not found or float(shift[2, 0]) <= 0 or not np.isfinite(turn).all():
        return None
    return np.asarray(_sight_rotation(np.asarray(shift[:, 0], np.float64)).T @ cv2.Rodrigues(turn)[0], np.float64)


def _sight_rotation(position: Float64) -> Float64:
    """The smallest rotation (3, 3) that takes the camera's axis to a position in camera coordinates."""
    x, y, z = position / np.linalg.norm(position)
    turn, _ = cv2.Rodrigues(np.array([-y, x, 0.0]) * (math.acos(min(z, 1.0)) / max(math.hypot(x, y), 1e-12)))
    return np.asarray(turn, np.float64)


def _mesh_rotation(mesh: Float32) -> Float64:
    """Rotation from the generic face to the mesh as a solid (Kabsch, Acta Cryst. A32, 1976); always defined."""
    points = np.nan_to_num(mesh[POSE_POINTS].astype(np.float64), posinf=0.0, neginf=0.0)
    spread = (points - points.mean(0)).T @ (FACE_MM - FACE_MM.mean(0))
    left, _, right = np.linalg.svd(spread)
    handed = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right)) or 1.0])
    return np.asarray(left @ handed @ right, np.float64)
