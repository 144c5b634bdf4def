"""Drawing what is known of a frame over its picture: boxes, chips, action units, the standing line.

Every state can be told without colour: a check mark and a solid box (one label), overlapping circles, the word "or"
and a dashed box (competing labels), a crossed circle or a camera and a dotted box (not assessed). Colours are those of
Okabe and Ito ("Color Universal Design", 2008), one per expression.

Drawn are the rows of app/session/journal.py, not results, so that a resumed run can draw its old frames again.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2

from app.overlay.palette import EXPRESSION_COLOURS, GREY, PLATE, TRACK, WHITE, Colour
from app.overlay.patches import Patch, Sheet, icon_mask, lay, plate, text_mask, text_width
from app.overlay.unit_panel import PanelLayout, draw_panel, layouts
from app.session.rows import LOW_QUALITY, NO_FACE, FaceRow, SessionHeader
from engine.facs import EXPRESSION_ADJECTIVES, EXPRESSIONS
from engine.types import QualityReason, Route, UInt8

#: Must stand wherever labels are shown.
STANDING_LINE: Final = (
    "Shows what a face looks like to a model trained on labelled pictures. "
    "It does not show what a person feels, means or intends."
)
NO_FACE_TEXT: Final = "No face in view"
REJECT_TEXT: Final = "Not assessed: unlike training data"
LOW_QUALITY_TEXT: Final = "Can't see well"
REASON_TEXTS: Final[dict[str, str]] = {
    QualityReason.TOO_SMALL.value: "too small",
    QualityReason.TURNED_AWAY.value: "turned away",
    QualityReason.BLURRED.value: "blurred",
    QualityReason.DARK.value: "too dark",
    QualityReason.CUT_OFF.value: "cut off",
}

_ADJECTIVES: Final = dict(zip(EXPRESSIONS, EXPRESSION_ADJECTIVES, strict=True))
_TAG: Final[Colour] = (170, 170, 176)
#: Faces that get a panel of action units; more would hide the picture.
_MAX_PANELS: Final = 3

Box = tuple[int, int, int, int]  # x0 y0 x1 y1, pixels


@dataclass(frozen=True, slots=True)
class _Chip:
    """What a chip says."""

    icon: str
    text: str
    bar: tuple[tuple[Colour, int], ...] = ()  # colours and percent, from the left
    tag: str = ""  # which face, where there are several


@dataclass(frozen=True, slots=True)
class OverlayParts:
    """What is drawn."""

    boxes: bool = True
    chips: bool = True
    units: bool = True  # panels of action units beside the faces
    line: bool = True  # the standing line; leave it out only where it is shown beside the picture, or without labels


class Overlay:
    """Draws the rows of one run. Not thread-safe: one per thread."""

    def __init__(self, header: SessionHeader, parts: OverlayParts | None = None) -> None:
        self._header = header
        self._parts = parts or OverlayParts()

    def draw(self, canvas: UInt8, rows: Sequence[FaceRow]) -> None:
        """Draw over the picture (H, W, 3) RGB in place."""
        unit = max(min(canvas.shape[:2]) / 360.0, 0.5) ** 0.85
        faces = [row for row in rows if row.decision != NO_FACE]
        if not self._parts.line:
            self._draw_faces(canvas, faces, unit, canvas.shape[0])
            return
        line, left, floor = _standing_line(canvas.shape[1], canvas.shape[0], unit)
        self._draw_faces(canvas, faces, unit, max(floor, 0))
        lay(canvas, line, left, floor)  # last: a face at the lower edge must not hide it

    def _draw_faces(self, canvas: UInt8, faces: Sequence[FaceRow], unit: float, floor: int) -> None:
        """Boxes anywhere; chips and panels above ``floor``, where the standing line begins."""
        if not faces:
            if self._parts.chips:
                lay(canvas, _chip_patch(_Chip("", NO_FACE_TEXT), unit), round(8 * unit), round(8 * unit))
            return
        boxes = [_box(row) for row in faces]
        for row, box in zip(faces, boxes, strict=True):
            self._draw_box(canvas, row, box, unit)
        above = canvas[:floor]
        taken = [*boxes, *self._draw_chips(above, faces, boxes, unit)]
        if not self._parts.units:
            return
        panels = [(row, box) for row, box in zip(faces, boxes, strict=True) if row.occurrence][:_MAX_PANELS]
        for row, box in panels:
            self._draw_panel(above, row, box, unit, taken)

    def _draw_box(self, canvas: UInt8, row: FaceRow, box: Box, unit: float) -> None:
        thick = max(round(2 * unit), 1)
        if not self._parts.boxes:
            return
        if not self._parts.chips:  # a box that tells nothing but the place
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
            patch = _chip_patch(_chip_of(row, tag), unit)
            width, height = patch.size
            x = min(max(box[0], 0), max(canvas.shape[1] - width, 0))
            gap = round(4 * unit)
            above, below = box[1] - height - gap, box[3] + gap
            y = above if above >= 0 else min(below, canvas.shape[0] - height)
            lay(canvas, patch, x, y)
            taken.append((x, y, x + width, y + height))
        return taken

    def _draw_panel(self, canvas: UInt8, row: FaceRow, box: Box, unit: float, taken: list[Box]) -> None:
        """Bars of the units beside the face, where they hide neither a face nor a chip; left out when nowhere."""
        for layout in layouts(self._header, unit):
            place = _free_place(canvas, box, layout, taken)
            if place is not None:
                x, y = place
                taken.append((x, y, x + layout.width, y + layout.height))
                draw_panel(canvas, row, self._header, layout, x, y)
                return


def _box(row: FaceRow) -> Box:
    x, y, w, h = row.x or 0.0, row.y or 0.0, row.w or 0.0, row.h or 0.0
    return round(x), round(y), round(x + w), round(y + h)


def _chip_of(row: FaceRow, tag: str) -> _Chip:
    if row.decision == Route.ACCEPT.value:
        percent = round(100 * row.shares[0])
        label = row.labels[0]
        return _Chip("check", f"{_ADJECTIVES[label]} {percent}%", ((EXPRESSION_COLOURS[label], percent),), tag)
    if row.decision == Route.AMBIGUOUS.value:
        words = [_ADJECTIVES[label] for label in row.labels]
        shares = zip(row.labels, row.shares, strict=True)
        bar = tuple((EXPRESSION_COLOURS[label], round(100 * share)) for label, share in shares)
        return _Chip("or", f"{', '.join(words[:-1])} or {words[-1]}", bar, tag)
    if row.decision == LOW_QUALITY:
        reasons = ", ".join(REASON_TEXTS[reason] for reason in row.quality_reasons[:2])
        return _Chip("camera", f"{LOW_QUALITY_TEXT}: {reasons}" if reasons else LOW_QUALITY_TEXT, (), tag)
    return _Chip("crossed", REJECT_TEXT, (), tag)


@functools.lru_cache(maxsize=512)
def _chip_patch(chip: _Chip, unit: float) -> Patch:
    size = max(round(12.5 * unit), 9)
    margin, gap, edge = round(6 * unit), round(5 * unit), round(2.5 * unit)
    masks: list[tuple[UInt8, Colour]] = []
    if chip.tag:
        masks.append((text_mask(chip.tag, size), _TAG))
    if chip.icon:
        masks.append((icon_mask(chip.icon, round(size * 0.95)), chip.bar[0][0] if len(chip.bar) == 1 else WHITE))
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


def _share_bar(sheet: Sheet, place: Box, parts: tuple[tuple[Colour, int], ...]) -> None:
    """A bar at x, y, width, height, filled from the left with each part's percent; a dark gap between two parts."""
    x, y, width, height = place
    sheet.fill(x, y, width, height, TRACK)
    left, total = 0, 0
    for colour, percent in parts:
        total += percent
        right = round(width * min(total, 100) / 100)
        sheet.fill(x + left, y, right - left, height, colour)
        if left:
            sheet.fill(x + left, y, min(2, right - left), height, PLATE)
        left = right


@functools.lru_cache(maxsize=8)
def _standing_line(width: int, height: int, unit: float) -> tuple[Patch, int, int]:
    """The standing line at the lower edge, in as many lines as it needs, and its place."""
    size = max(round(9.5 * unit), 8)
    lines = _wrapped(STANDING_LINE, size, width - 8)
    masks = [text_mask(line, size)[:, :width] for line in lines]
    sheet = plate(width, sum(mask.shape[0] for mask in masks) + 2, 0, 0.74)
    y = 1
    for mask in masks:
        sheet.ink(mask, (width - mask.shape[1]) // 2, y, WHITE)
        y += mask.shape[0]
    return sheet.patch(), 0, height - y - 1


def _wrapped(text: str, size_px: int, width: int) -> list[str]:
    """Lines of about one length, each as narrow as ``width`` where words allow."""
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
    """Left upper corner of a free spot for the panel: right of the face or left of it, at its top or at its bottom."""
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
    """A dashed box whose dashes take turns in the colours, on a dark line."""
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
    """A dotted grey box."""
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
