"""The head that names covered parts: what it is taught, that it learns it, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import ConfigError
from tests.training.fakes.expression import SHAPE, fake_faces, fake_run, quiet
from training import CONFIGS
from training.expression import cover_head
from training.expression.cover_head import (
    CoverConfig,
    cover_pictures,
    fit_cover_head,
    load_cover_head,
    read_cover_config,
    tokens_of,
)
from training.expression.fit import ExpressionRunConfig, load_members

CONFIG = ExpressionRunConfig(members=1, model=replace(SHAPE, landmarks=False))


def test_the_settings_of_the_release_are_those_of_the_code() -> None:
    assert read_cover_config(CONFIGS / "covered.toml") == CoverConfig()


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "covered.toml"
    path.write_text("picture = 3\n")
    with pytest.raises(ConfigError, match="picture"):
        read_cover_config(path)


def test_pictures_without_a_cover_have_nothing_covered_and_the_seed_decides_all() -> None:
    faces = fake_faces(10)
    crops, parts = cover_pictures(faces, 200, np.random.default_rng(3))
    again, _ = cover_pictures(faces, 200, np.random.default_rng(3))
    assert np.array_equal(crops, again)
    assert crops.shape == (200, 48, 48)
    unchanged = [any(np.array_equal(crop, face) for face in faces.crops) for crop in crops]
    assert 5 < sum(unchanged) < 80
    assert np.nansum(parts[unchanged]) == 0
    assert np.nanmax(parts) == 1


def test_a_head_is_stored_with_its_run_and_above_zero_for_one_clean_face_in_a_hundred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run(tmp_path, CONFIG)
    faces = fake_faces(200)
    monkeypatch.setattr(cover_head, "read_faces", lambda *_: faces)
    assert load_cover_head(run) is None
    fit_cover_head(CoverConfig(pictures=50, hidden=4, epochs=1), run, run, report=quiet)
    head = load_cover_head(run)
    assert head is not None
    (network,), _ = load_members(run)
    with torch.no_grad():
        above = (head(tokens_of(network, faces.crops).float()) > 0).float().mean(0)
    assert above.tolist() == pytest.approx([0.01] * 3, abs=0.006)


def test_several_networks_are_refused(tmp_path: Path) -> None:
    run = fake_run(tmp_path, replace(CONFIG, members=2))
    with pytest.raises(ValueError, match="has 2 networks"):
        fit_cover_head(CoverConfig(), run, run, report=quiet)
