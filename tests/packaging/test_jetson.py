"""The install script for Jetsons: what it would run, and where it refuses. Nothing here runs on a Jetson."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

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
