"""Nothing is sent and nothing is written outside output and cache: every entry point sets the switches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.tracking.face_models import MODELS_VARIABLE, cache_folder

CHECKOUT = Path(__file__).parents[2]

#: Every entry point: the two commands, a worker that unpickles a function of the engine, a backend by itself.
ENTRY_MODULES = (
    "app.cli",  # imported by app.entry once signals are handled
    "training.cli.main",
    "engine",
    "engine.backends.onnx_runtime",
    "engine.config",
)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process whose environment lacks the switch set by this process."""
    inherited = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", ENTRY_MODULES)
def test_every_entry_point_sets_the_switches(module: str) -> None:
    finished = run_python(
        f"import sys, os, {module}\n"
        "print(os.environ.get('ORT_DISABLE_TELEMETRY'), sys.modules.get('openvino_telemetry', 'importable'))"
    )
    assert finished.stdout.split() == ["1", "None"], finished.stderr


def test_switches_come_before_the_import_of_onnxruntime() -> None:
    """The runtime reads its environment on import."""
    finished = run_python("import sys, engine; print('onnxruntime' in sys.modules)")
    assert finished.stdout.strip() == "False", finished.stderr


def test_an_already_imported_openvino_is_left_alone() -> None:
    finished = run_python(
        "import sys, types\n"
        "sys.modules['openvino'] = types.ModuleType('openvino')\n"
        "import engine\n"
        "print('openvino_telemetry' in sys.modules)"
    )
    assert finished.stdout.strip() == "False", finished.stderr


def test_annotate_under_an_empty_home_writes_only_its_output(tmp_path: Path, face_models: None) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    models = os.environ.get(MODELS_VARIABLE) or str(cache_folder())
    folders = {name: "" for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    finished = run_python(
        f"import sys; sys.argv = ['mien', 'annotate', 'demo', '--no-video', '--out', {str(out)!r}]\n"
        "from app.cli import main; main()",
        HOME=str(home),
        USERPROFILE=str(home),
        PYTHONDONTWRITEBYTECODE="1",
        **folders,
        **{MODELS_VARIABLE: models},
    )
    assert finished.returncode == 0, finished.stderr
    assert (out / "demo" / "faces.csv").is_file()
    assert [path.relative_to(home) for path in home.rglob("*")] == []
