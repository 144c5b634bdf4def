"""What is drawn for each decision, checked in the pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.overlay.disclaimer import DISCLAIMER
from app.overlay.overlay import Overlay, OverlayParts, present
from app.overlay.palette import BAR_PRESENT, EXPRESSION_COLOURS
from app.overlay.patches import text_mask, text_width
from app.overlay.patterns import shade
from app.overlay.region import MIN_SHARE, Region
from app.overlay.words import ENGLISH, REJECT_TEXT, TEXTS, Words
from app.session.rows import FaceRow, SessionHeader, rows_of
from engine.types import FaceQuality, FaceResult, QualityReason, Reason, Route, UInt8
from tests.fakes.faces import fake_face, fake_frame, fake_result
from tests.fakes.sessions import fake_header

BOX = (200.0, 120.0, 300.0, 240.0)
GROUND = 90  # grey level of the image


def faces(route: Route) -> dict[str, FaceResult]:
    bad = FaceQuality(0.2, (QualityReason.DARK,))
    return {
        "accept": fake_face(box=BOX, level=0.9),
        "ambiguous": fake_face(
            Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("anger", "surprise"), (0.5, 0.4), box=BOX, level=0.9
        ),
        "reject": fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), (), box=BOX),
        "low_quality": fake_face(Route.REJECT, Reason.LOW_QUALITY, (), (), box=BOX, quality=bad),
    }


def rows(decision: str) -> tuple[FaceRow, ...]:
    return rows_of(fake_result(fake_frame(), faces(Route.ACCEPT)[decision]))


def drawn(header: SessionHeader, what: tuple[FaceRow, ...], width: int = 640, height: int = 360) -> UInt8:
    canvas = np.full((height, width, 3), GROUND, np.uint8)
    Overlay(header).draw(canvas, what)
    return canvas


def has_colour(picture: UInt8, label: str) -> bool:
    return bool((picture == np.array(EXPRESSION_COLOURS[label], np.uint8)).all(-1).any())


def left_edge(picture: UInt8) -> UInt8:
    """The strip around the left side of the box, less its corners."""
    return picture[140:220, 196:205]


def test_accept_is_a_solid_box_in_one_colour(header: SessionHeader) -> None:
    edge = left_edge(drawn(header, rows("accept")))
    is_orange = (edge == np.array(EXPRESSION_COLOURS["happiness"], np.uint8)).all(-1)
    assert is_orange.any(1).all()


def test_ambiguous_is_a_dashed_box_in_two_colours(header: SessionHeader) -> None:
    edge = left_edge(drawn(header, rows("ambiguous")))
    shown = [(edge == np.array(EXPRESSION_COLOURS[label], np.uint8)).all(-1).any(1) for label in ("anger", "surprise")]
    assert all(part.any() for part in shown)
    assert not np.logical_or(*shown).all()  # gaps


@pytest.mark.parametrize("decision", ["reject", "low_quality"])
def test_a_face_that_is_not_assessed_has_a_grey_dotted_box_and_no_colour(header: SessionHeader, decision: str) -> None:
    picture = drawn(header, rows(decision))
    spread = picture.max(-1).astype(int) - picture.min(-1)
    assert spread.max() <= 8  # no hue anywhere
    dots = (left_edge(picture) == 153).all(-1).any(1)
    assert dots.any()
    assert not dots.all()


def test_the_chips_of_all_decisions_differ_without_colour(header: SessionHeader) -> None:
    chips = [drawn(header, rows(decision)).mean(-1)[90:118, 196:420] for decision in faces(Route.ACCEPT)]
    for place, chip in enumerate(chips):
        for other in chips[place + 1 :]:
            assert (np.abs(chip - other) > 40).sum() > 100


def test_the_bar_of_a_chip_is_as_long_as_the_confidence(header: SessionHeader) -> None:
    chip = drawn(header, rows("accept"))[84:116, 196:330]
    orange = (chip == np.array(EXPRESSION_COLOURS["happiness"], np.uint8)).all(-1)
    bar = orange[orange.sum(1).argmax()]
    track = (chip[orange.sum(1).argmax()] == (58, 58, 64)).all(-1)
    assert bar.sum() / (bar.sum() + track.sum()) == pytest.approx(0.82, abs=0.02)


def test_the_bars_of_expressions_differ_without_colour(header: SessionHeader) -> None:
    shares = set()
    for label in ("neutral", "anger", "fear", "disgust"):
        face = fake_face(labels=(label,), shares=(0.9,), box=BOX)
        chip = drawn(header, rows_of(fake_result(fake_frame(), face)))[84:116, 196:330]
        colours = (EXPRESSION_COLOURS[label], shade(*EXPRESSION_COLOURS[label]))
        plain, marks = ((chip == np.array(colour, np.uint8)).all(-1).sum() for colour in colours)
        shares.add(round(marks / plain, 2))
    assert len(shares) == 4
    assert min(shares) == 0.0  # plain


def test_without_a_face_there_is_a_text_and_no_box(header: SessionHeader) -> None:
    picture = drawn(header, rows_of(fake_result(fake_frame())))
    assert picture[:40, :160].max() > 200
    assert (picture[60:320] == GROUND).all()


def test_unit_bars_are_as_long_as_the_occurrence(header: SessionHeader) -> None:
    picture = drawn(header, rows("accept"))
    lengths = (picture[:, 300:] == BAR_PRESENT).all(-1).sum(1)
    assert lengths.max() > 20
    tops = [row for row in range(1, 360) if lengths[row] and not lengths[row - 1]]
    values = np.linspace(0, 0.9, 12)
    assert len(tops) == sum(value > 0.1 for value in values)  # those above their threshold are bright
    assert lengths[tops[-1]] > lengths[tops[0]]


def test_the_disclaimer_is_always_there(header: SessionHeader) -> None:
    for what in (rows("accept"), rows("reject"), rows_of(fake_result(fake_frame()))):
        strip = drawn(header, what)[-12:]
        assert (strip > 180).sum() > 500


@pytest.mark.parametrize(("width", "height"), [(160, 120), (320, 240), (640, 360), (1920, 1080), (1080, 1920)])
def test_the_disclaimer_fits_every_size(header: SessionHeader, width: int, height: int) -> None:
    picture = drawn(header, (), width, height)
    edges = picture[-6:, [0, 1, -2, -1]]
    assert edges.max() < 120  # no letter touches the edge
    assert DISCLAIMER.startswith("Shows what a face looks like")


@pytest.mark.parametrize(
    "box", [(-40.0, -30.0, 60.0, 80.0), (600.0, 300.0, 700.0, 420.0), (0.0, 0.0, 640.0, 360.0), (5.0, 5.0, 5.0, 5.0)]
)
@pytest.mark.parametrize("size", [(640, 360), (33, 17), (1, 1)])
def test_a_box_anywhere_can_be_drawn(header: SessionHeader, box: tuple[float, ...], size: tuple[int, int]) -> None:
    face = fake_face(box=(box[0], box[1], box[2], box[3]))
    other = fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), (), box=(box[0], box[1], box[2], box[3]))
    drawn(header, rows_of(fake_result(fake_frame(), face, other)), *size)


def test_several_faces_carry_their_ids(header: SessionHeader) -> None:
    pair = [fake_face(box=BOX, track_id=1), fake_face(box=(420.0, 120.0, 520.0, 240.0), track_id=2)]
    alone = drawn(header, rows_of(fake_result(fake_frame(), pair[0])))[84:116, 196:330]
    both = drawn(header, rows_of(fake_result(fake_frame(), *pair)))[84:116, 196:330]
    assert (alone != both).any()


def test_drawing_twice_gives_the_same(header: SessionHeader) -> None:
    overlay = Overlay(header)
    first, second = (np.full((360, 640, 3), GROUND, np.uint8) for _ in range(2))
    overlay.draw(first, rows("ambiguous"))
    overlay.draw(second, rows("ambiguous"))
    assert (first == second).all()


def test_lines_of_text_have_one_height_and_grow_with_their_text() -> None:
    assert text_mask("ace", 12).shape[0] == text_mask("gjÅ", 12).shape[0]
    assert text_width("happy or surprised", 12) > text_width("happy", 12) > 0


@given(width=st.integers(1, 300), height=st.integers(1, 300), space=st.tuples(st.integers(1, 500), st.integers(1, 500)))
def test_an_image_fits_its_space_and_fills_one_side_of_it(width, height, space):
    picture = present(np.zeros((height, width, 3), np.uint8), (), None, space)
    assert picture.shape[1] <= space[0]
    assert picture.shape[0] <= space[1]
    assert picture.shape[1] == space[0] or picture.shape[0] == space[1]


def test_the_frame_is_not_modified(header: SessionHeader):
    frame = fake_frame(7)
    result = fake_result(frame, fake_face())
    picture = present(frame.image, rows_of(result), Overlay(header), (160, 120))
    assert (frame.image == 7).all()
    assert (picture != 7).any()


@pytest.mark.parametrize("factor", [0.5, 2, 3])
def test_boxes_follow_the_scale(header: SessionHeader, factor):
    frame = fake_frame(0, 320, 240)
    rows = rows_of(fake_result(frame, fake_face(box=(80.0, 60.0, 240.0, 180.0))))
    bare = OverlayParts(chips=False, units=False, disclaimer=False)
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
    nothing = OverlayParts(boxes=False, chips=False, units=False, disclaimer=False)
    assert (present(frame.image, rows, Overlay(header, nothing), (160, 120)) == 0).all()
    for part in ("boxes", "chips", "disclaimer"):
        one = dataclasses.replace(nothing, **{part: True})
        assert (present(frame.image, rows, Overlay(header, one), (160, 120)) != 0).any(), part


@pytest.mark.parametrize(
    ("yaw", "pitch", "side"), [(40, 0, "right"), (-40, 0, "left"), (0, 30, "up"), (0, -30, "down")]
)
def test_the_line_of_the_head_pose_points_where_the_head_does(
    header: SessionHeader, yaw: float, pitch: float, side: str
) -> None:
    face = dataclasses.replace(rows("accept")[0], x=200.0, y=100.0, w=200.0, h=200.0, yaw=yaw, pitch=pitch)
    pictures = []
    for pose in (False, True):
        canvas = np.full((360, 640, 3), GROUND, np.uint8)
        Overlay(header, OverlayParts(chips=False, units=False, disclaimer=False, pose=pose)).draw(canvas, [face])
        pictures.append(canvas)
    y, x = np.nonzero((pictures[0] != pictures[1]).any(-1) & (pictures[1] == 255).all(-1))  # white: the direction
    assert {"right": x.max() > 320, "left": x.min() < 280, "up": y.min() < 140, "down": y.max() > 260}[side]
    assert {"right": x.min(), "left": 600 - x.max(), "up": 400 - y.max(), "down": y.min()}[side] > 190 - 100 * (
        pitch != 0
    )


def test_no_face_in_view_is_shown_only_with_labels(header: SessionHeader):
    frame = fake_frame(0)
    rows = rows_of(fake_result(frame))
    silent = OverlayParts(chips=False, disclaimer=False)
    assert (present(frame.image, rows, Overlay(header, silent), (160, 120)) == 0).all()
    assert (present(frame.image, rows, Overlay(header, OverlayParts(disclaimer=False)), (160, 120)) != 0).any()


def test_a_carried_face_keeps_its_units() -> None:
    face = fake_face(box=(20.0, 30.0, 80.0, 100.0))
    (row,) = rows_of(fake_result(fake_frame(), face))
    (carried,) = rows_of(fake_result(fake_frame(), dataclasses.replace(face, carried=1)))
    overlay = Overlay(fake_header())
    first, second, alone = (np.zeros((240, 480, 3), np.uint8) for _ in range(3))
    overlay.draw(first, [row])
    overlay.draw(second, [carried])
    Overlay(fake_header()).draw(alone, [carried])
    assert np.array_equal(first, second)
    assert not np.array_equal(first, alone)  # nothing is known yet: no panel


# Landmarks, blur, zoom.


def test_landmarks_are_drawn_where_the_points_are_and_left_out_at_the_edge(header: SessionHeader) -> None:
    parts = OverlayParts(boxes=False, chips=False, units=False, disclaimer=False, landmarks=True)
    canvas = np.full((360, 640, 3), GROUND, np.uint8)
    Overlay(header, parts).draw(canvas, rows("accept"), [np.float32([[250, 180], [-5, 20], [639, 359], [700, 10]])])
    y, x = np.nonzero((canvas != GROUND).any(-1))
    assert len(x) > 0
    assert (abs(x - 250) <= 2).all()
    assert (abs(y - 180) <= 2).all()


def test_blur_covers_the_face_and_without_a_face_all(header: SessionHeader) -> None:
    image = np.random.default_rng(1).integers(0, 255, (360, 640, 3)).astype(np.uint8)
    overlay = Overlay(header, OverlayParts(boxes=False, chips=False, units=False, disclaimer=False, blur=True))
    shown = present(image, rows("accept"), overlay, (640, 360))
    assert shown[140:220, 220:280].std() < 0.3 * image.std()
    assert (shown[:, 400:] == image[:, 400:]).all()
    nobody = present(image, rows_of(fake_result(fake_frame())), overlay, (640, 360))
    assert nobody.std() < 0.3 * image.std()


def test_a_region_shows_its_part_with_its_faces(header: SessionHeader) -> None:
    image = np.zeros((360, 640, 3), np.uint8)
    image[180:, 320:] = 60
    overlay = Overlay(header, OverlayParts(chips=False, units=False, disclaimer=False))
    lower_right = Region(0.5, 0.5, 0.5)
    shown = present(image, rows("accept"), overlay, (640, 360), lower_right)
    assert shown.shape == (360, 640, 3)
    assert (shown == 60).all(), "the face is outside"
    upper_left = present(image, rows("accept"), overlay, (640, 360), Region(0.2, 0.2, 0.5))
    y, x = np.nonzero((upper_left == 255).all(-1))
    assert abs(x.min() - 2 * (200 - 128)) <= 3
    assert abs(y.min() - 2 * (120 - 72)) <= 3


def test_a_face_outside_the_region_is_not_reported_as_absent(header: SessionHeader) -> None:
    labels = Overlay(header, OverlayParts(disclaimer=False))
    image = np.zeros((360, 640, 3), np.uint8)
    assert not present(image, rows("accept"), labels, (640, 360), Region(0.75, 0.75, 0.25)).any()


@given(st.floats(0.2, 8), st.floats(0, 1), st.floats(0, 1), st.floats(-3, 3))
def test_zoom_and_pan_stay_inside_and_keep_the_point_under_the_pointer(
    factor: float, x: float, y: float, step: float
) -> None:
    region = Region(0.3, 0.3, 0.4).zoomed(factor, x, y)
    for one in (region, region.moved(step, -step)):
        assert MIN_SHARE <= one.share <= 1
        assert min(one.left, one.top) >= -1e-9
        assert max(one.left, one.top) + one.share <= 1 + 1e-9
    if factor >= 1:
        before = Region(0.3, 0.3, 0.4).image_point(x, y)
        assert region.image_point(x, y) == pytest.approx(before)


@pytest.mark.parametrize("decision", ["accept", "ambiguous", "reject", "low_quality"])
def test_the_words_can_be_translated_and_are_drawn(decision: str) -> None:
    words = Words(tuple((text, f"{text[:1]}öß".replace("{", "") + text) for text in TEXTS if "{" not in text))
    header, (row, *_) = fake_header(), rows(decision)
    english, other = np.zeros((360, 640, 3), np.uint8), np.zeros((360, 640, 3), np.uint8)
    Overlay(header, OverlayParts(units=False, disclaimer=False)).draw(english, [row])
    Overlay(header, OverlayParts(units=False, disclaimer=False, words=words)).draw(other, [row])
    assert (english != other).any()
    assert ENGLISH.of(REJECT_TEXT) == REJECT_TEXT


def test_a_covered_part_changes_the_text_of_a_rejected_face(header: SessionHeader) -> None:
    (plain,) = rows("reject")
    texts = [
        drawn(header, (dataclasses.replace(plain, quality_reasons=reasons),)) for reasons in ((), ("mouth_covered",))
    ]
    assert not np.array_equal(*texts)
