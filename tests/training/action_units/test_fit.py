"""Resuming the training of action units, and what prevents it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

from engine.backends.contract import read_contract
from tests.training.fakes.action_units import STAGE, TINY, fake_unit_faces
from tests.training.fakes.expression import quiet
from training.action_units.export import export_action_units, held_out_fold
from training.action_units.features import ActionUnitsConfig
from training.action_units.fit import fit_action_units
from training.data.action_unit_faces import UnitSplit, split_people
from training.data.augment import AugmentConfig
from training.loop.checkpoint import read_facts, save_weights

SHAPE = TINY.model


@pytest.fixture(scope="module")
def split() -> UnitSplit:
    return split_people(fake_unit_faces(), 1)


@pytest.fixture(scope="module")
def finished(split: UnitSplit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit_action_units(split, TINY, folder, report=quiet)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def _resume(split: UnitSplit, run: Path, config: ActionUnitsConfig = TINY) -> list[str]:
    lines: list[str] = []
    fit_action_units(split, config, run, report=lines.append)
    return lines


def _rewrite(
    path: Path, facts: Callable[[dict[str, Any]], None] | None = None, weights: Callable[[Tensor], None] | None = None
) -> None:
    """Change the facts or the tensors of a weights file."""
    found, tensors = read_facts(path), load_file(path)
    if facts is not None:
        facts(found)
    if weights is not None:
        for name, value in tensors.items():
            if name.startswith("features.") and value.dtype.is_floating_point:
                weights(value)
    save_weights(path, tensors, found)


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize(
    ("config", "difference"),
    [
        (replace(TINY, stage1=replace(STAGE, learning_rate=0.5)), r"stage1\.learning_rate 0\.002, not 0\.5"),
        (replace(TINY, augment=AugmentConfig(shift=0.2, landmark_noise=0.0)), r"augment\.shift 0\.05, not 0\.2"),
        (replace(TINY, model=replace(SHAPE, widths=(4, 16))), r"model\.widths \[4, 8\], not \[4, 16\]"),
    ],
)
def test_changed_setting_of_stage_1_is_rejected_by_name(
    split: UnitSplit, run: Path, config: ActionUnitsConfig, difference: str, stopped: bool
) -> None:
    first = run / "stage1"
    if stopped:  # what a killed run leaves
        (first / "weights.safetensors").rename(first / "checkpoint.safetensors")
    with pytest.raises(ValueError, match=rf"stage1 was trained with {difference}: choose another folder"):
        _resume(split, run, config)


@pytest.mark.parametrize(
    ("config", "difference"),
    [
        (replace(TINY, stage2=replace(STAGE, learning_rate=0.5)), r"stage2\.learning_rate 0\.002, not 0\.5"),
        (replace(TINY, views=3), "views 2, not 3"),
        (replace(TINY, mask_prior=0.0), r"mask_prior 0\.001, not 0\.0"),
    ],
)
def test_changed_setting_of_stage_2_keeps_stage_1(
    split: UnitSplit, run: Path, config: ActionUnitsConfig, difference: str
) -> None:
    with pytest.raises(ValueError, match=rf"stage2 was trained with {difference}: choose another folder"):
        _resume(split, run, config)
    shutil.rmtree(run / "stage2")
    lines = _resume(split, run, config)
    assert f"{run / 'stage1' / 'weights.safetensors'} exists: nothing to do" in lines
    assert (run / "stage2" / "weights.safetensors").is_file()


def test_logging_and_checkpoint_settings_may_change(split: UnitSplit, run: Path) -> None:
    seldom = replace(STAGE, save_every_s=7.0, log_every_steps=3)
    stamps = {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    _resume(split, run, replace(TINY, stage1=seldom, stage2=seldom))
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")} == stamps


def test_head_requires_the_trunk_it_was_trained_on(split: UnitSplit, run: Path) -> None:
    first = run / "stage1" / "weights.safetensors"
    _rewrite(first)  # the same tensors in a new file
    _resume(split, run)
    _rewrite(first, weights=lambda value: value.mul_(1.001))
    with pytest.raises(
        ValueError, match=r"stage2 was trained with trunk_sha256 '\w+', not '\w+': choose another folder"
    ):
        _resume(split, run)


def test_run_of_an_older_version_can_be_exported_but_not_resumed(split: UnitSplit, run: Path) -> None:
    _rewrite(run / "stage2" / "weights.safetensors", facts=lambda facts: facts.pop("trunk_sha256"))
    with pytest.raises(ValueError, match="trained with trunk_sha256 None, not"):
        _resume(split, run)
    export_action_units(run, split, run / "old.onnx", quiet)
    assert held_out_fold(read_contract(run / "old.onnx").data) == 1
