"""Made-up faces for tracking, and the shared clips as frames."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from engine.tracking.pose import FACE_MM, POSE_POINTS
from engine.types import MESH_POINTS, Float32, Frame, UInt8

#: Mouth corners, lips and chin in mm, to go with FACE_MM.
_MOUTH_MM = {61: (-27, 66, -4), 291: (27, 66, -4), 13: (0, 64, -20), 14: (0, 68, -20), 152: (0, 108, -1)}
MeshMaker = Callable[..., Float32]
ClipReader = Callable[..., Iterator[Frame]]


def _generic_mesh() -> Float32:
    """A face of 468 points in mm: points spread over an oval, the named ones where they belong."""
    steps = np.arange(MESH_POINTS)
    radius, angle = np.sqrt(steps / MESH_POINTS), steps * math.pi * (3 - math.sqrt(5))
    mesh = np.column_stack([65 * radius * np.cos(angle), 30 + 75 * radius * np.sin(angle), 30 * radius**2 - 20])
    mesh[POSE_POINTS] = FACE_MM
    for index, place in _MOUTH_MM.items():
        mesh[index] = place
    return np.asarray(mesh - mesh.mean(0), np.float32)


@pytest.fixture(scope="session")
def make_mesh() -> MeshMaker:
    """make_mesh(x, y, size_px=100, roll_deg=0): a frontal mesh (468, 3) around x, y, about size_px wide."""
    generic = _generic_mesh()

    def make(x: float, y: float, size_px: float = 100.0, roll_deg: float = 0.0) -> Float32:
        turn = math.radians(roll_deg)
        tilt = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
        scale = size_px / float(np.ptp(generic[:, 0]))
        return np.asarray(generic @ tilt.T * scale + np.array([x, y, 0]), np.float32)

    return make


@pytest.fixture
def read_clip(shared: Path) -> ClipReader:
    """read_clip(name, limit=None, step=1): the frames of a clip under shared/media."""

    def read(name: str, limit: int | None = None, step: int = 1) -> Iterator[Frame]:
        with av.open(str(shared / "media" / name)) as container:
            for picture in itertools.islice(container.decode(video=0), 0, limit, step):
                yield Frame(picture.to_ndarray(format="rgb24"), picture.pts or 0, float(picture.time or 0), name)

    return read


@pytest.fixture
def portrait(shared: Path) -> UInt8:
    """The public-domain portrait, RGB (H, W, 3)."""
    picture = cv2.imread(str(shared / "media" / "astronaut_nasa_public_domain.png"))
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
