"""The exported ensemble: one file that matches torch, calibrated, with a contract that the engine accepts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from engine.backends.contract import ExpressionCalibration, read_contract
from engine.backends.registry import open_backend
from engine.expression import ExpressionEstimator, softmax
from engine.facs import EXPRESSIONS
from engine.types import AlignedFace, FaceQuality
from engine.uncertainty import decompose
from tests.training.fakes.expression import SHAPE, fake_faces, fake_run
from training.expression import cover_head
from training.expression import export as expression
from training.expression.cover_head import CoverConfig, fit_cover_head
from training.expression.export import ArbexEnsemble, calibrate, export_expression
from training.expression.fit import ExpressionRunConfig
from training.expression.model import Arbex
from training.layers.onnx_export import export_onnx, largest_difference, store_weights_as_half

CONFIG = ExpressionRunConfig(members=2)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model exported from a run of two untrained members."""
    run = fake_run(tmp_path_factory.mktemp("run"), CONFIG)
    model = run / "expression.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expression, "read_faces", lambda *_: fake_faces(40))
        export_expression(run, run, model, lambda line: None)
    return model


def test_the_engine_reads_the_export_and_agrees_with_it(exported: Path) -> None:
    backend = open_backend(exported, ["onnxruntime"], threads=1)
    faces = fake_faces(3)
    aligned = [
        AlignedFace(row, crop, landmarks, np.eye(2, 3), FaceQuality(1.0))
        for row, (crop, landmarks) in enumerate(zip(faces.crops, faces.landmarks, strict=True))
    ]
    estimates = ExpressionEstimator(backend).estimate(aligned)
    temperature = backend.contract.calibration.temperature
    backend.close()
    expected = softmax(
        expression.run_network(expression.open_network(exported), faces.crops, faces.landmarks), temperature
    )
    for estimate, members in zip(estimates, expected, strict=True):
        assert estimate.members == pytest.approx(members, abs=1e-5)


def test_a_network_without_landmarks_has_one_input_and_the_engine_gives_it_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ExpressionRunConfig(members=1, model=replace(SHAPE, landmarks=False, branches=2))
    run = fake_run(tmp_path / "run", config)
    monkeypatch.setattr(expression, "read_faces", lambda *_: fake_faces(40))
    model = tmp_path / "expression.onnx"
    export_expression(run, run, model, lambda line: None)
    backend = open_backend(model, ["onnxruntime"], threads=1)
    assert [spec.name for spec in backend.contract.inputs] == ["image"]
    crop, landmarks = fake_faces(1).crops[0], fake_faces(1).landmarks[0]
    own, other = (
        ExpressionEstimator(backend).estimate([AlignedFace(0, crop, points, np.eye(2, 3), FaceQuality(1.0))])[0]
        for points in (landmarks, 1 - landmarks)
    )
    backend.close()
    assert np.array_equal(own.members, other.members)


def test_a_run_with_a_cover_head_says_what_is_covered_and_changes_no_logit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ExpressionRunConfig(members=1, model=replace(SHAPE, landmarks=False, branches=2))
    run = fake_run(tmp_path / "run", config)
    faces = fake_faces(40)
    for module in (expression, cover_head):
        monkeypatch.setattr(module, "read_faces", lambda *_: faces)
    plain, model = tmp_path / "plain" / "expression.onnx", tmp_path / "expression.onnx"
    export_expression(run, run, plain, lambda line: None)
    fit_cover_head(CoverConfig(pictures=60, hidden=4, epochs=2), run, run, report=lambda line: None)
    export_expression(run, run, model, lambda line: None)
    without, both = expression.open_network(plain), expression.open_network(model)
    logits, covered = expression.run_outputs(both, faces.crops, faces.landmarks, ("logits", "covered"))
    np.testing.assert_allclose(logits, expression.run_network(without, faces.crops, faces.landmarks), atol=1e-5)
    assert covered.shape == (40, 3)
    assert np.all((covered > 0).sum(0) <= 1)  # 1 % of the validation faces
    backend = open_backend(model, ["onnxruntime"], threads=1)
    face = AlignedFace(0, faces.crops[0], faces.landmarks[0], np.eye(2, 3), FaceQuality(1.0))
    (estimate,) = ExpressionEstimator(backend).estimate([face])
    backend.close()
    assert estimate.covered is not None
    np.testing.assert_array_equal(estimate.covered > 0.5, covered[0] > 0)


def test_the_contract_names_order_and_calibration(exported: Path) -> None:
    contract = read_contract(exported)
    assert contract.labels == EXPRESSIONS
    assert isinstance(contract.calibration, ExpressionCalibration)
    assert "PublicTest" in contract.calibration.fitted_on


def test_half_weights_halve_the_file_and_change_little(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ensemble = ArbexEnsemble([Arbex(CONFIG.model).eval()])
    inputs = {"image": torch.randn(2, 1, 48, 48), "landmarks": torch.rand(2, 468, 2)}
    path = tmp_path / "model.onnx"
    dynamic = {name: {0: "batch"} for name in (*inputs, "logits")}
    export_onnx(ensemble, tuple(inputs.values()), path, tuple(inputs), ("logits",), dynamic)
    whole = path.stat().st_size
    exact = largest_difference(ensemble, inputs, path, ("logits",))
    store_weights_as_half(path)
    rounded = largest_difference(ensemble, inputs, path, ("logits",))
    assert path.stat().st_size < 0.6 * whole
    assert exact["logits"] < 1e-4
    assert exact["logits"] < rounded["logits"] < 0.05
    other = {name: value[:1] for name, value in inputs.items()}  # a batch size that was not traced
    assert largest_difference(ensemble, other, path, ("logits",))["logits"] < 0.05


def test_an_export_contains_no_source_path(exported: Path) -> None:
    model = onnx.load(str(exported))
    assert not any(node.doc_string for node in model.graph.node)
    assert not model.doc_string
    assert [entry.key for entry in model.metadata_props] == []


def test_limits_are_fitted_after_the_temperature() -> None:
    faces = fake_faces(200)
    logits = np.log(np.repeat(faces.vote_shares[:, None] + 1e-3, 3, axis=1)) * 4  # overconfident
    logits += np.random.default_rng(0).normal(0, 0.1, logits.shape)
    fitted = calibrate(logits.astype(np.float32), faces)
    assert fitted.temperature == pytest.approx(4, rel=0.2)
    parts = decompose(softmax(logits.astype(np.float32), fitted.temperature))
    assert np.mean(parts.epistemic > fitted.epistemic_limit) == pytest.approx(0.05, abs=0.006)
    assert fitted.epistemic_quantiles[0] <= fitted.epistemic_limit <= fitted.epistemic_quantiles[-1]
