"""The synthetic head, read and bound once per session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.fakes.head import FakeMesh, write_face
from training.open_set.correspondence import Binding, bind_mesh
from training.open_set.face_model import FaceModel, read_face_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_face(tmp_path_factory.mktemp("face"))


@pytest.fixture(scope="session")
def model(model_folder: Path) -> FaceModel:
    return read_face_model(model_folder)


@pytest.fixture(scope="session")
def binding(model: FaceModel) -> Binding:
    pytest.importorskip("embreex")
    return bind_mesh(model, FakeMesh())
