"""From several members to one network: the lessons, the three methods, and the run that is exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.fakes.expression import SHAPE, fake_faces, quiet
from training import CONFIGS
from training.data.augment import AugmentConfig
from training.data.fer2013 import MEAN, STD
from training.expression import faces as faces_module
from training.expression.distil import (
    DistillationTask,
    LessonConfig,
    Lessons,
    Method,
    UarRunConfig,
    fit_uar,
    make_lessons,
    read_uar_config,
)
from training.expression.faces import FaceSet
from training.expression.fit import ExpressionData, ExpressionRunConfig, fit_expression, load_members
from training.expression.loss import ArbexLossConfig
from training.expression.model import Arbex
from training.expression.trunk import TrunkConfig
from training.loop.trainer import TrainerConfig, fit

TRAINER = TrainerConfig(epochs=1, batch_size=8, bf16=False)
MEMBERS = ExpressionRunConfig(members=2, model=SHAPE, trunk=TrunkConfig(epochs=0), trainer=TRAINER)
STUDENT = UarRunConfig(
    model=replace(SHAPE, branches=2, fer2013_head=False),
    lessons=LessonConfig(versions=1, strange_versions=1),
    trainer=replace(TRAINER, epochs=2),
)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished run of two small members."""
    monkeypatch.setattr(faces_module, "read_faces", lambda *_: fake_faces())
    fit_expression(MEMBERS, ExpressionData(tmp_path), tmp_path / "members", range(2), report=quiet)
    return tmp_path


@pytest.mark.parametrize("method", list(Method))
def test_every_method_gives_a_run_that_loads_like_any_other(trained: Path, method: Method) -> None:
    config = replace(STUDENT, method=method.value)
    if method is Method.DIRICHLET:
        config = replace(config, model=replace(config.model, branches=1))
    fit_uar(config, ExpressionData(trained), trained / "members", trained / method.value, report=quiet)
    (network,), settings = load_members(trained / method.value)
    assert settings.members == 1
    assert len(network.each_branch()) == config.model.branches


def test_each_branch_learns_from_its_own_member(tmp_path: Path) -> None:
    faces = FaceSet(fake_faces().labelled(), AugmentConfig())
    images, landmarks = next(faces.batches(16))
    predictions = torch.full((16, 2, 8), 0.02)
    predictions[:, 0, 3] = predictions[:, 1, 5] = 0.86  # the first member always predicts sadness, the second disgust
    stored = ((images[:, 0] * STD + MEAN) * 255).to(torch.uint8)
    lessons = Lessons(stored, landmarks.half(), predictions.half(), torch.full((16,), -1))
    torch.manual_seed(0)
    task = DistillationTask(lessons, faces, faces, Arbex(STUDENT.model), ArbexLossConfig(), votes_weight=0.5)
    fit(task, replace(TRAINER, epochs=15, learning_rate=5e-3, average_decay=0.5), tmp_path, {}, quiet)
    task.model.eval()
    first, second = task.model(images, landmarks)
    assert (first.fused.argmax(1) == 3).all()
    assert (second.fused.argmax(1) == 5).all()


def test_members_predict_once_and_strange_images_have_no_votes(trained: Path) -> None:
    members, _ = load_members(trained / "members")
    faces = FaceSet(fake_faces().labelled(), AugmentConfig())
    lines: list[str] = []
    file = trained / "lessons.safetensors"
    first = make_lessons(members, faces, STUDENT.lessons, file, lines.append)
    again = make_lessons([], faces, STUDENT.lessons, file, lines.append)  # no member is needed
    assert len(lines) == 2
    assert torch.equal(first.predictions, again.predictions)
    assert first.rows.tolist() == [*range(16), *[-1] * 16]
    assert first.predictions.shape == (32, 2, 8)


def test_branches_that_do_not_match_the_members_are_refused(trained: Path) -> None:
    config = replace(STUDENT, model=replace(STUDENT.model, branches=3))
    with pytest.raises(ValueError, match="3 branches cannot learn from 2 members"):
        fit_uar(config, ExpressionData(trained), trained / "members", trained / "bad", report=quiet)


def test_an_unknown_method_is_refused(trained: Path) -> None:
    with pytest.raises(ValueError, match="method 'magic' is unknown: use one of branches, distilled, dirichlet"):
        fit_uar(
            replace(STUDENT, method="magic"),
            ExpressionData(trained),
            trained / "members",
            trained / "bad",
            report=quiet,
        )


@pytest.mark.parametrize("method", list(Method))
def test_the_shipped_settings_are_read(method: Method) -> None:
    config = read_uar_config(CONFIGS / f"uar_{method.value}.toml")
    assert config.method == method.value
