"""The dual validation with fake estimators that read the images, or ignore them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from training.corruptions.catalogue import CORRUPTIONS, Strength
from training.data.fer2013 import FerFaces
from training.evaluation import uncertainty as module
from training.evaluation.estimates import Estimates, estimates_of
from training.evaluation.uncertainty import UncertaintyConfig, at_side, compare, evaluate_uncertainty
from training.loop.json_report import write_report

COUNT = 30
CONFIG = UncertaintyConfig(strengths=(Strength.CIFAR_C,), graded_faces=6, resamples=30)


@pytest.fixture(scope="module")
def faces() -> FerFaces:
    """Smooth images whose grey level is the disagreement of the raters."""
    random = np.random.default_rng(0)
    split = random.integers(0, 6, COUNT)
    votes = np.zeros((COUNT, 10), int)
    votes[:, 0], votes[:, 1] = 10 - split, split
    waves = 10 * np.sin(np.arange(48) / 6)
    crops = (90 + 20 * split[:, None, None] + waves[None, :, None] + random.normal(0, 2, (COUNT, 48, 48))).astype(
        np.uint8
    )
    return FerFaces(
        rows=np.arange(COUNT),
        crops=crops,
        landmarks=np.zeros((COUNT, 468, 2), np.float32),
        vote_shares=(votes[:, :8] / 10).astype(np.float32),
        votes=votes,
        labels=np.zeros(COUNT, np.int64),
        presence=np.ones(COUNT, np.float32),
        in_other_split=np.zeros(COUNT, bool),
    )


def content_based(crops: np.ndarray, landmarks: np.ndarray) -> Estimates:
    """Members that predict the split of the votes from the grey level and disagree by the roughness of the image."""
    assert crops.shape[1] == 48
    assert landmarks.shape == (len(crops), 468, 2)
    split = np.clip((crops.mean((1, 2)) - 90) / 200, 0.01, 0.5)
    rough = np.abs(np.diff(crops.astype(float), axis=2)).mean((1, 2)) / 10
    logits = np.full((len(crops), 2, 8), -9.0)
    logits[:, 0, 0] = logits[:, 1, 0] = np.log((1 - split) / split)
    logits[:, :, 1] = 0
    logits[:, 0, 1] += rough
    logits[:, 1, 1] -= rough
    return estimates_of(logits.astype(np.float32), 1.0)


def constant(crops: np.ndarray, landmarks: np.ndarray) -> Estimates:
    """The same estimate for every face."""
    return estimates_of(np.tile(np.arange(8, dtype=np.float32), (len(crops), 1, 1)), 1.0)


def test_report_has_every_table(faces: FerFaces, tmp_path: Path) -> None:
    lines: list[str] = []
    report = evaluate_uncertainty(content_based, faces, CONFIG, lines.append)
    assert lines == ["cifar_c: 30 faces at severity 5, 6 at the others"]
    (part,) = report.strengths
    assert (report.n, part.n) == (COUNT, COUNT)
    assert [row.corruption for row in part.shift.corruptions] == list(CORRUPTIONS)
    aurocs = {row.corruption: row.auroc.epistemic.value for row in part.shift.corruptions}
    assert min(aurocs["gaussian_noise"], aurocs["impulse_noise"]) > 0.95
    assert aurocs["motion_blur"] < 0.6
    assert report.disagreement.votes.rho.value > 0.9
    assert [row.severity for row in part.severities] == [1, 2, 3, 4, 5]
    assert {row.auroc_epistemic.n for row in part.severities} == {6}
    assert part.severities[4].epistemic_shift > part.severities[0].epistemic_shift
    assert [len(curve.rows) for curve in part.retention] == [9, 9]
    write_report(report, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["config"]["strengths"] == ["cifar_c"]


def test_figures_at_severity_five_do_not_depend_on_the_graded_faces(faces: FerFaces) -> None:
    all_graded = evaluate_uncertainty(content_based, faces, UncertaintyConfig((Strength.CIFAR_C,), None, COUNT, 5))
    (part,) = all_graded.strengths
    assert part.severities[4].auroc_epistemic.value == pytest.approx(part.shift.mean.epistemic.value)


def test_subset_of_faces_depends_on_the_seed(faces: FerFaces) -> None:
    config = UncertaintyConfig((Strength.IMAGENET_C,), severe_faces=12, graded_faces=0, resamples=5, seed=4)
    first, second = (evaluate_uncertainty(content_based, faces, config) for _ in range(2))
    (part,) = first.strengths
    assert (part.n, part.severities) == (12, ())
    assert part.shift.mean == second.strengths[0].shift.mean


def test_all_methods_get_the_same_images_and_share_one_table(faces: FerFaces) -> None:
    config = UncertaintyConfig((Strength.CIFAR_C,), severe_faces=15, graded_faces=0, resamples=10)
    compared = compare({"content_based": content_based, "constant": constant, "again": content_based}, faces, config)
    assert [row.method for row in compared.table] == ["content_based", "constant", "again"]
    first, uninformed, again = compared.table
    assert first.auroc_epistemic == again.auroc_epistemic
    assert uninformed.auroc_epistemic.value == 0.5
    assert np.isnan(uninformed.rho_aleatoric.value)
    assert not uninformed.diagonal_wins
    assert uninformed.retention_ratio.value == pytest.approx(1)
    assert compared.reports["content_based"].strengths[0].shift.mean.epistemic == first.auroc_epistemic


@pytest.mark.parametrize("side", [24, 48, 96])
def test_crops_are_resized_to_the_input_side_of_the_model(side: int, faces: FerFaces) -> None:
    seen = []

    def estimate(crops: np.ndarray, landmarks: np.ndarray) -> Estimates:
        seen.append(crops)
        return constant(crops, landmarks)

    at_side(estimate, side)(faces.crops[:2], faces.landmarks[:2])
    assert seen[0].shape == (2, side, side)
    assert seen[0].mean() == pytest.approx(faces.crops[:2].mean(), abs=1)


def test_report_of_a_file_names_the_file_and_the_split(faces: FerFaces, monkeypatch: pytest.MonkeyPatch) -> None:
    class Contract:
        name, sha256 = "synthetic", "ab12"

        class crop:  # noqa: N801
            side_px = 48

    limits = SimpleNamespace(epistemic_limit=0.1, aleatoric_limit=0.5)
    monkeypatch.setattr(module, "file_estimator", lambda model: (content_based, Contract, limits))
    monkeypatch.setattr(module, "read_faces", lambda data, split, cache, side: faces)
    nowhere = Path("nowhere")
    found = module.evaluate_uncertainty_report(
        nowhere,
        nowhere,
        nowhere,
        "PublicTest",
        UncertaintyConfig((Strength.CIFAR_C,), 8, 0, 5),
        report=lambda line: None,
    )
    assert (found.model, found.sha256, found.split, found.natural_shift) == ("synthetic", "ab12", "PublicTest", None)
    assert found.tables.n == COUNT
    assert found.tables.routes is not None
    assert [row.name for row in found.tables.routes.rows][:2] == ["clean", "cifar_c"]
