"""Training on a few synthetic faces: settings, members, and a run that starts from another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.errors import ConfigError
from tests.training.fakes.expression import SHAPE, fake_faces, quiet
from training import CONFIGS
from training.expression import faces
from training.expression.export import ArbexEnsemble
from training.expression.fit import (
    ExpressionData,
    ExpressionRunConfig,
    fit_expression,
    load_members,
    member_folder,
    read_run_config,
)
from training.expression.trunk import TrunkConfig
from training.loop.checkpoint import read_facts
from training.loop.trainer import TrainerConfig

SMALL = ExpressionRunConfig(
    members=2,
    model=SHAPE,
    trunk=TrunkConfig(epochs=2),
    trainer=TrainerConfig(epochs=1, batch_size=8, bf16=False),
)


@pytest.fixture
def fake_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "read_faces", lambda *_: fake_faces())


@pytest.mark.parametrize(("name", "side_px"), [("expression_edge.toml", 48), ("expression_ref.toml", 112)])
def test_the_shipped_settings_are_read(name: str, side_px: int) -> None:
    config = read_run_config(CONFIGS / name)
    assert config.members == 5
    assert config.model.input_side_px == side_px


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[trainer]\nepoch = 3\n")
    with pytest.raises(ConfigError, match="unknown key 'trainer.epoch'"):
        read_run_config(tmp_path / "bad.toml")


def test_members_differ_and_make_an_ensemble(tmp_path: Path, fake_data: None) -> None:
    fit_expression(SMALL, ExpressionData(tmp_path), tmp_path, range(2), report=quiet)
    members, config = load_members(tmp_path)
    assert config == SMALL
    with torch.no_grad():
        logits = ArbexEnsemble(members)(torch.randn(1, 1, 48, 48), torch.rand(1, 468, 2))
    assert logits.shape == (1, 2, 8)
    assert not torch.equal(logits[:, 0], logits[:, 1])


def test_a_run_starts_from_the_weights_of_another_and_records_it(tmp_path: Path, fake_data: None) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    fit_expression(SMALL, ExpressionData(tmp_path), first, [0], report=quiet)
    frozen = replace(SMALL, trainer=replace(SMALL.trainer, learning_rate=0.0))
    fit_expression(frozen, ExpressionData(tmp_path), second, [0], start=first, report=quiet)
    kept, moved = (load_file(member_folder(run, 0) / "weights.safetensors") for run in (first, second))
    learned = [name for name in kept if "running_" not in name and "num_batches" not in name]
    assert all(torch.allclose(kept[name], moved[name], atol=1e-6) for name in learned)
    facts = read_facts(member_folder(second, 0) / "weights.safetensors")
    assert facts["start"]["trainer"]["epochs"] == 1


def test_the_whole_network_starts_from_its_trained_trunk(tmp_path: Path, fake_data: None) -> None:
    frozen = replace(SMALL, members=1, trainer=replace(SMALL.trainer, learning_rate=0.0))
    fit_expression(frozen, ExpressionData(tmp_path), tmp_path, [0], report=quiet)
    trunk = load_file(member_folder(tmp_path, 0) / "trunk" / "weights.safetensors")
    whole = load_file(member_folder(tmp_path, 0) / "weights.safetensors")
    learned = [name for name in trunk if name.startswith("trunk.") and name.endswith("weight")]
    assert len(learned) > 10
    assert all(torch.equal(trunk[name], whole[name]) for name in learned)


def test_a_run_without_a_trunk_stage_trains_the_whole_network_only(tmp_path: Path, fake_data: None) -> None:
    direct = replace(SMALL, members=1, trunk=TrunkConfig(epochs=0))
    fit_expression(direct, ExpressionData(tmp_path), tmp_path, [0], report=quiet)
    assert not (member_folder(tmp_path, 0) / "trunk").exists()
