"""Reports of ``evaluate au`` and ``study au`` on synthetic faces, for tests of what is written from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.fakes.action_units import brightness_model
from tests.training.fakes.expression import fake_faces, quiet
from training.data.action_unit_faces import UnitFaces
from training.data.fer2013 import FerFaces
from training.evaluation import action_units_file as units_file
from training.evaluation.action_units_file import FerSplit, UnitFileReport, evaluate_units_file
from training.studies.action_units import PAPER_ORDER, Cell, Curve, StudyConfig, StudyPoint, StudyReport
from training.studies.variant_comparison import FoldDecisions, compare_variants

#: The twelve units of BP4D and two more.
UNITS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24, 25, 26)


def fake_fer_faces() -> FerFaces:
    """Forty faces at 96 pixels, each with all ten votes for one expression."""
    random = np.random.default_rng(0)
    votes = np.zeros((40, 10), np.int64)
    votes[np.arange(40), random.integers(0, 8, 40)] = 10
    crops = random.integers(0, 255, (40, 96, 96), dtype=np.uint8)
    return replace(fake_faces(40), crops=crops, votes=votes)


def fake_file_report(folder: Path, faces: UnitFaces, fer: bool = True, split: str = "PublicTest") -> UnitFileReport:
    """Report of the brightness model, which trusts AU1 and AU12, timed in two runs."""
    outside = FerSplit(split, fake_fer_faces()) if fer else None
    model = brightness_model(folder, faces.units, trusted=(1, 12))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units_file, "TIMED_RUNS", 2)
        return evaluate_units_file(model, faces, "fold 1: synthetic", outside, resamples=10, report=quiet)


def fake_study(
    points: tuple[tuple[float, float], ...] = ((0.01, 0.0), (0.1, 0.0), (1.0, 0.0), (1.0, 0.3)), folds: int = 3
) -> StudyReport:
    """A study in which variants that the paper ranks lower make more errors."""
    found = []
    for share, flipped in points:
        parts = []
        for seed in range(folds):
            random = np.random.default_rng(seed)
            occurs = random.random((200, 2)) < 0.4
            decided = {
                item.value: occurs
                ^ (random.random(occurs.shape) < 0.05 * (1 + place) + 0.1 * (1 - share) + flipped / 2)
                for place, item in enumerate(PAPER_ORDER)
            }
            people = np.repeat(np.arange(50), 4).astype(str)
            parts.append(FoldDecisions(people, np.ones_like(occurs), occurs, decided))
        compared = compare_variants((1, 12), parts, [item.value for item in PAPER_ORDER], 50)
        curves = tuple(
            Curve(item.value, (150, 300, 450, 600), (3.0, 2.0, 1.5, 1.5), (0.2, 0.5, 0.6, 0.625))
            for item in PAPER_ORDER
        )
        cells = tuple(Cell(fold + 1, 100, 400, 600, 601, 50, 200, curves) for fold in range(folds))
        found.append(StudyPoint(share, flipped, cells, compared))
    return StudyReport(("open", "faces128"), (1, 12), StudyConfig(steps=600), "abc123", tuple(found))
