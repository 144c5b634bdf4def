"""Eyes of a drawn photograph whose lids are moved."""

from __future__ import annotations

import numpy as np
import pytest

from engine.types import Float32
from training.open_set.eyes import Eyes, below_lid
from training.open_set.face_model import FaceModel, Part

SIDE, FINER, SKIN, WHITE, IRIS = 96, 2, 120.0, 100.0, 30.0
#: Rows of cells in which both eyes are open.
TOP, BOTTOM = 40, 60
PX_PER_CM = 4.0


def _rest(model: FaceModel) -> Float32:
    """The model's vertices in an image of 48 pixels, eyes in its middle."""
    placed = model.neutral * np.array([PX_PER_CM, -PX_PER_CM, PX_PER_CM], np.float32)
    placed[:, :2] += np.array([24, 25 + 3 * PX_PER_CM], np.float32)
    return placed


def _shown(top: int, bottom: int) -> np.ndarray:
    shown = np.full((SIDE, SIDE), Part.SKIN, np.uint8)
    for x in (-3, 3):
        middle = int(2 * (24 + x * PX_PER_CM))
        shown[top:bottom, middle - 8 : middle + 9] = Part.SCLERA
    return shown


def _eyes(model: FaceModel, top: int) -> Eyes:
    shown = _shown(top, BOTTOM)
    levels = np.where(shown == Part.SCLERA, WHITE, SKIN).astype(np.float32)
    for x in (-3, 3):
        middle = int(2 * (24 + x * PX_PER_CM))
        levels[top:BOTTOM, middle - 3 : middle + 4] = IRIS
    levels[top : top + 2] = 10.0  # lashes
    return Eyes(shown, levels, _rest(model), model, PX_PER_CM, FINER)


@pytest.fixture
def eyes(model: FaceModel) -> Eyes:
    return _eyes(model, TOP)


def test_distance_from_the_lid_is_in_pixels() -> None:
    below = below_lid(_shown(TOP, BOTTOM), FINER)
    column = below[:, int(2 * (24 + 3 * PX_PER_CM))]
    assert column[TOP:BOTTOM] == pytest.approx(np.arange(1, BOTTOM - TOP + 1) / FINER)
    assert not column[:TOP].any()
    assert not column[BOTTOM:].any()


def _column(x_px: float, rows: np.ndarray) -> Float32:
    return np.column_stack([np.full(len(rows), x_px), (rows + 0.5) / FINER - 0.5]).astype(np.float32)


def test_resting_eye_is_the_photograph(eyes: Eyes) -> None:
    rows = np.arange(TOP, BOTTOM)
    photographed = np.linspace(10, 90, len(rows)).astype(np.float32)
    drawn = eyes.levels(photographed, _column(24 + 3 * PX_PER_CM, rows), (rows - TOP + 1) / np.float32(FINER))
    assert drawn == pytest.approx(photographed)


def test_raised_lid_shows_white_in_the_place_of_lashes_which_stay_at_its_edge(eyes: Eyes) -> None:
    raised = 8  # cells
    rows = np.arange(TOP - raised, BOTTOM)
    photographed = np.where(rows < TOP + 2, 10.0, WHITE).astype(np.float32)
    drawn = eyes.levels(photographed, _column(24 + 3 * PX_PER_CM + 3.5, rows), (rows - rows[0] + 1) / np.float32(FINER))
    assert drawn[0] < 0.7 * WHITE
    assert drawn[5 : raised + 1].min() > 0.95 * WHITE
    assert drawn[raised + 5 :] == pytest.approx(np.full(BOTTOM - TOP - 5, WHITE))


def test_raised_lid_shows_the_hidden_part_of_the_iris(model: FaceModel) -> None:
    half_closed = 50
    rows = np.arange(TOP, half_closed)
    photographed = np.full(len(rows), SKIN, np.float32)
    below = (rows - TOP + 1) / np.float32(FINER)
    middle = _eyes(model, half_closed).levels(photographed, _column(24 + 3 * PX_PER_CM, rows), below)
    assert middle[-3:].max() < 0.5 * WHITE
    assert middle[3] > 0.8 * WHITE  # white above it


def test_edge_of_a_risen_lower_lid_is_dark(eyes: Eyes) -> None:
    risen = 6  # cells
    still, moved = _shown(TOP, BOTTOM), _shown(TOP, BOTTOM - risen)
    rays = np.arange(SIDE * SIDE)
    rows, columns = np.divmod(rays, SIDE)
    sources = (np.column_stack([columns, rows]) + 0.5).astype(np.float32) / FINER - 0.5
    assert np.array_equal(eyes.rim_shade(still, rays, sources), np.ones((SIDE, SIDE)))
    shade = eyes.rim_shade(moved, rays, sources)[:, int(2 * (24 + 3 * PX_PER_CM))]
    assert shade[BOTTOM - risen] < 0.8
    assert (np.diff(shade[BOTTOM - risen :]) >= 0).all()
    assert (shade[: BOTTOM - risen] == 1).all()
    assert np.array_equal(eyes.rim_shade(np.zeros_like(still), rays, sources), np.ones((SIDE, SIDE)))
