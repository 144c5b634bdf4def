"""The action-unit study: people and labels of each setting, training length, and resuming."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.fakes.action_units import TINY, fake_labels, faulty_faces
from tests.training.fakes.expression import quiet
from training.action_units.model import Variant
from training.data.action_unit_faces import UnitFaces, UnitSplit, split_people
from training.loop.json_report import plain
from training.loop.trainer import TrainerConfig
from training.studies import action_units as unit_study
from training.studies.action_units import (
    PAPER_ORDER,
    StudyConfig,
    StudyReport,
    flip_labels,
    scaled,
    share_of_people,
    study_split,
    study_units,
)

STUDY = StudyConfig(folds=(1, 2), shares=(0.5, 1.0), flips=(0.0, 0.2), steps=1, samples=3, resamples=20)
CPU = torch.device("cpu")


class FakeTrainings:
    """Replaces both training stages: a "model" predicts from the brightness of the crop, with errors by variant."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, UnitSplit]] = []
        for name in ("fit_features", "fit_head", "head_features", "sampled_logits"):
            monkeypatch.setattr(unit_study, name, getattr(self, name))

    def fit_features(
        self, split: UnitSplit, config: Any, folder: Path, balanced: bool, device: Any, facts: Any, report: Any
    ) -> str:
        self.seen.append((str(folder), split))
        return "balanced" if balanced else "plain"

    def fit_head(
        self, split: UnitSplit, config: Any, trunk: str, variant: Variant, folder: Path, device: Any, facts: Any,
        report: Any, features: str,
    ) -> str:  # fmt: skip
        assert (trunk, features) == ("balanced", "features of balanced")
        self.seen.append((str(folder), split))
        return variant.value

    def head_features(self, split: UnitSplit, config: Any, trunk: str, device: Any) -> str:
        return f"features of {trunk}"

    def sampled_logits(self, model: str, variant: Variant, crops: np.ndarray, samples: int) -> np.ndarray:
        bright = crops.mean((1, 2)) > 128
        random = np.random.default_rng(0)
        wrong = random.random(len(crops)) < 0.1 * PAPER_ORDER.index(variant)
        logits = np.where(bright ^ wrong, 2.0, -2.0)[:, np.newaxis, np.newaxis]
        return np.tile(logits, (1, samples, 12)).astype(np.float32)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> FakeTrainings:
    return FakeTrainings(monkeypatch)


def run_study(folder: Path, faces: UnitFaces | None = None, study: StudyConfig = STUDY) -> StudyReport:
    return study_units(faces or faulty_faces(), TINY, folder, study, CPU, quiet)


def test_every_setting_is_trained_once_and_read_on_the_second_call(trainings: FakeTrainings, tmp_path: Path) -> None:
    first = run_study(tmp_path)
    assert len(trainings.seen) == 2 * 3 * 5  # folds x (half, all, all with flipped labels) x variants
    again = run_study(tmp_path)
    assert len(trainings.seen) == 2 * 3 * 5
    assert plain(again) == plain(first)


def test_interrupted_cell_is_trained_again(trainings: FakeTrainings, tmp_path: Path) -> None:
    first = run_study(tmp_path)
    (tmp_path / "fold2" / "share100" / "flip20" / "cell.json").unlink()
    trainings.seen.clear()
    assert plain(run_study(tmp_path)) == plain(first)
    assert {Path(folder).name for folder, _ in trainings.seen} == {variant.value for variant in Variant}
    assert all("fold2/share100/flip20" in folder for folder, _ in trainings.seen)


def test_each_cell_file_holds_its_figures(trainings: FakeTrainings, tmp_path: Path) -> None:
    report = run_study(tmp_path)
    variants = json.loads((tmp_path / "fold1" / "share100" / "flip0" / "cell.json").read_text())["variants"]
    for scores in next(
        point for point in report.points if (point.share, point.flipped) == (1.0, 0.0)
    ).compared.variants:
        assert variants[scores.variant]["f1"] == pytest.approx(scores.f1_by_fold[0], abs=1e-4)
        assert set(variants[scores.variant]["units"]) == {unit.unit for unit in scores.units}


def test_order_of_the_paper_is_found_if_the_variants_have_it(trainings: FakeTrainings, tmp_path: Path) -> None:
    study = replace(STUDY, folds=(1, 2, 3), shares=(1.0,), flips=(0.0,), resamples=100)
    compared = run_study(tmp_path, faulty_faces(150), study).points[0].compared
    assert compared.found_order == tuple(variant.value for variant in PAPER_ORDER)
    assert compared.order_appears
    assert len(compared.comparisons) == 5 * 4 / 2


def test_test_labels_are_never_flipped(trainings: FakeTrainings, tmp_path: Path) -> None:
    faces = faulty_faces()
    run_study(tmp_path, faces)
    for folder, split in trainings.seen:
        clean = split_people(faces, int(split.test.folds[0]))
        assert (split.test.occurs == clean.test.occurs).all()
        if "share100" in folder:
            changed = (split.training.occurs != clean.training.occurs).sum(0)
            share = 0.2 if "flip20" in folder else 0.0
            assert changed.tolist() == [round(share * n) for n in clean.training.known.sum(0)]


def test_run_with_other_settings_or_faces_is_rejected(trainings: FakeTrainings, tmp_path: Path) -> None:
    run_study(tmp_path)
    with pytest.raises(ValueError, match="other settings or faces"):
        run_study(tmp_path, study=replace(STUDY, steps=2))
    with pytest.raises(ValueError, match="other settings or faces"):
        run_study(tmp_path, faulty_faces(31))


def test_smaller_share_of_people_is_a_subset_of_a_larger_one() -> None:
    faces = faulty_faces(60)
    kept = [set(share_of_people(faces, share, 0).people) for share in (0.01, 0.1, 0.5, 1.0)]
    assert [len(people) for people in kept] == [1, 6, 30, 60]
    assert all(small <= large for small, large in zip(kept, kept[1:], strict=False))
    assert set(share_of_people(faces, 0.1, 1).people) != kept[1]


def test_share_applies_to_training_and_validation_people_only() -> None:
    faces = faulty_faces(60)
    whole, half = split_people(faces, 2), study_split(faces, 2, 0.5, 0.0, seed=0)
    for one, other in ((whole.training, half.training), (whole.validation, half.validation)):
        assert len(set(other.people)) == -(-len(set(one.people)) // 2)
    assert len(half.test.people) == len(whole.test.people)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.01])
def test_share_of_people_outside_its_range_is_rejected(share: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        share_of_people(faulty_faces(), share, 0)


def partly_known_labels() -> UnitFaces:
    random = np.random.default_rng(0)
    return fake_labels(random.random((200, 3)) < 0.3, random.random((200, 3)) < 0.8)


@given(st.floats(0, 1))
def test_exactly_the_share_of_known_labels_of_each_unit_is_flipped(share: float) -> None:
    before, after = partly_known_labels(), flip_labels(partly_known_labels(), share)
    flipped = before.occurs != after.occurs
    assert flipped.sum(0).tolist() == [round(share * n) for n in before.known.sum(0)]
    assert not (flipped & ~before.known).any()
    assert (after.targets == np.where(flipped, 1 - before.targets, before.targets)).all()


@given(st.floats(0, 1), st.floats(0, 1))
def test_flipped_labels_of_a_smaller_share_are_a_subset_of_those_of_a_larger(one: float, other: float) -> None:
    faces = partly_known_labels()
    small, large = (flip_labels(faces, share).occurs != faces.occurs for share in sorted((one, other)))
    assert not (small & ~large).any()


def test_flipped_labels_depend_on_the_seed() -> None:
    first, again, other = (flip_labels(partly_known_labels(), 0.2, seed).occurs for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_flipped_share_outside_its_range_is_rejected(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        flip_labels(partly_known_labels(), share)


def test_small_sets_get_smaller_batches_and_more_epochs() -> None:
    config = TrainerConfig(epochs=4, batch_size=64, warmup_epochs=1.0)
    found = scaled(config, 10, steps=500)
    assert (found.batch_size, found.epochs, found.warmup_epochs) == (10, 500, 500 / 4)
    found = scaled(config, 200, steps=500)
    assert (found.batch_size, found.epochs) == (64, -(-500 // 3))
    assert scaled(config, 64_000, steps=500) == config


def test_whole_set_without_flipped_labels_is_always_a_point() -> None:
    assert StudyConfig(shares=(0.1,), flips=(0.2,)).points() == ((0.1, 0.0), (1.0, 0.0), (1.0, 0.2))


def test_study_with_real_training(tmp_path: Path) -> None:
    """Both stages, all variants, one fold; the second call trains nothing."""
    study = replace(STUDY, folds=(3,), shares=(), flips=())
    first = run_study(tmp_path, study=study)
    trained = sorted(path.parent.name for path in tmp_path.glob("fold3/share100/flip0/*/weights.safetensors"))
    assert trained == sorted(variant.value for variant in Variant)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert plain(run_study(tmp_path, study=study)) == plain(first)
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    cell = first.points[0].cells[0]
    assert cell.training_faces == 4 * cell.training_people  # four images each
    assert cell.steps_features >= 1
