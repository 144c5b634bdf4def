"""Plans run on a fake GPU: the numbers of ONNX Runtime, whole batches, graphs, and every way to fail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from engine.action_units import ActionUnitEstimator
from engine.backends.cuda import CudaDevice
from engine.backends.model_file import ModelFile, read_model
from engine.backends.plans import PlanStore
from engine.backends.registry import open_backend
from engine.backends.switching import PendingError
from engine.backends.tensorrt import TensorRtBackend
from engine.backends.tensorrt_build import build_plan, open_package
from engine.backends.tensorrt_engines import build_missing, open_tensorrt
from engine.config import GpuConfig
from engine.errors import BackendError, ContractError
from engine.expression import ExpressionEstimator
from engine.types import AlignedFace
from tests.fakes.gpu import LAUNCH_FAILED, FakeGpu
from tests.fakes.tensorrt_module import BuilderFlag, FakeTensorRt

ModelMaker = Callable[..., Path]
FaceMaker = Callable[..., AlignedFace]
FP32 = GpuConfig(precision="fp32")


@pytest.fixture
def store(tmp_path: Path) -> PlanStore:
    return PlanStore(tmp_path / "engines")


def open_built(path: Path, store: PlanStore, config: GpuConfig = FP32) -> TensorRtBackend:
    """Build a plan and open it."""
    model = read_model(path)
    build_missing(model, config, store)
    opened = open_tensorrt(model, 1, config, store)
    assert isinstance(opened, TensorRtBackend)
    return opened


def inputs(faces: int, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "image": random.random((faces, 1, 48, 48), dtype=np.float32),
        "landmarks": random.random((faces, 468, 2), dtype=np.float32),
    }


@pytest.mark.parametrize("version", ["10.3.0", "11.4.0.106"])
@pytest.mark.parametrize("faces", [1, 2, 5, 8, 9, 20])
def test_expressions_are_those_of_onnx_runtime(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, face: FaceMaker, faces: int, version: str
) -> None:
    trt.__version__ = version
    backend = open_built(expression_model(), store)
    batch = [face(seed=seed) for seed in range(faces)]
    reference = ExpressionEstimator(open_backend(expression_model(), ("onnxruntime",), 1)).estimate(batch)
    for _ in range(3):  # without a graph, or from one
        for one, two in zip(ExpressionEstimator(backend).estimate(batch), reference, strict=True):
            np.testing.assert_allclose(one.members, two.members, atol=1e-6)
    backend.close()


@pytest.mark.parametrize("faces", [1, 3, 11])
def test_action_units_are_those_of_onnx_runtime(
    trt: FakeTensorRt, store: PlanStore, action_unit_model: ModelMaker, face: FaceMaker, faces: int
) -> None:
    backend = open_built(action_unit_model(), store)
    batch = [face(seed=seed) for seed in range(faces)]
    reference = ActionUnitEstimator(open_backend(action_unit_model(), ("onnxruntime",), 1)).estimate(batch)
    for one, two in zip(ActionUnitEstimator(backend).estimate(batch), reference, strict=True):
        for name in ("occurrence", "occurrence_std", "mask_mean", "mask_std", "adjacency"):
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-6, err_msg=name)
    backend.close()


def test_a_backend_names_its_device(trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker) -> None:
    backend = open_built(expression_model(), store)
    assert (backend.name, backend.device, backend.contract.task) == ("tensorrt", "Fake GPU, fp32", "expression")


def test_outputs_belong_to_the_caller(trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker) -> None:
    backend = open_built(expression_model(), store)
    first = backend.run(inputs(1))["logits"]
    before = first.copy()
    backend.run(inputs(1, seed=1))
    np.testing.assert_array_equal(first, before)


def test_each_number_of_faces_is_one_launch_from_the_first_frame_on(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    backend = open_built(expression_model(), store)
    before = gpu.launches
    for faces in range(1, 9):
        backend.run(inputs(faces))
    assert gpu.launches == before + 8
    backend.run(inputs(17))  # 8 + 8 + 1
    assert gpu.launches == before + 11


def test_graphs_can_be_turned_off(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    backend = open_built(expression_model(), store, GpuConfig(precision="fp32", cuda_graphs=False))
    backend.run(inputs(3))
    assert (gpu.launches, gpu.graphs) == (0, {})


def test_a_network_that_cannot_be_captured_runs_without_graphs(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.allow_capture = False
    backend = open_built(expression_model(), store)
    expected = open_backend(expression_model(), ("onnxruntime",), 1).run(inputs(2))["logits"]
    np.testing.assert_allclose(backend.run(inputs(2))["logits"], expected, atol=1e-6)
    assert {record.getMessage() for record in caplog.records} == {
        "expression.onnx runs without CUDA graphs: operation not permitted when stream is capturing"
    }
    assert gpu.launches == 0


def test_closing_frees_the_gpu(gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker) -> None:
    backend = open_built(expression_model(), store)
    assert gpu.used_bytes > 0
    backend.close()
    backend.close()
    assert (gpu.used_bytes, gpu.contexts, gpu.graphs, gpu.streams) == (0, 0, {}, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": np.ones((1, 1, 40, 40), np.float32)},
        {"image": np.ones((1, 1, 48, 48), np.float64)},
        {"image": np.ones((2, 1, 48, 48), np.float32)},
        {"image": np.ones((0, 1, 48, 48), np.float32), "landmarks": np.ones((0, 468, 2), np.float32)},
        {"other": np.ones((1, 1), np.float32)},
    ],
)
def test_a_wrong_input_is_a_backend_error(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, wrong: dict[str, np.ndarray]
) -> None:
    backend = open_built(expression_model(), store)
    with pytest.raises(BackendError, match="cannot run on tensorrt"):
        backend.run(inputs(1) | wrong)
    assert backend.run(inputs(1))["logits"].shape == (1, 5, 8)


def test_an_error_of_the_gpu_is_a_backend_error(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    backend = open_built(expression_model(), store)
    gpu.synchronize_status = LAUNCH_FAILED
    with pytest.raises(BackendError, match=r"cuStreamSynchronize returned error 719.*use onnxruntime"):
        backend.run(inputs(1))
    backend.close()


def test_no_plan_refuses_and_names_the_command(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    with pytest.raises(BackendError, match="no fp32 engine for Fake GPU and TensorRT.*run 'mien engines build'"):
        open_tensorrt(read_model(expression_model()), 1, FP32, store)


@pytest.mark.parametrize("change", ["version", "gpu", "capability", "model", "faces", "workspace"])
def test_a_plan_of_other_circumstances_is_not_used(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, change: str
) -> None:
    path, config = expression_model(), FP32
    build_missing(read_model(path), config, store)
    if change == "version":
        trt.__version__ = "10.16.2"
    elif change == "gpu":
        gpu.name = "Other GPU"
    elif change == "capability":
        gpu.capability = (9, 0)
    elif change == "model":
        path = expression_model(members=4)
    elif change == "faces":
        config = GpuConfig(precision="fp32", max_faces=4)
    else:
        config = GpuConfig(precision="fp32", workspace_mb=512)
    with pytest.raises(BackendError, match="run 'mien engines build'"):
        open_tensorrt(read_model(path), 1, config, store)


def test_a_plan_that_tensorrt_refuses_is_deleted(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker
) -> None:
    model = read_model(expression_model())
    build_missing(model, FP32, store)
    trt.refuse_plans = True
    with pytest.raises(BackendError, match="cannot read its engine .*version mismatch"):
        open_tensorrt(model, 1, FP32, store)
    assert store.stored() == []
    assert (gpu.used_bytes, gpu.contexts) == (0, 0)


def test_a_missing_plan_is_pending_in_the_background(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, ...]] = []

    class Build:
        def __init__(self, *arguments: object) -> None:
            started.append(arguments)

    monkeypatch.setattr("engine.backends.tensorrt_engines.PlanBuild", Build)
    config = GpuConfig(precision="fp32", build="background")
    path = expression_model()
    with pytest.raises(PendingError, match="building it"):
        open_tensorrt(read_model(path), 1, config, store)
    assert started[0][:3] == (path, config, store)


@pytest.mark.parametrize("spare", [0, 10_000, 200_000])
def test_a_gpu_with_too_little_memory_refuses_and_keeps_nothing(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, spare: int
) -> None:
    model = read_model(expression_model())
    build_missing(model, FP32, store)
    gpu.memory_bytes = spare
    with pytest.raises(BackendError, match=r"OutOfMemory|CUDA_ERROR_OUT_OF_MEMORY"):
        open_tensorrt(model, 1, FP32, store)
    assert (gpu.used_bytes, gpu.contexts) == (0, 0)
    assert len(store.stored()) == 1  # the plan is not to blame


def test_a_plan_with_other_tensors_than_the_contract_is_a_contract_error(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, action_unit_model: ModelMaker
) -> None:
    expression, units = read_model(expression_model()), read_model(action_unit_model())
    swapped = ModelFile(expression.path, expression.contract, units.content)
    package = open_package(0)
    device = CudaDevice(package.driver)
    plan, _ = build_plan(trt, swapped, FP32, b"")
    device.close()
    with pytest.raises(ContractError, match="has the inputs image, noise"):
        TensorRtBackend(package, expression, plan, FP32)


def test_tensorrt_is_not_imported_without_a_gpu(
    gpu: FakeGpu, store: PlanStore, expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Guard:
        def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            assert name != "tensorrt", "tensorrt was imported although there is no GPU"
            return None

    gpu.count = 0
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Guard(), *sys.meta_path])
    with pytest.raises(BackendError, match="tensorrt cannot run: .*the driver reports none"):
        open_tensorrt(read_model(expression_model()), 1, FP32, store)


def test_a_missing_package_is_reported(
    gpu: FakeGpu, store: PlanStore, expression_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendError, match="tensorrt cannot be imported.*JetPack"):
        open_tensorrt(read_model(expression_model()), 1, FP32, store)


@pytest.mark.parametrize("version", ["8.6.1", "9.3.0", "12.0.0"])
def test_other_versions_are_refused(
    trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, version: str
) -> None:
    trt.__version__ = version
    with pytest.raises(BackendError, match=f"tensorrt {version} is not supported"):
        open_tensorrt(read_model(expression_model()), 1, FP32, store)


def test_only_fp32_turns_tf32_off(trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker) -> None:
    build_missing(read_model(expression_model()), FP32, store)
    assert BuilderFlag.TF32 not in trt.built[0].flags
