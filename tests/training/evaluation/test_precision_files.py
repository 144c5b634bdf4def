"""The released models in other precisions: accepted by the engine, refused if decisions change."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from engine.backends.model_file import MODELS_FOLDER, read_model
from engine.backends.precision import read_variant, variant_path
from tests.training.fakes.expression import fake_faces
from training.evaluation import precision_files
from training.evaluation.precision_files import write_precisions


@pytest.fixture
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a released model, and fake faces in the place of FER2013."""
    for ending in ("onnx", "json"):
        shutil.copy(MODELS_FOLDER / f"{request.param}.{ending}", tmp_path)
    return tmp_path / f"{request.param}.onnx"


@pytest.fixture(autouse=True)
def faces(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(folder: Path, split: str, cache: Path, side_px: int) -> object:
        found = fake_faces(48)
        repeat = -(-side_px // found.crops.shape[1])
        crops = np.tile(found.crops, (1, repeat, repeat))[:, :side_px, :side_px]
        return precision_files.dataclasses.replace(found, crops=crops)

    monkeypatch.setattr(precision_files, "read_faces", read)


@pytest.mark.parametrize("model", ["expression", "action_units"], indirect=True)
def test_float16_is_written_with_a_contract_that_the_engine_accepts(model: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    (figures,) = write_precisions(model, tmp_path, tmp_path, ("fp16",), lines.append)
    variant = read_variant(read_model(model), "fp16", tmp_path / "derived")
    assert variant.path == variant_path(model, "fp16")
    assert variant.contract.name.endswith("-fp16")
    assert variant.contract.calibration == read_model(model).contract.calibration
    assert (figures.faces, figures.bytes) == (48, variant.path.stat().st_size)
    assert 0 < figures.mean_logit_difference <= figures.logit_difference < 0.2
    assert figures.same_decision >= 0.99
    assert "decision of" in lines[0]


@pytest.mark.parametrize(("model", "expected"), [("action_units", ["fp16"])], indirect=["model"])
def test_action_units_have_no_int8_by_default(model: Path, tmp_path: Path, expected: list[str]) -> None:
    found = write_precisions(model, tmp_path, tmp_path, report=lambda line: None)
    assert [figures.precision for figures in found] == expected


@pytest.mark.parametrize("model", ["expression"], indirect=True)
def test_a_precision_with_other_decisions_is_not_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(network: ModelProto, *rest: object) -> ModelProto:
        for node in network.graph.node:
            if node.output[0] == "logits":
                node.op_type = "Mul"  # a sum before: other logits
        return network

    variant_path(model, "fp16").write_bytes(b"of an earlier release")
    monkeypatch.setattr(precision_files, "half_precision", wrong)
    with pytest.raises(ValueError, match=r"not written, .*expression\.fp16\.onnx .*99% required"):
        write_precisions(model, tmp_path, tmp_path, ("fp16",), lambda line: None)
    assert not variant_path(model, "fp16").exists()
