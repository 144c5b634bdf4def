"""The views: tiles cover the image, and share enough that a face lies whole in one of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.tracking.views import STILL_MARGIN, tile_levels, video_tiles


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([0.0, STILL_MARGIN]))
def test_the_tiles_of_each_level_cover_the_image(width: int, height: int, margin: float) -> None:
    for level in tile_levels(width, height, margin):
        covered = np.zeros((height // 16 + 1, width // 16 + 1), bool)
        for view in level:
            assert view.box is not None
            x0, y0, x1, y1 = view.box
            assert x1 - x0 == y1 - y0 > 0
            x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
            assert x0 < x1
            assert y0 < y1
            covered[y0 // 16 : -(-y1 // 16) + 1, x0 // 16 : -(-x1 // 16) + 1] = True
        assert covered.all()


@given(st.integers(500, 5000), st.integers(500, 5000), st.floats(0, 1), st.floats(0, 1))
def test_a_face_of_a_third_of_a_tile_lies_whole_in_one(width: int, height: int, x: float, y: float) -> None:
    for level in tile_levels(width, height):
        boxes = np.array([view.box for view in level])
        side = 0.3 * min(boxes[0][2] - boxes[0][0], boxes[0][3] - boxes[0][1])
        left, top = x * (width - side), y * (height - side)
        inside = (boxes[:, :2] <= (left, top)).all(1) & (boxes[:, 2:] >= (left + side, top + side)).all(1)
        assert inside.any()


def test_small_images_have_no_tiles() -> None:
    assert tile_levels(350, 350) == ()
    assert len(tile_levels(480, 270)) == 1


@given(st.integers(200, 5000), st.integers(200, 5000), st.floats(0, 1), st.floats(0, 1))
def test_a_face_of_a_third_of_a_tile_of_a_video_lies_whole_in_one(width: int, height: int, x: float, y: float) -> None:
    boxes = np.array([view.box for view in video_tiles(width, height)])
    side = 0.3 * (boxes[0][2] - boxes[0][0])
    left, top = x * (width - side), y * (height - side)
    inside = (boxes[:, :2] <= (left, top)).all(1) & (boxes[:, 2:] >= (left + side, top + side)).all(1)
    assert inside.any()


def test_shifted_tiles_lie_a_quarter_further() -> None:
    for tile, shifted in zip(video_tiles(1280, 720), video_tiles(1280, 720, shifted=True), strict=True):
        assert tile.box is not None
        assert shifted.box == tuple(value + 80 for value in tile.box)
