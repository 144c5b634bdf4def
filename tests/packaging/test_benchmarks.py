"""The comparison with rivals: how runners are run, what is skipped, ratios, and pins. No rival runs here."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "packaging" / "benchmarks"
FAKE = """
from runner import arguments, report
frames, options = arguments()
report(frames, lambda frame, index: options["faces"], version="1.0")
"""


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """compare.py with a folder of fake rivals."""
    spec = importlib.util.spec_from_file_location("compare", FOLDER / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "compare", module)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    shutil.copy(FOLDER / "rivals" / "runner.py", tmp_path)
    (tmp_path / "good.py").write_text(FAKE)
    (tmp_path / "away.py").write_text("from runner import skip\nskip('its weights cannot\\nbe had')\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('no such graph')\n")
    monkeypatch.setattr(module, "RIVALS", tmp_path)
    return module


def test_a_round_gives_figures_and_the_ratio_to_ours(comparison: ModuleType, tmp_path: Path) -> None:
    frames = tmp_path / "frames.npy"
    np.save(frames, np.zeros((24, 4, 4, 3), np.uint8))
    own, rival = comparison.Result("Mien", "tracker"), comparison.Result("good", "tracking", against="tracker")
    comparison.add(own, 2.0, 4.0, None)
    comparison.run(sys.executable, "good", frames, {"faces": 3}, rival, own)
    assert (rival.version, rival.faces, rival.skipped) == ("1.0", 3.0, "")
    assert rival.cpu_ratio == [pytest.approx(rival.cpu_ms[0] / 2.0, abs=1e-3)]
    assert rival.wall_ratio == [pytest.approx(rival.wall_ms[0] / 4.0, abs=1e-3)]


@pytest.mark.parametrize(
    ("script", "reason"), [("away", "its weights cannot be had"), ("broken", "RuntimeError: no such graph")]
)
def test_what_cannot_run_is_skipped_with_its_reason(
    comparison: ModuleType, tmp_path: Path, script: str, reason: str
) -> None:
    result = comparison.Result(script, "tracking")
    assert comparison.run(sys.executable, script, tmp_path / "frames.npy", {}, result) == {}
    assert result.skipped == reason
    assert result.cpu_ms == []


def test_what_is_not_installed_is_skipped(comparison: ModuleType, tmp_path: Path) -> None:
    result = comparison.Result("good", "tracking")
    comparison.run(str(tmp_path / "nowhere" / "python"), "good", tmp_path / "frames.npy", {}, result)
    assert "--install good" in result.skipped


def test_ratios_are_printed_with_their_range(comparison: ModuleType) -> None:
    assert comparison.ratio([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"


def test_every_rival_has_a_runner_and_exact_pins(comparison: ModuleType) -> None:
    pin = re.compile(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+")
    for rival in comparison.RUNNERS:
        assert (FOLDER / "rivals" / f"{rival.script}.py").is_file()
        lines = (FOLDER / "rivals" / f"{rival.script}.txt").read_text().splitlines()
        assert [line for line in lines if not pin.fullmatch(line)] == []
