"""Which files of a model in other precisions are accepted."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.backends.contract import write_contract
from engine.backends.model_file import ModelFile, read_model
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


def test_fp32_is_the_model_itself(model: ModelFile, tmp_path: Path) -> None:
    assert read_variant(model, "fp32", tmp_path) is model


def test_a_variant_of_the_model_is_read(model: ModelFile, tmp_path: Path) -> None:
    path = put_variant(model)
    variant = read_variant(model, "fp16", tmp_path / "derived")
    assert (variant.path, variant.contract.name) == (path, "tiny fp16")


def test_a_missing_int8_file_names_the_command(model: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"expression\.int8\.onnx is missing: run 'mien-train export variants"):
        read_variant(model, "int8", tmp_path)


def test_a_model_without_an_int8_file_uses_float16(model: ModelFile) -> None:
    config = GpuConfig(precision="int8")
    assert with_precision_of(model.path, config).precision == "fp16"
    variant_path(model.path, "int8").touch()
    assert with_precision_of(model.path, config) == config
    assert with_precision_of(model.path, GpuConfig(precision="fp32")).precision == "fp32"


@pytest.mark.parametrize("changes", [{"trained": "fp16 from another model"}, {"licence": "other"}])
def test_a_variant_of_another_model_is_refused(model: ModelFile, tmp_path: Path, changes: dict[str, str]) -> None:
    put_variant(model, **changes)
    with pytest.raises(BackendError, match="was not made from"):
        read_variant(model, "fp16", tmp_path / "derived")


def test_a_damaged_variant_is_a_backend_error(model: ModelFile, tmp_path: Path) -> None:
    path = put_variant(model)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BackendError, match="its contract names"):
        read_variant(model, "fp16", tmp_path / "derived")


def test_float16_is_derived_once_and_keeps_its_parents_hash(model: ModelFile, tmp_path: Path) -> None:
    variant = read_variant(model, "fp16", tmp_path / "derived")
    assert variant.path == tmp_path / "derived" / f"expression-{model.contract.sha256[:16]}.fp16.onnx"
    assert variant.contract.trained.startswith(f"fp16 from {model.contract.sha256}; ")
    written = variant.path.stat().st_mtime_ns
    assert read_variant(model, "fp16", tmp_path / "derived").contract == variant.contract
    assert variant.path.stat().st_mtime_ns == written


@pytest.mark.parametrize("damaged", ["onnx", "json"])
def test_a_damaged_derived_file_is_made_again(model: ModelFile, tmp_path: Path, damaged: str) -> None:
    variant = read_variant(model, "fp16", tmp_path / "derived")
    variant.path.with_suffix(f".{damaged}").write_bytes(b"damaged")
    assert read_variant(model, "fp16", tmp_path / "derived").content == variant.content


def test_without_onnx_float16_names_the_extra(
    model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "engine.backends.half_precision", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BackendError, match=r"pip install 'mien\[gpu\]', or set gpu.precision to fp32"):
        read_variant(model, "fp16", tmp_path / "derived")


def test_a_folder_that_cannot_be_written_is_a_backend_error(model: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "derived").write_text("a file")
    with pytest.raises(BackendError, match="cannot be written .*set gpu.precision to fp32"):
        read_variant(model, "fp16", tmp_path / "derived")
