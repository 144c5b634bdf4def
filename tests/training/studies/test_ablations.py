"""Variants of the reliability balancing on a frozen trunk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.fake_faces import SHAPE, fake_faces, fake_run, quiet
from training.expression.fit import ExpressionRunConfig
from training.loop.trainer import TrainerConfig
from training.studies import ablations as module
from training.studies.ablations import VARIANTS, ablate
from training.studies.members import DISTRIBUTIONS


def test_every_variant_is_trained_for_every_seed_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_faces", lambda *_: fake_faces())
    members = fake_run(tmp_path / "members", ExpressionRunConfig(members=1, model=SHAPE))
    trainer = TrainerConfig(epochs=1, batch_size=16, bf16=False)
    report = ablate(members, tmp_path, tmp_path / "run", 0, (0, 1), trainer, quiet)
    assert [(row.variant, row.distribution) for row in report.rows] == [
        (variant.name, name) for variant in VARIANTS for name in DISTRIBUTIONS
    ]
    assert all(len(row.accuracy.each) == 2 for row in report.rows)
    told: list[str] = []
    again = ablate(members, tmp_path, tmp_path / "run", 0, (0, 1), trainer, told.append)
    assert sum("nothing to do" in line for line in told) == 2 * len(VARIANTS)
    assert again == report
