"""Branches against a Dirichlet on fake faces: both are trained once per seed and measured on the same faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.fakes.expression import fake_faces, quiet
from tests.training.fakes.teachers import SIDE, SMALL_STUDENT, fake_teachers, wide_faces
from training.data.fer2013 import FerFaces
from training.evaluation.natural_shift import ShiftSet, changed_sets
from training.expression import faces as faces_module
from training.expression import student as student_module
from training.expression.fit import load_members
from training.studies import dirichlet_rival as module
from training.studies.dirichlet_rival import BRANCHES, DIRICHLET, compare_dirichlet
from training.studies.network_estimators import dirichlet_estimator, fit_dirichlet_temperature, outputs_of


def sized_faces(data: Path, split: str, cache: Path, side_px: int) -> FerFaces:
    return wide_faces() if side_px == SIDE else fake_faces()


def news(*_: object) -> tuple[ShiftSet, ...]:
    faces = wide_faces()
    few = ShiftSet("faces128 few", faces.crops[:4], faces.landmarks[:4], np.array(list("abcd")))
    return (replace(few, name="faces128"), few, *changed_sets(few))


@pytest.fixture
def teachers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(faces_module, "read_faces", wide_faces)
    monkeypatch.setattr(student_module, "unlabelled_news", None)  # versions.unlabelled_count is 0
    monkeypatch.setattr(module, "read_faces", sized_faces)
    monkeypatch.setattr(module, "news_sets", news)
    return fake_teachers(tmp_path)


def test_both_methods_are_trained_on_the_same_lessons_and_measured(teachers: Path) -> None:
    lines: list[str] = []
    run = teachers / "run"
    report = compare_dirichlet(SMALL_STUDENT, teachers, teachers, teachers, run, (0,), 2, lines.append)
    assert [row.method for row in report.methods] == [BRANCHES, DIRICHLET]
    assert sum("made faces_0" in line for line in lines) == 1, "both share the lessons"
    for row in report.methods:
        assert len(row.accuracy.each) == 1
        assert 0 <= row.auroc_half_covered_least.mean <= 1
        assert row.temperature.mean > 0
    branches, dirichlet = (load_members(run / f"{name}_seed_0")[0][0] for name in (BRANCHES, DIRICHLET))
    assert (len(branches.each_branch()), len(dirichlet.each_branch())) == (3, 1)


def test_the_temperature_of_a_dirichlet_lowers_its_nll(teachers: Path) -> None:
    run = teachers / "run"
    config = replace(SMALL_STUDENT, dirichlet=True, model=replace(SMALL_STUDENT.model, branches=1))
    student_module.fit_student(config, teachers, teachers, run, report=quiet)
    ((network,), _), faces = load_members(run), wide_faces()

    def nll(temperature: float) -> float:
        found = dirichlet_estimator(network, temperature)(faces.crops, faces.landmarks)
        return float(-(faces.vote_shares * np.log(found.probabilities)).sum(1).mean())

    logits = outputs_of(network, faces.crops, faces.landmarks)[0].logits
    best = fit_dirichlet_temperature(logits, faces.vote_shares)
    assert nll(best) <= min(nll(0.8 * best), nll(1.25 * best))
