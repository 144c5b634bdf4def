"""The CUDA driver through ctypes, on a fake driver that checks the types of all arguments."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from engine.backends.cuda import CudaDevice, CudaError, has_driver, open_driver
from tests.fakes.gpu import NO_DEVICE, OUT_OF_MEMORY, FakeGpu


def test_a_missing_driver_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert not has_driver()
    with pytest.raises(CudaError, match="an NVIDIA driver is needed, and (libcuda.so.1|nvcuda.dll) was not found"):
        open_driver()


def test_a_driver_without_a_gpu_is_reported(gpu: FakeGpu) -> None:
    gpu.init_status = NO_DEVICE
    assert has_driver()
    with pytest.raises(CudaError, match=r"cuInit returned CUDA_ERROR_NO_DEVICE \(100\)") as caught:
        open_driver()
    assert caught.value.code == NO_DEVICE


def test_a_driver_that_counts_no_gpu_is_reported(gpu: FakeGpu) -> None:
    gpu.count = 0
    with pytest.raises(CudaError, match="the driver reports none"):
        open_driver()


def test_an_old_driver_names_the_missing_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    with pytest.raises(CudaError, match="too old: it has no cuInit"):
        open_driver()


def test_facts_of_a_gpu(gpu: FakeGpu) -> None:
    facts = open_driver().facts(0)
    assert (facts.name, facts.capability, facts.driver, facts.integrated) == ("Fake GPU", "8.7", "12.6", True)
    assert facts.memory_bytes == gpu.memory_bytes
    assert gpu.contexts == 0


def test_a_gpu_that_does_not_exist_is_an_error_without_a_name(gpu: FakeGpu) -> None:
    with pytest.raises(CudaError, match="cuDeviceGet returned error 101"):
        open_driver().facts(3)


def test_copies_go_through_the_gpu_and_wait_for_the_stream(gpu: FakeGpu) -> None:
    device = CudaDevice(open_driver())
    source, target, on_gpu = device.allocate_pinned(8), device.allocate_pinned(8), device.allocate(8)
    ctypes.memmove(source, b"12345678", 8)
    device.upload(on_gpu, source, 8)
    device.download(target, on_gpu, 8)
    assert ctypes.string_at(target, 8) != b"12345678"
    device.synchronize()
    assert ctypes.string_at(target, 8) == b"12345678"
    device.close()
    device.close()
    assert (gpu.used_bytes, gpu.contexts, gpu.streams, gpu.graphs) == (0, 0, {}, {})


def test_a_captured_graph_replays_its_copies(gpu: FakeGpu) -> None:
    device = CudaDevice(open_driver())
    source, on_gpu, target = device.allocate_pinned(4), device.allocate(4), device.allocate_pinned(4)
    device.begin_capture()
    device.upload(on_gpu, source, 4)
    device.download(target, on_gpu, 4)
    graph = device.end_capture()
    for value in (3.0, 5.0):
        ctypes.memmove(source, np.float32(value).tobytes(), 4)
        device.launch(graph)
        device.synchronize()
        assert np.frombuffer(ctypes.string_at(target, 4), np.float32)[0] == value
    device.close()
    assert gpu.graphs == {}


def test_too_little_memory_has_its_code(gpu: FakeGpu) -> None:
    device = CudaDevice(open_driver())
    with pytest.raises(CudaError, match="CUDA_ERROR_OUT_OF_MEMORY") as caught:
        device.allocate(2 << 30)
    assert caught.value.code == OUT_OF_MEMORY
    device.close()


def test_a_device_that_cannot_be_opened_releases_its_context(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.library.cuStreamCreate, "_body", lambda out, flags: OUT_OF_MEMORY)
    with pytest.raises(CudaError, match="cuStreamCreate"):
        CudaDevice(open_driver())
    assert gpu.contexts == 0
