"""Images with known faces, and images without any: faces pasted on backgrounds, and things drawn by program.

The people are those of faces128 (news photographs, grey) and of the clips in a media folder (colour). Each scene
follows from its seed alone. People, and moments of the clips without faces, are split into two halves: ``choose`` for
the choice of a rule, ``report`` for the figures.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import av
import cv2
import numpy as np

from engine.capture.video_file import VideoFileSource
from engine.config import TrackingConfig
from engine.errors import SourceError
from engine.tracking.mesh import FaceMesh, FaceRoi, roi_from_mesh
from engine.tracking.pose import head_pose
from engine.tracking.tracker import FaceTracker
from engine.types import Float32, Float64, UInt8

Half = Literal["choose", "report"]
Background = Literal["white", "black", "textured", "natural"]
BACKGROUNDS: Final[tuple[Background, ...]] = ("white", "black", "textured", "natural")
#: Clips of the media folder that show no face.
FACELESS_CLIPS: Final = ("pyfeat_mit/no_face.mp4", "ccby_intel/car-detection.mp4")
#: A face is cut from a clip as a square of this many widths of itself, so that hair and shoulders are there.
_CUT_SCALE: Final = 2.2
#: Between two moments of a clip from which faces are cut.
_CLIP_EVERY_S: Final = 0.8
#: Presence that a mesh must reach to serve as the true position of a face.
_TRUE_PRESENCE: Final = 0.9
#: Width of the soft edge of a pasted face, as a share of the radius of its ellipse.
_FEATHER: Final = 0.12
_WIDTH: Final = 1280
_HEIGHT: Final = 720


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """One face cut out, with the true position of its mesh."""

    image: UInt8  # (S, S, 3) RGB
    points: Float32  # (468, 2) pixels of the image
    person: str
    yaw_deg: float

    @property
    def size_px(self) -> float:
        """Root of the area of the box around the mesh."""
        return math.sqrt(float(np.prod(np.ptp(self.points, axis=0))))


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One image and the boxes (n, 4) x0 y0 x1 y1 of the faces in it, pixels, not clipped to the image."""

    image: UInt8  # (H, W, 3) RGB
    boxes: Float32
    empty: UInt8 | None = None  # the image before the faces came


@dataclass(frozen=True, slots=True)
class Condition:
    """A kind of scene."""

    name: str
    size_px: tuple[float, float] = (80.0, 220.0)  # faces are spread evenly in the logarithm
    tilt_deg: float = 0.0  # clockwise or anticlockwise by chance
    outside: float = 0.0  # share of the face's box beyond one edge of the image
    faces: int = 1  # up to so many
    background: Background | None = None  # None = each in turn
    blur: float = 0.0  # deviation as a share of the face's size
    light: float = 1.0  # factor on all grey levels
    grey: bool = False
    turned_deg: tuple[float, float] | None = None  # yaw of the portraits used, without sign
    width: int = _WIDTH
    height: int = _HEIGHT


#: Sizes run from those that no rule is asked to find to faces that fill the image.
CONDITIONS: Final = (
    Condition("upright_16_24px", (16, 24), faces=6),
    Condition("upright_24_40px", (24, 40), faces=6),
    Condition("upright_40_80px", (40, 80), faces=5),
    Condition("upright_80_200px", (80, 200), faces=3),
    Condition("upright_200_500px", (200, 500)),
    Condition("upright_500_1000px", (500, 1000), width=1600, height=1200),
    Condition("small_image_22_40px", (22, 40), faces=4, width=480, height=270),
    Condition("large_image_60_120px", (60, 120), faces=3, width=2000, height=1500),
    Condition("tilted_15", tilt_deg=15),
    Condition("tilted_30", tilt_deg=30),
    Condition("tilted_45", tilt_deg=45),
    Condition("tilted_60", tilt_deg=60),
    Condition("turned_25_45", turned_deg=(25, 45)),
    Condition("turned_45_up", turned_deg=(45, 90)),
    Condition("cut_off_10", outside=0.1),
    Condition("cut_off_30", outside=0.3),
    Condition("cut_off_50", outside=0.5),
    Condition("blurred_5", blur=0.05),
    Condition("blurred_10", blur=0.1),
    Condition("dark", light=0.2),
    Condition("grey", grey=True),
    Condition("white", background="white"),
    Condition("black", background="black"),
    Condition("textured", background="textured"),
    Condition("natural", background="natural"),
    Condition("group_of_12", (40, 80), faces=12),
)


def half_of(person: str) -> Half:
    """The half to which a person belongs; fixed by the name alone."""
    return "choose" if zlib.crc32(person.encode()) & 1 else "report"


class People:
    """The portraits of one half."""

    def __init__(self, portraits: Sequence[Portrait], half: Half) -> None:
        """Keep the portraits of the half.

        Raises:
            SourceError: no person is in it.
        """
        self._portraits = [portrait for portrait in portraits if half_of(portrait.person) == half]
        if not self._portraits:
            raise SourceError(f"no portrait belongs to the half '{half}': give more people")

    def draw(self, random: np.random.Generator, turned_deg: tuple[float, float] | None) -> Portrait:
        """A portrait at random, of those turned so far."""
        low, high = turned_deg or (0.0, 20.0)
        fitting = [portrait for portrait in self._portraits if low <= abs(portrait.yaw_deg) <= high]
        pool = fitting or self._portraits
        return pool[int(random.integers(len(pool)))]


def photographs(pack: Path, half: Half, count: int, seed: int = 0) -> list[tuple[str, UInt8]]:
    """Pictures of faces128 of one half, one per person as far as that goes: (person, (128, 128, 3)).

    Raises:
        SourceError: the pack is missing.
    """
    if not pack.is_file():
        raise SourceError(f"{pack} does not exist: give faces128.npz")
    with np.load(pack) as data:
        blob, offsets, identities = data["jpeg_blob"], data["offsets"], data["identities"]
    order = np.random.default_rng(seed).permutation(len(identities))
    rank: dict[str, int] = {}
    places = []  # (how many of this person came before, place in the order, row)
    for place, row in enumerate(order):
        person = str(identities[row])
        rank[person] = rank.get(person, -1) + 1
        places.append((rank[person], place, int(row)))
    rows = [row for _, _, row in sorted(places) if half_of(str(identities[row])) == half]
    return [(str(identities[row]), _decoded(blob[offsets[row] : offsets[row + 1]])) for row in rows[:count]]


def _decoded(data: UInt8) -> UInt8:
    grey = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return np.asarray(cv2.cvtColor(np.asarray(grey), cv2.COLOR_GRAY2RGB), np.uint8)


def portraits_of(pictures: Sequence[tuple[str, UInt8]], mesh: FaceMesh) -> list[Portrait]:
    """Portraits of square pictures that a face fills; those without a sure mesh are left out."""
    found = []
    for person, image in pictures:
        side = image.shape[0]
        roi = FaceRoi(side / 2, side / 2, 1.3 * side, 0.0)
        presence = 0.0
        for _ in range(3):
            points, presence = mesh.locate(image, roi)
            roi = roi_from_mesh(points)
        if presence >= _TRUE_PRESENCE:
            found.append(Portrait(image, points[:, :2].copy(), person, head_pose(points).yaw_deg))
    return found


def clip_portraits(media: Path) -> list[Portrait]:
    """Portraits of the people in the clips of a folder; a clip and a track of it are one person."""
    found = []
    for path in sorted([*media.rglob("*.mkv"), *media.rglob("*.mp4"), *media.rglob("*.gif")]):
        if str(path.relative_to(media)) in FACELESS_CLIPS:
            continue
        tracker, next_s = FaceTracker(TrackingConfig()), 0.0
        with VideoFileSource(path) as source:
            while (frame := source.read()) is not None:
                tracks = tracker.track(frame)
                if frame.timestamp_s < next_s:
                    continue
                next_s = frame.timestamp_s + _CLIP_EVERY_S
                for track in tracks:
                    if track.score >= _TRUE_PRESENCE:
                        person = f"{path.stem}:{track.track_id}"
                        found.append(_cut(frame.image, track.mesh, person, track.pose.yaw_deg))
    return found


def _cut(image: UInt8, mesh: Float32, person: str, yaw_deg: float) -> Portrait:
    """A square around a face of a clip; frame edges are repeated outside."""
    low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
    side = round(float((high - low).max()) * _CUT_SCALE)
    corner = np.asarray((low + high) / 2 - side / 2, np.float32)
    affine = np.array([[1, 0, corner[0]], [0, 1, corner[1]]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image, affine, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return Portrait(np.asarray(cut, np.uint8), np.asarray(mesh[:, :2] - corner, np.float32), person, yaw_deg)


def faceless_frames(media: Path, half: Half, every: int = 1) -> list[UInt8]:
    """Frames (H, W, 3) of the clips without faces: the first half of each to choose, the second to report."""
    frames = []
    for name in FACELESS_CLIPS:
        with av.open(str(media / name)) as container:
            all_frames = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
        middle = len(all_frames) // 2
        frames += (all_frames[:middle] if half == "choose" else all_frames[middle:])[::every]
    return frames


class SceneMaker:
    """Makes scenes of any condition from people and natural backgrounds."""

    def __init__(self, people: People, natural: Sequence[UInt8]) -> None:
        self._people = people
        self._natural = natural

    def make(self, condition: Condition, seed: int) -> Scene:
        """The scene of a condition with this seed."""
        random = np.random.default_rng([zlib.crc32(condition.name.encode()), seed])
        kind = condition.background or BACKGROUNDS[seed % len(BACKGROUNDS)]
        image = self.background(kind, condition.width, condition.height, random)
        empty, boxes = image, list[Float32]()
        wanted = int(random.integers(1, condition.faces + 1)) if condition.faces > 1 else 1
        wanted = condition.faces if condition.name.startswith("group") else wanted
        for _ in range(40 * wanted):
            if len(boxes) == wanted:
                break
            low, high = np.log(condition.size_px)
            size = float(np.exp(random.uniform(low, high)))
            portrait = self._people.draw(random, condition.turned_deg)
            tilt = condition.tilt_deg * (1 if random.random() < 0.5 else -1)
            shape = _placed(portrait, size, tilt, (0.0, 0.0))[1]
            centre = _centre_for(shape, condition, random)
            painted, box = _placed(portrait, size, tilt, centre)
            if all(_apart(box, other) for other in boxes):
                image = painted(image)
                boxes.append(box)
        shown = np.asarray(boxes, np.float32).reshape(-1, 4)
        return Scene(_developed(image, condition), shown, _developed(empty, condition))

    def background(self, kind: Background, width: int, height: int, random: np.random.Generator) -> UInt8:
        """A background (H, W, 3) of a kind."""
        if kind == "white":
            return np.full((height, width, 3), int(random.integers(235, 256)), np.uint8)
        if kind == "black":
            return np.full((height, width, 3), int(random.integers(0, 20)), np.uint8)
        if kind == "textured":
            return texture(width, height, random)
        frame = self._natural[int(random.integers(len(self._natural)))]
        scale = max(width / frame.shape[1], height / frame.shape[0])
        size = (math.ceil(frame.shape[1] * scale), math.ceil(frame.shape[0] * scale))
        grown = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        return np.ascontiguousarray(grown[:height, :width], np.uint8)


def texture(width: int, height: int, random: np.random.Generator) -> UInt8:
    """Coloured noise of several scales (H, W, 3)."""
    half_width, half_height = width // 2, height // 2
    total = np.zeros((half_height, half_width, 3), np.float32)
    for cells in (4, 12, 36, 108):
        grid = random.normal(0, 1, (cells, cells * width // height + 1, 3)).astype(np.float32)
        total += cv2.resize(grid, (half_width, half_height), interpolation=cv2.INTER_LINEAR) * (60 / math.sqrt(cells))
    coloured = np.asarray(np.clip(total + random.uniform(60, 190, 3), 0, 255), np.uint8)
    return np.asarray(cv2.resize(coloured, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _centre_for(box: Float32, condition: Condition, random: np.random.Generator) -> tuple[float, float]:
    """Where to put a face whose box (4,) is around the origin: inside the image, or so far beyond one edge."""
    x0, y0, x1, y1 = box.tolist()
    low_x, high_x = -x0, condition.width - x1
    low_y, high_y = -y0, condition.height - y1
    x = random.uniform(min(low_x, high_x), max(low_x, high_x)) if low_x < high_x else condition.width / 2
    y = random.uniform(min(low_y, high_y), max(low_y, high_y)) if low_y < high_y else condition.height / 2
    if condition.outside:
        beyond_x, beyond_y = condition.outside * (x1 - x0), condition.outside * (y1 - y0)
        edge = int(random.integers(4))
        x = (low_x - beyond_x, high_x + beyond_x)[edge] if edge < 2 else x
        y = (low_y - beyond_y, high_y + beyond_y)[edge - 2] if edge >= 2 else y
    return float(x), float(y)


def _placed(
    portrait: Portrait, size_px: float, tilt_deg: float, centre: tuple[float, float]
) -> tuple[Callable[[UInt8], UInt8], Float32]:
    """How to paint a portrait so that its face has this size and the middle of its mesh lies at ``centre``; the box."""
    scale, angle = size_px / portrait.size_px, math.radians(tilt_deg)
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    turn = np.array([[cos, -sin], [sin, cos]], np.float32)
    middle = (portrait.points.min(0) + portrait.points.max(0)) / 2
    shift = np.asarray(centre, np.float32) - turn @ middle
    points = portrait.points @ turn.T + shift
    box = np.concatenate([points.min(0), points.max(0)])

    def paint(image: UInt8) -> UInt8:
        affine = np.column_stack([turn, shift]).astype(np.float64)
        return _pasted(image, portrait.image, affine, scale)

    return paint, np.asarray(box, np.float32)


def _pasted(image: UInt8, patch: UInt8, affine: Float64, scale: float) -> UInt8:
    """Paste the rounded square that fills a patch under an affine map (2, 3), shrunk without aliasing."""
    side = patch.shape[0]
    shrunk = max(round(side * min(scale, 1.0)), 2)
    small = cv2.resize(patch, (shrunk, shrunk), interpolation=cv2.INTER_AREA)
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]) @ affine.T  # (4, 2)
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corners.min(0)), 0, limit).astype(int)
    high = np.clip(np.ceil(corners.max(0)), 0, limit).astype(int)
    if (high <= low).any():
        return image
    forward = affine @ np.diag([side / shrunk, side / shrunk, 1])
    forward[:, 2] -= low
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    y, x = np.abs(np.mgrid[:shrunk, :shrunk] * (2 / max(shrunk - 1, 1)) - 1)
    mask = np.clip((1 - (x**4 + y**4) ** 0.25) / _FEATHER, 0, 1).astype(np.float32)
    cover = cv2.warpAffine(mask, forward, size, flags=cv2.INTER_LINEAR)[:, :, np.newaxis]
    layer = cv2.warpAffine(small, forward, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    painted: UInt8 = image.copy()
    region = painted[low[1] : high[1], low[0] : high[0]]
    region[:] = np.asarray(region + (layer.astype(np.float32) - region) * cover, np.uint8)
    return painted


def _apart(box: Float32, other: Float32) -> bool:
    """Whether two faces leave the room of half a face between them, so that no pasted ellipse covers a face."""
    size = max(float(box[2] - box[0]), float(other[2] - other[0]))
    gap = np.maximum(box[:2] - other[2:], other[:2] - box[2:])
    return float(gap.max()) > 0.5 * size


def _developed(image: UInt8, condition: Condition) -> UInt8:
    """Blur, light and colour of a condition."""
    if condition.blur:
        sigma = condition.blur * math.sqrt(condition.size_px[0] * condition.size_px[1])
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    if condition.light != 1.0:
        image = np.asarray(np.clip(image * condition.light, 0, 255), np.uint8)
    if condition.grey:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    return image


# Drawn images.

#: Ranges of grey levels of a drawn head, of the parts on it, and of pupils and mouth.
_HEAD_COLOURS: Final = ((80, 255), (120, 255), (0, 70))
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?()%&@OoQ8"


def text_page(random: np.random.Generator) -> UInt8:
    """A page of letters in several sizes."""
    image = np.full((_HEIGHT, _WIDTH, 3), random.integers(200, 256, 3), np.uint8)
    y = 0
    while y < _HEIGHT:
        scale = float(np.exp(random.uniform(-0.7, 1.9)))
        y += int(34 * scale)
        line = "".join(random.choice(list(_LETTERS + "    "), int(70 / scale) + 2))
        colour = [int(value) for value in random.integers(0, 130, 3)]
        font = int(random.integers(8))
        cv2.putText(image, line, (10, y), font, scale, colour, max(1, round(2 * scale)), cv2.LINE_AA)
    return image


def pattern(random: np.random.Generator) -> UInt8:
    """Stripes, checks, rings or spots."""
    y, x = np.mgrid[:_HEIGHT, :_WIDTH].astype(np.float32)
    step = float(np.exp(random.uniform(2, 5.3)))
    turn = random.uniform(0, math.pi)
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    waves = np.sin(along * (2 * math.pi / step)), np.sin(across * (2 * math.pi / step))
    rings = np.sin(np.hypot(x - random.uniform(0, _WIDTH), y - random.uniform(0, _HEIGHT)) * (2 * math.pi / step))
    value = (waves[0], waves[0] * waves[1], rings, np.maximum(waves[0], waves[1]))[int(random.integers(4))]
    value = np.sign(value - 0.3) if random.random() < 0.5 else value
    low, high = random.uniform(0, 255, 3), random.uniform(0, 255, 3)
    return np.asarray(low + (high - low) * ((value + 1) / 2)[:, :, np.newaxis], np.uint8)


def shapes(random: np.random.Generator) -> UInt8:
    """Discs, boxes and lines, as furniture, wheels and windows have them."""
    image = texture(_WIDTH, _HEIGHT, random)
    for _ in range(int(random.integers(10, 60))):
        x, y = (int(value) for value in random.uniform((0, 0), (_WIDTH, _HEIGHT)))
        size = int(np.exp(random.uniform(1.5, 4.8)))
        colour = [int(value) for value in random.integers(0, 256, 3)]
        kind = int(random.integers(3))
        if kind == 0:
            cv2.ellipse(image, (x, y), (size, int(size * random.uniform(0.4, 1.5))), 0, 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 1:
            cv2.rectangle(image, (x, y), (x + size, y + int(size * random.uniform(0.3, 2))), colour, -1)
        else:
            cv2.line(image, (x, y), (x + size, y - size), colour, int(random.integers(1, 12)), cv2.LINE_AA)
    return image


def animals(random: np.random.Generator) -> UInt8:
    """Cats, bears and birds as toys have them: ears or beak, eyes on the sides, snout, whiskers."""
    image = texture(_WIDTH, _HEIGHT, random)
    for _ in range(int(random.integers(1, 7))):
        size = int(np.exp(random.uniform(2.8, 5.2)))
        x, y = (int(value) for value in random.uniform((size, size), (_WIDTH - size, _HEIGHT - size)))
        _draw_animal(image, x, y, size, random)
    return image


def _draw_animal(image: UInt8, x: int, y: int, size: int, random: np.random.Generator) -> None:
    fur = [int(value) for value in random.uniform((90, 60, 30), (220, 180, 140))]
    dark = [value // 4 for value in fur]
    for side in (-1, 1):
        ear = (x + side * int(0.6 * size), y - int(0.75 * size))
        if random.random() < 0.5:
            cv2.circle(image, ear, int(0.35 * size), fur, -1, cv2.LINE_AA)
        else:
            corners = [(ear[0] - size // 4, y - size // 3), (ear[0] + size // 4, y - size // 3), (ear[0], y - size)]
            cv2.fillPoly(image, [np.array(corners, np.int32)], fur, cv2.LINE_AA)
    cv2.ellipse(image, (x, y), (size, int(size * random.uniform(0.7, 0.95))), 0, 0, 360, fur, -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = (x + side * int(random.uniform(0.35, 0.6) * size), y - size // 4)
        cv2.circle(image, eye, max(size // 8, 1), dark, -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y + size // 4), (size // 3, size // 4), 0, 0, 360, [min(v + 40, 255) for v in fur], -1)
    cv2.circle(image, (x, y + size // 6), max(size // 9, 1), dark, -1, cv2.LINE_AA)
    for side in (-1, 1):
        for rise in (-1, 0, 1):
            end = (x + side * int(1.2 * size), y + size // 4 + rise * size // 5)
            cv2.line(image, (x + side * size // 3, y + size // 4), end, dark, 1, cv2.LINE_AA)


def toys(random: np.random.Generator) -> UInt8:
    """Robots and blocks: square heads with eyes, and a slot, a grid or an arc for a mouth."""
    return _with_heads(random, square=True)


def drawn_faces(random: np.random.Generator) -> UInt8:
    """Oval heads with eyes and a mouth, of human proportions: drawn, but faces."""
    return _with_heads(random, square=False)


def _with_heads(random: np.random.Generator, square: bool) -> UInt8:
    image = texture(_WIDTH, _HEIGHT, random)
    for _ in range(int(random.integers(1, 7))):
        size = int(np.exp(random.uniform(2.8, 5.2)))
        x, y = (int(value) for value in random.uniform((size, size), (_WIDTH - size, _HEIGHT - size)))
        _draw_head(image, x, y, size, square, random)
    return image


def _draw_head(image: UInt8, x: int, y: int, size: int, square: bool, random: np.random.Generator) -> None:
    paint, trim, dark = ([int(value) for value in random.uniform(low, high, 3)] for low, high in _HEAD_COLOURS)
    width = int(size * random.uniform(0.6, 1.0))
    if square:
        cv2.rectangle(image, (x - width, y - size), (x + width, y + size), paint, -1)
        cv2.line(image, (x, y - size), (x, y - int(1.3 * size)), trim, max(size // 12, 1))
    else:
        cv2.ellipse(image, (x, y), (width, size), 0, 0, 360, paint, -1, cv2.LINE_AA)
    radius, square_eyes = max(int(size * random.uniform(0.1, 0.25)), 1), random.random() < 0.5
    for side in (-1, 1):
        eye = (x + side * int(0.45 * width), y - int(0.3 * size))
        if square_eyes:
            cv2.rectangle(image, (eye[0] - radius, eye[1] - radius), (eye[0] + radius, eye[1] + radius), trim, -1)
        else:
            cv2.circle(image, eye, radius, trim, -1, cv2.LINE_AA)
        cv2.circle(image, eye, max(radius // 2, 1), dark, -1, cv2.LINE_AA)
    mouth_y, half, kind = y + int(0.45 * size), int(0.5 * width), int(random.integers(3))
    if kind == 0:
        axes = (half, max(size // 6, 1))
        cv2.ellipse(image, (x, mouth_y), axes, 0, 0, 180, dark, max(size // 20, 1), cv2.LINE_AA)
    elif kind == 1:
        cv2.rectangle(image, (x - half, mouth_y - size // 12), (x + half, mouth_y + size // 12), dark, -1)
    else:
        for bar in np.linspace(x - half, x + half, 7).astype(int).tolist():
            cv2.line(image, (bar, mouth_y - size // 8), (bar, mouth_y + size // 8), dark, max(size // 24, 1))


def hands(random: np.random.Generator) -> UInt8:
    """Open hands in colours of skin."""
    image = texture(_WIDTH, _HEIGHT, random)
    for _ in range(int(random.integers(1, 5))):
        size = int(np.exp(random.uniform(3, 5)))
        x, y = (int(value) for value in random.uniform((size, size), (_WIDTH - size, _HEIGHT - size)))
        skin = [int(value) for value in np.array([225, 170, 140]) * random.uniform(0.35, 1.05)]
        cv2.ellipse(image, (x, y), (int(0.45 * size), int(0.55 * size)), 0, 0, 360, skin, -1, cv2.LINE_AA)
        turn = random.uniform(-0.6, 0.6)
        for finger, spread in enumerate((-1.1, -0.35, -0.1, 0.15, 0.4)):
            angle = turn + spread
            length = size * (0.75 if finger == 0 else random.uniform(0.9, 1.15))
            tip = (x + int(length * math.sin(angle)), y - int(length * math.cos(angle)))
            cv2.line(image, (x, y), tip, skin, max(int(0.2 * size), 2), cv2.LINE_AA)
            cv2.circle(image, tip, max(int(0.04 * size), 1), [min(value + 30, 255) for value in skin], -1)
    return image


DRAWN: Final[dict[str, Callable[[np.random.Generator], UInt8]]] = {
    "text": text_page,
    "patterns": pattern,
    "shapes": shapes,
    "animals": animals,
    "toys": toys,
    "hands": hands,
    "drawn_faces": drawn_faces,
}
#: Kinds that are reported but not counted as images without faces.
NOT_COUNTED: Final = ("drawn_faces",)


def drawn_image(kind: str, half: Half, seed: int) -> UInt8:
    """A drawn image; the halves share none."""
    return DRAWN[kind](np.random.default_rng([zlib.crc32(kind.encode()), half == "report", seed]))


def moved_images(image: UInt8, count: int, random: np.random.Generator) -> Iterator[UInt8]:
    """A still image as a camera would show it that pans and zooms a little, with noise of the sensor."""
    height, width = image.shape[:2]
    start, end = random.uniform(-0.03, 0.03, (2, 3))
    for step in range(count):
        zoom, x, y = start + (end - start) * (step / max(count - 1, 1))
        affine = np.array([[1 + zoom, 0, x * width], [0, 1 + zoom, y * height]])
        moved = cv2.warpAffine(image, affine, (width, height), borderMode=cv2.BORDER_REFLECT)
        noise = random.normal(0, 2, (height // 4, width // 4, 3)).astype(np.float32)
        noisy = moved + cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)
        yield np.asarray(np.clip(noisy, 0, 255), np.uint8)


def as_size(condition: Condition, width: int, height: int) -> Condition:
    """The condition on another size of image."""
    return replace(condition, width=width, height=height)
