"""A network that changes its runtime between two frames."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import InferenceBackend
from engine.backends.model_file import read_model
from engine.backends.plans import PlanStore
from engine.backends.registry import open_backend
from engine.backends.switching import SwitchingBackend
from engine.backends.tensorrt import TensorRtBackend
from engine.backends.tensorrt_engines import build_missing
from engine.config import GpuConfig
from engine.errors import BackendError
from engine.types import Float32
from tests.fakes.gpu import LAUNCH_FAILED, FakeGpu
from tests.fakes.tensorrt_module import FakeTensorRt

ModelMaker = Callable[..., Path]
LIVE = GpuConfig(precision="fp32", build="background")


class FakeBackend:
    device = "CPU"

    def __init__(self, name: str, error: str = "") -> None:
        self.name, self.error, self.runs, self.closed = name, error, 0, False

    @property
    def contract(self) -> str:
        return f"contract of {self.name}"

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        assert not self.closed
        if self.error:
            raise BackendError(self.error)
        self.runs += 1
        return {"logits": np.zeros(1, np.float32)}

    def close(self) -> None:
        self.closed = True


class FakePending:
    def __init__(self, result: FakeBackend | BackendError) -> None:
        self.result, self.is_ready, self.closed = result, False, False

    def ready(self) -> bool:
        assert not self.closed
        return self.is_ready

    def open(self) -> InferenceBackend:
        if isinstance(self.result, BackendError):
            raise self.result
        return self.result  # type: ignore[return-value]

    def close(self) -> None:
        self.closed = True


def test_the_first_backend_runs_until_the_pending_one_is_ready() -> None:
    first, better = FakeBackend("first"), FakeBackend("better")
    pending = FakePending(better)
    backend = SwitchingBackend(first, lambda: FakeBackend("spare"), pending)  # type: ignore[arg-type,return-value]
    backend.run({})
    assert (backend.name, first.runs) == ("first", 1)
    pending.is_ready = True
    backend.run({})
    assert (backend.name, backend.contract, first.runs, better.runs) == ("better", "contract of better", 1, 1)
    assert first.closed
    assert pending.closed
    backend.close()
    assert better.closed


def test_a_failed_preparation_is_logged_once_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    first, pending = FakeBackend("first"), FakePending(BackendError("out of memory"))
    backend = SwitchingBackend(first, lambda: FakeBackend("spare"), pending)  # type: ignore[arg-type,return-value]
    pending.is_ready = True
    for _ in range(3):
        backend.run({})
    assert first.runs == 3
    assert [record.getMessage() for record in caplog.records] == ["first keeps running: out of memory"]
    assert pending.closed


def test_closing_ends_the_preparation() -> None:
    first, pending = FakeBackend("first"), FakePending(BackendError("never"))
    backend = SwitchingBackend(first, lambda: FakeBackend("spare"), pending)  # type: ignore[arg-type,return-value]
    backend.close()
    backend.close()
    assert pending.closed
    assert first.closed


def test_a_gpu_that_fails_is_replaced_within_the_frame(caplog: pytest.LogCaptureFixture) -> None:
    gpu, spare = FakeBackend("gpu"), FakeBackend("spare")
    backend = SwitchingBackend(gpu, lambda: spare)  # type: ignore[arg-type,return-value]
    backend.run({})
    gpu.error = "launch failed"
    assert "logits" in backend.run({})
    assert (backend.name, gpu.closed, spare.runs) == ("spare", True, 1)
    assert "gpu failed and spare runs instead: launch failed" in caplog.text


def test_an_error_of_the_spare_is_raised() -> None:
    gpu, spare = FakeBackend("gpu", "launch failed"), FakeBackend("spare", "wrong input")
    backend = SwitchingBackend(gpu, lambda: spare)  # type: ignore[arg-type,return-value]
    for _ in range(2):
        with pytest.raises(BackendError, match="wrong input"):
            backend.run({})


def test_an_error_of_the_first_backend_is_raised_while_another_is_pending() -> None:
    first = FakeBackend("first", "wrong input")
    spare = FakeBackend("spare")
    backend = SwitchingBackend(first, lambda: spare, FakePending(BackendError("never")))  # type: ignore[arg-type,return-value]
    with pytest.raises(BackendError, match="wrong input"):
        backend.run({})
    assert spare.runs == 0


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanStore:
    """The user's store, in a folder of the test."""
    monkeypatch.setattr("engine.backends.plans.cache_folder", lambda: tmp_path)
    return PlanStore()


class FakeBuild(FakePending):
    """A build that the test ends."""

    latest: FakeBuild

    def __init__(self, model: Path, config: GpuConfig, store: PlanStore, open_plan: Callable[[], FakeBackend]) -> None:
        super().__init__(BackendError("not built"))
        self.open_plan = open_plan
        FakeBuild.latest = self

    def open(self) -> InferenceBackend:
        return self.open_plan()  # type: ignore[return-value]


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> type[FakeBuild]:
    monkeypatch.setattr("engine.backends.tensorrt_engines.PlanBuild", FakeBuild)
    return FakeBuild


def inputs(faces: int) -> dict[str, Float32]:
    random = np.random.default_rng(faces)
    return {
        "image": random.random((faces, 1, 48, 48), dtype=np.float32),
        "landmarks": random.random((faces, 468, 2), dtype=np.float32),
    }


def test_a_network_moves_to_tensorrt_when_its_engine_is_built(
    trt: FakeTensorRt, store: PlanStore, builds: type[FakeBuild], expression_model: ModelMaker
) -> None:
    path = expression_model()
    backend = open_backend(path, ("tensorrt", "onnxruntime"), 1, LIVE)
    before = backend.run(inputs(2))["logits"]
    assert backend.name == "onnxruntime"
    build_missing(read_model(path), LIVE, store)
    assert backend.run(inputs(2))["logits"] is not None
    assert backend.name == "onnxruntime"  # the child has not ended
    builds.latest.is_ready = True
    after = backend.run(inputs(2))["logits"]
    assert (backend.name, backend.device) == ("tensorrt", "Fake GPU, fp32")
    np.testing.assert_allclose(after, before, atol=1e-6)
    backend.close()


def test_a_build_that_fails_while_running_keeps_the_runtime(
    trt: FakeTensorRt, store: PlanStore, builds: type[FakeBuild], expression_model: ModelMaker
) -> None:
    backend = open_backend(expression_model(), ("tensorrt", "onnxruntime"), 1, LIVE)
    builds.latest.is_ready = True  # but there is no plan
    backend.run(inputs(1))
    assert backend.name == "onnxruntime"
    backend.close()


def test_too_little_memory_at_the_swap_keeps_the_runtime(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, builds: type[FakeBuild], expression_model: ModelMaker
) -> None:
    path = expression_model()
    backend = open_backend(path, ("tensorrt", "onnxruntime"), 1, LIVE)
    build_missing(read_model(path), LIVE, store)
    builds.latest.is_ready, gpu.memory_bytes = True, 10_000
    backend.run(inputs(1))
    assert (backend.name, gpu.used_bytes) == ("onnxruntime", 0)
    backend.close()


def test_a_gpu_that_fails_after_the_swap_returns_to_the_runtime(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, builds: type[FakeBuild], expression_model: ModelMaker
) -> None:
    path = expression_model()
    backend = open_backend(path, ("tensorrt", "onnxruntime"), 1, LIVE)
    build_missing(read_model(path), LIVE, store)
    builds.latest.is_ready = True
    before = backend.run(inputs(3))["logits"]
    gpu.synchronize_status = LAUNCH_FAILED
    np.testing.assert_allclose(backend.run(inputs(3))["logits"], before, atol=1e-6)
    assert (backend.name, gpu.used_bytes) == ("onnxruntime", 0)
    backend.close()


def test_without_another_runtime_the_build_is_waited_for(
    trt: FakeTensorRt, store: PlanStore, builds: type[FakeBuild], expression_model: ModelMaker
) -> None:
    path = expression_model()
    opened = open_backend
    original = builds.open

    def build_now(self: FakeBuild) -> InferenceBackend:
        build_missing(read_model(path), LIVE, store)
        return original(self)

    builds.open = build_now  # type: ignore[method-assign]
    try:
        backend = opened(path, ("tensorrt",), 1, LIVE)
    finally:
        builds.open = original  # type: ignore[method-assign]
    assert isinstance(backend, TensorRtBackend)
    backend.close()


def test_if_nothing_else_can_run_the_build_is_stopped(
    trt: FakeTensorRt,
    store: PlanStore,
    builds: type[FakeBuild],
    expression_model: ModelMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match="no backend of openvino"):
        open_backend(expression_model(), ("tensorrt", "openvino"), 1, LIVE)
    assert builds.latest.closed


def test_annotating_never_changes_the_runtime(
    gpu: FakeGpu, trt: FakeTensorRt, store: PlanStore, expression_model: ModelMaker, caplog: pytest.LogCaptureFixture
) -> None:
    path, config = expression_model(), GpuConfig(precision="fp32")
    with caplog.at_level(logging.INFO, "engine.backends.registry"):
        assert open_backend(path, ("tensorrt", "onnxruntime"), 1, config).name == "onnxruntime"
    assert "backend tensorrt refused expression.onnx: there is no fp32 engine" in caplog.text
    build_missing(read_model(path), config, store)
    backend = open_backend(path, ("tensorrt", "onnxruntime"), 1, config)
    assert isinstance(backend, TensorRtBackend)
    gpu.synchronize_status = LAUNCH_FAILED
    with pytest.raises(BackendError, match="use onnxruntime"):
        backend.run(inputs(1))
    backend.close()
