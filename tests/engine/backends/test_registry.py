"""Which backend is opened, and how refusals are reported."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.backends.contract import contract_path
from engine.backends.cuda import CudaError
from engine.backends.registry import BACKENDS, is_installed, open_backend
from engine.config import EngineConfig
from engine.errors import BackendError, ConfigError, ContractError, ModelError

ModelMaker = Callable[..., Path]


def test_the_first_backend_that_can_run_is_used(
    expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with caplog.at_level(logging.INFO, "engine.backends.registry"):
        backend = open_backend(expression_model(), ("openvino", "onnxruntime"), threads=1)
    assert backend.name == "onnxruntime"
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "backend openvino refused expression.onnx"
    ]
    assert "pip install openvino" in caplog.text


def test_every_refusal_is_reported(expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError) as caught:
        open_backend(expression_model(), ("openvino", "onnxruntime"), threads=1)
    message = str(caught.value)
    assert message.startswith("no backend of openvino, onnxruntime can run here: openvino cannot be imported")
    assert "; onnxruntime cannot be imported" in message
    assert "\n" not in message


@pytest.mark.parametrize("order", [("directml",), ("onnxruntime", "directml"), ()])
def test_an_unknown_name_lists_the_known_ones(expression_model: ModelMaker, order: tuple[str, ...]) -> None:
    with pytest.raises(BackendError, match="unknown backend .*: known are onnxruntime, openvino, openvino-bf16, "):
        open_backend(expression_model(), order, threads=1)


def test_zero_threads_are_refused(expression_model: ModelMaker) -> None:
    with pytest.raises(ConfigError, match="threads is 0"):
        open_backend(expression_model(), ("onnxruntime",), threads=0)


def test_a_model_that_no_backend_can_load_is_a_model_error(
    expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    model = expression_model()
    content = model.read_bytes()[:300]
    model.write_bytes(content)
    path = contract_path(model)
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "sha256": hashlib.sha256(content).hexdigest()}))
    with pytest.raises(ModelError, match="cannot be loaded by onnxruntime"):
        open_backend(model, ("onnxruntime", "openvino"), threads=1)


def test_an_unsuitable_contract_ends_the_search(expression_model: ModelMaker, caplog: pytest.LogCaptureFixture) -> None:
    model = expression_model()
    contract_path(model).unlink()
    with caplog.at_level(logging.INFO), pytest.raises(ContractError, match="never loaded without its contract"):
        open_backend(model, ("openvino", "onnxruntime"), threads=1)
    assert not caplog.records


def test_the_default_order_is_valid_and_ends_with_what_is_always_installed() -> None:
    order = EngineConfig().backends
    assert set(order) <= set(BACKENDS)
    assert order[-1] == "onnxruntime"


def test_a_machine_without_a_gpu_refuses_with_reasons_and_runs_on_the_cpu(
    expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("engine.backends.cuda._load", no_driver)
    order = ("tensorrt", "onnxruntime-cuda", "onnxruntime-tensorrt", "onnxruntime")
    with caplog.at_level(logging.INFO, "engine.backends.registry"):
        assert open_backend(expression_model(), order, threads=1).name == "onnxruntime"
    reasons = [record.getMessage() for record in caplog.records]
    assert len(reasons) == 3
    assert all("cannot run: an NVIDIA driver is needed" in reason for reason in reasons)


def no_driver() -> None:
    raise CudaError("an NVIDIA driver is needed, and libcuda.so.1 was not found")


def test_a_backend_is_installed_if_its_package_is_and_for_a_gpu_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.backends.registry.find_spec", lambda name: object() if name == "onnxruntime" else None)
    monkeypatch.setattr("engine.backends.cuda._load", lambda: None)
    assert [name for name in BACKENDS if is_installed(name)] == [
        "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt",
    ]  # fmt: skip
    monkeypatch.setattr("engine.backends.cuda._load", no_driver)
    assert [name for name in BACKENDS if is_installed(name)] == ["onnxruntime"]


def test_a_package_is_imported_only_when_its_backend_is_chosen(expression_model: ModelMaker) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "import engine.expression, engine.action_units\n"
        "from engine.backends.registry import open_backend\n"
        "heavy = {'onnxruntime', 'openvino', 'tensorrt', 'torch', 'onnx', 'ai_edge_litert'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "open_backend(Path(sys.argv[1]), ['onnxruntime'], 1)\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, str(expression_model())],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert finished.stdout.splitlines() == ["[]", "['onnxruntime']"]
