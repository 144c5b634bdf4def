"""What nvidia-smi and tegrastats print is read, with fakes of both programs; neither ran on a real GPU or Jetson."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.bench import probes
from app.bench.probes import Probes, energy, gpu_use, machine, process_cpu_s

ORIN = (
    "11-29-2026 12:00:00 RAM 3162/7620MB (lfb 4x4MB) SWAP 0/3810MB CPU [12%@1510,3%@1510] EMC_FREQ 0% GR3D_FREQ 40% "
    "cpu@48.2C gpu@47.1C tj@48.2C VDD_IN {now}mW/5000mW VDD_CPU_GPU_CV 1020mW/1000mW VDD_SOC 1421mW/1400mW"
)
AGX = "RAM 1/2MB VDD_GPU_SOC 3000mW/3000mW VDD_CPU_CV 1000mW/1000mW VIN_SYS_5V0 2000mW/2000mW"
NANO = "RAM 1/2MB POM_5V_IN 2500/2400 POM_5V_GPU 100/90 POM_5V_CPU 400/390"


def program(folder: Path, name: str, line: str) -> None:
    """A program that prints a line five times, creates a file beside it, and then waits."""
    path = folder / name
    path.write_text(f"#!/bin/sh\nfor _ in 1 2 3 4 5; do echo '{line}'; done\n: > '{path}.printed'\nexec sleep 60\n")
    path.chmod(0o755)


def test_rails_of_the_whole_board_are_used_alone() -> None:
    use = energy([ORIN.format(now=5000), "noise", ORIN.format(now=7000)], 10.0)
    assert use is not None
    assert (use.power_w, use.energy_j, use.rails) == (6.0, 60.0, "VDD_IN")
    old = energy([NANO], 2.0)
    assert old is not None
    assert (old.power_w, old.energy_j, old.rails) == (2.5, 5.0, "POM_5V_IN")


def test_rails_are_added_up_where_none_holds_the_board() -> None:
    use = energy([AGX], 1.0)
    assert use is not None
    assert use.power_w == 6.0
    assert use.rails == "VDD_CPU_CV + VDD_GPU_SOC + VIN_SYS_5V0"
    assert energy(["RAM 1/2MB"], 1.0) is None


def test_lines_of_nvidia_smi_are_averaged() -> None:
    use = gpu_use(["40, 1000, 50.0", "60, 1200, 70.0", "broken"])
    assert use is not None
    assert (use.utilisation_percent, use.memory_mb, use.power_w) == (50.0, 1200.0, 60.0)
    no_power = gpu_use(["40, 1000, [N/A]"])
    assert no_power is not None
    assert no_power.power_w is None
    assert gpu_use(["No devices were found"]) is None


def test_the_programs_run_while_something_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "tegrastats", ORIN.format(now=5000))
    program(tmp_path, "nvidia-smi", "40, 1000, 50.0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    observer, before_s = Probes(), time.monotonic()
    observer.start()
    started_s = time.monotonic()
    while not all((tmp_path / f"{name}.printed").exists() for name in ("tegrastats", "nvidia-smi")):
        assert time.monotonic() < started_s + 30
        time.sleep(0.01)
    printed_s = time.monotonic()
    around = observer.stop()
    assert around.energy is not None
    assert around.energy.power_w == 5.0
    assert 5 * (printed_s - started_s) - 0.01 <= around.energy.energy_j <= 5 * (time.monotonic() - before_s) + 0.01
    assert around.gpu is not None
    assert around.gpu.utilisation_percent == 40.0


def test_without_the_programs_there_is_neither(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    observer = Probes()
    observer.start()
    around = observer.stop()
    assert (around.gpu, around.energy) == (None, None)


def test_own_work_is_not_the_work_of_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    busy_s, own_s, now_s = iter((100.0, 107.0)), iter((10.0, 14.0)), iter((50.0, 52.0))
    monkeypatch.setattr(probes, "_busy_s", lambda: next(busy_s))
    monkeypatch.setattr(probes, "_own_s", lambda: next(own_s))
    monkeypatch.setattr(probes.time, "monotonic", lambda: next(now_s))
    monkeypatch.setenv("PATH", "")
    observer = Probes()
    observer.start()
    assert observer.stop().foreign_cores == (7 - 4) / 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_processor_time_of_a_process_grows() -> None:
    before = process_cpu_s(os.getpid())
    assert before is not None
    end_s = time.process_time() + 0.05
    while time.process_time() < end_s:
        pass
    after = process_cpu_s(os.getpid())
    assert after is not None
    assert after > before
    assert process_cpu_s(2**30) is None


def test_the_machine_is_named() -> None:
    here = machine()
    assert here.processor
    assert here.cores == os.cpu_count()
