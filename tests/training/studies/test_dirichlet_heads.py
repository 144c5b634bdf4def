"""Branches and a Dirichlet as heads on a frozen trunk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.training.fakes.expression import quiet
from tests.training.fakes.teachers import SMALL_STUDENT, fake_teachers, wide_faces
from tests.training.studies.test_dirichlet_rival import news, sized_faces
from training.expression import faces as faces_module
from training.expression.fit import load_members
from training.expression.student import fit_student
from training.studies import dirichlet_heads as module
from training.studies import dirichlet_rival
from training.studies.dirichlet_heads import BRANCHES, DIRICHLET, Features, HeadConfig, compare_heads

HEADS = HeadConfig(hidden=8, passes=1, batch_size=8, warmup_steps=1)


class Level(nn.Module):
    """A trunk whose last map is the image in sixteen channels."""

    passes = 0

    def forward(self, image: Tensor) -> list[Tensor]:
        self.passes += 1
        return [nn.functional.pixel_unshuffle(image, 4)]


@pytest.fixture
def teachers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two untrained teachers and, in the folder student, a barely trained student; all data are fake faces."""
    monkeypatch.setattr(faces_module, "read_faces", wide_faces)
    monkeypatch.setattr(module, "read_faces", sized_faces)
    monkeypatch.setattr(dirichlet_rival, "read_faces", sized_faces)
    monkeypatch.setattr(dirichlet_rival, "news_sets", news)
    run = fake_teachers(tmp_path)
    fit_student(SMALL_STUDENT, run, run, run / "student", report=quiet)
    return run


def test_heads_of_both_kinds_are_measured_and_the_trunk_is_left_as_it_is(teachers: Path) -> None:
    student, lessons = teachers / "student", teachers / "student" / "lessons"
    (before,), _ = load_members(student)
    report = compare_heads(
        SMALL_STUDENT, teachers, teachers, student, teachers, lessons, "student", (0, 1), 2, HEADS, quiet
    )
    assert (report.trunk, report.pictures) == ("student", 16)
    assert [row.method for row in report.methods] == [BRANCHES, DIRICHLET]
    for row in report.methods:
        assert row.nll_votes.each[0] != row.nll_votes.each[1], "seeds differ"
        assert 0 <= row.auroc_strange.mean <= 1
    (after,), _ = load_members(student)
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in before.state_dict().items())
    teacher = module._trunk("teacher", teachers, student)
    assert not torch.equal(teacher.conv.weight, before.trunk.conv.weight), "the student's was trained on"


def test_an_unknown_trunk_is_refused(teachers: Path) -> None:
    with pytest.raises(ValueError, match="trunk must be one of student, teacher, not 'other'"):
        compare_heads(SMALL_STUDENT, teachers, teachers, teachers, teachers, teachers, "other")


def test_each_set_of_images_passes_the_trunk_once_and_is_scaled_as_in_training() -> None:
    trunk = Level()
    features = Features(trunk)
    crops = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
    first = features.of(crops)
    assert features.of(crops.copy()) is first
    assert trunk.passes == 1
    features.standardise(torch.full((4, 16), 2.0) + torch.arange(4)[:, None])
    assert torch.allclose(features.of(crops), (first - 3.5) / torch.arange(4.0).std(), atol=1e-5)


def test_the_dirichlet_learns_its_spread_from_the_teachers_alone() -> None:
    votes = torch.nn.functional.one_hot(torch.arange(4) % 8, 8).float()
    teachers = torch.full((4, 2, 8), 1 / 8)
    taught = module._Taught(
        features=torch.zeros(4, 16),
        targets=torch.cat([teachers, votes[:, None]], 1),
        votes=votes,
        known=torch.zeros(4, dtype=torch.bool),
        votes_weight=0.5,
        teachers=2,
    )
    rows, logits = torch.arange(4), torch.ones(4, 1, 8)
    agreed = module._loss(DIRICHLET, logits, taught, rows)
    apart = torch.full((4, 2, 8), 0.02)
    apart[:, 0, 0], apart[:, 1, 1] = 0.86, 0.86
    spread = replace(taught, targets=torch.cat([apart, votes[:, None]], 1))
    strong = torch.full((4, 1, 8), 4.0)  # a high concentration
    assert module._loss(DIRICHLET, strong, taught, rows) - agreed < module._loss(
        DIRICHLET, strong, spread, rows
    ) - module._loss(DIRICHLET, logits, spread, rows), "agreement asks for concentration, disagreement does not"
