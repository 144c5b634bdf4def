"""A face model of a few hundred vertices in the layout of ICT-FaceKit Light, and a fake mesh network for it.

Centimetres, as in the model: a dome with two eye holes (eyeballs behind them, upper lids folded in behind the
eyeballs) and a mouth slit (teeth, gums and a socket behind it). x grows to the left of the face, which is the
right of the image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pytest

from engine.tracking.mesh import FaceRoi
from engine.types import MESH_POINTS
from training.open_set import studio
from training.open_set.face_model import FILE_NAME
from training.open_set.make import _open_studio

_NAMES: Final = """
PupilDilate_L PupilDilate_R browDown_L browDown_R browInnerUp_L browInnerUp_R browOuterUp_L browOuterUp_R cheekPuff_L
cheekPuff_R cheekRaiser_L cheekRaiser_R cheekSquint_L cheekSquint_R eyeBlink_L eyeBlink_R eyeLookDown_L eyeLookDown_R
eyeLookIn_L eyeLookIn_R eyeLookOut_L eyeLookOut_R eyeLookUp_L eyeLookUp_R eyeSquint_L eyeSquint_R eyeWide_L eyeWide_R
jawForward jawLeft jawOpen jawRight mouthClose mouthDimple_L mouthDimple_R mouthFrown_L mouthFrown_R mouthFunnel
mouthLeft mouthLowerDown_L mouthLowerDown_R mouthPress_L mouthPress_R mouthPucker mouthRight mouthRollLower
mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmile_L mouthSmile_R mouthStretch_L mouthStretch_R mouthUpperUp_L
mouthUpperUp_R noseSneer_L noseSneer_R
"""
#: The 57 expression shapes of ICT-FaceKit Light, in the file's order.
SHAPES: Final = tuple(_NAMES.split())
_LEFT_RIGHT: Final = ("M_ScleraLeft", "M_IrisLeft", "M_ScleraRight", "M_IrisRight")
_MATERIALS: Final = ("M_Face", "M_BackHead", "M_GumsTongue", "M_Teeth", *_LEFT_RIGHT, "M_LacrimalFluid")
HALF_WIDTH, HALF_HEIGHT = 7, 9
#: Ends of the eye holes from the middle, and their height; both are squares of this size.
EYE_X, EYE_Y = (2, 4), (2, 4)
MOUTH_Y, MOUTH_HALF = -4, 3
#: How far jawOpen lowers the lower lip, and browDown and noseSneer the brow of their side.
JAW_CM, BROW_DOWN_CM, SNEER_CM = 2.0, 0.4, 0.3
#: The image that `photograph` returns.
SIDE_PX, PX_PER_CM, MIDDLE_PX = 128, 5.5, 63.5
SKIN, EYE, BACKGROUND = 150, 40, 90


class _Mesh:
    def __init__(self) -> None:
        self.vertices: list[tuple[float, float, float]] = []
        self.polygons: list[tuple[int, int, int, int]] = []
        self.materials: list[int] = []

    def add(self, x: float, y: float, z: float) -> int:
        self.vertices.append((x, y, z))
        return len(self.vertices) - 1

    def polygon(self, corners: tuple[int, int, int, int], material: str) -> None:
        """Add a polygon, counter-clockwise for the viewer; the fourth corner is -1 for a triangle."""
        self.polygons.append(corners)
        self.materials.append(_MATERIALS.index(material))

    def plate(self, x: tuple[float, float], y: tuple[float, float], z: float, material: str) -> None:
        corners = [self.add(x[a], y[b], z) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
        self.polygon((corners[0], corners[1], corners[2], corners[3]), material)


def dome(x: float, y: float) -> float:
    """Height of the skin."""
    return 10 - (x * x + y * y) / 40


def _mesh() -> tuple[_Mesh, list[int], list[int]]:
    """The mesh, the vertices of the lower lip, and the free edges of the upper lids."""
    mesh = _Mesh()
    columns, rows = range(-HALF_WIDTH, HALF_WIDTH + 1), range(-HALF_HEIGHT, HALF_HEIGHT + 1)
    above = {(x, y): mesh.add(x, y, dome(x, y)) for y in rows for x in columns}
    below = dict(above)
    slit = range(1 - MOUTH_HALF, MOUTH_HALF)
    for x in slit:
        below[x, MOUTH_Y] = mesh.add(x, MOUTH_Y, dome(x, MOUTH_Y))
    for y in rows[:-1]:
        for x in columns[:-1]:
            low, high = EYE_X
            if EYE_Y[0] <= y < EYE_Y[1] and (low <= x < high or -high <= x < -low):
                continue
            top = below if y < MOUTH_Y else above
            mesh.polygon((above[x, y], above[x + 1, y], top[x + 1, y + 1], top[x, y + 1]), "M_Face")
    lids = []
    for side, name in ((1, "Left"), (-1, "Right")):
        xs = sorted(side * x for x in range(EYE_X[0], EYE_X[1] + 1))
        edge = [mesh.add(x, 2.6, 8.0) for x in xs]
        for a, b, left, right in zip(edge, edge[1:], xs, xs[1:], strict=False):
            mesh.polygon((a, b, above[right, EYE_Y[1]], above[left, EYE_Y[1]]), "M_Face")
        lids += edge
        mesh.plate((3 * side - 1.5, 3 * side + 1.5), (1.5, 4.5), 8.6, f"M_Sclera{name}")
        mesh.plate((3 * side - 0.4, 3 * side + 0.4), (2.6, 3.4), 8.8, f"M_Iris{name}")
        mesh.plate((3 * side - 1.5, 3 * side + 1.5), (1.5, 4.5), 7.0, f"M_Sclera{name}")  # back of the eyeball
        mesh.plate((3 * side - 1, 3 * side + 1), (2, 4), 12.0, "M_LacrimalFluid")
    mesh.plate((-2.5, 2.5), (-5.5, -3.5), 8.5, "M_Teeth")
    mesh.plate((-2.5, 2.5), (-3.5, -3.0), 8.4, "M_GumsTongue")
    mesh.plate((-4, 4), (-8, -2), 6.0, "M_BackHead")
    corners = [mesh.add(x, -8.5, 6.5) for x in (-1, 1, 0)]
    mesh.polygon((corners[0], corners[1], corners[2], -1), "M_BackHead")
    return mesh, [below[x, MOUTH_Y] for x in slit], lids


def _bump(vertices: np.ndarray, name: str) -> np.ndarray:
    """A smooth movement around a position derived from the name; the right side mirrors the left."""
    base, side = name.removesuffix("_L").removesuffix("_R"), -1 if name.endswith("_R") else 1
    random = np.random.default_rng(sum(map(ord, base)))
    x, y = random.uniform(1, 5) if name != base else 0.0, random.uniform(-7, 7)
    move = random.uniform(-0.5, 0.5, 3) * (side, 1, 1)
    near = np.exp(-(np.square(vertices[:, 0] - side * x) + np.square(vertices[:, 1] - y)) / (2 * 1.5**2))
    return near[:, np.newaxis] * move


def _brows_moved(shapes: np.ndarray, vertices: np.ndarray) -> None:
    """Let only browDown and noseSneer move the brows vertically."""
    x, y, z = vertices.T
    brows = (np.abs(x) >= 1) & (np.abs(x) <= 3) & (y >= 5) & (y <= 6) & (z > 8)
    shapes[:, brows, 1] = 0
    for name, lowered_cm in (("browDown", BROW_DOWN_CM), ("noseSneer", SNEER_CM)):
        for side, there in (("_L", x > 0), ("_R", x < 0)):
            shapes[SHAPES.index(name + side), brows & there, 1] = -lowered_cm


def _shapes(vertices: np.ndarray, lower_lip: list[int], lids: list[int]) -> np.ndarray:
    shapes = np.stack([_bump(vertices, name) for name in SHAPES])
    _brows_moved(shapes, vertices)
    jaw = np.zeros_like(vertices)
    of_grid = np.arange(len(vertices)) < (2 * HALF_WIDTH + 1) * (2 * HALF_HEIGHT + 1)
    chin = of_grid & (vertices[:, 1] < MOUTH_Y) & (np.abs(vertices[:, 0]) < MOUTH_HALF)
    jaw[chin, 1] = jaw[lower_lip, 1] = -JAW_CM
    shapes[SHAPES.index("jawOpen")] = jaw
    for name, edge in (("eyeBlink_L", lids[:3]), ("eyeBlink_R", lids[3:])):
        blink = np.zeros_like(vertices)
        blink[edge] = (0, -0.7, 1.6)
        shapes[SHAPES.index(name)] = blink
    return shapes


def _identity(vertices: np.ndarray) -> np.ndarray:
    """Three shapes that no pose, scale or shift looks like."""
    x, y, _ = vertices.T
    shapes = np.zeros((3, *vertices.shape))
    shapes[0, :, 0] = x * y / 25
    shapes[1, :, 1] = 0.8 * np.cos(x * np.pi / HALF_WIDTH)
    shapes[2, :, 0] = 0.8 * np.sin(x * np.pi / HALF_WIDTH)
    return shapes


def packed_face() -> dict[str, np.ndarray]:
    """The arrays of the file."""
    mesh, lower_lip, lids = _mesh()
    vertices = np.array(mesh.vertices)
    arrays = {
        "neutral": vertices.astype(np.float32),
        "faces": np.array(mesh.polygons, np.int32),
        "face_material": np.array(mesh.materials, np.uint8),
        "materials": np.array(_MATERIALS),
        "expression_names": np.array(SHAPES),
    }
    for name, shapes in (("expression", _shapes(vertices, lower_lip, lids)), ("identity", _identity(vertices))):
        scale = np.abs(shapes).max(axis=(1, 2)) / 32767
        arrays[f"{name}_scale"] = scale.astype(np.float32)
        arrays[f"{name}_delta_i16"] = np.rint(shapes / scale[:, np.newaxis, np.newaxis]).astype(np.int16)
    return arrays


def write_face(folder: Path, **changed: np.ndarray) -> Path:
    """Write the model file; arrays given by name replace the default ones."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / FILE_NAME, **{**packed_face(), **changed})
    return folder


#: Mesh points that the code uses by index, in cm: outline, eye corners, nose, mouth corners, inner lips, brows.
_NAMED: Final = {
    10: (0, 9),
    152: (0, -9),
    234: (-7, 0),
    454: (7, 0),
    33: (-4.2, 3),
    133: (-1.8, 3),
    362: (1.8, 3),
    263: (4.2, 3),
    168: (0, 3.2),
    2: (0, -1.2),
    61: (-3.2, -4),
    291: (3.2, -4),
    13: (0, -3.9),
    82: (-1, -3.9),
    312: (1, -3.9),
    55: (-1.3, 5.2),
    107: (-1.4, 5.7),
    65: (-2.6, 5.3),
    105: (-2.7, 5.8),
    285: (1.3, 5.2),
    336: (1.4, 5.7),
    295: (2.6, 5.3),
    334: (2.7, 5.8),
}
_LOWER_LIP: Final = {14: 0, 87: -1, 317: 1}


def mesh_points(parted_cm: float = 0.0) -> np.ndarray:
    """Positions (468, 2) of the mesh points on the face, in cm, y up, with the lips parted by ``parted_cm``."""
    number = np.arange(MESH_POINTS)
    radius, angle = 0.9 * np.sqrt((number + 0.5) / MESH_POINTS), number * np.pi * (3 - 5**0.5)
    points = np.stack([HALF_WIDTH * radius * np.cos(angle), HALF_HEIGHT * radius * np.sin(angle)], axis=1)
    for row, place in _NAMED.items():
        points[row] = place
    for row, x in _LOWER_LIP.items():
        points[row] = x, -4.1 - parted_cm
    return points.astype(np.float32)


class FakeMesh:
    """Finds the face, its jaw a quarter open, in the middle of every square."""

    presence = 1.0

    def __init__(self, threads: int = 1) -> None:
        self._points = mesh_points(JAW_CM / 4) / (2 * HALF_HEIGHT)

    def locate(self, image: np.ndarray, roi: FaceRoi) -> tuple[np.ndarray, float]:
        mesh = np.zeros((MESH_POINTS, 3), np.float32)
        mesh[:, :2] = self._points * (1, -1) * roi.side_px / 1.5 + (roi.centre_x_px, roi.centre_y_px)
        return mesh, self.presence


def open_fake_studio(model_folder: Path) -> None:
    """Start a worker of make-au whose network is the fake; it is a process of its own."""
    pytest.MonkeyPatch().setattr(studio, "FaceMesh", FakeMesh)
    _open_studio(model_folder)


def in_photograph(points_cm: np.ndarray) -> np.ndarray:
    """Positions (..., 2) on the face, in cm, as pixels of `photograph`."""
    return np.asarray(points_cm * (PX_PER_CM, -PX_PER_CM) + MIDDLE_PX, np.float32)


def photograph(brightness: int = SKIN) -> np.ndarray:
    """An image (128, 128) of the face at rest: plain skin on a plain background, dark eyes."""
    image = np.full((SIDE_PX, SIDE_PX), BACKGROUND, np.uint8)
    corners = [in_photograph(np.array([sx * HALF_WIDTH, sy * HALF_HEIGHT])) for sx, sy in ((-1, 1), (1, -1))]
    cv2.rectangle(image, *(tuple(int(round(v)) for v in corner) for corner in corners), brightness, -1)
    for side in (1, -1):
        x = sorted(side * end for end in EYE_X)
        box = [in_photograph(np.array(place)) for place in ((x[0] + 0.1, 3.2), (x[1] - 0.1, 2.1))]
        cv2.rectangle(image, *(tuple(int(round(v)) for v in corner) for corner in box), EYE, -1)
    return image
