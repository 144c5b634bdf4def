"""Figures of the networks of a run: seeds, fusion and the second head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.fakes.expression import SHAPE, fake_faces, fake_run
from training.data.fer2013 import FerFaces
from training.expression.fit import ExpressionRunConfig
from training.studies import members as module
from training.studies.members import evaluate_members, over_seeds


def faces_with_one_unvoted() -> FerFaces:
    """Thirty faces, the last without a vote for an expression."""
    faces = fake_faces(30)
    faces.votes[-1, :8] = 0
    faces.vote_shares[-1] = 0
    return faces


@pytest.mark.parametrize("second_head", [True, False])
def test_figures_count_only_the_faces_that_have_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second_head: bool
) -> None:
    config = ExpressionRunConfig(members=2, model=replace(SHAPE, fer2013_head=second_head))
    fake_run(tmp_path, config)
    monkeypatch.setattr(module, "read_faces", lambda *_, **__: faces_with_one_unvoted())
    report = evaluate_members(tmp_path, tmp_path, tmp_path, "PublicTest")
    assert report.networks == 2
    assert report.votes_n == 29
    assert 15 <= report.majority_n < 30
    assert [figures.name for figures in report.distributions] == ["primary", "geometric", "attentive", "fused"]
    gains = [b - a for a, b in zip(*(report.distributions[k].accuracy.each for k in (0, 3)), strict=True)]
    assert report.accuracy_gain.each == pytest.approx(gains)
    assert report.repaired - report.broken == pytest.approx(sum(gains) * report.majority_n)
    assert (report.fer2013_ensemble is not None) == second_head
    assert report.fer2013_n == 30


def test_mean_and_deviation_over_seeds() -> None:
    figures = over_seeds([0.8, 0.9])
    assert figures.mean == pytest.approx(0.85)
    assert figures.deviation == pytest.approx((0.05**2 + 0.05**2) ** 0.5)
    assert over_seeds([0.8]).deviation == 0.0
