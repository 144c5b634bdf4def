"""OpenVINO: a missing package is reported, and an installed one writes nothing. test_parity.py checks its values."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from engine.backends.contract import contract_path
from engine.backends.model_file import model_path, read_model
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.backends.openvino_cpu import OpenVinoBackend
from engine.backends.parity import difference_beyond, random_inputs
from engine.errors import BackendError, ModelError

ModelMaker = Callable[..., Path]
needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs the package openvino")


def test_a_missing_package_is_named(expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match="openvino cannot be imported .*: pip install openvino, or leave it out"):
        OpenVinoBackend(read_model(expression_model()), threads=1)


@needs_openvino
def test_opening_writes_nothing_to_the_home_folder(expression_model: ModelMaker, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys; from pathlib import Path\n"
        "from engine.backends.registry import open_backend\n"
        "print(open_backend(Path(sys.argv[1]), ['openvino'], 1).device)"
    )
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    finished = subprocess.run(
        [sys.executable, "-c", code, str(expression_model())],
        cwd=Path(__file__).parents[3], env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert finished.stdout.strip() == "CPU"
    assert list(home.iterdir()) == []


@needs_openvino
def test_a_graph_with_a_missing_tensor_is_refused(expression_model: ModelMaker) -> None:
    model = expression_model()
    network = onnx.load(str(model))
    network.graph.node[0].input[0] = "absent"
    content = network.SerializeToString()
    model.write_bytes(content)
    path = contract_path(model)
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "sha256": hashlib.sha256(content).hexdigest()}))
    with pytest.raises(ModelError, match="cannot be loaded by openvino") as caught:
        OpenVinoBackend(read_model(model), threads=1)
    assert "\n" not in str(caught.value)


@needs_openvino
@pytest.mark.parametrize("count", [2, 3, 8, 9, 20])
def test_a_batch_of_any_size_is_split_or_filled_up(expression_model: ModelMaker, count: int) -> None:
    model = read_model(expression_model())
    backend = OpenVinoBackend(model, threads=1)
    inputs = random_inputs(model.contract, count)
    found = backend.run(inputs)["logits"]
    one_by_one = [backend.run({name: array[[n]] for name, array in inputs.items()})["logits"] for n in range(count)]
    np.testing.assert_allclose(found, np.concatenate(one_by_one), atol=1e-5)


@needs_openvino
@pytest.mark.parametrize("task", ["expression", "action_units"])
def test_released_models_are_nearly_the_same_in_bfloat16(task: str) -> None:
    model = read_model(model_path(task))
    try:
        backend = OpenVinoBackend(model, 1, "bf16")
    except BackendError as error:
        pytest.skip(str(error))
    assert (backend.name, backend.device) == ("openvino-bf16", "CPU")
    reference = OnnxRuntimeBackend(model, 1)
    assert difference_beyond(0.05, reference, backend, [random_inputs(model.contract, 3)]) is None


def test_bfloat16_is_refused_on_a_cpu_without_it(expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    class Core:
        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=Core))
    with pytest.raises(BackendError, match="this CPU has no bfloat16"):
        OpenVinoBackend(read_model(expression_model()), 1, "bf16")
