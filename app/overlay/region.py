"""The part of an image that is shown: the whole, or a smaller one while zoomed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from app.session.rows import FaceRow

#: Left, top, right and bottom in shares of the image.
Box: TypeAlias = tuple[float, float, float, float]
#: Strongest zoom: a region has at least this share of each side of the image.
MIN_SHARE: Final = 1 / 8


@dataclass(frozen=True, slots=True)
class Region:
    """A part with the aspect ratio of the image, in shares of its width and height."""

    left: float = 0.0
    top: float = 0.0
    share: float = 1.0  # of each side; 1 = the whole image

    def zoomed(self, factor: float, x: float, y: float) -> Region:
        """Show less (``factor`` > 1) or more; the point at ``x``, ``y`` (shares of the region) stays in its place."""
        share = min(max(self.share / factor, MIN_SHARE), 1.0)
        return Region(self.left + x * (self.share - share), self.top + y * (self.share - share), share)._inside()

    def moved(self, x: float, y: float) -> Region:
        """Move by shares of the region, within the image."""
        return Region(self.left + x * self.share, self.top + y * self.share, self.share)._inside()

    def image_point(self, x: float, y: float) -> tuple[float, float]:
        """A point given in shares of the region, in shares of the image."""
        return self.left + x * self.share, self.top + y * self.share

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in pixels of an image of this size; at least one pixel."""
        left, top = round(self.left * width), round(self.top * height)
        right, bottom = round((self.left + self.share) * width), round((self.top + self.share) * height)
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def _inside(self) -> Region:
        most = 1.0 - self.share
        return Region(min(max(self.left, 0.0), most), min(max(self.top, 0.0), most), self.share)


WHOLE: Final = Region()


def face_box(rows: Iterable[FaceRow], face_id: int | None, size_px: tuple[int, int]) -> Box | None:
    """The box of one face in an image of this width and height; None where it has none."""
    (width, height), row = size_px, next((row for row in rows if row.face_id == face_id), None)
    if row is None or row.x is None or row.y is None or not row.w or not row.h or not width or not height:
        return None
    return row.x / width, row.y / height, (row.x + row.w) / width, (row.y + row.h) / height


def around(box: Box, share: float) -> Region:
    """A region of this share with a box in its middle."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return Region(x - share / 2, y - share / 2, share)._inside()
