"""The scripts for Jetsons: what installing would run, where it refuses, wheels for aarch64. None runs on a Jetson."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "packaging" / "jetson" / "install.sh"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def install(tmp_path: Path, release: str, *options: str, machine: str = "aarch64") -> subprocess.CompletedProcess[str]:
    path = tmp_path / "nv_tegra_release"
    if release:
        path.write_text(release)
    environment = {**os.environ, "MIEN_MACHINE": machine, "MIEN_TEGRA_RELEASE": str(path)}
    command = ["bash", str(SCRIPT), "--dry-run", *options, str(tmp_path / "mien")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("release", "jetpack", "python"),
    [("# R36 (release), REVISION: 4.3", "6", "python3.10"), ("# R38 (release), REVISION: 2.0", "7", "python3.12")],
)
def test_each_jetpack_gets_its_python_the_pins_and_its_own_tensorrt(
    tmp_path: Path, release: str, jetpack: str, python: str
) -> None:
    done = install(tmp_path, release)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"JetPack {jetpack} ")
    assert f"{python} -m venv {tmp_path}/mien" in lines
    assert f"{tmp_path}/mien/bin/pip install -c {ROOT}/packaging/constraints.txt {ROOT}[gpu,window]" in lines
    assert any(line.startswith("ln -sfn ") and line.endswith(f"{python}/site-packages/tensorrt") for line in lines)
    assert lines[-2] == f"{tmp_path}/mien/bin/mien doctor"
    assert not any("engines" in line for line in lines)
    assert not (tmp_path / "mien").exists()


def test_headless_installs_no_window_and_engines_are_built_on_request(tmp_path: Path) -> None:
    done = install(tmp_path, "# R36 (release), REVISION: 4.3", "--headless", "--engines")
    assert "window" not in done.stdout
    assert "libegl1" not in done.stdout
    assert f"{tmp_path}/mien/bin/mien engines build" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("release", "machine", "options", "reason"),
    [
        ("# R36 (release)", "x86_64", (), "this machine is x86_64"),
        ("", "aarch64", (), "this is not a Jetson with JetPack"),
        ("# R35 (release), REVISION: 4.1", "aarch64", (), "R35 is neither JetPack 6"),
        ("# R36 (release)", "aarch64", ("--gpu",), "unknown option --gpu"),
    ],
)
def test_other_machines_are_refused(
    tmp_path: Path, release: str, machine: str, options: tuple[str, ...], reason: str
) -> None:
    done = install(tmp_path, release, *options, machine=machine)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "pip" not in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_every_pin_resolves_for_both_jetpacks() -> None:
    script = ROOT / "packaging" / "jetson" / "check_wheels.sh"
    environment = {**os.environ, "PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "10"}
    done = subprocess.run(
        ["bash", str(script), sys.executable], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode and ("Connection" in done.stderr or "Name or service" in done.stderr):
        pytest.skip("needs the package index")
    assert done.returncode == 0, done.stderr[-2000:]
    six, seven = done.stdout.splitlines()
    assert six.startswith("JetPack 6, Python 3.10, glibc 2.35 : ")
    assert seven.startswith("JetPack 7, Python 3.12, glibc 2.39 : ")


@pytest.fixture
def comparison() -> ModuleType:
    path = ROOT / "packaging" / "jetson" / "compare_decisions.py"
    spec = importlib.util.spec_from_file_location("compare_decisions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


HEADER = "frame,face_id,x,y,w,h,decision,set,p_happiness,confidence,ood_score,aleatoric,epistemic,au_12,au_12_sd\n"


def test_decisions_of_two_processors_are_compared(tmp_path: Path, comparison: ModuleType) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(HEADER + "0,1,5,5,9,9,accept,happiness,.9,.9,.1,.1,.1,.8,.1\n1,,,,,,no_face,,,,,,,,\n")
    second.write_text(HEADER + "0,1,5.5,5,9,9,accept,happiness,.8,.9,.1,.1,.1,.8,.1\n1,,,,,,no_face,,,,,,,,\n")
    same = comparison.compare(first, second)
    assert (same.faces, same.missing, same.same, same.agrees) == (2, 0, 2, True)
    assert same.probability == pytest.approx(0.1)
    assert same.box_px == 0.5
    second.write_text(HEADER + "0,1,5,5,9,9,ambiguous,happiness|fear,.9,.9,.1,.1,.1,.8,.1\n")
    other = comparison.compare(first, second)
    assert (other.faces, other.missing, other.same, other.agrees) == (1, 1, 0, False)
