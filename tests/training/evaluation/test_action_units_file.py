"""The evaluation of a model file, with a model whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.action_units import noise_bank
from engine.errors import ContractError
from engine.facs import BP4D_UNITS
from tests.training.fakes.action_units import brightness_model, faulty_faces
from tests.training.fakes.expression import fake_faces, quiet
from training.action_units.exported import ExportedActionUnits
from training.data.action_unit_faces import UnitFaces
from training.evaluation import action_units_file as units_file
from training.evaluation.action_units_file import FerSplit, UnitFileReport, evaluate_units_file


@pytest.fixture(autouse=True)
def few_timed_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units_file, "TIMED_RUNS", 2)


def evaluated(model: Path, faces: UnitFaces | None = None, fer: FerSplit | None = None) -> UnitFileReport:
    return evaluate_units_file(model, faces or faulty_faces(), "synthetic faces", fer, resamples=10, report=quiet)


def test_logits_use_the_noise_bank_of_the_contract(tmp_path: Path) -> None:
    crops = faulty_faces(2).crops
    found = ExportedActionUnits(brightness_model(tmp_path)).logits(crops)
    shift = noise_bank(20, 12, 7).mean((1, 2))  # (S, K)
    level = (crops.mean((1, 2)) / 255 - 0.47) / 0.21
    assert found == pytest.approx(level[:, np.newaxis, np.newaxis] + shift, abs=1e-4)


def test_report_has_all_faces_and_each_source(tmp_path: Path) -> None:
    faces = faulty_faces()
    report = evaluated(brightness_model(tmp_path), faces)
    assert (report.all.faces, report.all.people) == (120, 30)
    assert [part.source for part in report.sources] == ["faces128", "open"]
    assert [part.report.faces for part in report.sources] == [60, 60]
    right = (faces.occurs == (faces.crops.mean((1, 2)) > 128)[:, np.newaxis])[faces.known].mean()
    assert report.all.mean.scores.accuracy_half.value == pytest.approx(right, abs=0.01)  # noise of bank is small
    assert [unit.threshold for unit in report.all.units] == pytest.approx([0.4] * 12)
    assert report.fer is None


def test_sample_counts_are_compared_and_timed(tmp_path: Path) -> None:
    report = evaluated(brightness_model(tmp_path))
    assert [part.samples for part in report.by_samples] == [1, 5, 20, 50]
    assert report.by_samples[0].epistemic_nats == 0
    assert report.by_samples[3].epistemic_nats > 0
    assert [(part.threads, part.samples) for part in report.latency] == [(1, 20), (2, 20)]


def test_faces_of_one_source_are_measured_once(tmp_path: Path) -> None:
    faces = faulty_faces()
    report = evaluated(brightness_model(tmp_path), replace(faces, sources=np.full(len(faces.people), "open")))
    assert [part.report is report.all for part in report.sources] == [True]


def test_units_of_the_model_are_selected_by_name(tmp_path: Path) -> None:
    model = brightness_model(tmp_path, (25, *BP4D_UNITS), trusted=(12, 25))
    report = evaluated(model)
    assert [unit.unit for unit in report.all.units] == [f"AU{unit}" for unit in BP4D_UNITS]
    assert "AU12" not in report.model.not_trusted
    assert "AU1" in report.model.not_trusted
    shift = noise_bank(20, 13, 7).mean((1, 2))[:, 1:]  # the bank is the model's, of 13 units
    faces = faulty_faces()
    level = ((faces.crops.mean((1, 2)) / 255 - 0.47) / 0.21)[:, np.newaxis, np.newaxis]
    decided = (1 / (1 + np.exp(-level - shift))).mean(1) >= 0.5
    right = (decided == faces.occurs) & faces.known
    expected = right.sum(0) / faces.known.sum(0)
    assert [unit.scores.accuracy_half.value for unit in report.all.units] == pytest.approx(expected.tolist())


def test_model_that_lacks_a_unit_of_the_faces_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="AU24"):
        evaluated(brightness_model(tmp_path, BP4D_UNITS[:-1]))


def test_check_on_ferplus_uses_the_units_of_the_model(tmp_path: Path) -> None:
    fer = fake_faces(20)
    bright = np.where(np.arange(20) % 2 == 0, 220, 30)[:, np.newaxis, np.newaxis]
    votes = np.zeros((20, 10), np.int64)
    votes[::2, 1], votes[1::2, 0] = 10, 10  # the bright ones look happy, the dark ones neutral
    crops = np.broadcast_to(bright, (20, 96, 96)).astype(np.uint8)
    report = evaluated(brightness_model(tmp_path), fer=FerSplit("PublicTest", replace(fer, crops=crops, votes=votes)))
    assert report.fer is not None
    smile = next(tie for tie in report.fer.ties if tie.units == ("AU12",))
    assert (smile.auroc.value, smile.positives, smile.auroc.n) == (1.0, 10, 20)
