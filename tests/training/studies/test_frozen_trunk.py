"""The study's models on maps of a frozen trunk: which maps, and that all five models learn from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.fakes.action_units import TINY, faulty_faces
from tests.training.fakes.expression import quiet
from tests.training.fakes.trunk import trunk_weights
from training.data.action_unit_faces import UnitFaces
from training.studies import frozen_trunk
from training.studies.action_units import StudyConfig, StudyReport, study_units
from training.studies.frozen_trunk import CHANNELS, FrozenTrunk, TrunkMaps, map_network

CPU = torch.device("cpu")
ONE_EPOCH = replace(TINY.stage1, epochs=1, warmup_epochs=0.1, learning_rate=0.02)
CONFIG = replace(TINY, stage1=ONE_EPOCH, stage2=ONE_EPOCH, views=1)
PLAN = StudyConfig(folds=(1,), shares=(1.0,), flips=(0.0,), steps=6, samples=3, resamples=10)


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(frozen_trunk, "read_trunk", lambda path: trunk_weights())
    path = tmp_path / "trunk.npz"
    path.write_bytes(b"weights")
    return path


def maps_of(weights: Path, faces: UnitFaces, cache: Path) -> TrunkMaps:
    return TrunkMaps(weights, faces, CONFIG, cache, quiet)


def studied(weights: Path, faces: UnitFaces, run: Path) -> StudyReport:
    fitting = FrozenTrunk(maps_of(weights, faces, run / "cache"))
    return study_units(faces, CONFIG, run, PLAN, CPU, quiet, fitting)


def test_maps_follow_the_crop_and_are_read_again(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = faulty_faces(4)
    first = maps_of(weights, faces, tmp_path)
    assert first.plain(faces.crops).shape == (16, CHANNELS, 7, 7)
    assert first.views(faces.crops[:3]).shape == (1, 3, CHANNELS, 7, 7)
    assert torch.equal(first.plain(faces.crops[[5, 2]]), first.plain(faces.crops)[[5, 2]])
    monkeypatch.setattr(frozen_trunk, "_all_maps", lambda *given: pytest.fail("computed again"))
    assert torch.equal(maps_of(weights, faces, tmp_path).views(faces.crops), first.views(faces.crops))


def test_copies_differ_from_the_face_as_it_is(weights: Path, tmp_path: Path) -> None:
    faces = faulty_faces(2)
    maps = maps_of(weights, faces, tmp_path)
    assert not torch.equal(maps.views(faces.crops)[0], maps.plain(faces.crops))


def test_all_five_models_are_trained_for_the_same_number_of_steps_on_one_trunk(weights: Path, tmp_path: Path) -> None:
    faces, run = faulty_faces(16), tmp_path / "run"
    (point,) = studied(weights, faces, run).points
    (cell,) = point.cells
    assert [curve.variant for curve in cell.curves] == ["ugn-b", "ugn", "gn-d", "resnet-bl", "resnet"]
    assert {curve.steps[-1] for curve in cell.curves} == {cell.steps_features} == {cell.steps_head}
    assert cell.steps_head >= PLAN.steps
    assert all(len(curve.average_precision) == len(curve.training_loss) == len(curve.steps) for curve in cell.curves)
    weights.write_bytes(b"other weights")
    with pytest.raises(ValueError, match="other settings or faces"):
        studied(weights, faces, run)


def test_network_reads_maps() -> None:
    model = map_network(CONFIG.model)
    maps = torch.randn(2, CHANNELS, 7, 7)
    units = CONFIG.model.units
    assert model(maps, torch.zeros(3, 2, units, units)).logits.shape == (2, 3, units)
    assert np.isfinite(model.features(maps).detach().numpy()).all()
