"""Ablations of the reliability balancing on a frozen trunk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.fakes.expression import SHAPE, fake_faces, fake_run, quiet
from training.expression.fit import ExpressionRunConfig
from training.loop.trainer import TrainerConfig
from training.studies import ablations as module
from training.studies.ablations import VARIANTS, ablate
from training.studies.members import DISTRIBUTIONS


def test_each_variant_is_trained_once_per_seed_and_read_on_the_second_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = (VARIANTS[0], VARIANTS[-1])  # the plain head alone; ten anchors per class
    monkeypatch.setattr(module, "VARIANTS", variants)
    monkeypatch.setattr(module, "read_faces", lambda *_: fake_faces())
    members = fake_run(tmp_path / "members", ExpressionRunConfig(members=1, model=SHAPE))
    trainer = TrainerConfig(epochs=1, batch_size=16, bf16=False)
    report = ablate(members, tmp_path, tmp_path / "run", 0, (0, 1), trainer, quiet)
    assert [(row.variant, row.distribution) for row in report.rows] == [
        (variants[0].name, "primary"),
        *((variants[1].name, name) for name in DISTRIBUTIONS),
    ]
    assert all(len(row.accuracy.each) == 2 for row in report.rows)
    progress: list[str] = []
    again = ablate(members, tmp_path, tmp_path / "run", 0, (0, 1), trainer, progress.append)
    assert sum("nothing to do" in line for line in progress) == 2 * len(variants)
    assert again == report
