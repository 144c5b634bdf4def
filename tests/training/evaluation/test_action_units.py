"""Figures of unit labels against sampled logits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from engine.facs import BP4D_UNITS
from tests.training.fakes.action_units import fake_labels
from training.evaluation.action_units import f1_half, judge, unit_report
from training.loop.json_report import plain


def logits_of(probabilities: np.ndarray, spread: float = 0.0, samples: int = 2) -> np.ndarray:
    """Logits (N, S, K) of probabilities (N, K); with a spread the samples lie that far to both sides."""
    shifts = np.linspace(-spread, spread, samples)[:, np.newaxis]
    return (np.log(probabilities / (1 - probabilities))[:, np.newaxis] + shifts).astype(np.float32)


def random_faces(count: int = 300, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probabilities = random.uniform(0.05, 0.95, (count, k))
    return random.random((count, k)) < probabilities, probabilities


def test_figures_agree_with_scikit_learn_on_the_known_labels() -> None:
    occurs, p = random_faces()
    known = np.random.default_rng(1).random(occurs.shape) < 0.7
    report = unit_report(fake_labels(occurs, known), logits_of(p), 1.0, (0.5, 0.3, 0.7), resamples=20)
    for place, unit in enumerate(report.units):
        truth, score = occurs[known[:, place], place], p[known[:, place], place]
        assert unit.n == known[:, place].sum()
        assert unit.rate == pytest.approx(truth.mean())
        assert unit.scores.f1_half.value == pytest.approx(f1_score(truth, score >= 0.5))
        assert unit.scores.f1.value == pytest.approx(f1_score(truth, score >= (0.5, 0.3, 0.7)[place]))
        assert unit.scores.auroc.value == pytest.approx(roc_auc_score(truth, score))
        assert unit.scores.average_precision.value == pytest.approx(average_precision_score(truth, score))
        assert unit.scores.f1_always == pytest.approx(f1_score(truth, np.ones(len(truth), bool)))
    assert [unit.unit for unit in report.units] == ["AU1", "AU2", "AU4"]
    each = [unit.scores.f1_half.value for unit in report.units]
    assert report.mean.scores.f1_half.value == pytest.approx(sum(each) / 3)


def test_values_under_unknown_labels_have_no_effect() -> None:
    occurs, p = random_faces()
    known = np.random.default_rng(1).random(occurs.shape) < 0.7
    turned = np.where(known, occurs, ~occurs)
    reports = [
        unit_report(fake_labels(labels, known), logits_of(p), 1.0, (0.5,) * 3, 10) for labels in (occurs, turned)
    ]
    assert plain(reports[0]) == plain(reports[1])


def test_unit_with_one_label_is_left_out_and_listed() -> None:
    occurs, p = random_faces()
    occurs[:, 1] = False
    report = unit_report(fake_labels(occurs), logits_of(p), 1.0, (0.5,) * 3, resamples=10)
    assert (report.mean.units, report.mean.left_out) == (("AU1", "AU4"), ("AU2",))
    assert np.isnan(report.units[1].scores.f1_half.value)
    assert np.isnan(report.units[1].scores.auroc.value)
    assert report.units[1].rate == 0
    others = [report.units[place].scores.f1_half.value for place in (0, 2)]
    assert report.mean.scores.f1_half.value == pytest.approx(sum(others) / 2)


def test_unit_without_labels_has_no_figures() -> None:
    occurs, p = random_faces()
    known = np.ones(occurs.shape, bool)
    known[:, 2] = False
    report = unit_report(fake_labels(occurs, known), logits_of(p), 1.0, (0.5,) * 3, resamples=10)
    assert report.mean.left_out == ("AU4",)
    assert (report.units[2].n, np.isnan(report.units[2].rate)) == (0, True)


def test_published_mean_is_over_the_twelve_units_of_bp4d() -> None:
    units = (*BP4D_UNITS, 43)
    occurs, p = random_faces(k=13)
    p[:, 12] = np.where(occurs[:, 12], 0.9, 0.1)  # read without a fault
    report = unit_report(fake_labels(occurs, units=units), logits_of(p), 1.0, (0.5,) * 13, resamples=10)
    twelve = [unit.scores.f1_half.value for unit in report.units[:12]]
    assert report.mean_bp4d is not None
    assert report.mean_bp4d.scores.f1_half.value == pytest.approx(sum(twelve) / 12)
    assert report.mean.scores.f1_half.value == pytest.approx((sum(twelve) + 1) / 13)


def test_faces_without_the_twelve_units_have_no_published_mean() -> None:
    occurs, p = random_faces()
    assert unit_report(fake_labels(occurs), logits_of(p), 1.0, (0.5,) * 3, 5).mean_bp4d is None


def test_people_are_resampled_not_images() -> None:
    occurs = np.tile([[True], [False]], (20, 1))
    people = np.repeat(["a", "b"], 20)  # all of a is right, all of b wrong
    decided = occurs == (people == "a")[:, np.newaxis]
    p = np.where(decided, 0.9, 0.1)
    f1 = unit_report(fake_labels(occurs, people=people), logits_of(p), 1.0, (0.5,), 200).mean.scores.f1_half
    assert f1.value == pytest.approx(2 * 10 / (2 * 10 + 20))
    assert (f1.low, f1.high) == (0.0, 1.0)  # one of them twice


def test_interval_over_people_covers_the_true_value() -> None:
    """All images of a person are decided by one coin with an accuracy of 0.7, which 95 % of the intervals contain."""
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(100):
        people = np.repeat(np.arange(40), 5).astype(str)
        right = np.repeat(random.random(40) < 0.7, 5)
        occurs = (random.random(200) < 0.5)[:, np.newaxis]
        p = np.where(occurs[:, 0] == right, 0.9, 0.1)[:, np.newaxis]
        found = unit_report(fake_labels(occurs, people=people), logits_of(p), 1.0, (0.5,), 100).mean.scores
        covered += found.accuracy_half.low <= 0.7 <= found.accuracy_half.high
    assert covered >= 88  # 95 expected, deviation 2.2, and 40 people are few


def test_accuracy_falls_with_the_disagreement_of_the_samples() -> None:
    """Right where the samples agree, a coin where they do not: the gap is half."""
    random = np.random.default_rng(0)
    torn = np.arange(1000) >= 900
    occurs = random.random(1000) < 0.5
    decided = np.where(torn, random.random(1000) < 0.5, occurs)
    spread = np.where(torn, 3.0, 0.1)[:, np.newaxis]
    centre = np.where(decided, 1.0, -1.0)[:, np.newaxis]
    logits = np.stack([centre - spread, centre + spread], 1).astype(np.float32)
    report = unit_report(fake_labels(occurs[:, np.newaxis]), logits, 1.0, (0.5,), resamples=50)
    epistemic = report.uncertainty[0]
    assert epistemic.kind == "epistemic"
    assert len(epistemic.units[0].accuracy) == 20
    assert epistemic.deciles[:9] == pytest.approx([1.0] * 9)
    wrong = (decided != occurs)[torn].mean()
    assert epistemic.gap_points.value == pytest.approx(100 * wrong)
    assert epistemic.gap_points.low <= epistemic.gap_points.value <= epistemic.gap_points.high
    assert epistemic.units[0].rho < 0


def test_equal_uncertainty_gives_no_gap() -> None:
    occurs, p = random_faces()
    report = unit_report(fake_labels(occurs), logits_of(p, samples=1), 1.0, (0.5,) * 3, resamples=5)
    assert report.uncertainty[0].mean_nats == 0
    assert report.uncertainty[0].gap_points.value == pytest.approx(0.0)
    assert np.isnan(report.uncertainty[0].units[0].rho)


def test_occurrence_is_the_mean_probability() -> None:
    logits = np.array([[[2.0], [-2.0]]], np.float32)
    judged = judge(logits, 2.0)
    assert judged.occurrence[0, 0] == pytest.approx(0.5)
    assert judged.total[0, 0] == pytest.approx(np.log(2))
    p = 1 / (1 + np.exp(-1.0))
    assert judged.aleatoric[0, 0] == pytest.approx(-(p * np.log(p) + (1 - p) * np.log(1 - p)), abs=1e-6)


def test_f1_alone_equals_that_of_the_report() -> None:
    occurs, p = random_faces()
    faces = fake_labels(occurs)
    alone = f1_half(faces, judge(logits_of(p), 1.0), 50)
    assert alone == unit_report(faces, logits_of(p), 1.0, (0.2,) * 3, 50).mean.scores.f1_half


def test_reliability_counts_known_labels() -> None:
    occurs = np.array([[True, False], [False, True]])
    known = np.array([[True, True], [True, False]])
    p = np.array([[0.92, 0.91], [0.22, 0.95]])
    bins = unit_report(fake_labels(occurs, known), logits_of(p), 1.0, (0.5, 0.5), 10).reliability
    assert [part.n for part in bins] == [1, 2]
    assert bins[1].agreement == pytest.approx(1 / 2)
    assert bins[1].confidence == pytest.approx((0.92 + 0.91) / 2)


def test_logits_of_different_faces_are_rejected() -> None:
    occurs, p = random_faces()
    with pytest.raises(ValueError, match="do not match labels"):
        unit_report(fake_labels(occurs), logits_of(p[:-1]), 1.0, (0.5,) * 3)
    with pytest.raises(ValueError, match="no faces"):
        unit_report(fake_labels(occurs[:0]), logits_of(p[:0]), 1.0, (0.5,) * 3)
