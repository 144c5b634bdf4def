"""UGN from training to an exported, calibrated, evaluated file, at a size that trains in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.backends.contract import AUCalibration, read_contract
from engine.errors import ConfigError
from engine.facs import BP4D_UNITS
from engine.tracking.face_models import sha256_of
from training.augment import AugmentConfig
from training.datasets.faces128 import TEST, TRAINING, VALIDATION, Faces128
from training.evaluation.action_units import (
    ExportedActionUnits,
    accuracy_by_decile,
    evaluate_action_units,
    expression_checks,
    mean_intervals,
)
from training.export.action_units import export_action_units, fit_temperature, mean_occurrence
from training.fit_action_units import fit_action_units, read_action_units_config
from training.models.ugn import UGNConfig, UGNExport
from training.trainers.action_units import ActionUnitsConfig, load_action_units, noise_bank, pictures
from training.trainers.trainer import TrainerConfig

UNITS = len(BP4D_UNITS)
STAGE = TrainerConfig(epochs=1, batch_size=16, bf16=False)
TINY = ActionUnitsConfig(
    model=UGNConfig(stem=4, widths=(4, 8), blocks=(1, 1), graph_width=8, projection=4),
    stage1=STAGE,
    stage2=STAGE,
    augment=AugmentConfig(landmark_noise=0.0),
    weighting_samples=2,
)


def _faces() -> Faces128:
    """Faces whose units follow the brightness of the crop, three pictures per person."""
    random = np.random.default_rng(0)
    level = np.tile([30, 128, 220], 40).astype(np.uint8)
    noise = random.integers(0, 20, (len(level), 96, 96), dtype=np.uint8)
    scores = np.repeat(level[:, np.newaxis] / 255, UNITS, axis=1) * random.uniform(0.5, 1.0, (len(level), UNITS))
    people = np.repeat([f"person {number}" for number in range(40)], 3)
    splits = np.repeat([TRAINING] * 20 + [VALIDATION] * 10 + [TEST] * 10, 3)
    return Faces128(
        crops=level[:, np.newaxis, np.newaxis] + noise,
        scores=scores.astype(np.float32),
        identities=people,
        expressions=np.tile(["neutral", "surprise", "happiness"], 40),
        splits=splits,
        left_out=0,
    )


@pytest.fixture(scope="module")
def faces() -> Faces128:
    return _faces()


@pytest.fixture(scope="module")
def run(faces: Faces128, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit_action_units(faces, TINY, folder, report=lambda line: None)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path, faces: Faces128) -> Path:
    target = run / "out" / "action_units.onnx"
    export_action_units(run, faces, target, report=lambda line: None)
    return target


def test_second_stage_leaves_the_features_alone(run: Path, faces: Faces128) -> None:
    model, facts = load_action_units(run)
    assert facts["config"]["model"]["widths"] == [4, 8]
    started = replace(TINY, stage2=replace(STAGE, seed=5))
    again = fit_action_units(faces, started, run, report=lambda line: None)  # finished: reads what is there
    images = pictures(faces.crops[:2])
    torch.testing.assert_close(again.eval().features(images), model.features(images))


def test_the_file_answers_as_torch_does(run: Path, exported: Path, faces: Faces128) -> None:
    model, _ = load_action_units(run)
    bank = noise_bank(20, UNITS, seed=0)
    expected = UGNExport(model)(pictures(faces.crops[:3]), torch.from_numpy(bank))[0].detach().numpy()
    assert ExportedActionUnits(exported).logits(faces.crops[:3]) == pytest.approx(expected, abs=0.02)


def test_the_file_takes_any_number_of_faces_and_samples(exported: Path, faces: Faces128) -> None:
    model = ExportedActionUnits(exported)
    assert model.logits(faces.crops[:1], samples=1).shape == (1, 1, UNITS)
    assert model.logits(faces.crops[:70], samples=3).shape == (70, 3, UNITS)


def test_the_contract_speaks_for_the_file(exported: Path) -> None:
    contract = read_contract(exported)
    assert contract.sha256 == sha256_of(exported)
    assert contract.labels == tuple(f"AU{unit}" for unit in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24))
    assert isinstance(contract.calibration, AUCalibration)
    assert (contract.calibration.mask_samples, contract.calibration.mask_seed) == (20, 0)
    assert len(contract.calibration.thresholds) == UNITS
    assert contract.calibration.fitted_on == "faces128 validation identities, 30 faces of 10 people, pseudo-labels"


def test_the_report_counts_test_people_only(exported: Path, faces: Faces128) -> None:
    report = evaluate_action_units(exported, faces, resamples=5)
    assert (report.faces, report.people) == (30, 10)
    assert [unit.unit for unit in report.units] == list(read_contract(exported).labels)
    truth = (faces.scores >= faces.thresholds())[faces.splits == TEST]
    assert [unit.prevalence for unit in report.units] == pytest.approx(truth.mean(0).tolist())
    assert all(mean.low <= mean.high for mean in report.means.values())
    assert set(report.f1_by_samples) == {1, 5, 20, 50}


def test_temperature_undoes_a_known_scaling() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 1, 3)).astype(np.float32)
    labels = random.random((4000, 3)) < mean_occurrence(logits, 1.0)
    assert fit_temperature(logits * np.float32(1.7), labels) == pytest.approx(1.7, rel=0.05)


def test_bootstrap_draws_people_not_pictures() -> None:
    labels = np.repeat(np.tile([True, False], 20)[:, np.newaxis], UNITS, axis=1)
    people = np.repeat(["a", "b"], 20)  # the model is right on all pictures of a, wrong on all of b
    said = labels == (people == "a")[:, np.newaxis]
    occurrence = np.where(said, 0.9, 0.1).astype(np.float32)
    interval = mean_intervals(labels, occurrence, np.full(UNITS, 0.5, np.float32), people, 200)["f1"]
    assert interval.value == pytest.approx(2 * 10 / (2 * 10 + 20))
    assert (interval.low, interval.high) == (0.0, 1.0)  # draws of one person twice


def test_deciles_go_from_certain_to_uncertain() -> None:
    epistemic = np.repeat(np.arange(100, dtype=np.float32)[:, np.newaxis], 2, axis=1)
    right = epistemic < 90
    assert accuracy_by_decile(right, epistemic) == (1.0,) * 9 + (0.0,)


def test_checks_skip_faces_without_a_label() -> None:
    occurrence = np.zeros((4, UNITS), np.float32)
    occurrence[:, BP4D_UNITS.index(12)] = [0.9, 0.2, 0.1, 0.0]
    labels = np.array(["happiness", "neutral", "anger", "unlabelled"])
    happy = {check.unit: check for check in expression_checks(occurrence, labels) if check.expression == "happiness"}
    assert (happy["AU12"].auroc, happy["AU12"].positives, happy["AU12"].faces) == (1.0, 1, 3)
    assert happy["AU6"].auroc == 0.5


def test_the_shipped_settings_are_read() -> None:
    path = Path(__file__).parents[2] / "training" / "configs" / "action_units.toml"
    assert read_action_units_config(path).model == UGNConfig()


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[stage1]\nepoch = 3\n")
    with pytest.raises(ConfigError, match="'epoch'"):
        read_action_units_config(path)
