"""Reading the face model: what of it a camera sees, how shapes are unpacked, and files that are not it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import SourceError
from tests.training.fakes.head import SHAPES, packed_face, write_face
from training.open_set.face_model import FILE_NAME, FaceModel, Part, read_face_model


def test_parts_follow_the_materials(model: FaceModel) -> None:
    skin_quads = 14 * 18 - 2 * 2 * 2 + 2 * 2  # a grid, two eye holes of two by two, two lids of two
    counts = np.bincount(model.parts, minlength=len(Part))
    assert counts[Part.SKIN] == 2 * skin_quads
    assert counts[Part.SOCKET] == 2 + 1  # a quad is two triangles; a polygon without a fourth corner is one
    assert counts[[Part.GUMS, Part.TEETH, Part.SCLERA, Part.IRIS]].tolist() == [2, 2, 4, 4]
    assert model.triangles.shape == (counts.sum(), 3)


def test_invisible_parts_are_left_out(model: FaceModel) -> None:
    eyes = model.triangles[model.parts == Part.SCLERA]
    assert model.neutral[eyes, 2].min() == pytest.approx(8.6)  # the back of the eyeball is at 7
    assert not (model.neutral[:, 2] == 12).any()  # lacrimal fluid lies there
    assert np.unique(model.triangles).tolist() == list(range(len(model.neutral)))


def test_back_of_the_head_is_left_out(tmp_path: Path) -> None:
    packed = packed_face()
    padding = 9409 - len(packed["neutral"])  # skin from this vertex on is head and neck
    more = np.array([[-1, 8, 0], [1, 8, 0], [0, 9, 0]], np.float32)
    packed["neutral"] = np.vstack([packed["neutral"], np.zeros((padding, 3), np.float32), more])
    packed["faces"] = np.vstack([packed["faces"], [[9409, 9410, 9411, -1]]]).astype(np.int32)
    packed["face_material"] = np.append(packed["face_material"], np.uint8(0))
    for name in ("expression_delta_i16", "identity_delta_i16"):
        packed[name] = np.pad(packed[name], ((0, 0), (0, padding + 3), (0, 0)))
    long, short = read_face_model(write_face(tmp_path / "long", **packed)), read_face_model(write_face(tmp_path))
    assert len(long.triangles) == len(short.triangles)
    assert np.array_equal(long.neutral, short.neutral)


def test_shapes_are_unpacked_by_their_scale(model: FaceModel) -> None:
    assert model.names == SHAPES
    jaw = model.expression[SHAPES.index("jawOpen")]
    assert jaw[:, 1].min() == pytest.approx(-2.0, rel=1e-4)
    assert np.abs(jaw[:, [0, 2]]).max() == 0
    x, y, _ = model.neutral.T
    assert np.abs(model.identity[0, :, 0] - x * y / 25).max() < 63 / 25 / 32767


def test_neighbours_are_the_other_corners_of_the_triangles_of_a_vertex(model: FaceModel) -> None:
    starts = np.cumsum(model.neighbour_counts) - model.neighbour_counts
    assert model.neighbour_counts.sum() == len(model.neighbours) == 6 * len(model.triangles)
    for vertex in (0, 40, len(model.neutral) - 1):
        row = model.neighbours[starts[vertex] : starts[vertex] + model.neighbour_counts[vertex]]
        own = model.triangles[(model.triangles == vertex).any(1)]
        assert sorted(row) == sorted(own[own != vertex])


def test_shapes_are_found_by_name(model: FaceModel) -> None:
    rows = model.shape_rows(("noseSneer_R", "browDown_L"))
    assert rows.tolist() == [SHAPES.index("noseSneer_R"), SHAPES.index("browDown_L")]
    with pytest.raises(SourceError, match="no shape 'wink'"):
        model.shape_rows(("browDown_L", "wink"))


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is missing: point to the folder of ICT-FaceKit Light"):
        read_face_model(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"faces": np.zeros((3, 3), np.int32)},  # no fourth corner
        {"faces": np.full((3, 4), 99999, np.int32)},  # vertices that are not there
        {"expression_delta_i16": np.zeros((2, 5, 3), np.int16)},  # too few vertices
        {"materials": np.array(["Wood"] * 9)},  # nothing of a face
    ],
)
def test_wrong_arrays_are_reported(tmp_path: Path, changed: dict[str, np.ndarray]) -> None:
    with pytest.raises(SourceError, match="is not the packed ICT-FaceKit Light model"):
        read_face_model(write_face(tmp_path, **changed))


def test_missing_array_is_reported(tmp_path: Path) -> None:
    packed = packed_face()
    del packed["identity_scale"]
    np.savez(tmp_path / FILE_NAME, **packed)
    with pytest.raises(SourceError, match="identity_scale"):
        read_face_model(tmp_path)


@pytest.mark.parametrize("kept", [0, 10, 2000])
def test_truncated_file_is_reported(tmp_path: Path, kept: int) -> None:
    write_face(tmp_path)
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SourceError, match="is not the packed ICT-FaceKit Light model"):
        read_face_model(tmp_path)
