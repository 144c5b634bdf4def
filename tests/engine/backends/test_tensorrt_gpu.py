"""What the TensorRT backend detects, with a fake driver library and a fake package."""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from engine.backends.model_file import ModelFile, read_model
from engine.backends.tensorrt_gpu import gpu_count, open_tensorrt
from engine.errors import BackendError


class FakeDriver:
    """Behaves like libcuda: returns a status, and the count through a pointer."""

    def __init__(self, init: int = 0, status: int = 0, count: int = 1) -> None:
        self._init, self._status, self._count = init, status, count
        self.calls: list[str] = []

    def cuInit(self, flags: int) -> int:  # noqa: N802 (the driver's name)
        assert flags == 0
        self.calls.append("cuInit")
        return self._init

    def cuDeviceGetCount(self, pointer: Any) -> int:  # noqa: N802
        self.calls.append("cuDeviceGetCount")
        pointer._obj.value = self._count
        return self._status


@pytest.fixture
def model(expression_model: Callable[..., Path]) -> ModelFile:
    return read_model(expression_model())


@pytest.fixture
def no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test on any attempt to import tensorrt."""

    class Guard:
        def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            assert name != "tensorrt", "tensorrt was imported although there is no GPU"
            return None

    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Guard(), *sys.meta_path])


def put_driver(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)


@pytest.mark.usefixtures("no_tensorrt")
def test_a_missing_driver_is_reported(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> FakeDriver:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(BackendError, match="needs an NVIDIA driver.*use the backend onnxruntime"):
        open_tensorrt(model, threads=1)


@pytest.mark.usefixtures("no_tensorrt")
def test_a_driver_without_a_gpu_is_reported(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(init=100)  # CUDA_ERROR_NO_DEVICE
    put_driver(monkeypatch, driver)
    with pytest.raises(BackendError, match="cuInit returned error 100"):
        open_tensorrt(model, threads=1)
    assert driver.calls == ["cuInit"]


@pytest.mark.usefixtures("no_tensorrt")
@pytest.mark.parametrize(("status", "count"), [(0, 0), (3, 1)])
def test_a_driver_that_reports_no_gpu_is_refused(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch, status: int, count: int
) -> None:
    put_driver(monkeypatch, FakeDriver(status=status, count=count))
    with pytest.raises(BackendError, match=rf"the driver reports {count} \(error {status}\)"):
        open_tensorrt(model, threads=1)


def test_gpus_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver(count=3)
    put_driver(monkeypatch, driver)
    assert gpu_count() == 3
    assert driver.calls == ["cuInit", "cuDeviceGetCount"]


def test_a_gpu_without_the_package_is_reported(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    put_driver(monkeypatch, FakeDriver())
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendError, match="tensorrt cannot be imported.*JetPack"):
        open_tensorrt(model, threads=1)


def test_building_engines_is_not_supported_yet(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("tensorrt")
    package.__dict__["__version__"] = "10.3.0"
    put_driver(monkeypatch, FakeDriver(count=2))
    monkeypatch.setitem(sys.modules, "tensorrt", package)
    with pytest.raises(BackendError, match=r"tensorrt 10\.3\.0 and 2 GPU yet: .*use the backend onnxruntime"):
        open_tensorrt(model, threads=1)
