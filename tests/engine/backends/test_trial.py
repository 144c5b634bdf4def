"""Models of unknown origin run first in a process with limits."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from engine.backends.contract import contract_path, input_shapes
from engine.backends.model_file import read_model
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.backends.registry import open_backend
from engine.backends.trial import open_with_limits, try_model
from engine.errors import ModelError
from engine.types import Float32

ModelMaker = Callable[..., Path]

pytestmark = pytest.mark.tries_models


def with_nodes(path: Path, nodes: Sequence[onnx.NodeProto], tensors: Sequence[onnx.TensorProto]) -> Path:
    """Put nodes between the logits and the output ``logits``; they read ``before``."""
    model = onnx.load(path)
    model.graph.node[-1].output[0] = "before"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors)
    content = model.SerializeToString()
    path.write_bytes(content)
    contract = contract_path(path)
    raw = json.loads(contract.read_text())
    contract.write_text(json.dumps(raw | {"sha256": hashlib.sha256(content).hexdigest()}))
    return path


def hungry(path: Path) -> Path:
    """A model that computes a shape of 2^34 values, which no look at the file shows."""
    half = numpy_helper.from_array(np.array([2**12, 2**12], np.int64), "half")
    rest = numpy_helper.from_array(np.array([2**5, 2**5], np.int64), "rest")
    nodes = [
        helper.make_node("Mul", ["half", "rest"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["all"]),
        helper.make_node("ReduceMax", ["all"], ["zero"], keepdims=0),
        helper.make_node("Add", ["before", "zero"], ["logits"]),
    ]
    return with_nodes(path, nodes, [half, rest])


def test_a_sound_model_of_others_is_opened(expression_model: ModelMaker) -> None:
    backend = open_backend(expression_model(), ("onnxruntime",), 1)
    assert backend.name == "onnxruntime"
    backend.close()


def test_a_model_is_tried_with_the_faces_of_a_group_of_frames(
    action_unit_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, runs, run = read_model(action_unit_model()), list[dict[str, tuple[int, ...]]](), OnnxRuntimeBackend.run

    def noted(self: OnnxRuntimeBackend, inputs: dict[str, Float32]) -> dict[str, Float32]:
        runs.append({name: values.shape for name, values in inputs.items()})
        return run(self, inputs)

    monkeypatch.setattr(OnnxRuntimeBackend, "run", noted)
    open_with_limits(model, 0, 20.0)
    assert runs[-1] == input_shapes(model.contract, 8 * 8)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the memory of one process")
def test_a_model_that_needs_too_much_memory_is_refused(expression_model: ModelMaker) -> None:
    with pytest.raises(ModelError, match=r"expression\.onnx"):
        try_model(read_model(hungry(expression_model())))


def test_a_model_that_takes_too_long_is_refused(expression_model: ModelMaker) -> None:
    with pytest.raises(ModelError, match=r"did not load and run within 0\.05 s: use a model from a release"):
        try_model(read_model(expression_model()), time_limit_s=0.05)


@pytest.mark.skipif(not hasattr(signal, "SIGXCPU"), reason="this system does not limit processor time")
def test_a_model_whose_processor_time_is_used_up_is_refused(
    expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.CompletedProcess((), -signal.SIGXCPU, b"", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(ModelError, match=r"did not load and run within 20 s"):
        try_model(read_model(expression_model()))


def test_a_model_that_cannot_run_is_refused_with_the_reason(expression_model: ModelMaker) -> None:
    path = with_nodes(expression_model(), [helper.make_node("MatMul", ["before", "before"], ["logits"])], [])
    with pytest.raises(ModelError, match="cannot (run|be loaded)"):
        try_model(read_model(path))


def test_modules_of_the_current_folder_are_not_run(
    expression_model: ModelMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's folder may hold a numpy.py."""
    (tmp_path / "numpy.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    try_model(read_model(expression_model()))
    assert not (tmp_path / "was_run").exists()
