"""From teachers to the student: lessons on disk, degraded pictures, and a run that exports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.fakes.expression import quiet
from tests.training.fakes.teachers import SMALL_STUDENT, fake_teachers, wide_faces
from training import CONFIGS
from training.expression import faces as faces_module
from training.expression import lessons as lessons_module
from training.expression.degrade import DegradeConfig, degrade, exposed_targets
from training.expression.export import export_expression
from training.expression.faces import FaceSet
from training.expression.fit import load_members
from training.expression.fit_teacher import load_teachers, read_teacher_config
from training.expression.lessons import VersionsConfig, make_lessons
from training.expression.student import StudentConfig, fit_student, make_student_lessons, read_student_config
from training.expression.trunk_levels import PretrainedLevels, level_sides


@pytest.fixture
def teachers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of two untrained teachers; all data are fake faces."""
    monkeypatch.setattr(faces_module, "read_faces", wide_faces)
    return fake_teachers(tmp_path)


def test_a_student_starts_from_a_teacher_and_loads_like_any_other_run(teachers: Path) -> None:
    still = replace(SMALL_STUDENT, trainer=replace(SMALL_STUDENT.trainer, learning_rate=0.0))
    fit_student(still, teachers, teachers, teachers / "student", report=quiet)
    (network,), config = load_members(teachers / "student")
    assert config.members == 1
    assert len(network.each_branch()) == 3
    assert isinstance(network.trunk, PretrainedLevels)
    (first,) = load_teachers(teachers, [0])
    assert torch.equal(network.trunk.conv.weight, first.trunk.conv.weight)


def test_answers_are_stored_once_and_a_later_teacher_is_added(teachers: Path) -> None:
    faces = FaceSet(wide_faces().labelled(), SMALL_STUDENT.augment)
    lines: list[str] = []
    folder = teachers / "lessons"
    alone = make_lessons(teachers, [0], faces, None, SMALL_STUDENT.versions, folder, lines.append)
    assert lines == ["made faces_0: 16 pictures", "teacher 0 labelled faces_0"]
    both = make_lessons(teachers, [0, 1], faces, None, SMALL_STUDENT.versions, folder, lines.append)
    assert lines[2:] == ["teacher 1 labelled faces_0"]
    assert torch.equal(alone.images, both.images)
    assert torch.equal(alone.answers[:, 0], both.answers[:, 0])
    assert both.answers.shape == (16, 2, 8)
    assert torch.allclose(both.answers.float().sum(-1), torch.ones(16, 2), atol=0.01)


def test_unlabelled_faces_have_answers_but_no_votes(teachers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = replace(wide_faces().labelled(), targets=np.zeros((16, 8), np.float32)).where(np.arange(16) < 5)
    monkeypatch.setattr("training.expression.student.unlabelled_news", lambda *_: extra)
    config = replace(SMALL_STUDENT, versions=VersionsConfig(count=1, unlabelled_count=1))
    make_student_lessons(config, teachers, teachers, teachers / "student", teachers, quiet)
    faces = FaceSet(wide_faces().labelled(), SMALL_STUDENT.augment)
    unlabelled = FaceSet(extra, SMALL_STUDENT.augment)
    folder = teachers / "student" / "lessons"
    monkeypatch.setattr(lessons_module, "load_teachers", None)  # no teacher is needed any more
    found = make_lessons(teachers, [0, 1], faces, unlabelled, config.versions, folder, quiet)
    assert found.rows.tolist() == [*range(16), *[-1] * 5]


def test_faces_of_rare_classes_come_in_further_versions_with_their_votes(teachers: Path) -> None:
    labelled = wide_faces().labelled()
    labels = np.array([3] * 2 + [-1] * 4 + [1] * 10)
    faces = FaceSet(replace(labelled, labels=labels), SMALL_STUDENT.augment)
    versions = VersionsConfig(count=1, unlabelled_count=0, rare_count=2, rare_below=3)
    found = make_lessons(teachers, [0], faces, None, versions, teachers / "rare", quiet)
    assert found.rows.tolist() == [*range(16), 0, 1, 0, 1]
    assert not torch.equal(found.images[16], found.images[18]), "each version has its own random changes"


def test_branches_that_do_not_match_the_teachers_are_refused(teachers: Path) -> None:
    config = replace(SMALL_STUDENT, raters_branch=False)
    with pytest.raises(ValueError, match="3 branches do not fit the 2 finished teachers of .*: set model.branches = 2"):
        fit_student(config, teachers, teachers, teachers / "student", report=quiet)


def test_the_dirichlet_rival_learns_the_same_lessons_with_one_branch_and_is_not_exported(teachers: Path) -> None:
    with pytest.raises(ValueError, match="set model.branches = 1"):
        fit_student(replace(SMALL_STUDENT, dirichlet=True), teachers, teachers, teachers / "rival", report=quiet)
    config = replace(SMALL_STUDENT, dirichlet=True, model=replace(SMALL_STUDENT.model, branches=1))
    lines: list[str] = []
    lessons = teachers / "student" / "lessons"
    make_student_lessons(SMALL_STUDENT, teachers, teachers, teachers / "student", report=quiet)
    fit_student(config, teachers, teachers, teachers / "rival", report=lines.append, lessons=lessons)
    assert not any("made" in line or "labelled" in line for line in lines), "the lessons were there"
    assert any("macro_f1" in line for line in lines)
    (network,), _ = load_members(teachers / "rival")
    assert len(network.each_branch()) == 1
    with pytest.raises(ValueError, match="is a Dirichlet, which the engine does not read"):
        export_expression(teachers / "rival", teachers, teachers / "model.onnx", quiet)


def test_the_shipped_settings_fit_the_trunk() -> None:
    config = read_student_config(CONFIGS / "student.toml")
    assert config.model == StudentConfig().model
    rivals = read_student_config(CONFIGS / "student_rivals.toml")
    assert replace(rivals, trainer=config.trainer, versions=config.versions) == config, "it differs in its length alone"
    teachers = read_teacher_config(CONFIGS / "teacher.toml").members
    assert config.model.branches == teachers + config.raters_branch, "reproduce trains both"
    with torch.no_grad():
        maps = PretrainedLevels().eval()(torch.zeros(1, 1, 96, 96))
    assert [tuple(level.shape[1:]) for level in maps] == [(64, 11, 11), (128, 5, 5), (256, 2, 2)]
    assert level_sides(96) == [11, 5, 2]


@pytest.mark.parametrize("side", [71, 80, 96, 112])
def test_level_sides_are_those_of_the_maps(side: int) -> None:
    with torch.no_grad():
        maps = PretrainedLevels().eval()(torch.zeros(1, 1, side, side))
    assert level_sides(side) == [level.shape[-1] for level in maps]


def test_a_side_whose_levels_do_not_meet_is_refused() -> None:
    with pytest.raises(ValueError, match=r"levels of \[9, 4, 2\] cells that do not meet"):
        replace(SMALL_STUDENT.model, input_side_px=80, network_side_px=80)


def test_every_kind_of_degradation_repeats_and_is_exposed_by_its_strength() -> None:
    images = torch.rand(64, 1, 48, 48)
    config = DegradeConfig(soft=0.2, corrupted=0.2, covered=0.2, badly_lit=0.2, strange=0.2)
    found = degrade(images, config, torch.Generator().manual_seed(1))
    again = degrade(images, config, torch.Generator().manual_seed(1))
    assert torch.equal(found.images, again.images)
    assert found.images.shape == images.shape
    assert 0 <= float(found.images.min()) <= float(found.images.max()) <= 1
    assert (found.exposure[found.faceless] == 0.7).all()
    assert 0 < int(found.faceless.sum()) < 30
    assert float(found.exposure[~found.faceless].max()) <= 0.5
    assert (found.exposure == 0).any()  # softened pictures are ordinary faces
    nothing = degrade(images, DegradeConfig(0, 0, 0, 0, 0), torch.Generator().manual_seed(1))
    assert torch.equal(nothing.images, images)


def test_shares_beyond_the_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to at most 1"):
        DegradeConfig(soft=0.9, corrupted=0.5)


def test_exposed_branches_move_apart_and_ordinary_faces_keep_their_answers() -> None:
    answers = torch.full((3, 2, 8), 0.125)
    answers[:, :, 3], answers[:, :, 4] = 0.25, 0.0
    targets = exposed_targets(answers, torch.tensor([0.0, 0.5, 0.7]), torch.tensor([False, False, True]))
    assert torch.equal(targets[0], answers[0])
    assert torch.allclose(targets.sum(-1), torch.ones(3, 2))
    assert targets[1, 0].argmax() == 0
    assert targets[1, 1].argmax() == 1
    assert float(targets[2, 0, 5]) == pytest.approx(0.3 / 8)  # the answer to a strange picture does not count
