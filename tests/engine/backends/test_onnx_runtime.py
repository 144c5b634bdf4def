"""ONNX Runtime: correct values, and a one-line error for any content of the file."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from engine.backends.contract import contract_path
from engine.backends.model_file import read_model
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.errors import BackendError, ContractError, EngineError, ModelError

ModelMaker = Callable[..., Path]


def replace(model: Path, content: bytes) -> None:
    """Replace the content of a model, and update the hash in its contract."""
    model.write_bytes(content)
    path = contract_path(model)
    raw = json.loads(path.read_text())
    raw["sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(raw))


def open_path(model: Path, threads: int = 1) -> OnnxRuntimeBackend:
    return OnnxRuntimeBackend(read_model(model), threads)


def test_a_backend_names_itself_and_its_device(expression_model: ModelMaker) -> None:
    backend = open_path(expression_model())
    assert (backend.name, backend.device, backend.contract.task) == ("onnxruntime", "CPU", "expression")


def test_values_are_those_of_the_network(expression_model: ModelMaker) -> None:
    model = expression_model()
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(model).graph.initializer}
    random = np.random.default_rng(5)
    image = random.random((3, 1, 48, 48), dtype=np.float32)
    landmarks = random.random((3, 468, 2), dtype=np.float32)
    quadrants = image.reshape(3, 2, 24, 2, 24).mean((2, 4)).reshape(3, 4)
    expected = quadrants @ weights["weights"] + landmarks.mean(1) @ weights["places"] + weights["bias"]
    outputs = open_path(model).run({"image": image, "landmarks": landmarks})
    assert list(outputs) == ["logits"]
    assert outputs["logits"].dtype == np.float32
    np.testing.assert_allclose(outputs["logits"], expected.reshape(3, 5, 8), atol=1e-5)


def test_outputs_belong_to_the_caller(expression_model: ModelMaker) -> None:
    backend = open_path(expression_model())
    inputs = {"image": np.ones((1, 1, 48, 48), np.float32), "landmarks": np.ones((1, 468, 2), np.float32)}
    first = backend.run(inputs)["logits"]
    before = first.copy()
    backend.run({name: array * 2 for name, array in inputs.items()})
    np.testing.assert_array_equal(first, before)


def test_a_wrong_input_is_a_backend_error(expression_model: ModelMaker) -> None:
    backend = open_path(expression_model())
    with pytest.raises(BackendError, match="cannot run on onnxruntime") as caught:
        backend.run({"image": np.ones((1, 1, 40, 40), np.float32), "landmarks": np.ones((1, 468, 2), np.float32)})
    assert "\n" not in str(caught.value)


def test_closing_twice_is_allowed(expression_model: ModelMaker) -> None:
    backend = open_path(expression_model())
    backend.close()
    backend.close()


def test_the_session_uses_the_given_threads_and_does_not_spin(
    expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    seen = []
    session = onnxruntime.InferenceSession

    def record(content: bytes, options: onnxruntime.SessionOptions, **others: object) -> onnxruntime.InferenceSession:
        seen.append(options)
        return session(content, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", record)
    open_path(expression_model(), threads=2)
    assert seen[0].intra_op_num_threads == 2
    assert seen[0].get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_missing_package_is_named(expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match="onnxruntime cannot be imported .*: pip install onnxruntime"):
        open_path(expression_model())


@pytest.mark.parametrize("content", [b"", b"hello world\n" * 50, b"\x08\x08", bytes(range(256)) * 8])
def test_a_file_that_is_not_a_network_is_refused(
    expression_model: ModelMaker, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    model = expression_model()
    replace(model, content)
    with pytest.raises(ModelError, match=r"expression\.onnx is not loaded .*: export it again") as caught:
        open_path(model)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_network_with_other_inputs_than_its_contract_is_refused(
    expression_model: ModelMaker, action_unit_model: ModelMaker
) -> None:
    model = expression_model()
    replace(model, action_unit_model().read_bytes())
    with pytest.raises(ContractError, match="has the inputs image, noise, its contract names image, landmarks"):
        open_path(model)


def test_a_network_with_another_number_of_members_is_refused(expression_model: ModelMaker, tmp_path: Path) -> None:
    model = expression_model(members=5)
    replace(model, expression_model(members=4, folder=tmp_path / "other").read_bytes())
    with pytest.raises(ContractError, match=r"has output logits float32 \('N', 4, 8\)"):
        open_path(model)


def test_a_network_for_one_face_only_is_refused(expression_model: ModelMaker) -> None:
    model = expression_model()
    network = onnx.load(model)
    shape = next(tensor for tensor in network.graph.initializer if tensor.name == "shape")
    shape.CopyFrom(onnx.numpy_helper.from_array(np.array([1, 5, 8], np.int64), "shape"))
    network.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", 5, 8]))
    replace(model, network.SerializeToString())
    with pytest.raises(ModelError):
        open_path(model)


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_network_opens_or_raises_an_engine_error(expression_model: ModelMaker, data: st.DataObject) -> None:
    """Even if the contract has the hash of the damaged file."""
    model = expression_model()
    content = bytearray(model.read_bytes())
    if data.draw(st.booleans()):
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    replace(model, bytes(content))
    try:
        outcome = open_path(model).device
    except EngineError as error:
        outcome = str(error)
    assert "\n" not in outcome
