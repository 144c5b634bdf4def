"""The ensemble, its baselines and cheaper networks in one table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.fakes.expression import SHAPE, fake_faces, fake_run, quiet
from training.corruptions.catalogue import Strength
from training.data.fer2013 import FerFaces, vote_shares
from training.evaluation.uncertainty import MethodRow, UncertaintyConfig
from training.expression import faces as face_set
from training.expression.distil import LessonConfig, Method, UarRunConfig, fit_uar
from training.expression.fit import ExpressionData, ExpressionRunConfig
from training.loop.trainer import TrainerConfig
from training.metrics.bootstrap import Figure
from training.studies import rivals as module
from training.studies.rivals import ENSEMBLE, evaluate_rivals, separation


def faces_of_every_class() -> FerFaces:
    faces = fake_faces(24)
    votes = np.zeros((24, 10), np.int64)
    votes[np.arange(24), np.arange(24) % 8] = 7
    votes[np.arange(24), (np.arange(24) * 5 + 1) % 8] += 3
    return replace(faces, votes=votes, vote_shares=vote_shares(votes))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two untrained members and a barely trained network of two of the methods."""
    for place in (module, face_set):
        monkeypatch.setattr(place, "read_faces", lambda *_: faces_of_every_class())
    monkeypatch.setattr(module, "TIMED_RUNS", 3)
    members = fake_run(tmp_path / "members", ExpressionRunConfig(members=2, model=SHAPE))
    for method, branches in ((Method.DISTILLED, 2), (Method.DIRICHLET, 1)):
        config = UarRunConfig(
            method=method.value,
            model=replace(SHAPE, branches=branches, fer2013_head=False),
            lessons=LessonConfig(versions=1, strange_versions=0),
            trainer=TrainerConfig(epochs=1, batch_size=8, bf16=False),
        )
        fit_uar(config, ExpressionData(tmp_path), members, tmp_path / method.value, report=quiet)
    return tmp_path


def test_every_method_is_measured_on_the_same_faces(runs: Path) -> None:
    config = UncertaintyConfig(strengths=(Strength.CIFAR_C,), severe_faces=10, graded_faces=0, resamples=20)
    students = [runs / Method.DISTILLED.value, runs / Method.DIRICHLET.value]
    report = evaluate_rivals(runs / "members", students, runs, "PublicTest", config, quiet)
    methods = [rival.method for rival in report.rivals]
    assert methods[0] == ENSEMBLE
    assert {"dropout", "density", "distilled", "distilled, density", "dirichlet"} < set(methods)
    assert [row.method for row in report.table] == methods
    ensemble = report.rivals[0]
    assert ensemble.separation == pytest.approx(1.0)
    single = next(rival for rival in report.rivals if "single" in rival.method)
    assert single.times_one_member == pytest.approx(1.0)
    assert all(rival.majority_accuracy.n == ensemble.majority_accuracy.n for rival in report.rivals)


def row_of(auroc: float, rho: float) -> MethodRow:
    figures = {"auroc_epistemic": auroc, "rho_aleatoric": rho}
    names = ("rho_epistemic", "auroc_aleatoric", "auroc_total", "auroc_one_minus_top", "aleatoric_with_epistemic")
    rest = dict.fromkeys((*names, "retention_ratio", "kept_two_scores"), 0.0)
    values = {name: Figure(value, value, value, 10) for name, value in {**figures, **rest}.items()}
    return MethodRow("synthetic", Strength.CIFAR_C, diagonal_wins=True, intervals_apart=True, **values)


def test_separation_is_the_lowest_ratio_to_the_ensemble() -> None:
    ensemble = [row_of(0.9, 0.6), row_of(0.7, 0.6)]
    assert separation([row_of(0.8, 0.6), row_of(0.7, 0.6)], ensemble) == pytest.approx(0.3 / 0.4)
    assert separation([row_of(0.9, 0.3), row_of(0.7, 0.3)], ensemble) == pytest.approx(0.5)
