"""Doctor's section on GPU, TensorRT and Jetson, and the engines of `mien engines`, with fake systems."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.system import gpu as system_gpu
from app.system.check import Check
from app.system.gpu import build_engines, gpu_checks, is_jetson, jetson_checks, list_engines
from engine.backends.model_file import model_path
from engine.backends.plans import PlanStore
from engine.backends.registry import open_backend
from engine.config import GpuConfig
from engine.errors import BackendError
from tests.fakes.gpu import FakeGpu
from tests.fakes.tensorrt_module import FakeTensorRt


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    gpu, load = FakeGpu("Orin", memory_bytes=8_000_000_000), ctypes.CDLL

    def load_library(name: Any, *rest: Any, **others: Any) -> Any:
        return gpu.library if "cuda" in str(name) else load(name, *rest, **others)

    monkeypatch.setattr(ctypes, "CDLL", load_library)
    return gpu


@pytest.fixture
def trt(fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    module = FakeTensorRt(fake_gpu, "10.3.0")
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return module


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanStore:
    monkeypatch.setattr("engine.backends.plans.cache_folder", lambda: tmp_path / "cache")
    return PlanStore()


@pytest.fixture
def jetson(tmp_path: Path) -> Callable[..., Path]:
    """Make the system files of a Jetson."""

    def make(release: str = "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic", celsius: float = 50.0) -> Path:
        root = tmp_path / "root"
        files = {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "etc/nv_tegra_release": release,
            "sys/class/devfreq/17000000.gpu/cur_freq": "306000000\n",
            "sys/class/devfreq/17000000.gpu/max_freq": "1020000000\n",
            "sys/class/devfreq/other/cur_freq": "1\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": f"{celsius * 1000:.0f}\n",
            "sys/class/thermal/thermal_zone0/trip_point_0_type": "critical\n",
            "sys/class/thermal/thermal_zone0/trip_point_0_temp": "40000\n",
            "sys/class/thermal/thermal_zone0/trip_point_1_type": "passive\n",
            "sys/class/thermal/thermal_zone0/trip_point_1_temp": "99000\n",
            "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "48000\n",
            "sys/class/thermal/thermal_zone2/type": "cv0-thermal\n",  # off: no temperature
        }
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return make


def put_nvpmodel(monkeypatch: pytest.MonkeyPatch, folder: Path, output: str, status: int = 0) -> None:
    """Put a program into the path that prints as nvpmodel does."""
    program = folder / "bin" / "nvpmodel"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\nprintf '%s' '{output}'\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def by_name(checks: list[Check]) -> dict[str, Check]:
    assert not any(check.required for check in checks)
    return {check.name: check for check in checks}


def test_without_a_driver_the_gpu_backends_and_the_reason_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> object:
        raise OSError("not found")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    (check,) = gpu_checks(tmp_path)
    assert not check.passed
    assert not check.required
    assert check.detail.startswith("onnxruntime-cuda, onnxruntime-tensorrt, tensorrt are passed over: an NVIDIA driver")


def test_a_gpu_is_described_and_missing_tensorrt_has_its_remedy(
    fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    checks = by_name(list(gpu_checks(tmp_path)))
    assert checks["NVIDIA GPU"].detail == (
        "Orin, compute capability 8.7, 8.0 GB shared with the CPU, driver for CUDA 12.6"
    )
    assert not checks["TensorRT"].passed
    assert "JetPack" in checks["TensorRT"].detail


def test_stored_engines_are_counted_and_missing_ones_have_the_command(
    trt: FakeTensorRt, store: PlanStore, tmp_path: Path
) -> None:
    checks = by_name(list(gpu_checks(tmp_path)))
    assert checks["TensorRT"].detail == "10.3.0; 0 engines stored: run 'mien engines build'"
    build_engines(GpuConfig(precision="fp32", max_faces=2), False, lambda line: None)
    checks = by_name(list(gpu_checks(tmp_path)))
    assert checks["TensorRT"].detail == "10.3.0; 2 engines stored"


def test_both_released_models_are_built_once_and_listed(trt: FakeTensorRt, store: PlanStore) -> None:
    lines: list[str] = []
    config = GpuConfig(precision="fp32", max_faces=2)
    paths = build_engines(config, False, lines.append)
    assert [path.parent for path in paths] == [store.folder] * 2
    assert lines[0] == "Orin, compute capability 8.7, TensorRT 10.3.0"
    assert len(trt.built) == 2
    assert build_engines(config, False, lines.append) == paths
    assert len(trt.built) == 2
    assert "already built" in lines[-1]
    listed = list_engines()
    assert [line.split(":")[0] for line in sorted(listed)] == [
        "action_units, fp32, Orin, TensorRT 10.3.0",
        "expression, fp32, Orin, TensorRT 10.3.0",
    ]


def test_float16_engines_are_built_from_files_derived_of_the_released_ones(trt: FakeTensorRt, store: PlanStore) -> None:
    """On the fake GPU these are the float16 files on ONNX Runtime, through every step of a build."""
    build_engines(GpuConfig(max_faces=2), False, lambda line: None)
    assert {plan.key and plan.key.precision for plan in store.stored()} == {"fp16"}
    for task in ("expression", "action_units"):
        backend = open_backend(model_path(task), ("tensorrt",), 1, GpuConfig(max_faces=2))
        assert (backend.name, backend.device) == ("tensorrt", "Orin, fp16")
        assert backend.contract.name.endswith("-fp16")
        backend.close()


def test_a_build_without_a_gpu_is_an_error(fake_gpu: FakeGpu, store: PlanStore) -> None:
    fake_gpu.count = 0
    with pytest.raises(BackendError, match="the driver reports none"):
        build_engines(GpuConfig(), False, lambda line: None)


def test_the_command_builds_lists_and_clears(trt: FakeTensorRt, store: PlanStore) -> None:
    runner = CliRunner()
    built = runner.invoke(app, ["engines", "build", "--precision", "fp32", "--max-faces", "1"])
    assert built.exit_code == 0, built.output
    assert len(trt.built) == 2
    assert [len(settings.profiles) for settings in trt.built] == [1, 1]
    assert "fp32, Orin, TensorRT 10.3.0" in runner.invoke(app, ["engines", "list"]).output
    assert runner.invoke(app, ["engines", "clear"]).output == "3 files deleted\n"
    assert store.stored() == []


def test_the_command_without_a_gpu_ends_with_one_line(fake_gpu: FakeGpu, store: PlanStore) -> None:
    fake_gpu.count = 0
    result = CliRunner().invoke(app, ["engines", "build"])
    assert result.exit_code == 2


def test_a_damaged_engine_is_listed_as_such(store: PlanStore) -> None:
    store.folder.mkdir(parents=True)
    (store.folder / "expression-fp16-00.plan").write_bytes(b"damaged")
    assert list_engines()[0].startswith("cannot be read: 0.0 MB")


@pytest.mark.parametrize(
    ("release", "detail"),
    [
        ("# R36 (release), REVISION: 4.3, GCID: 1", "JetPack 6 (L4T 36.4.3)"),
        ("# R38 (release), REVISION: 2.0, GCID: 1", "JetPack 7 (L4T 38.2.0)"),
        ("# R77 (release), REVISION: 1.0, GCID: 1", "unknown JetPack (L4T 77.1.0)"),
        ("", "JetPack unknown"),
    ],
)
def test_board_and_jetpack_are_reported(jetson: Callable[..., Path], release: str, detail: str) -> None:
    check = by_name(list(jetson_checks(jetson(release))))["Jetson"]
    assert check.detail.startswith("NVIDIA Jetson Orin Nano Developer Kit, ")
    assert detail in check.detail


def test_other_machines_are_no_jetson(tmp_path: Path, jetson: Callable[..., Path]) -> None:
    assert not is_jetson(tmp_path / "elsewhere")
    assert is_jetson(jetson())


@pytest.mark.parametrize(
    ("output", "passed", "detail"),
    [
        ("NV Power Mode: MAXN\n0\n", True, "MAXN"),
        ("NV Power Mode: MAXN_SUPER\n2\n", True, "MAXN_SUPER"),
        ("NV Power Mode: 15W\n1\n", False, "15W; for the highest speed choose the MAXN mode"),
        ("error", False, "nvpmodel -q printed no mode"),
    ],
)
def test_the_power_mode_is_reported(
    jetson: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    output: str,
    passed: bool,
    detail: str,
) -> None:
    put_nvpmodel(monkeypatch, tmp_path, output)
    check = by_name(list(jetson_checks(jetson())))["power mode"]
    assert (check.passed, check.detail.startswith(detail)) == (passed, True), check.detail


def test_a_missing_nvpmodel_is_reported(jetson: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_gpu.shutil, "which", lambda name: None)
    assert "nvpmodel was not found" in by_name(list(jetson_checks(jetson())))["power mode"].detail


def test_the_gpu_clock_is_reported(jetson: Callable[..., Path]) -> None:
    assert by_name(list(jetson_checks(jetson())))["GPU clock"].detail == "306 of 1020 MHz"


@pytest.mark.parametrize(
    ("celsius", "passed", "detail"),
    [
        (50.0, True, "cpu-thermal 50.0 C"),
        (93.9, True, "cpu-thermal 93.9 C"),
        (94.0, False, "the board slows down or soon will: cpu-thermal 94.0 of 99 C; cool it better"),
    ],
)
def test_temperatures_near_the_limit_are_a_warning(
    jetson: Callable[..., Path], celsius: float, passed: bool, detail: str
) -> None:
    check = by_name(list(jetson_checks(jetson(celsius=celsius))))["temperature"]
    assert (check.passed, check.detail) == (passed, detail)


def test_a_system_without_thermal_zones_is_reported(tmp_path: Path) -> None:
    assert by_name(list(jetson_checks(tmp_path)))["temperature"].detail == "no thermal zone can be read"
