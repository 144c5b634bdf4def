"""Draw the rows of a frame over its image: boxes, chips, action units, the disclaimer.

Every decision can be recognised without colour: one label has a check mark and a solid box, competing labels have
overlapping circles, the word "or" and a dashed box, a face that is not assessed has a crossed circle or a camera and a
dotted box.

Input are rows (app/session/rows.py), not results, so that a resumed session can draw its earlier frames again.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from app.overlay.blur import LiveCover, blur_faces
from app.overlay.disclaimer import DISCLAIMER
from app.overlay.palette import EXPRESSION_COLOURS, GREY, PLATE, TRACK, WHITE, Colour
from app.overlay.patches import Patch, Sheet, icon_mask, lay, plate, text_mask, text_width
from app.overlay.patterns import MIN_PITCH, expression_marks, shade
from app.overlay.region import WHOLE, Region
from app.overlay.unit_panel import PanelLayout, draw_panel, layouts
from app.overlay.words import CAPTION, ENGLISH, NO_FACE_TEXT, Words
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow, SessionHeader
from engine.types import Float32, Route, UInt8

_TAG: Final[Colour] = (170, 170, 176)
#: The points of the mesh, and the axes of the head that lead to its right and to its top.
_POINT: Final[Colour] = (120, 230, 200)
_RIGHT: Final[Colour] = (255, 120, 110)
_TOP: Final[Colour] = (120, 220, 120)
#: Number of faces with a panel of action units; more would hide the image.
_MAX_PANELS: Final = 3

Box = tuple[int, int, int, int]  # x0 y0 x1 y1, pixels


@dataclass(frozen=True, slots=True)
class _Chip:
    """Content of the label of a face."""

    icon: str
    text: str
    bar: tuple[tuple[str, int], ...] = ()  # expressions and percent, from the left
    tag: str = ""  # id of the face, if there are several


@dataclass(frozen=True, slots=True)
class OverlayParts:
    """Which parts are drawn."""

    boxes: bool = True
    chips: bool = True
    units: bool = True  # panels of action units beside the faces
    disclaimer: bool = True  # switch it off only if it is shown beside the image, or if `chips` is off
    pose: bool = False  # three axes from the middle of each face; the white one is the direction of the head
    landmarks: bool = False  # the points of the face mesh, where `present` is given them
    blur: bool = False  # make faces unrecognisable; a frame without a known face is blurred whole
    words: Words = ENGLISH


class Overlay:
    """Draws the rows of one session. Not thread-safe: use one per thread."""

    def __init__(self, header: SessionHeader, parts: OverlayParts | None = None) -> None:
        self._header = header
        self._parts = parts or OverlayParts()
        self._measured: dict[int | None, FaceRow] = {}  # last row with units of each face of the last frame
        self._cover = LiveCover()

    def change(self, header: SessionHeader, parts: OverlayParts) -> None:
        """Draw with other limits or other parts; faces that were lost stay covered."""
        self._header, self._parts = header, parts

    def blurred(self, image: UInt8, rows: Sequence[FaceRow]) -> UInt8:
        """The image (H, W, 3), with its faces blurred if the parts ask for it; call it once per frame, in order."""
        boxes = self._cover.boxes(rows)  # also without blur: faces lost just before it is switched on are covered
        return blur_faces(image, boxes) if self._parts.blur else image

    def draw(self, canvas: UInt8, rows: Sequence[FaceRow], meshes: Sequence[Float32] = ()) -> None:
        """Draw over the image (H, W, 3) RGB in place.

        Args:
            canvas: the image.
            rows: its faces, or the row that says there is none; empty if all faces are outside.
            meshes: (N, 2) points of each face in pixels of the image.
        """
        unit = max(min(canvas.shape[:2]) / 360.0, 0.5) ** 0.85
        faces = [row for row in rows if row.decision != NO_FACE]
        if self._parts.landmarks:
            for mesh in meshes:
                _draw_points(canvas, mesh, unit)
        if not self._parts.disclaimer:
            self._draw_faces(canvas, faces, unit, canvas.shape[0])
            self._draw_absence(canvas, rows, unit)
            return
        text = self._parts.words.of(DISCLAIMER)
        line, left, floor = _disclaimer(text, canvas.shape[1], canvas.shape[0], unit)
        self._draw_faces(canvas, faces, unit, max(floor, 0))
        self._draw_absence(canvas, rows, unit)
        lay(canvas, line, left, floor)  # last, so that no face hides it

    def _draw_faces(self, canvas: UInt8, faces: Sequence[FaceRow], unit: float, floor: int) -> None:
        """Draw boxes anywhere, chips and panels only above ``floor``, the top of the disclaimer."""
        boxes = [_box(row) for row in faces]
        for row, box in zip(faces, boxes, strict=True):
            self._draw_box(canvas, row, box, unit)
            if self._parts.pose:
                _draw_pose(canvas, row, box, unit)
        above = canvas[:floor]
        taken = [*boxes, *self._draw_chips(above, faces, boxes, unit)]
        if not self._parts.units:
            return
        with_units = [self._with_units(row) for row in faces]
        self._measured = {row.face_id: row for row in with_units if row.occurrence}
        panels = [(row, box) for row, box in zip(with_units, boxes, strict=True) if row.occurrence][:_MAX_PANELS]
        for row, box in panels:
            self._draw_panel(above, row, box, unit, taken)

    def _draw_absence(self, canvas: UInt8, rows: Sequence[FaceRow], unit: float) -> None:
        """Say that there is no face; nothing if all faces are outside the part shown."""
        if self._parts.chips and any(row.decision == NO_FACE for row in rows):
            lay(
                canvas,
                _chip_patch(_Chip("", self._parts.words.of(NO_FACE_TEXT)), unit),
                round(8 * unit),
                round(8 * unit),
            )

    def _with_units(self, row: FaceRow) -> FaceRow:
        """A carried row with the units of the frame in which its face was analysed last."""
        last = self._measured.get(row.face_id) if row.carried and row.labels and not row.occurrence else None
        if last is None:
            return row
        return dataclasses.replace(row, occurrence=last.occurrence, occurrence_std=last.occurrence_std)

    def _draw_box(self, canvas: UInt8, row: FaceRow, box: Box, unit: float) -> None:
        thick = max(round(2 * unit), 1)
        if not self._parts.boxes:
            return
        if not self._parts.chips:  # a neutral box
            cv2.rectangle(canvas, box[:2], box[2:], PLATE, thick + 2, cv2.LINE_AA)
            cv2.rectangle(canvas, box[:2], box[2:], WHITE, thick, cv2.LINE_AA)
        elif row.decision == Route.ACCEPT.value:
            cv2.rectangle(canvas, box[:2], box[2:], PLATE, thick + 2, cv2.LINE_AA)
            cv2.rectangle(canvas, box[:2], box[2:], EXPRESSION_COLOURS[row.labels[0]], thick, cv2.LINE_AA)
        elif row.decision == Route.AMBIGUOUS.value:
            _dashed(canvas, box, [EXPRESSION_COLOURS[label] for label in row.labels], thick, unit)
        else:
            _dotted(canvas, box, thick, unit)

    def _draw_chips(self, canvas: UInt8, faces: Sequence[FaceRow], boxes: Sequence[Box], unit: float) -> list[Box]:
        taken: list[Box] = []
        for row, box in zip(faces, boxes, strict=True) if self._parts.chips else ():
            tag = str(row.face_id) if len(faces) > 1 else ""
            patch = _chip_patch(_chip_of(row, tag, self._parts.words), unit)
            width, height = patch.size
            x = min(max(box[0], 0), max(canvas.shape[1] - width, 0))
            gap = round(4 * unit)
            above, below = box[1] - height - gap, box[3] + gap
            y = above if above >= 0 else min(below, canvas.shape[0] - height)
            lay(canvas, patch, x, y)
            taken.append((x, y, x + width, y + height))
        return taken

    def _draw_panel(self, canvas: UInt8, row: FaceRow, box: Box, unit: float, taken: list[Box]) -> None:
        """Draw the unit bars beside the face unless every place hides a face, chip or panel."""
        for layout in layouts(self._header, unit, self._parts.words.of(CAPTION)):
            place = _free_place(canvas, box, layout, taken)
            if place is not None:
                x, y = place
                taken.append((x, y, x + layout.width, y + layout.height))
                draw_panel(canvas, row, self._header, layout, x, y)
                return


def _draw_points(canvas: UInt8, mesh: Float32, unit: float) -> None:
    """Draw each point of a mesh (N, 2) as a small square."""
    side = max(round(1.2 * unit), 1)
    places = np.round(mesh).astype(np.int64)
    inside = ((places >= 0) & (places < (canvas.shape[1] - side, canvas.shape[0] - side))).all(axis=1)
    for x, y in itertools.product(range(side), range(side)):
        canvas[places[inside, 1] + y, places[inside, 0] + x] = _POINT


def _draw_pose(canvas: UInt8, row: FaceRow, box: Box, unit: float) -> None:
    """Draw the axes of the head: its direction, and half as long its right and its top.

    An axis along the image is as long as the side of the box.
    """
    if row.yaw is None or row.pitch is None:
        return
    x, y, side = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    yaw, pitch, roll = (math.radians(angle or 0.0) for angle in (row.yaw, row.pitch, row.roll))
    across, over = (math.cos(yaw), 0.0), (-math.sin(yaw) * math.sin(pitch), -math.cos(pitch))  # without roll
    right, top = (
        tuple(one * part + two * other for part, other in zip(across, over, strict=True))
        for one, two in ((math.cos(roll), -math.sin(roll)), (math.sin(roll), math.cos(roll)))
    )
    ahead = (math.sin(yaw) * math.cos(pitch), -math.sin(pitch))
    thick = max(round(1.5 * unit), 1)
    for length, axis, colour in ((0.5, right, _RIGHT), (0.5, top, _TOP), (1.0, ahead, WHITE)):
        tip = (round(x + length * side * axis[0]), round(y + length * side * axis[1]))
        for ink, more in ((PLATE, 2), (colour, 0)):
            cv2.line(canvas, (round(x), round(y)), tip, ink, thick + more, cv2.LINE_AA)
    for ink, more in ((PLATE, 2), (WHITE, 0)):
        cv2.circle(canvas, (round(x), round(y)), thick + more, ink, -1, cv2.LINE_AA)


def present(
    image: UInt8,
    rows: Sequence[FaceRow],
    overlay: Overlay | None,
    space_px: tuple[int, int],
    region: Region = WHOLE,
    meshes: Sequence[Float32] = (),
) -> UInt8:
    """Scale an image to the largest size (h, w, 3) that fits into a space, then draw over it, so that text is sharp.

    Args:
        image: (H, W, 3) RGB; not modified.
        rows: of the same frame, in its pixels.
        overlay: None = the image alone.
        space_px: width and height, 1 or more.
        region: the part to show.
        meshes: (N, 2) points of each face, in pixels of the frame.
    """
    if overlay is not None:
        image = overlay.blurred(image, rows)
    left, top, right, bottom = region.pixels(image.shape[1], image.shape[0])
    image = image[top:bottom, left:right]
    height, width = image.shape[:2]
    scale = min(space_px[0] / width, space_px[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    if size == (width, height):
        canvas = np.array(image)
    else:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas = np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
    if overlay is not None:
        factors = (size[0] / width, size[1] / height)
        seen = [row for row in rows if row.x is None or _is_inside(row, left, top, right, bottom)]
        moved = [((mesh - (left, top)) * factors).astype(np.float32) for mesh in meshes]
        overlay.draw(canvas, [_moved(row, (left, top), factors) for row in seen], moved)
    return canvas


def bgrx(image: UInt8) -> UInt8:
    """Convert an image (h, w, 3) RGB to (h, w, 4) BGRX, the only form that Qt paints without converting."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGRA), np.uint8)


def face_at(rows: Sequence[FaceRow], x: float, y: float) -> int | None:
    """Id of the smallest face whose box contains a point of the frame, in pixels; None if there is no such face."""
    hits = [(row.w * row.h, row.face_id) for row in rows if _holds(row, x, y) and row.w and row.h]
    return min(hits)[1] if hits else None


def _holds(row: FaceRow, x: float, y: float) -> bool:
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return False
    return row.x <= x <= row.x + row.w and row.y <= y <= row.y + row.h


def _is_inside(row: FaceRow, left: int, top: int, right: int, bottom: int) -> bool:
    """Whether a part of the box is inside."""
    box = _box(row)
    return box[0] < right and left < box[2] and box[1] < bottom and top < box[3]


def _moved(row: FaceRow, origin: tuple[int, int], factors: tuple[float, float]) -> FaceRow:
    """The row in pixels of a part of the frame that begins at ``origin``, scaled by ``factors``."""
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return row
    x, y = (row.x - origin[0]) * factors[0], (row.y - origin[1]) * factors[1]
    return dataclasses.replace(row, x=x, y=y, w=row.w * factors[0], h=row.h * factors[1])


def _box(row: FaceRow) -> Box:
    x, y, w, h = row.x or 0.0, row.y or 0.0, row.w or 0.0, row.h or 0.0
    return round(x), round(y), round(x + w), round(y + h)


def _chip_of(row: FaceRow, tag: str, words: Words) -> _Chip:
    if row.decision == Route.ACCEPT.value:
        percent = round(100 * row.shares[0])
        label = row.labels[0]
        text = f"{words.expression(label)} {percent} %"
        return _Chip("check", text, ((label, percent),), tag)
    if row.decision == Route.AMBIGUOUS.value:
        bar = tuple((label, round(100 * share)) for label, share in zip(row.labels, row.shares, strict=True))
        return _Chip("or", words.either(row.labels), bar, tag)
    if row.decision == LOW_QUALITY:
        return _Chip("camera", words.poor_image(row.quality_reasons), (), tag)
    return _Chip("crossed", words.not_assessed(row.quality_reasons), (), tag)


@functools.lru_cache(maxsize=512)
def _chip_patch(chip: _Chip, unit: float) -> Patch:
    size = max(round(12.5 * unit), 9)
    margin, gap, edge = round(6 * unit), round(5 * unit), round(2.5 * unit)
    masks: list[tuple[UInt8, Colour]] = []
    if chip.tag:
        masks.append((text_mask(chip.tag, size), _TAG))
    if chip.icon:
        colour = EXPRESSION_COLOURS[chip.bar[0][0]] if len(chip.bar) == 1 else WHITE
        masks.append((icon_mask(chip.icon, round(size * 0.95)), colour))
    masks.append((text_mask(chip.text, size, bold=True), WHITE))
    line = masks[-1][0].shape[0]
    bar = max(round(3.5 * unit), 2) if chip.bar else 0
    width = sum(mask.shape[1] for mask, _ in masks) + gap * (len(masks) - 1) + 2 * margin
    height = line + 2 * edge + (bar + edge if bar else 0)
    sheet = plate(width, height, round(4 * unit), 0.86)
    x = margin
    for mask, colour in masks:
        sheet.ink(mask, x, edge + (line - mask.shape[0]) // 2, colour)
        x += mask.shape[1] + gap
    if bar:
        _share_bar(sheet, (margin, height - bar - edge, width - 2 * margin, bar), chip.bar)
    return sheet.patch()


def _share_bar(sheet: Sheet, place: Box, parts: tuple[tuple[str, int], ...]) -> None:
    """Fill a bar at x, y, width, height from the left with the percent of each expression, dark gaps between them."""
    x, y, width, height = place
    sheet.fill(x, y, width, height, TRACK)
    left, total = 0, 0
    for label, percent in parts:
        total += percent
        right = round(width * min(total, 100) / 100)
        colour = EXPRESSION_COLOURS[label]
        sheet.fill(x + left, y, right - left, height, colour)
        lines, columns = np.indices((height, right - left))
        marks = expression_marks(label, columns, lines, max(height, MIN_PITCH))
        sheet.image[y : y + height, x + left : x + right][marks] = shade(*colour)
        if left:
            sheet.fill(x + left, y, min(2, right - left), height, PLATE)
        left = right


@functools.lru_cache(maxsize=8)
def _disclaimer(text: str, width: int, height: int, unit: float) -> tuple[Patch, int, int]:
    """Wrap the disclaimer to the width of the image; return it with x and y of its top left corner."""
    size = max(round(9.5 * unit), 8)
    lines = _wrapped(text, size, width - 8)
    masks = [text_mask(line, size)[:, :width] for line in lines]
    sheet = plate(width, sum(mask.shape[0] for mask in masks) + 2, 0, 0.74)
    y = 1
    for mask in masks:
        sheet.ink(mask, (width - mask.shape[1]) // 2, y, WHITE)
        y += mask.shape[0]
    return sheet.patch(), 0, height - y - 1


def _wrapped(text: str, size_px: int, width: int) -> list[str]:
    """Split text into lines of similar length, at most ``width`` pixels wide unless a word is wider."""
    count = -(-text_width(text, size_px) // max(width, 1))
    words = text.split()
    while True:
        lines, goal = [""], len(text) / count
        for word in words:
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and len(longer) > goal + 6 and len(lines) < count:
                lines.append(word)
            else:
                lines[-1] = longer
        if count >= len(words) or all(text_width(line, size_px) <= width for line in lines):
            return lines
        count += 1


def _free_place(canvas: UInt8, box: Box, layout: PanelLayout, taken: Sequence[Box]) -> tuple[int, int] | None:
    """Find room for the panel right or left of the face, at its top or bottom; return the top left corner."""
    gap = round(8 * layout.unit)
    lowest = canvas.shape[0] - layout.height
    for top in (box[1], box[3] - layout.height):
        y = min(max(top, gap), lowest)
        for x in (box[2] + gap, box[0] - gap - layout.width):
            spot = (x, y, x + layout.width, y + layout.height)
            inside = min(x, y) >= 0 and spot[2] <= canvas.shape[1]
            if inside and not any(_overlap(spot, other) for other in taken):
                return x, y
    return None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _dashed(canvas: UInt8, box: Box, colours: Sequence[Colour], thick: int, unit: float) -> None:
    """Draw a box of dashes in alternating colours over a dark line."""
    dash, gap = 9 * unit, 5 * unit
    cv2.rectangle(canvas, box[:2], box[2:], PLATE, thick + 2, cv2.LINE_AA)
    turn = 0
    for (ax, ay), (bx, by) in _sides(box):
        length = max(abs(bx - ax) + abs(by - ay), 1)
        at = 0.0
        while at < length:
            stop = min(at + dash, length)
            a = (round(ax + (bx - ax) * at / length), round(ay + (by - ay) * at / length))
            b = (round(ax + (bx - ax) * stop / length), round(ay + (by - ay) * stop / length))
            cv2.line(canvas, a, b, colours[turn % len(colours)], thick)
            turn += 1
            at += dash + gap


def _dotted(canvas: UInt8, box: Box, thick: int, unit: float) -> None:
    """Draw a box of grey dots."""
    step, radius = 10 * unit, max(round(thick * 0.9), 1)
    for (ax, ay), (bx, by) in _sides(box):
        length = max(abs(bx - ax) + abs(by - ay), 1)
        for index in range(int(length / step)):
            share = index * step / length
            centre = (round(ax + (bx - ax) * share), round(ay + (by - ay) * share))
            cv2.circle(canvas, centre, radius + 1, PLATE, cv2.FILLED)
            cv2.circle(canvas, centre, radius, GREY, cv2.FILLED)


def _sides(box: Box) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    x0, y0, x1, y1 = box
    return (((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x1, y1), (x0, y1)), ((x0, y1), (x0, y0)))
