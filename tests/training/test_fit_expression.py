"""The training command on a handful of made faces: settings, members, and a run that starts from another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.errors import ConfigError
from training import fit_expression as module
from training.datasets.fer2013 import FerFaces
from training.export.expression import load_ensemble
from training.fit_expression import ExpressionRunConfig, fit_expression, member_folder, read_run_config
from training.models.arbex import ArbexConfig
from training.trainers.checkpoint import read_facts
from training.trainers.trainer import TrainerConfig

CONFIGS = Path(module.__file__).parent / "configs"
SMALL = ExpressionRunConfig(
    members=2,
    model=ArbexConfig(widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1), token_width=16, token_depth=1),
    trainer=TrainerConfig(epochs=1, batch_size=8, bf16=False),
)


@pytest.fixture
def made_data(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    votes = random.integers(0, 6, (16, 10))
    votes[::2, 1] += 40  # every second face has a majority
    faces = FerFaces(
        rows=np.arange(16),
        crops=random.integers(0, 256, (16, 48, 48), dtype=np.uint8),
        landmarks=random.random((16, 468, 2), dtype=np.float32),
        vote_shares=(votes[:, :8] / votes[:, :8].sum(1, keepdims=True)).astype(np.float32),
        votes=votes,
        labels=np.zeros(16, np.int64),
        presence=np.ones(16, np.float32),
        in_other_split=np.zeros(16, bool),
    )
    monkeypatch.setattr(module, "read_faces", lambda *_: faces)


def quiet(line: str) -> None:
    """Swallow a progress line."""


@pytest.mark.parametrize("name", ["expression_edge.toml", "expression_edge_again.toml"])
def test_the_shipped_settings_are_read(name: str) -> None:
    config = read_run_config(CONFIGS / name)
    assert config.members == 5
    assert config.model == ArbexConfig()


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[trainer]\nepoch = 3\n")
    with pytest.raises(ConfigError, match="unknown key 'epoch'"):
        read_run_config(tmp_path / "bad.toml")


def test_members_differ_and_make_an_ensemble(tmp_path: Path, made_data: None) -> None:
    fit_expression(SMALL, tmp_path, tmp_path, range(2), report=quiet)
    ensemble, config = load_ensemble(tmp_path)
    assert config == SMALL
    with torch.no_grad():
        logits = ensemble(torch.randn(1, 1, 48, 48), torch.rand(1, 468, 2))
    assert logits.shape == (1, 2, 8)
    assert not torch.equal(logits[:, 0], logits[:, 1])


def test_a_run_starts_from_the_weights_of_another_and_says_so(tmp_path: Path, made_data: None) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    fit_expression(SMALL, tmp_path, first, [0], report=quiet)
    still = replace(SMALL, trainer=replace(SMALL.trainer, learning_rate=0.0))
    fit_expression(still, tmp_path, second, [0], start=first, report=quiet)
    kept, moved = (load_file(member_folder(run, 0) / "weights.safetensors") for run in (first, second))
    learned = [name for name in kept if "running_" not in name and "num_batches" not in name]
    assert all(torch.allclose(kept[name], moved[name], atol=1e-6) for name in learned)
    facts = read_facts(member_folder(second, 0) / "weights.safetensors")
    assert facts["start"]["trainer"]["epochs"] == 1
