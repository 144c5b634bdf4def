"""The files of a model in other precisions, such as ``expression.fp16.onnx`` beside ``expression.onnx``.

TensorRT 11 takes the precision of every layer from the file (strongly typed networks), so a precision is a file with a
contract of its own, and not an option of the runtime. ``mien-train export variants`` writes such files beside the
model. A float16 file that is not there is derived from the model when a GPU first needs it, and kept with the engines.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Final

from engine.backends.model_file import ModelFile, read_model
from engine.config import GpuConfig, Precision
from engine.errors import BackendError, ModelError

_log = logging.getLogger(__name__)
#: Of the model's hash, in the name of a derived file.
_DIGEST_CHARACTERS: Final = 16


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


def read_variant(model: ModelFile, precision: Precision, derived: Path) -> ModelFile:
    """Read and check a model's file in a precision; a float16 file is derived if there is none.

    Args:
        model: the float32 file.
        precision: fp32 returns ``model`` itself.
        derived: folder of the files derived here.

    Raises:
        BackendError: the model has no int8 file, its float16 file cannot be derived, or the file beside it was made
            from another model, differs in its contract in more than name, hash and origin, or is damaged. Other
            backends can still run the model.
    """
    if precision == "fp32":
        return model
    path = variant_path(model.path, precision)
    if path.is_file():
        return _read(path, model)
    if precision == "fp16":
        return _derived(model, derived)
    raise BackendError(
        f"{path} is missing: run 'mien-train export variants {model.path}', or set gpu.precision to fp16 or fp32"
    )


def _derived(model: ModelFile, folder: Path) -> ModelFile:
    path = folder / f"{model.contract.task}-{model.contract.sha256[:_DIGEST_CHARACTERS]}.fp16.onnx"
    try:
        return _read(path, model)
    except BackendError as error:
        _log.debug("%s", error)  # missing or damaged: it is made again
    try:
        from engine.backends.half_precision import derive_half
    except ImportError as error:
        raise BackendError(
            f"float16 needs the package onnx ({error}): pip install 'mien[gpu]', or set gpu.precision to fp32"
        ) from None
    _log.info("deriving %s from %s", path.name, model.path)
    try:
        derive_half(model, path)
    except OSError as error:
        raise BackendError(f"{path} cannot be written ({error.strerror}): set gpu.precision to fp32") from None
    return _read(path, model)


def _read(path: Path, model: ModelFile) -> ModelFile:
    try:
        variant = read_model(path)
    except ModelError as error:
        raise BackendError(str(error)) from None
    own = variant.contract
    expected = dataclasses.replace(model.contract, name=own.name, sha256=own.sha256, trained=own.trained)
    if own != expected or model.contract.sha256 not in own.trained:
        raise BackendError(f"{path} was not made from {model.path}: run 'mien-train export variants {model.path}'")
    return variant
