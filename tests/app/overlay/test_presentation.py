"""The picture that a window shows: fitted, with the boxes where the faces are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.overlay.overlay import Overlay, OverlayParts
from app.overlay.presentation import present
from app.session.rows import SessionHeader, rows_of
from tests.fakes.faces import fake_face, fake_frame, fake_result


@given(width=st.integers(1, 300), height=st.integers(1, 300), space=st.tuples(st.integers(1, 500), st.integers(1, 500)))
def test_a_picture_fills_its_space_on_one_side_and_never_leaves_it(width, height, space):
    picture = present(np.zeros((height, width, 3), np.uint8), (), None, space)
    assert picture.shape[1] <= space[0]
    assert picture.shape[0] <= space[1]
    assert picture.shape[1] == space[0] or picture.shape[0] == space[1]


def test_the_frame_is_never_drawn_on(header: SessionHeader):
    frame = fake_frame(7)
    result = fake_result(frame, fake_face())
    picture = present(frame.image, rows_of(result), Overlay(header), (160, 120))
    assert (frame.image == 7).all()
    assert (picture != 7).any()


@pytest.mark.parametrize("factor", [0.5, 2, 3])
def test_boxes_follow_the_scale(header: SessionHeader, factor):
    frame = fake_frame(0, 320, 240)
    rows = rows_of(fake_result(frame, fake_face(box=(80.0, 60.0, 240.0, 180.0))))
    bare = OverlayParts(chips=False, units=False, line=False)
    picture = present(frame.image, rows, Overlay(header, bare), (round(320 * factor), round(240 * factor)))
    ys, xs = np.nonzero(picture.max(axis=2) > 200)  # the white box
    tolerance = 3
    assert abs(xs.min() - 80 * factor) <= tolerance
    assert abs(xs.max() - 240 * factor) <= tolerance
    assert abs(ys.min() - 60 * factor) <= tolerance
    assert abs(ys.max() - 180 * factor) <= tolerance


def test_parts_that_are_off_are_not_drawn(header: SessionHeader):
    frame = fake_frame(0)
    rows = rows_of(fake_result(frame, fake_face()))
    nothing = OverlayParts(boxes=False, chips=False, units=False, line=False)
    assert (present(frame.image, rows, Overlay(header, nothing), (160, 120)) == 0).all()
    for part in ("boxes", "chips", "line"):
        one = dataclasses.replace(nothing, **{part: True})
        assert (present(frame.image, rows, Overlay(header, one), (160, 120)) != 0).any(), part


def test_a_frame_without_a_face_says_so_only_with_labels(header: SessionHeader):
    frame = fake_frame(0)
    rows = rows_of(fake_result(frame))
    silent = OverlayParts(chips=False, line=False)
    assert (present(frame.image, rows, Overlay(header, silent), (160, 120)) == 0).all()
    assert (present(frame.image, rows, Overlay(header, OverlayParts(line=False)), (160, 120)) != 0).any()
