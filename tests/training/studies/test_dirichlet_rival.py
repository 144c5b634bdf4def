"""Branches against a Dirichlet on fake faces: both are trained once per seed and measured on the same faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.training.fakes.expression import fake_faces, quiet
from tests.training.fakes.teachers import SIDE, SMALL_STUDENT, fake_teachers, wide_faces
from training.data.fer2013 import FerFaces
from training.evaluation.estimates import Estimator
from training.evaluation.natural_shift import ShiftSet, changed_sets, natural_shift
from training.evaluation.uncertainty import Comparison, UncertaintyConfig, compare
from training.expression import faces as faces_module
from training.expression import student as student_module
from training.expression.fit import load_members
from training.studies import dirichlet_rival as module
from training.studies.dirichlet_rival import BRANCHES, DIRICHLET, compare_dirichlet
from training.studies.network_estimators import dirichlet_estimator, fit_dirichlet_temperature


def sized_faces(data: Path, split: str, cache: Path, side_px: int) -> FerFaces:
    return wide_faces() if side_px == SIDE else fake_faces()


def news(*_: object) -> tuple[ShiftSet, ...]:
    faces = wide_faces()
    few = ShiftSet("faces128 few", faces.crops[:4], faces.landmarks[:4], np.array(list("abcd")))
    return (replace(few, name="faces128"), few, *changed_sets(few))


def compare_quickly(
    estimators: Mapping[str, Estimator], faces: FerFaces, config: UncertaintyConfig, report: Callable[[str], None]
) -> Comparison:
    """The real comparison with five resamples: intervals are not part of the study."""
    return compare(estimators, faces, replace(config, resamples=5), report)


@pytest.fixture
def teachers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(faces_module, "read_faces", wide_faces)
    monkeypatch.setattr(student_module, "unlabelled_news", None)  # versions.unlabelled_count is 0
    monkeypatch.setattr(module, "read_faces", sized_faces)
    monkeypatch.setattr(module, "news_sets", news)
    monkeypatch.setattr(module, "compare", compare_quickly)
    monkeypatch.setattr(module, "natural_shift", partial(natural_shift, resamples=5))
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

    best = fit_dirichlet_temperature(network, faces)
    assert nll(best) <= min(nll(0.8 * best), nll(1.25 * best))
