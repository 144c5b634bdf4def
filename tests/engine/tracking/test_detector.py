"""Detection: decoding by hand, merging, views of images of any size, and the check of a square."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tracking.detector import FaceDetector, _letterbox, decode, merge, overlaps
from engine.tracking.mesh import FaceRoi, roi_from_detection
from engine.tracking.views import BORDERED, View
from engine.types import Float32, UInt8

SIDE = 192


def _boxes(*rows: tuple[float, float, float, float]) -> Float32:
    return np.array(rows, np.float32)


def test_decode_adds_the_anchor_and_keeps_the_score() -> None:
    anchors = np.array([[0.25, 0.5], [0.75, 0.5]], np.float32)
    raw = np.zeros((2, 16), np.float32)
    raw[1, :4] = (6, -3, 40, 20)  # centre relative to the anchor, width, height
    raw[1, 4:6] = (1, 2)  # first point relative to the anchor
    boxes, points, scores = decode(raw, np.array([-2.0, 2.0], np.float32), anchors, SIDE, 0.6)
    centre_x, centre_y = 0.75 * SIDE + 6, 0.5 * SIDE - 3
    np.testing.assert_allclose(boxes, [[centre_x - 20, centre_y - 10, centre_x + 20, centre_y + 10]])
    np.testing.assert_allclose(points[0, 0], [0.75 * SIDE + 1, 0.5 * SIDE + 2])
    np.testing.assert_allclose(points[0, 1:], np.tile([0.75 * SIDE, 0.5 * SIDE], (5, 1)))
    np.testing.assert_allclose(scores, [1 / (1 + math.exp(-2.0))], rtol=1e-6)


def test_decode_survives_saturated_logits_and_finds_nothing_in_nothing() -> None:
    anchors = np.zeros((2, 2), np.float32)
    logits = np.array([-1e9, 1e9], np.float32)
    boxes, points, scores = decode(np.zeros((2, 16), np.float32), logits, anchors, SIDE, 0.5)
    assert (boxes.shape, points.shape) == ((1, 4), (1, 6, 2))
    assert scores[0] == pytest.approx(1.0)
    assert len(decode(np.zeros((2, 16), np.float32), -abs(logits), anchors, SIDE, 0.5)[0]) == 0


def test_overlap_is_intersection_over_union() -> None:
    boxes = _boxes((0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30), (3, 3, 3, 3))
    np.testing.assert_allclose(overlaps(boxes[0], boxes), [1, 50 / 150, 0, 0], atol=1e-6)


def test_merging_averages_by_score_and_keeps_the_best_score() -> None:
    boxes = _boxes((0, 0, 10, 10), (2, 0, 12, 10), (50, 50, 60, 60))
    points = np.zeros((3, 6, 2), np.float32)
    points[1] = 4
    merged = merge(boxes, points, np.array([0.6, 0.9, 0.7], np.float32), 0.3)
    assert [face.score for face in merged] == pytest.approx([0.9, 0.7])
    np.testing.assert_allclose(merged[0].box, [2 * 0.9 / 1.5, 0, 10 + 2 * 0.9 / 1.5, 10], rtol=1e-5)
    np.testing.assert_allclose(merged[0].landmarks, 4 * 0.9 / 1.5, rtol=1e-5)


def test_merging_ends_on_degenerate_boxes() -> None:
    boxes = _boxes((5, 5, 5, 5), (5, 5, 5, 5))
    assert len(merge(boxes, np.zeros((2, 6, 2), np.float32), np.array([0.8, 0.7], np.float32), 0.3)) == 2


@given(st.permutations(range(4)))
def test_merging_does_not_depend_on_the_order(order: list[int]) -> None:
    boxes = _boxes((0, 0, 10, 10), (1, 0, 11, 10), (40, 0, 50, 10), (42, 0, 52, 10))
    scores = np.array([0.9, 0.8, 0.7, 0.95], np.float32)
    points = np.zeros((4, 6, 2), np.float32)
    straight = merge(boxes, points, scores, 0.3)
    mixed = merge(boxes[order], points, scores[order], 0.3)
    for one, other in zip(straight, mixed, strict=True):
        np.testing.assert_allclose(one.box, other.box, rtol=1e-5)


@given(st.integers(1, 700), st.integers(1, 700))
def test_letterbox_fits_any_size_and_its_map_leads_back(height: int, width: int) -> None:
    picture, frame_from_input = _letterbox(np.full((height, width, 3), 200, np.uint8), SIDE)
    assert picture.shape == (SIDE, SIDE, 3)
    rows, columns = np.flatnonzero(picture[:, :, 0].any(1)), np.flatnonzero(picture[:, :, 0].any(0))
    assert max(len(rows), len(columns)) == SIDE
    corners = np.array([[columns[0], rows[0], 1], [columns[-1] + 1, rows[-1] + 1, 1]])
    np.testing.assert_allclose(corners @ frame_from_input.T, [[0, 0], [width, height]], atol=1e-2)


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize("shape", [(512, 512), (333, 517), (200, 613), (701, 240)])
def test_the_portrait_is_found_in_a_picture_of_any_shape(portrait: UInt8, shape: tuple[int, int]) -> None:
    height, width = shape
    picture = np.zeros((height, width, 3), np.uint8)
    face = portrait[20:220, 130:330]  # 200 x 200 with the whole head
    left, top = (width - 200) // 2, (height - 200) // 2
    picture[top : top + 200, left : left + 200] = face
    found = FaceDetector(0.5).detect(picture)
    assert len(found) == 1
    middle = (found[0].box[:2] + found[0].box[2:]) / 2 - (left, top)
    np.testing.assert_allclose(middle, [223 - 130, 118 - 20], atol=12)  # the nose bridge of the portrait


@pytest.mark.usefixtures("face_models")
def test_nothing_is_found_in_an_even_picture_and_none_in_a_check_of_it() -> None:
    detector = FaceDetector(0.5)
    even = np.full((240, 320, 3), 127, np.uint8)
    assert detector.detect(even) == []
    assert detector.check(even, FaceRoi(160, 120, 80, 0.0), 0.4) is None


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize("turn_deg", [0, 60, 180])
def test_a_check_finds_a_small_turned_face_in_its_square_only(portrait: UInt8, turn_deg: int) -> None:
    detector = FaceDetector(0.5)
    roi = roi_from_detection(detector.detect(portrait)[0])
    spun = cv2.getRotationMatrix2D((roi.centre_x_px, roi.centre_y_px), -turn_deg, 0.2)  # positive = against the clock
    spun[:, 2] += (320 - roi.centre_x_px, 180 - roi.centre_y_px)
    picture = np.asarray(cv2.warpAffine(portrait, spun, (640, 360)), np.uint8)
    there = FaceRoi(320, 180, roi.side_px * 0.2, roi.angle_rad + math.radians(turn_deg))
    found = detector.check(picture, there, 0.4)
    assert found is not None
    np.testing.assert_allclose((found.box[:2] + found.box[2:]) / 2, [320, 180], atol=6)
    eyes = found.landmarks[1] - found.landmarks[0]
    turned = math.degrees(math.atan2(eyes[1], eyes[0]))
    assert abs((turned - turn_deg + 180) % 360 - 180) < 25
    assert detector.check(picture, FaceRoi(320 + 60, 180, there.side_px, there.angle_rad), 0.4) is None


@pytest.mark.usefixtures("face_models")
def test_a_face_that_fills_the_image_needs_a_border(portrait: UInt8) -> None:
    face = np.ascontiguousarray(portrait[60:190, 160:290])
    detector = FaceDetector(0.5)
    (found,) = detector.detect(face, BORDERED)
    np.testing.assert_allclose((found.box[:2] + found.box[2:]) / 2, [223 - 160, 120 - 60], atol=12)
    assert found.score > max((other.score for other in detector.detect(face)), default=0.0)


@pytest.mark.usefixtures("face_models")
@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_turned_view_finds_the_face_of_a_turned_image_in_pixels_of_that_image(
    portrait: UInt8, quarter_turns: int, share: float
) -> None:
    detector = FaceDetector(0.5)
    (upright,) = detector.detect(portrait, View(share=share))
    turned = np.ascontiguousarray(np.rot90(portrait, quarter_turns))  # against the clock, so the view turns it back
    (found,) = detector.detect(turned, View(share=share, quarter_turns=quarter_turns))
    side = portrait.shape[0]
    x, y = upright.landmarks.T
    there = {1: (y, side - x), 2: (side - x, side - y), 3: (side - y, x)}[quarter_turns]
    np.testing.assert_allclose(found.landmarks, np.stack(there, axis=1), atol=4)


@pytest.mark.usefixtures("face_models")
def test_a_tile_gives_positions_in_the_whole_image(portrait: UInt8) -> None:
    image = np.zeros((1200, 1600, 3), np.uint8)
    image[500:612, 900:1012] = cv2.resize(portrait, (112, 112), interpolation=cv2.INTER_AREA)
    detector = FaceDetector(0.5)
    (found,) = detector.detect(image, View((850, 450, 1050, 650)))
    np.testing.assert_allclose(
        (found.box[:2] + found.box[2:]) / 2, [900 + 223 * 112 / 512, 500 + 120 * 112 / 512], atol=5
    )
