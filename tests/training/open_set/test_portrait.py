"""A photograph drawn back through its fitted face: unmoved, shifted, turned, with eyes closed and mouth opened."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.training.fakes.head import (
    BACKGROUND,
    EYE,
    HALF_HEIGHT,
    HALF_WIDTH,
    MIDDLE_PX,
    PX_PER_CM,
    SIDE_PX,
    SKIN,
    in_photograph,
    photograph,
)
from training.open_set.face_model import FaceModel, Part
from training.open_set.fitting import Fit
from training.open_set.portrait import Movement, Portrait

#: Well inside the outline of the face, in pixels.
FACE = (slice(22, 106), slice(30, 98))


@pytest.fixture(autouse=True)
def _ray_caster() -> None:
    pytest.importorskip("embreex")


def _fit(model: FaceModel) -> Fit:
    still = np.zeros((len(model.neutral), 2), np.float32)
    middle = np.full(2, MIDDLE_PX, np.float32)
    return Fit(model.neutral, np.eye(3, dtype=np.float32), PX_PER_CM, middle, still, 0.0)


def _portrait(model: FaceModel, image: np.ndarray | None = None) -> Portrait:
    return Portrait(photograph() if image is None else image, _fit(model), model)


def _movement(model: FaceModel, **weights: float) -> Movement:
    row = np.zeros(len(model.names), np.float32)
    for name, weight in weights.items():
        row[model.names.index(name)] = weight
    return Movement(row, np.eye(3, dtype=np.float32), np.zeros(len(model.neutral), np.float32), crease=0.0)


def _with_shape(model: FaceModel, move: np.ndarray) -> FaceModel:
    """The model whose jawForward is another movement (V, 3)."""
    shapes = model.expression.copy()
    shapes[model.names.index("jawForward")] = move
    return replace(model, expression=shapes)


def _textured() -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0, 255, (SIDE_PX, SIDE_PX)).astype(np.float32)
    return np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 60, 200, cv2.NORM_MINMAX), np.uint8)


def _level(image: np.ndarray, x_cm: float, y_cm: float) -> int:
    x, y = np.rint(in_photograph(np.array([x_cm, y_cm]))).astype(int)
    return int(image[y, x])


def test_unmoved_face_reproduces_the_photograph(model: FaceModel) -> None:
    image = _textured()
    drawn = _portrait(model, image).draw(_movement(model)).astype(int)
    lids = np.zeros((SIDE_PX, SIDE_PX), bool)  # partly folded away, so they show the skin above them
    for x in (-4.2, 1.8):
        left, top = in_photograph(np.array([x, 4.2])).astype(int)
        lids[top : top + 9, left : left + 15] = True
    inner = np.s_[2:-2, 2:-2]  # the photograph is unknown beyond its edge
    assert np.abs(drawn - image)[inner][~lids[inner]].max() <= 1


def test_uniform_photograph_is_reproduced_exactly(model: FaceModel) -> None:
    drawn = _portrait(model).draw(_movement(model))
    inner = np.zeros((SIDE_PX, SIDE_PX), bool)
    inner[FACE] = True
    flat = cv2.dilate(photograph(), np.ones((3, 3))) == cv2.erode(photograph(), np.ones((3, 3)))  # away from edges
    assert np.array_equal(drawn[flat & ~inner], photograph()[flat & ~inner])
    assert np.abs(drawn.astype(int) - photograph())[flat & inner].max() <= 1


def test_shifting_all_vertices_shifts_the_face(model: FaceModel) -> None:
    right, up = 4, 3
    move = np.tile(np.array([right, up, 0]) / PX_PER_CM, (len(model.neutral), 1)).astype(np.float32)
    shifting = _with_shape(model, move)
    portrait = _portrait(shifting, _textured())
    still, moved = portrait.draw(_movement(shifting)), portrait.draw(_movement(shifting, jawForward=1.0))
    rows, columns = FACE
    there = moved[rows.start - up : rows.stop - up, columns.start + right : columns.stop + right]
    assert np.abs(there.astype(int) - still[FACE]).max() <= 2


def test_shapes_are_added_by_weight(model: FaceModel) -> None:
    moved = _portrait(model).moved_shape(_movement(model, jawOpen=0.5, browDown_L=0.25))
    expected = model.neutral.copy()
    expected += 0.5 * model.expression[model.names.index("jawOpen")]
    expected += 0.25 * model.expression[model.names.index("browDown_L")]
    assert moved == pytest.approx(expected, abs=1e-5)


def test_closed_lid_shows_skin_not_the_eye_behind_it(model: FaceModel) -> None:
    portrait = _portrait(model)
    opened, closed = portrait.draw(_movement(model)), portrait.draw(_movement(model, eyeBlink_L=1, eyeBlink_R=1))
    for x in (-3.4, -3, -2.6, 2.6, 3, 3.4):
        assert _level(opened, x, 2.6) == pytest.approx(EYE, abs=2)
        assert _level(closed, x, 2.6) == pytest.approx(SKIN, abs=5)
    winked = portrait.draw(_movement(model, eyeBlink_L=1))
    assert _level(winked, 3, 2.6) > 140 > _level(winked, -3, 2.6)  # the left of the face is on the right of the image


def test_open_mouth_shows_teeth_and_a_dark_cavity(model: FaceModel) -> None:
    portrait = _portrait(model)
    half, wide = _movement(model, jawOpen=0.5), _movement(model, jawOpen=1.0)
    for brightness in (0.75, 1.2):
        teeth = portrait.draw(replace(half, mouth_open=True, teeth=brightness))
        assert _level(teeth, 0, -4.5) == pytest.approx(SKIN * 1.15 * brightness, abs=3)
    behind = _level(portrait.draw(replace(wide, mouth_open=True)), 0, -5.75)
    assert behind == pytest.approx(SKIN * 0.25 * np.exp(-0.25 * (8.5 - 6.0)), abs=10)


def test_closed_mouth_shows_no_teeth(model: FaceModel) -> None:
    drawn = _portrait(model).draw(_movement(model, jawOpen=0.5))
    assert _level(drawn, 0, -4.5) == pytest.approx(SKIN, abs=8)


def test_lines_darken_the_skin_up_to_a_limit(model: FaceModel) -> None:
    portrait = _portrait(model)
    for darkness, ratio in ((0.3, np.exp(-0.3)), (2.0, 0.55), (-2.0, 1.6)):
        lines = np.full(len(model.neutral), darkness, np.float32)
        drawn = portrait.draw(replace(_movement(model), lines=lines))
        assert _level(drawn, 0, -2) == pytest.approx(min(SKIN * ratio, 255), abs=1.5)
        assert _level(drawn, 3, 2.6) == pytest.approx(EYE, abs=2)  # an eye has no lines


def test_folds_darken_by_their_strength(model: FaceModel) -> None:
    fold = np.zeros_like(model.neutral)
    fold[(model.neutral[:, 0] == 0) & (model.neutral[:, 1] > 4), 2] = -1.0
    folding = _with_shape(model, fold)
    portrait = _portrait(folding)
    levels = [
        _level(portrait.draw(replace(_movement(folding, jawForward=1.0), crease=crease)), 0, 7)
        for crease in (0, 0.5, 1)
    ]
    assert levels[0] == pytest.approx(SKIN, abs=5)
    assert levels[0] - 5 > levels[1] > levels[2] + 5


def test_skin_that_turns_towards_the_light_gets_brighter(model: FaceModel) -> None:
    across = np.linspace(-1, 1, SIDE_PX) * MIDDLE_PX / (PX_PER_CM * HALF_WIDTH)
    lit = np.tile(np.clip(130 + 60 * across, 0, 255), (SIDE_PX, 1)).astype(np.uint8)  # from the right of the image
    portrait = _portrait(model, lit)
    rest = _level(portrait.draw(_movement(model)), 0, -2)
    levels = []
    for yaw_deg in (-12, 12):
        turn = cv2.Rodrigues(np.array([0, np.deg2rad(yaw_deg), 0]))[0].astype(np.float32)
        middle = turn @ np.array([0, -2, 9.9])  # the same place of the skin
        levels.append(_level(portrait.draw(replace(_movement(model), turn=turn)), middle[0], middle[1]))
    assert levels[0] < rest - 10
    assert levels[1] > rest + 10


def test_relief_moves_the_skin_along_its_normals_and_changes_its_shade(model: FaceModel) -> None:
    across = np.linspace(-1, 1, SIDE_PX) * MIDDLE_PX / (PX_PER_CM * HALF_WIDTH)
    lit = np.tile(np.clip(130 + 60 * across, 0, 255), (SIDE_PX, 1)).astype(np.uint8)  # from the right of the image
    portrait = _portrait(model, lit)
    ridge = np.where(np.abs(model.neutral[:, 0]) < 0.5, 0.4, 0).astype(np.float32)
    still = _movement(model)
    raised = replace(still, relief=ridge)
    moved = portrait.moved_shape(raised) - portrait.moved_shape(still)
    skin = np.unique(model.triangles[model.parts == Part.SKIN])
    assert np.linalg.norm(moved, axis=1)[skin] == pytest.approx(ridge[skin], abs=1e-5)
    before, after = portrait.draw(still), portrait.draw(raised)
    assert _level(after, -0.9, -1) < _level(before, -0.9, -1) - 5  # the slope away from the light
    assert _level(after, 0.9, -1) > _level(before, 0.9, -1) + 5  # the slope towards it


def test_background_follows_the_face_without_a_gap(model: FaceModel) -> None:
    right = 5
    move = np.tile(np.array([right, 0, 0]) / PX_PER_CM, (len(model.neutral), 1)).astype(np.float32)
    shifting = _with_shape(model, move)
    drawn = _portrait(shifting).draw(_movement(shifting, jawForward=1.0))
    row = drawn[64].astype(int)
    left, right_end = in_photograph(np.array([-HALF_WIDTH, HALF_WIDTH])) * 1.0
    assert row[int(left) + right - 6 : int(left) + right - 2].tolist() == pytest.approx([BACKGROUND] * 4, abs=2)
    outside = row[int(MIDDLE_PX + HALF_WIDTH * PX_PER_CM) + right + 3 :]
    assert np.abs(outside - BACKGROUND).max() <= 2
    assert HALF_HEIGHT * PX_PER_CM < MIDDLE_PX  # the face lies within the image
