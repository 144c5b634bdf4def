"""ONNX Runtime with bound buffers: on the CPU's provider for the numbers, and every refusal of a GPU provider."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from engine.action_units import ActionUnitEstimator
from engine.backends.model_file import read_model
from engine.backends.onnx_runtime_gpu import OnnxRuntimeGpuBackend, Target, open_onnxruntime_gpu
from engine.backends.registry import open_backend
from engine.config import GpuConfig
from engine.errors import BackendError
from engine.types import AlignedFace, Float32
from tests.fakes.gpu import FakeGpu

ModelMaker = Callable[..., Path]
FaceMaker = Callable[..., AlignedFace]
#: The CPU in the place of a GPU: the same session, bindings and buffers.
ON_CPU = Target("onnxruntime-cuda", "CPUExecutionProvider", {}, "", "CPU", "cpu")
FP32 = GpuConfig(precision="fp32")


def inputs(faces: int, seed: int = 0) -> dict[str, Float32]:
    random = np.random.default_rng(seed)
    return {
        "image": random.random((faces, 1, 48, 48), dtype=np.float32),
        "landmarks": random.random((faces, 468, 2), dtype=np.float32),
    }


def test_bound_runs_have_the_numbers_of_unbound_ones(expression_model: ModelMaker) -> None:
    backend = OnnxRuntimeGpuBackend(read_model(expression_model()), ON_CPU, graphs=True)
    reference = open_backend(expression_model(), ("onnxruntime",), 1)
    for seed, faces in enumerate((1, 3, 1, 8, 3)):
        np.testing.assert_array_equal(
            backend.run(inputs(faces, seed))["logits"], reference.run(inputs(faces, seed))["logits"]
        )
    assert (backend.name, backend.device) == ("onnxruntime-cuda", "CPU")
    backend.close()


def test_all_outputs_of_action_units_are_bound(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    backend = OnnxRuntimeGpuBackend(read_model(action_unit_model()), ON_CPU, graphs=True)
    batch = [face(seed=seed) for seed in range(3)]
    reference = ActionUnitEstimator(open_backend(action_unit_model(), ("onnxruntime",), 1)).estimate(batch)
    for one, two in zip(ActionUnitEstimator(backend).estimate(batch), reference, strict=True):
        for name in ("occurrence", "occurrence_std", "mask_mean", "mask_std", "adjacency"):
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-6, err_msg=name)


def test_outputs_belong_to_the_caller(expression_model: ModelMaker) -> None:
    backend = OnnxRuntimeGpuBackend(read_model(expression_model()), ON_CPU, graphs=True)
    first = backend.run(inputs(1))["logits"]
    before = first.copy()
    backend.run(inputs(1, seed=1))
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("shape", [(1, 1, 40, 40), (2,)])
def test_a_wrong_input_is_a_backend_error(expression_model: ModelMaker, shape: tuple[int, ...]) -> None:
    backend = OnnxRuntimeGpuBackend(read_model(expression_model()), ON_CPU, graphs=True)
    with pytest.raises(BackendError, match="cannot run on onnxruntime-cuda") as caught:
        backend.run(inputs(1) | {"image": np.ones(shape, np.float32)})
    assert "\n" not in str(caught.value)
    with pytest.raises(BackendError, match="cannot run on onnxruntime-cuda"):
        backend.run({"image": inputs(1)["image"]})


@pytest.mark.parametrize("backend", ["onnxruntime-cuda", "onnxruntime-tensorrt"])
def test_a_machine_without_a_driver_is_refused_before_anything_is_loaded(
    expression_model: ModelMaker, gpu: FakeGpu, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu.count = 0
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match=f"{backend} cannot run: .*the driver reports none"):
        open_onnxruntime_gpu(backend, read_model(expression_model()), FP32)


@pytest.mark.parametrize(
    ("backend", "provider"),
    [("onnxruntime-cuda", "CUDAExecutionProvider"), ("onnxruntime-tensorrt", "TensorrtExecutionProvider")],
)
def test_the_package_for_the_cpu_is_refused(
    expression_model: ModelMaker, gpu: FakeGpu, backend: str, provider: str
) -> None:
    if provider in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed")
    with pytest.raises(BackendError, match=f"{backend} cannot run: .* has no {provider}; replace it"):
        open_onnxruntime_gpu(backend, read_model(expression_model()), FP32)


class FakeSessions:
    """onnxruntime.InferenceSession with a GPU provider: records the options and runs on the CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, chosen: str = "", graph_error: str = "") -> None:
        self.options: list[dict[str, str]] = []
        create = onnxruntime.InferenceSession

        def session(content: bytes, options: Any, providers: list[tuple[str, dict[str, str]]], **others: Any) -> Any:
            ((provider, given),) = providers
            self.options.append(given)
            if graph_error and any("graph" in name for name in given):
                raise RuntimeError(graph_error)
            made = create(content, options, providers=["CPUExecutionProvider"], **others)
            made.get_providers = lambda: [chosen or provider, "CPUExecutionProvider"]
            return made

        monkeypatch.setattr(onnxruntime, "InferenceSession", session)
        monkeypatch.setattr(
            onnxruntime, "get_available_providers", lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
        )
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: sys.stdout.write("Failed to load\n"), raising=False)
        allocate = onnxruntime.OrtValue.ortvalue_from_shape_and_type

        def on_cpu(shape: list[int], kind: Any, memory: str, device: int) -> Any:
            assert (memory, device) == ("cuda", 0)
            return allocate(shape, kind, "cpu", 0)

        monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", staticmethod(on_cpu))


def test_cuda_runs_with_graphs(
    expression_model: ModelMaker, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = FakeSessions(monkeypatch)
    backend = open_onnxruntime_gpu("onnxruntime-cuda", read_model(expression_model()), FP32)
    assert sessions.options == [{"device_id": "0", "use_tf32": "0", "enable_cuda_graph": "1"}]
    assert (backend.name, backend.device) == ("onnxruntime-cuda", "Fake GPU, fp32")
    assert backend.run(inputs(4))["logits"].shape == (4, 5, 8)
    assert capsys.readouterr() == ("", "")


def test_a_network_that_allows_no_graph_runs_without(
    expression_model: ModelMaker, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = FakeSessions(monkeypatch, graph_error="the model has control flow nodes")
    open_onnxruntime_gpu("onnxruntime-cuda", read_model(expression_model()), FP32)
    assert ["enable_cuda_graph" in options for options in sessions.options] == [True, False]


def test_the_tensorrt_provider_gets_profiles_and_a_cache_per_model(
    expression_model: ModelMaker, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = FakeSessions(monkeypatch)
    model = read_model(expression_model())
    open_onnxruntime_gpu("onnxruntime-tensorrt", model, FP32)
    (options,) = sessions.options
    assert options["trt_profile_min_shapes"] == "image:1x1x48x48,landmarks:1x468x2"
    assert options["trt_profile_opt_shapes"] == "image:4x1x48x48,landmarks:4x468x2"
    assert options["trt_profile_max_shapes"] == "image:8x1x48x48,landmarks:8x468x2"
    assert model.contract.sha256[:16] in options["trt_engine_cache_path"]
    assert options["trt_cuda_graph_enable"] == "1"


def test_a_silent_fall_back_to_the_cpu_is_refused(
    expression_model: ModelMaker, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeSessions(monkeypatch, chosen="CPUExecutionProvider")
    with pytest.raises(BackendError, match="chose CPUExecutionProvider, as libraries of CUDAExecutionProvider"):
        open_onnxruntime_gpu("onnxruntime-cuda", read_model(expression_model()), FP32)


def test_a_session_that_cannot_be_opened_is_a_backend_error(
    expression_model: ModelMaker, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeSessions(monkeypatch, graph_error="CUDA failure 2: out of memory")

    def fail(*arguments: Any, **others: Any) -> Any:
        raise RuntimeError("CUDA failure 2: out of memory\nat cuda_call.cc")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(BackendError, match=r"cannot be loaded by onnxruntime-cuda \(CUDA failure 2: out of memory\)"):
        open_onnxruntime_gpu("onnxruntime-cuda", read_model(expression_model()), FP32)
