"""Fine-tuning the teacher on a few fake faces: settings, mixup, resuming, and loading the members."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.errors import ConfigError
from tests.training.fakes.expression import fake_faces, quiet
from tests.training.fakes.trunk import trunk_weights
from training import CONFIGS
from training.data.augment import AugmentConfig
from training.data.fer2013 import FerFaces
from training.expression import faces as face_sets
from training.expression import fit_teacher as module
from training.expression.fit import member_folder
from training.expression.fit_teacher import (
    TeacherRunConfig,
    TeacherTask,
    finished_members,
    fit_teacher,
    load_teachers,
    mixup,
    read_teacher_config,
)
from training.expression.teacher import TeacherConfig
from training.loop.trainer import TrainerConfig

SIDE = 72
SMALL = TeacherRunConfig(
    members=2,
    model=TeacherConfig(input_side_px=SIDE),
    augment=AugmentConfig(),
    trainer=TrainerConfig(epochs=2, batch_size=8, bf16=False),
)


def faces() -> FerFaces:
    """Sixteen fake faces of 72 px."""
    small = fake_faces()
    return replace(small, crops=np.kron(small.crops, np.ones((2, 2), np.uint8))[:, :SIDE, :SIDE])


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The splits that were read; every split holds the same fake faces, and the trunk has random weights."""
    splits: list[str] = []

    def read(folder: Path, split: str, *_: object) -> FerFaces:
        splits.append(split)
        return faces()

    monkeypatch.setattr(face_sets, "read_faces", read)
    monkeypatch.setattr(module, "read_trunk", lambda path: trunk_weights())
    return splits


def fit(run: Path, members: list[int], config: TeacherRunConfig = SMALL) -> None:
    fit_teacher(config, run, run / "trunk.npz", run, members, report=quiet)


def test_the_shipped_settings_are_those_of_the_study_and_keep_blur_out_of_training() -> None:
    config = read_teacher_config(CONFIGS / "teacher.toml")
    assert config.members == 3
    assert config.model.input_side_px == 128
    assert config.augment.soften_share == 0.0
    steps_per_epoch = 27_867 // config.trainer.batch_size
    assert round(config.trainer.warmup_epochs * steps_per_epoch) == 200


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("seeds = 3\n")
    with pytest.raises(ConfigError, match="unknown key 'seeds'"):
        read_teacher_config(tmp_path / "bad.toml")


def test_mixup_mixes_images_and_targets_with_the_same_weights() -> None:
    targets = torch.eye(8)
    images = targets[:, None, None].repeat(1, 1, 8, 1)  # (8, 1, 8, 8): each row of an image is its target
    mixed, shares = mixup(images, targets, 0.2, torch.Generator().manual_seed(0))
    assert torch.allclose(mixed[:, 0, 0], shares)
    assert torch.allclose(shares.sum(1), torch.ones(8))
    assert ((shares > 0).sum(1) <= 2).all()
    assert not torch.equal(shares, targets)
    again = mixup(images, targets, 0.2, torch.Generator().manual_seed(0))
    assert torch.equal(again[0], mixed)


def test_without_alpha_nothing_is_mixed() -> None:
    images, targets = torch.rand(4, 1, 2, 2), torch.rand(4, 8)
    assert mixup(images, targets, 0.0, torch.Generator())[0] is images


def test_private_test_is_never_read(tmp_path: Path, data: list[str]) -> None:
    fit(tmp_path, [0], replace(SMALL, trainer=replace(SMALL.trainer, epochs=1)))
    assert data == ["Training", "PublicTest"]


def test_members_differ_and_load_with_their_settings(tmp_path: Path, data: list[str]) -> None:
    fit(tmp_path, [0, 1])
    assert finished_members(tmp_path) == (0, 1)
    teachers = load_teachers(tmp_path, (0, 1))
    assert [teacher.config for teacher in teachers] == [SMALL.model] * 2
    with torch.no_grad():
        first, second = (teacher(torch.zeros(1, 1, SIDE, SIDE)) for teacher in teachers)
    assert first.shape == (1, 8)
    assert not torch.equal(first, second)


def test_loading_a_run_without_a_finished_member_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no finished member: run 'mien-train fit teacher'"):
        load_teachers(tmp_path, finished_members(tmp_path))


def test_a_killed_run_ends_with_the_same_weights(
    tmp_path: Path, data: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    often = replace(SMALL, trainer=replace(SMALL.trainer, save_every_s=0.0))
    fit(tmp_path / "whole", [0])
    steps = 0
    loss = TeacherTask.loss

    def die(self: TeacherTask, rows: torch.Tensor, progress: float, generator: torch.Generator) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt
        return loss(self, rows, progress, generator)

    monkeypatch.setattr(TeacherTask, "loss", die)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "broken", [0], often)
    fit(tmp_path / "broken", [0], often)
    whole, broken = (load_file(member_folder(tmp_path / run, 0) / "weights.safetensors") for run in ("whole", "broken"))
    assert all(torch.equal(whole[name], broken[name]) for name in whole)
