"""The wheel installs into an environment of its own and annotates the demo outside the checkout."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.tracking.face_models import MODELS_VARIABLE, cache_folder

ROOT = Path(__file__).parents[2]
#: What `pip wheel .` reads.
SOURCES = ("app", "engine", "training", "assets", "docs/models", "pyproject.toml", "setup.py", "LICENSE", "README.md")

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def pip(python: Path | str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run(python, "-m", "pip", "--disable-pip-version-check", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder outside the checkout; removed at once, because an installed runtime fills half a gigabyte."""
    with tempfile.TemporaryDirectory(prefix="mien-wheel-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def wheel(folder: Path, package_index: None) -> Path:
    """The wheel, built from a copy of the sources so that no build/ folder is left in the checkout."""
    index = pip(sys.executable, "download", "-q", "--no-deps", "-d", folder / "probe", "setuptools>=77", cwd=folder)
    if index.returncode:
        pytest.skip("needs a Python package index: " + (index.stderr.strip().splitlines() or ["no answer"])[-1])
    source = folder / "source"
    for name in SOURCES:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, target)
    built = pip(sys.executable, "wheel", "-q", "--no-deps", "-w", folder / "dist", source, cwd=folder)
    assert built.returncode == 0, built.stderr
    (found,) = (folder / "dist").glob("mien-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, folder: Path) -> Path:
    """The folder with the commands of a fresh environment that holds the wheel."""
    made = run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    assert made.returncode == 0, made.stderr
    commands = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    constraints = ROOT / "packaging" / "constraints.txt"
    target = ("--python", commands / "python")
    done = pip(sys.executable, *target, "install", "-q", "--no-compile", "-c", constraints, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return commands


def test_wheel_holds_models_cards_settings_and_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "app",
        "engine",
        "training",
        "assets",
    }
    for model in ("expression", "action_units"):
        assert {f"assets/models/{model}.{ending}" for ending in ("onnx", "json", "md")} <= set(names)
    assert {"assets/demo/portrait.jpg", "engine/py.typed"} <= set(names)
    configs = {path.relative_to(ROOT).as_posix() for path in (ROOT / "training" / "configs").rglob("*.toml")}
    assert configs
    assert configs <= set(names)
    licences = {name.split("/licenses/")[1] for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", "assets/demo/SOURCE.md"}


def test_wheel_holds_every_module(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {
        path.relative_to(folder / "source").as_posix()
        for package in ("app", "engine", "training")
        for path in (folder / "source" / package).rglob("*.py")
    }
    assert modules == {name for name in names if name.endswith(".py")}


def test_installed_wheel_annotates_the_demo_outside_the_checkout(
    installed: Path, folder: Path, face_models: None
) -> None:
    models = os.environ.get(MODELS_VARIABLE) or str(cache_folder())
    away = folder / "elsewhere"
    away.mkdir()
    finished = run(installed / "mien", "annotate", "demo", "--out", "out", cwd=away, **{MODELS_VARIABLE: models})
    assert finished.returncode == 0, finished.stderr
    session = away / "out" / "demo"
    with (session / "faces.csv").open(encoding="utf-8", newline="") as file:
        decisions = {row["decision"] for row in csv.DictReader(file)}
    assert "accept" in decisions
    assert (session / "annotated.mp4").stat().st_size > 10_000
    assert (session / "metadata.json").is_file()


def test_installed_wheel_finds_its_model_cards(installed: Path, folder: Path) -> None:
    code = (
        "from app.system.model_facts import read_model_facts\n"
        "for task in ('expression', 'action_units'): print(read_model_facts(task).card)"
    )
    finished = run(installed / "python", "-c", code, cwd=folder)
    cards = [Path(line) for line in finished.stdout.splitlines()]
    assert [card.name for card in cards] == ["expression.md", "action_units.md"], finished.stderr
    assert all(card.is_file() and card.is_relative_to(folder) for card in cards)
