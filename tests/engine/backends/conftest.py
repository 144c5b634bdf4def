"""A fake GPU with a fake TensorRT, for the backends that need one."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest

from tests.fakes.gpu import FakeGpu
from tests.fakes.tensorrt_module import FakeTensorRt


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """A GPU with a driver."""
    fake, load = FakeGpu(), ctypes.CDLL

    def load_library(name: Any, *rest: Any, **others: Any) -> Any:
        return fake.library if "cuda" in str(name) else load(name, *rest, **others)

    monkeypatch.setattr(ctypes, "CDLL", load_library)
    return fake


@pytest.fixture
def trt(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    """TensorRT on that GPU."""
    module = FakeTensorRt(gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return module
