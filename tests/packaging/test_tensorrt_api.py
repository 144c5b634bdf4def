"""What we call of TensorRT has the parameters of the real classes, where a wheel of its bindings is at hand."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "packaging" / "check_tensorrt_api.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_tensorrt_api", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def folders() -> list[str]:
    """Folders that hold bindings: those of TENSORRT_BINDINGS, and this environment's."""
    named = [folder for folder in os.environ.get("TENSORRT_BINDINGS", "").split(os.pathsep) if folder]
    spec = importlib.util.find_spec("tensorrt_bindings") or importlib.util.find_spec("tensorrt_lean_bindings")
    return named + ([str(Path(spec.origin).parents[1])] if spec is not None and spec.origin else [])


def test_the_wheels_have_everything_that_is_called() -> None:
    if not folders():
        pytest.skip("needs TENSORRT_BINDINGS: a folder with tensorrt-cu13-bindings or tensorrt-lean-cu13-bindings")
    environment = {**os.environ, "TENSORRT_BINDINGS": os.pathsep.join(folders())}
    done = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "classes compared" in done.stdout


def method(doc: str) -> object:
    return SimpleNamespace(__doc__=doc)


def test_signatures_are_read_from_docstrings_of_bindings(script: ModuleType) -> None:
    plain = "set_shape(self: t.IProfile, input: str, min: t.Dims, max: dict[str, int] = {}) -> None\n\n    Text."
    assert script.signature(method(plain)) == [["input", "min", "max"]]
    overloaded = "f(*args, **kwargs)\n\n1. f(self: t.A, x: int) -> int\n\n2. f(self: t.A) -> int\n"
    assert script.signature(method(overloaded)) == [["x"], []]


def test_a_missing_method_and_other_parameters_are_differences(script: ModuleType) -> None:
    runtime = SimpleNamespace(
        __init__=method("__init__(self: t.Runtime, logger: t.ILogger) -> None"),
        deserialize_cuda_engine=method("deserialize_cuda_engine(self: t.Runtime, plan: bytes) -> t.ICudaEngine"),
    )
    flags = SimpleNamespace(WORKSPACE=0)
    found = script.differences(SimpleNamespace(Runtime=runtime, MemoryPoolType=flags, BuilderFlag=SimpleNamespace()))
    assert found == [
        "BuilderFlag.TF32",
        "Runtime.deserialize_cuda_engine(serialized_engine), the wheel has [['plan']]",
    ]


def test_without_bindings_the_script_says_so() -> None:
    environment = {**os.environ, "TENSORRT_BINDINGS": ""}
    done = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "no bindings found" in done.stdout) == (1, True)
