"""The files of a model in other precisions: ``expression.fp16.onnx`` beside ``expression.onnx``.

They are written by ``mien-train export`` with contracts of their own. TensorRT 11 takes the precision of every layer
from the file (strongly typed networks), so a precision is a file, and not an option of the runtime.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from engine.backends.model_file import ModelFile, read_model
from engine.config import GpuConfig, Precision
from engine.errors import BackendError, ModelError


def variant_path(model: Path, precision: Precision) -> Path:
    """Path of a model's file in a precision; fp32 is the model itself.

    >>> variant_path(Path("expression.onnx"), "fp16").name
    'expression.fp16.onnx'
    """
    return model if precision == "fp32" else model.with_suffix(f".{precision}{model.suffix}")


def with_precision_of(model: Path, config: GpuConfig) -> GpuConfig:
    """The settings for a model: fp16 instead of int8 for one that has no int8 file, as action units have none."""
    if config.precision == "int8" and not variant_path(model, "int8").is_file():
        return dataclasses.replace(config, precision="fp16")
    return config


def read_variant(model: ModelFile, precision: Precision) -> ModelFile:
    """Read and check a model's file in a precision.

    Raises:
        BackendError: the model has no file in this precision, or one that was made from another model, whose contract
            differs in more than name, hash and origin, or that is damaged. Other backends can still run the model.
    """
    if precision == "fp32":
        return model
    path = variant_path(model.path, precision)
    if not path.is_file():
        raise BackendError(
            f"{path} is missing: run 'mien-train export variants {model.path}', or set gpu.precision to fp32"
        )
    try:
        variant = read_model(path)
    except ModelError as error:
        raise BackendError(str(error)) from None
    own = variant.contract
    expected = dataclasses.replace(model.contract, name=own.name, sha256=own.sha256, trained=own.trained)
    if own != expected or model.contract.sha256 not in own.trained:
        raise BackendError(f"{path} was not made from {model.path}: run 'mien-train export variants {model.path}'")
    return variant
