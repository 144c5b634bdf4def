"""RLPS on cached features: every method on both networks, and the features are computed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.training.studies.test_rlps_trials import voted_faces
from training import CONFIGS
from training.data.fer2013 import FerFaces
from training.rlps.fit import read_rlps_config
from training.studies import rlps_features as module
from training.studies.rlps_features import METHODS, study_rlps

SHIPPED = read_rlps_config(CONFIGS / "rlps_features.toml")
SMALL = replace(
    SHIPPED,
    faces=96,
    folds=2,
    rl_epochs=1,
    policy=replace(SHIPPED.policy, epochs=1, batch_size=32),
    classifier=replace(SHIPPED.classifier, embedding=8),
    trainer=replace(SHIPPED.trainer, epochs=1, batch_size=32),
)


class Levels(nn.Module):
    """A trunk whose last map is the image in four channels."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, image: Tensor) -> list[Tensor]:
        self.passes += 1
        return [image, nn.functional.pixel_unshuffle(image, 2)]


class Mean(nn.Module):
    """Features as a teacher's trunk gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = Levels()

    def forward(self, image: Tensor) -> Tensor:
        return torch.as_tensor(self.levels(image)[-1].mean((2, 3)))


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> tuple[Levels, Mean]:
    found = Levels(), Mean()

    def read(data: Path, split: str, cache: Path, side_px: int) -> FerFaces:
        return voted_faces(150, first_row=1000 * (1 + (split == "PublicTest")))

    settings = SimpleNamespace(model=SimpleNamespace(input_side_px=16))
    monkeypatch.setattr(module, "read_faces", read)
    monkeypatch.setattr(module, "load_members", lambda run: ([SimpleNamespace(trunk=found[0])], settings))
    monkeypatch.setattr(module, "_dlib", lambda path: found[1])
    return found


def test_every_method_is_measured_on_both_networks(tmp_path: Path, networks: tuple[Levels, Mean]) -> None:
    report = study_rlps(SMALL, tmp_path, tmp_path, tmp_path, tmp_path / "run", tmp_path, (0, 1), lambda line: None)
    assert [(row.features, row.method) for row in report.methods] == [
        (name, method) for name in ("dlib", "student") for method in METHODS
    ]
    assert report.images == 96
    assert report.validation_images == 150 - 96
    assert 0.2 < report.wrong_share < 0.4  # a third of the labels is happy, and some of these are right
    for row in report.methods:
        assert len(row.accuracy_all.each) == 2
        assert row.collapsed <= row.keep_all_wins <= 2
        assert (row.accuracy_cleaned is None) == (row.collapsed == 2)
        if row.collapsed == 0:
            assert row.accuracy_cleaned is not None
            assert row.cleaned_minus_all is not None
            assert row.cleaned_minus_all.mean == pytest.approx(row.accuracy_cleaned.mean - row.accuracy_all.mean)
    x, paper = report.methods[0], report.methods[1]
    assert x.accuracy_all == paper.accuracy_all, "all methods start from the same training"


def test_features_are_computed_once(tmp_path: Path, networks: tuple[Levels, Mean]) -> None:
    faces = voted_faces(150, first_row=0)
    first = module._features(networks[1], faces, tmp_path / "features.npz")
    passes = networks[1].levels.passes
    again = module._features(networks[1], faces, tmp_path / "features.npz")
    assert networks[1].levels.passes == passes
    assert np.array_equal(first, again)
    assert first.shape == (150, 4)
    other = replace(faces, crops=255 - faces.crops)
    assert not np.array_equal(module._features(networks[1], other, tmp_path / "features.npz"), first)
    assert networks[1].levels.passes > passes, "features of other images are not taken for these"
    for weight in (1.0, 2.0):
        scaled = networks[1]
        scaled.levels.register_buffer("weight", torch.tensor(weight))
        passes = scaled.levels.passes
        module._features(scaled, other, tmp_path / "features.npz")
        assert scaled.levels.passes > passes, "features of other weights are not taken for these"
