"""Mesh points are bound to the skin where the mesh network sees them."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import SourceError
from tests.training.fakes.head import JAW_CM, FakeMesh, mesh_points
from training.open_set.correspondence import Binding, bind_mesh
from training.open_set.face_model import FaceModel, Part


def _opened(model: FaceModel) -> np.ndarray:
    return model.neutral + 0.25 * model.expression[model.names.index("jawOpen")]


def test_bound_points_project_to_the_points_of_the_network(model: FaceModel, binding: Binding) -> None:
    off = np.linalg.norm(binding.points(_opened(model))[:, :2] - mesh_points(JAW_CM / 4), axis=1)
    assert np.median(off) < 1e-3
    assert (off < 0.01).mean() > 0.9
    assert off.max() < 0.7  # over an eye or between the lips: moved to the nearest skin


def test_bound_points_are_on_skin(model: FaceModel, binding: Binding) -> None:
    skin = {frozenset(corners) for corners in model.triangles[model.parts == Part.SKIN].tolist()}
    assert all(frozenset(corners) in skin for corners in binding.corners.tolist())
    assert binding.weights.sum(1) == pytest.approx(np.ones(468), abs=1e-5)


def test_upper_and_lower_lip_points_bind_to_their_own_lip(model: FaceModel, binding: Binding) -> None:
    jaw = model.expression[model.names.index("jawOpen")]
    moved = binding.points(jaw)[:, 1]
    assert moved[[13, 82, 312]] == pytest.approx([0, 0, 0])
    assert (moved[[14, 87, 317]] < -0.8 * JAW_CM).all()


def test_points_of_several_shapes_are_computed_at_once(model: FaceModel, binding: Binding) -> None:
    shapes = np.stack([model.neutral, 2 * model.neutral])
    assert binding.points(shapes)[1] == pytest.approx(2 * binding.points(model.neutral), abs=1e-4)


def test_undetected_face_is_reported(model: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("embreex")
    monkeypatch.setattr(FakeMesh, "presence", 0.4)
    with pytest.raises(SourceError, match="the model file is damaged"):
        bind_mesh(model, FakeMesh())
