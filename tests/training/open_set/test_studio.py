"""From a draw to a labelled image, on the synthetic head; on real faces, agreement of labels and mesh."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.facs import OPEN_UNITS
from engine.types import UInt8
from tests.training.fakes.head import (
    BROW_DOWN_CM,
    JAW_CM,
    SHAPES,
    SIDE_PX,
    SNEER_CM,
    FakeMesh,
    in_photograph,
    mesh_points,
    photograph,
)
from training.data.meshes import meshes_of
from training.open_set import studio as studio_module
from training.open_set.draws import UnitDraw, draw_sequence
from training.open_set.eyes import eyeball
from training.open_set.rasteriser import cast, grid
from training.open_set.shapes import UNIT_SHAPES
from training.open_set.studio import Shot, Sitting, Studio, shown

# At full intensity, on the synthetic head.
JAW_DROP_CM = UNIT_SHAPES[26].whole["jawOpen"] * JAW_CM  # of AU26
AU4_CM, AU9_CM = UNIT_SHAPES[4].sided["browDown"] * BROW_DOWN_CM, UNIT_SHAPES[9].sided["noseSneer"] * SNEER_CM
FULL_CM = 0.71  # brows this much lower are AU4 at full intensity
MEASURED_UNITS = (4, 25)  # scored by what one sees
MEASURED = [OPEN_UNITS.index(unit) for unit in MEASURED_UNITS]


def _draw(
    units: dict[int, float],
    distractions: dict[str, float] | None = None,
    turn_deg: tuple[float, float, float] = (0, 0, 0),
    lines: float = 0.0,
) -> UnitDraw:
    return UnitDraw(units, units, distractions or {}, turn_deg, lines, crease=1.0, teeth=1.0)


def _sided(left: dict[int, float], right: dict[int, float]) -> UnitDraw:
    return UnitDraw(left, right, {}, (0, 0, 0), lines=0.0, crease=1.0, teeth=1.0)


def _brow_score(studio: Studio, draw: UnitDraw) -> float:
    return float(shown(draw, studio.movement(draw)[1])[OPEN_UNITS.index(4)])


@pytest.fixture
def studio(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    pytest.importorskip("embreex")
    monkeypatch.setattr(studio_module, "FaceMesh", FakeMesh)
    return Studio(model_folder)


@pytest.fixture
def sitting(studio: Studio) -> Sitting:
    return studio.sit(photograph(), in_photograph(mesh_points()), SIDE_PX)


def test_resting_face_shows_no_unit(sitting: Sitting) -> None:
    shot = sitting.shoot(_draw({}))
    assert not shot.intensities.any()
    assert shot.presence == 1
    assert shot.image.dtype == np.uint8
    assert np.abs(shot.image.astype(int) - photograph())[30:40, 40:90].max() <= 1


def test_intensities_are_those_of_the_draw(sitting: Sitting) -> None:
    units = {1: 0.5, 43: 0.9, 15: 0.2}
    shot = sitting.shoot(_draw(units))
    expected = [units.get(unit, 0.0) for unit in OPEN_UNITS if unit not in (4, 25)]
    assert np.delete(shot.intensities, MEASURED) == pytest.approx(expected)


@pytest.mark.parametrize("jaw", [0.1, 0.3, 0.5, 1.0])
def test_parted_lips_are_scored_by_the_visible_gap(sitting: Sitting, jaw: float) -> None:
    shot = sitting.shoot(_draw({26: jaw}))
    assert shot.intensities[OPEN_UNITS.index(26)] == pytest.approx(jaw)
    assert shot.intensities[OPEN_UNITS.index(25)] == pytest.approx(min(jaw * JAW_DROP_CM, 1), rel=0.15)


def test_unit_25_without_a_visible_gap_is_not_scored(sitting: Sitting) -> None:
    shot = sitting.shoot(_draw({25: 0.01}))
    assert shot.intensities[OPEN_UNITS.index(25)] < 0.1


@pytest.mark.parametrize(
    ("units", "score"),
    [
        ({9: 1.0}, AU9_CM / FULL_CM),  # another unit lowers the brows
        ({9: 0.5}, 0.5 * AU9_CM / FULL_CM),
        ({4: 1.0}, 1.0),  # the drawn intensity, although slightly less is visible
        ({4: 0.5, 9: 1.0}, (0.5 * AU4_CM + AU9_CM) / FULL_CM),
        ({4: 1.0, 9: 1.0}, 1.0),  # the maximum
        ({43: 1.0, 12: 1.0}, 0.0),
    ],
)
def test_lowered_brows_are_scored_by_their_visible_movement(
    studio: Studio, units: dict[int, float], score: float
) -> None:
    assert _brow_score(studio, _draw(units)) == pytest.approx(score, abs=0.01)


@pytest.mark.parametrize("unit", [4, 9])
def test_brows_lowered_on_one_side_get_the_score_of_that_side(studio: Studio, unit: int) -> None:
    both = _brow_score(studio, _draw({unit: 1.0}))
    assert _brow_score(studio, _sided({unit: 1.0}, {unit: 0.4})) == pytest.approx(both, abs=0.01)
    assert _brow_score(studio, _sided({}, {unit: 1.0})) == pytest.approx(both, abs=0.01)


def test_mouth_is_open_from_one_millimetre(studio: Studio) -> None:
    narrow, wide = 0.08 / JAW_DROP_CM, 0.14 / JAW_DROP_CM
    assert not studio.movement(_draw({26: narrow}))[0].mouth_open
    assert studio.movement(_draw({26: wide}))[0].mouth_open


def test_distractor_shapes_move_both_sides_and_are_not_units(studio: Studio, sitting: Sitting) -> None:
    draw = _draw({}, {"cheekPuff": 0.4, "jawLeft": 0.3})
    movement, _ = studio.movement(draw)
    moved = {SHAPES[row]: weight for row, weight in enumerate(movement.weights) if weight}
    assert moved == pytest.approx({"cheekPuff_L": 0.4, "cheekPuff_R": 0.4, "jawLeft": 0.3})
    assert not np.delete(sitting.shoot(draw).intensities, OPEN_UNITS.index(25)).any()


def test_lines_follow_the_draw(studio: Studio) -> None:
    full = studio.movement(_draw({4: 1.0}, lines=1.0))[0].lines
    half = studio.movement(_draw({4: 0.5}, lines=0.5))[0].lines
    assert full.max() > 0
    assert half == pytest.approx(full / 4, abs=1e-6)
    assert not studio.movement(_draw({43: 1.0}, lines=1.0))[0].lines.any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_head_is_rotated_by_the_drawn_degrees(studio: Studio, axis: int) -> None:
    turn_deg = [0.0, 0.0, 0.0]
    turn_deg[axis] = 9.0
    turn = studio.movement(_draw({}, turn_deg=(turn_deg[0], turn_deg[1], turn_deg[2])))[0].turn
    assert np.rad2deg(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(9, abs=1e-3)
    assert turn[axis, axis] == pytest.approx(1)


def test_rotated_face_is_rendered_rotated(sitting: Sitting) -> None:
    still, turned = (sitting.shoot(_draw({}, turn_deg=(0, yaw, 0))).image for yaw in (0, 12))
    dark = [np.flatnonzero(image[50] < 70).mean() for image in (still, turned)]  # a row through the eyes
    assert dark[1] > dark[0] + 5  # to the face's left, which is on the right of the image


# On real faces.
PEOPLE = 4
UPPER_LID, LOWER_LID = [159, 386], [145, 374]
MOUTH_CORNERS, MOUTH_MIDDLE = [61, 291], [13, 14]
INNER_BROWS, OUTER_BROWS, BROWS = [107, 336], [70, 300], [107, 66, 105, 336, 296, 334]
EYE_CORNERS = [33, 133, 362, 263]


@pytest.fixture(scope="module")
def real_studio(shared: Path, face_models: None) -> Studio:
    pytest.importorskip("embreex")
    return Studio(shared / "data" / "ict")


@pytest.fixture(scope="module")
def real_sittings(real_studio: Studio, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Sitting]:
    """Faces of different people, looking ahead, at rest."""
    photographs = _resting_photographs(shared / "data" / "lfw" / "faces128.npz")
    points, presence = meshes_of(photographs, tmp_path_factory.mktemp("meshes"), workers=1)
    assert (presence > 0.9).all()
    return [
        real_studio.sit(photograph, mesh * SIDE_PX, SIDE_PX)
        for photograph, mesh in zip(photographs, points, strict=True)
    ]


def _resting_photographs(path: Path) -> UInt8:
    """The neutral faces, of different people, with the lowest machine scores for any movement."""
    with np.load(path) as pack:
        names = [str(name) for name in pack["blendshape_names"]]
        scored = [row for row, name in enumerate(names) if name.startswith(("brow", "mouth", "jaw", "eye"))]
        moved = pack["blendshapes"][:, scored].astype(np.float32).max(1)
        moved[(pack["label"] != list(pack["label_names"]).index("neutral")) | (pack["presence"] < 0.99)] = np.inf
        blob, offsets = pack["jpeg_blob"], pack["offsets"]
        chosen: dict[str, int] = {}
        for row in np.argsort(moved):
            chosen.setdefault(str(pack["identities"][row]), int(row))
            if len(chosen) == PEOPLE:
                break
        jpegs = [blob[offsets[row] : offsets[row + 1]] for row in chosen.values()]
    return np.stack([np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8) for jpeg in jpegs])


def _height(shot: Shot, points: list[int], above: list[int]) -> float:
    """Height of some points above others, in distances between the outer eye corners."""
    eyes = np.linalg.norm(shot.points_px[33] - shot.points_px[263])
    return float((shot.points_px[above, 1].mean() - shot.points_px[points, 1].mean()) / eyes)


def _mouth_width(shot: Shot) -> float:
    eyes = np.linalg.norm(shot.points_px[33] - shot.points_px[263])
    return float(np.linalg.norm(shot.points_px[61] - shot.points_px[291]) / eyes)


def _lip_gap(shot: Shot) -> float:
    return _height(shot, [13], [14])


def _lids(shot: Shot) -> float:
    return _height(shot, UPPER_LID, LOWER_LID)


def _corners(shot: Shot) -> float:
    return _height(shot, MOUTH_CORNERS, MOUTH_MIDDLE)


def _brows(shot: Shot) -> float:
    return _height(shot, BROWS, EYE_CORNERS)


def _inner_brows(shot: Shot) -> float:
    return _height(shot, INNER_BROWS, EYE_CORNERS)


def _outer_brows(shot: Shot) -> float:
    return _height(shot, OUTER_BROWS, EYE_CORNERS)


def test_labels_agree_with_the_mesh_of_the_rendered_face(real_sittings: list[Sitting]) -> None:
    """On every face the mesh moves as the name of the unit says, by at least this much (in eye distances)."""
    seen = {
        1: (_inner_brows, 0.01),
        2: (_outer_brows, 0.01),
        4: (_brows, -0.01),
        7: (_lids, -0.005),
        12: (_corners, 0.02),
        15: (_corners, -0.003),
        20: (_mouth_width, 0.02),
        26: (_lip_gap, 0.1),
        43: (_lids, -0.01),
    }
    for sitting in real_sittings:
        rest = sitting.shoot(_draw({}))
        for unit, (measure, least) in seen.items():
            moved = sitting.shoot(_draw({unit: 1.0}))
            change = measure(moved) - measure(rest)
            assert moved.presence > 0.9
            assert change / least > 1, f"AU{unit}: {change:+.3f}, at least {least:+.3f}"


def test_unmoved_real_face_keeps_its_mesh(real_sittings: list[Sitting], shared: Path) -> None:
    photographs = _resting_photographs(shared / "data" / "lfw" / "faces128.npz")
    for sitting, original in zip(real_sittings, photographs, strict=True):
        shot = sitting.shoot(_draw({}))
        assert np.abs(shot.image.astype(float) - original).mean() < 0.3
        assert shot.intensities.max() == 0


def _shown_eyes(sitting: Sitting, studio: Studio, units: dict[int, float]) -> int:
    """Number of rays that hit an eyeball."""
    movement, _ = studio.movement(_draw(units))
    portrait = sitting._portrait
    placed = sitting._fit.place(portrait.moved_shape(movement), sitting._fit.turn)
    hits = cast(placed, studio.model.triangles, grid(SIDE_PX, 2))
    return int(eyeball(studio.model.parts[hits.triangles]).sum())


def test_raised_lid_shows_more_of_the_eye_and_tightened_lids_less(
    real_sittings: list[Sitting], real_studio: Studio
) -> None:
    for sitting in real_sittings:
        rest, wide, tight = (_shown_eyes(sitting, real_studio, units) for units in ({}, {5: 1.0}, {7: 1.0}))
        assert wide > 1.25 * rest
        assert 0.1 * rest < tight < 0.7 * rest
        still, moved = (sitting.shoot(_draw(units)) for units in ({}, {5: 1.0}))
        change = np.abs(moved.image.astype(int) - still.image)
        for eye in ((33, 133), (362, 263)):  # between its corners, up to the height of a raised lid
            left, right = sorted(int(still.points_px[corner, 0]) for corner in eye)
            middle = int(still.points_px[list(eye), 1].mean())
            assert change[middle - 6 : middle + 1, left : right + 1].mean() > 4


def test_brow_scores_of_the_real_model_follow_the_movement_of_each_unit(real_studio: Studio) -> None:
    assert 0.2 < _brow_score(real_studio, _draw({9: 1.0})) < 0.5  # a wrinkled nose pulls them down a little
    assert _brow_score(real_studio, _draw({4: 1.0})) == 1
    assert _brow_score(real_studio, _draw({1: 1.0})) == 0


@pytest.mark.parametrize("weaker", [0.0, 0.2])
def test_one_sided_brows_of_the_real_model_get_the_score_of_the_stronger_side(
    real_studio: Studio, weaker: float
) -> None:
    for intensity in (0.5, 1.0):
        both = _brow_score(real_studio, _draw({4: intensity}))
        strong, weak = {4: intensity}, {4: weaker}
        for draw in (_sided(strong, weak), _sided(weak, strong)):
            assert _brow_score(real_studio, draw) == pytest.approx(both, abs=0.06)  # sides overlap in the middle
            assert _brow_score(real_studio, draw) >= intensity


@pytest.mark.parametrize("unit", MEASURED_UNITS)
def test_labels_of_a_sequence_grow_from_nearly_0_on_the_real_model(real_studio: Studio, unit: int) -> None:
    for number in range(20):
        draws = draw_sequence(unit, np.random.default_rng(number))
        labels = [shown(draw, real_studio.movement(draw)[1])[OPEN_UNITS.index(unit)] for draw in draws]
        assert labels[0] < 0.2  # of other units and distractions
        assert (np.diff(labels) >= 0).all()
        assert labels[-1] - labels[0] > 0.5
