"""Figures of a teacher run: members one by one, the ensemble, and the mirror image."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.uncertainty import entropy
from tests.training.fakes.expression import fake_faces
from training.data.fer2013 import FerFaces, majority_labels
from training.expression.fit import member_folder
from training.expression.fit_teacher import TeacherRunConfig
from training.expression.teacher import Teacher, TeacherConfig
from training.loop.checkpoint import save_weights
from training.loop.trainer import TrainerConfig
from training.metrics.ranking import spearman
from training.studies import teachers as module
from training.studies.teachers import evaluate_teachers, teacher_figures

SIDE = 72
CONFIG = TeacherRunConfig(members=2, model=TeacherConfig(input_side_px=SIDE))


def faces(count: int = 24) -> FerFaces:
    """Fake faces of 72 px; the first is a copy of an image of another split."""
    small = fake_faces(count)
    crops = np.kron(small.crops, np.ones((2, 2), np.uint8))[:, :SIDE, :SIDE]
    return replace(small, crops=crops, in_other_split=np.arange(count) == 0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of two untrained members."""
    for member in range(2):
        torch.manual_seed(member)
        member_folder(tmp_path, member).mkdir()
        trainer = asdict(TrainerConfig(epochs=3, seed=member))
        facts = {"config": asdict(CONFIG), "code": "test", "data": "fake images", "trainer": trainer}
        weights = Teacher(CONFIG.model).state_dict()
        save_weights(member_folder(tmp_path, member) / "weights.safetensors", weights, facts)
    monkeypatch.setattr(module, "read_faces", lambda *_: faces())
    return tmp_path


def test_the_report_names_members_seeds_and_sizes(run: Path) -> None:
    report = evaluate_teachers(run, run, run, "PublicTest")
    assert (report.members, report.seeds, report.epochs) == ((0, 1), (0, 1), (3, 3))
    assert report.faces == 24
    assert report.ensemble_plain.majority.accuracy.n == report.majority_faces
    assert report.ensemble_plain.accuracy_without_copies.n == report.majority_faces - 1
    assert len(report.members_mirror.accuracy.each) == 2
    alone = evaluate_teachers(run, run, run, "PublicTest", [1])
    assert alone.members_plain.accuracy.each == report.members_plain.accuracy.each[1:]


def test_a_symmetric_image_has_the_same_figures_with_its_mirror_image(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    symmetric = faces()
    symmetric.crops[:, :, SIDE // 2 :] = symmetric.crops[:, :, : SIDE // 2][:, :, ::-1]
    monkeypatch.setattr(module, "read_faces", lambda *_: symmetric)
    report = evaluate_teachers(run, run, run, "PublicTest")
    assert report.members_mirror.nll_votes.each == pytest.approx(report.members_plain.nll_votes.each, abs=1e-5)


def test_figures_are_those_of_the_members_mean() -> None:
    data = faces()
    votes = data.vote_shares.astype(np.float64)
    random = np.random.default_rng(1)
    other = random.dirichlet(np.ones(8), len(votes))
    members = np.stack([votes, other], 1)
    figures = teacher_figures(members, data)
    labels = majority_labels(data.votes)
    clear = labels >= 0
    mean = (votes + other) / 2
    assert figures.majority.accuracy.value == pytest.approx((mean.argmax(1) == labels)[clear].mean())
    assert figures.nll_votes.value == pytest.approx(-(votes * np.log(mean)).sum(1).mean())
    assert figures.spearman_total.value == pytest.approx(spearman(entropy(mean), entropy(votes)))
    aleatoric = (entropy(votes) + entropy(other)) / 2
    assert figures.spearman_aleatoric.value == pytest.approx(spearman(aleatoric, entropy(votes)))


def test_perfect_predictions_have_correlation_one() -> None:
    data = faces()
    figures = teacher_figures(data.vote_shares.astype(np.float64)[:, None], data)
    assert figures.spearman_total.value == pytest.approx(1.0)
    assert figures.majority.accuracy.value == 1.0
