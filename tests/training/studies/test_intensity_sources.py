"""Where intensity can be read: each description by itself, minus the face at rest, and with fewer people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import SourceError
from engine.facs import OPEN_UNITS
from tests.training.fakes.action_units import TINY, fake_unit_faces
from tests.training.fakes.expression import quiet
from tests.training.fakes.trunk import trunk_weights
from training.data.open_set import OpenAuRow
from training.open_set.resting_faces import RestingFaces
from training.studies import intensity_sources
from training.studies.intensity_sources import (
    ALL,
    MAPS,
    MESH,
    TRUNK,
    RenderedFaces,
    SourcesReport,
    read_rendered,
    study_intensity,
    trunk_descriptions,
)

PEOPLE = 150


@pytest.fixture(scope="module")
def rendered() -> RenderedFaces:
    """The mesh is a random shape of the person, moved in one place by the intensity; crops say nothing."""
    faces = fake_unit_faces(PEOPLE)
    random = np.random.default_rng(1)
    count = len(faces.people)
    graded = random.uniform(0.5, 5, (count, 3)).astype(np.float32)
    rest = np.repeat(random.normal(0, 1, (PEOPLE, 468, 2)), 3, axis=0).astype(np.float32)
    moved = rest.copy()
    moved[:, :3, 0] += graded
    blank = np.zeros((count, 96, 96), np.uint8)
    return RenderedFaces(replace(faces, crops=blank, intensities=graded), moved, blank, rest)


@pytest.fixture(scope="module")
def report(rendered: RenderedFaces) -> SourcesReport:
    return study_intensity(rendered, {"grey": lambda crops: crops.astype(np.float32)}, resamples=10, report=quiet)


def test_the_face_at_rest_takes_away_what_the_person_looks_like(report: SourcesReport) -> None:
    found = {(source.description, source.minus_rest): source.found.mean.value for source in report.sources}
    assert set(found) == {(name, minus) for name in (MESH, "grey", ALL) for minus in (False, True)}
    assert found[MESH, True] > 0.95
    assert found[MESH, True] > found[MESH, False] + 0.1
    assert found[ALL, True] == pytest.approx(found[MESH, True], abs=0.01)  # constant crops add nothing


def test_curves_end_with_all_training_people(report: SourcesReport) -> None:
    for minus_rest in (False, True):
        sizes = [curve.training_faces for curve in report.curves if curve.minus_rest == minus_rest]
        assert sizes == sorted(sizes)
        whole = next(item for item in report.sources if (item.description, item.minus_rest) == (ALL, minus_rest))
        assert sizes[-1] == whole.training_faces
        assert sizes[0] < whole.training_faces / 4


def test_test_people_are_not_read(rendered: RenderedFaces, report: SourcesReport) -> None:
    meshes = rendered.meshes.copy()
    meshes[rendered.faces.folds == 1] = 1e6
    changed = study_intensity(
        replace(rendered, meshes=meshes),
        {"grey": lambda crops: crops.astype(np.float32)},
        resamples=10,
        report=quiet,
    )
    for source, before in zip(changed.sources, report.sources, strict=True):
        assert source.found.mean.value == pytest.approx(before.found.mean.value, abs=1e-6, nan_ok=True)


def test_trunks_describe_crops(rendered: RenderedFaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intensity_sources, "read_trunk", lambda path: trunk_weights())
    monkeypatch.setattr(intensity_sources, "start_from_file", lambda task, file: None)
    described = trunk_descriptions(rendered.faces, Path("model.onnx"), Path("trunk.npz"), TINY)
    crops = rendered.faces.crops[:2]
    assert described[TRUNK](crops).shape == (2, 3, 8)
    assert described[MAPS](crops).shape == (2, 128, 7, 7)


def test_a_set_of_other_photographs_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    row = OpenAuRow("0.jpg", "Ann", 1, "ann.jpg", (0.0, 0.0, 0.0), 1.0, np.zeros(len(OPEN_UNITS), np.float32))
    meshes = np.zeros((1, 468, 2), np.float32)
    resting = RestingFaces(
        ("bob.jpg",),
        np.zeros((1, 128, 128), np.uint8),
        meshes,
        np.array(["Bob"]),
        np.ones(1, np.int64),
        np.full(1, 128, np.int64),
    )
    monkeypatch.setattr(intensity_sources, "read_meshes", lambda folder: ([row], meshes))
    monkeypatch.setattr(intensity_sources, "read_resting_faces", lambda folder, cache, workers: resting)
    with pytest.raises(SourceError, match=r"rendered from ann\.jpg"):
        read_rendered(tmp_path, tmp_path, tmp_path)
