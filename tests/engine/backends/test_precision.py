"""Which files of a model in other precisions are accepted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.backends.contract import write_contract
from engine.backends.model_file import ModelFile, model_path, read_model
from engine.backends.precision import read_variant, variant_path, with_precision_of
from engine.config import GpuConfig
from engine.errors import BackendError

ModelMaker = Callable[..., Path]


@pytest.fixture
def model(expression_model: ModelMaker) -> ModelFile:
    return read_model(expression_model())


def put_variant(model: ModelFile, **changes: object) -> Path:
    """A variant with the bytes of the model; its contract differs as given."""
    path = variant_path(model.path, "fp16")
    path.write_bytes(model.content)
    contract = dataclasses.replace(model.contract, name="tiny fp16", trained=f"fp16 from {model.contract.sha256}")
    write_contract(dataclasses.replace(contract, **changes), path)
    return path


def test_fp32_is_the_model_itself(model: ModelFile) -> None:
    assert read_variant(model, "fp32") is model


def test_a_variant_of_the_model_is_read(model: ModelFile) -> None:
    path = put_variant(model)
    variant = read_variant(model, "fp16")
    assert (variant.path, variant.contract.name) == (path, "tiny fp16")


def test_a_missing_variant_names_the_command(model: ModelFile) -> None:
    with pytest.raises(BackendError, match=r"expression\.int8\.onnx is missing: run 'mien-train export variants"):
        read_variant(model, "int8")


def test_a_model_without_an_int8_file_uses_float16(model: ModelFile) -> None:
    config = GpuConfig(precision="int8")
    assert with_precision_of(model.path, config).precision == "fp16"
    variant_path(model.path, "int8").touch()
    assert with_precision_of(model.path, config) == config
    assert with_precision_of(model.path, GpuConfig(precision="fp32")).precision == "fp32"


@pytest.mark.parametrize("changes", [{"trained": "fp16 from another model"}, {"licence": "other"}])
def test_a_variant_of_another_model_is_refused(model: ModelFile, changes: dict[str, str]) -> None:
    put_variant(model, **changes)
    with pytest.raises(BackendError, match="was not made from"):
        read_variant(model, "fp16")


def test_a_damaged_variant_is_a_backend_error(model: ModelFile) -> None:
    path = put_variant(model)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BackendError, match="its contract names"):
        read_variant(model, "fp16")


@pytest.mark.parametrize("task", ["expression", "action_units"])
def test_released_models_have_a_float16_file_of_their_own(task: str) -> None:
    """If this fails, a model was released without 'mien-train export variants'."""
    assert read_variant(read_model(model_path(task)), "fp16").contract.task == task
