"""Intensity against labels: ranks of faces that show a unit, and nothing where no label is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.fakes.action_units import fake_labels
from training.data.action_unit_faces import UnitFaces
from training.evaluation.unit_intensity import intensity_report


def graded_faces(labels: np.ndarray) -> UnitFaces:
    return replace(fake_labels(labels > 1, units=(1, 12)), intensities=labels.astype(np.float32))


def test_order_counts_and_faces_that_do_not_show_the_unit_do_not() -> None:
    labels = np.stack([np.repeat([0.0, 1, 2, 3, 4], 20), np.tile([0.0, 1, 2, 3, 4], 20)], 1)
    ours = np.stack([labels[:, 0] ** 2 / 5, 5 - labels[:, 1]], 1).astype(np.float32)
    ours[labels[:, 0] == 0, 0] = 5  # a false alarm, which only the error sees
    report = intensity_report(graded_faces(labels), ours, 20)
    assert report is not None
    first, second = report.units
    assert (first.unit, second.unit, first.spearman.n) == ("AU1", "AU12", 80)
    assert first.spearman.value == pytest.approx(1.0)
    assert second.spearman.value == pytest.approx(-1.0)
    assert report.mean.value == pytest.approx(0.0)
    assert first.mean_error == pytest.approx((5 + 0.8 + 1.2 + 1.2 + 0.8) / 5)
    assert report.faces == 100


def test_unknown_labels_are_left_out_and_too_few_are_no_report() -> None:
    labels = np.stack([np.linspace(1, 5, 40), np.full(40, np.nan)], 1)
    report = intensity_report(graded_faces(labels), labels.astype(np.float32), 5)
    assert report is not None
    assert [unit.unit for unit in report.units] == ["AU1"]
    assert report.units[0].mean_error == pytest.approx(0.0, abs=1e-6)
    assert intensity_report(graded_faces(labels[:10]), labels[:10].astype(np.float32), 5) is None
    assert intensity_report(fake_labels(np.ones((40, 2), bool)), np.ones((40, 2), np.float32), 5) is None
