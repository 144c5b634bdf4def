"""Masks, hands and sunglasses over faces: who is rejected, and whether the part is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ContractError
from tests.training.fakes.expression import SHAPE, fake_faces, fake_run, quiet
from tests.training.fakes.meshes import frontal_mesh
from training.data.covers import DRAWN_COVERS
from training.evaluation import covered
from training.evaluation.covered import evaluate_covered
from training.expression import cover_head, export
from training.expression.cover_head import CoverConfig, fit_cover_head
from training.expression.export import export_expression
from training.expression.fit import ExpressionRunConfig

FACES = replace(fake_faces(24), landmarks=np.repeat(frontal_mesh()[None], 24, 0))


@pytest.fixture(autouse=True)
def known_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (export, cover_head, covered):
        monkeypatch.setattr(module, "read_faces", lambda *_: FACES)


def exported(folder: Path, with_head: bool) -> Path:
    run = fake_run(folder, ExpressionRunConfig(members=1, model=replace(SHAPE, landmarks=False)))
    if with_head:
        fit_cover_head(CoverConfig(pictures=40, hidden=4, epochs=1), run, run, report=quiet)
    export_expression(run, run, run / "expression.onnx", quiet)
    return run / "expression.onnx"


def test_every_cover_has_a_row_and_the_counts_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covered, "_UNSEEN", ("gaussian_noise", "defocus_blur"))  # others take seconds
    report = evaluate_covered(exported(tmp_path, with_head=True), tmp_path, tmp_path, "PublicTest", count=12)
    assert [row.name for row in report.rows[: 1 + len(DRAWN_COVERS)]] == ["clean", *DRAWN_COVERS]
    assert [row.name for row in report.rows[1 + len(DRAWN_COVERS) :]] == ["gaussian noise", "defocus blur"]
    assert [row.part for row in report.rows[1 : 1 + len(DRAWN_COVERS)]] == [
        part.value for part, _ in DRAWN_COVERS.values()
    ]
    for row in report.rows:
        assert row.named.n == 12
        rejected = round(12 * row.routes.rejected.value)
        counts = [None if figure is None else figure.n for figure in (row.named_of_rejected, row.wrong_of_rejected)]
        assert counts == [rejected or None] * 2


def test_a_model_that_does_not_say_what_is_covered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="does not say which part is covered"):
        evaluate_covered(exported(tmp_path, with_head=False), tmp_path, tmp_path, "PublicTest")
