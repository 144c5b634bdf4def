"""Weak labels: the smallest change of a model's probabilities that obeys the published shares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.facs import EXPRESSIONS
from tests.training.fakes.action_units import brightness_model, fake_unit_faces
from training.action_units.exported import ExportedActionUnits
from training.action_units.expression_prior import (
    PRIOR,
    PROTOTYPES,
    fit_shifts,
    prior_bounds,
    weak_targets,
    with_weak_units,
)

HAPPY, NEUTRAL, SAD = (EXPRESSIONS.index(name) for name in ("happiness", "neutral", "sadness"))


def shares_of(expressions: np.ndarray) -> np.ndarray:
    return np.eye(len(EXPRESSIONS), dtype=np.float32)[expressions]


def test_means_are_brought_within_the_bounds_and_the_order_of_faces_is_kept() -> None:
    random = np.random.default_rng(0)
    shares = shares_of(np.repeat([HAPPY, NEUTRAL], 500))
    p = random.uniform(0.02, 0.4, (1000, 2)).astype(np.float32)  # AU12 and AU6 from a model that misses smiles
    low, high = prior_bounds((12, 6))
    shifts = fit_shifts(p, shares, low, high)
    q = weak_targets(p, shares, shifts)
    happy, neutral = q[:500].mean(0), q[500:].mean(0)
    assert happy[0] == pytest.approx(0.5, abs=1e-3)  # at the bound, and no further
    assert happy[1] == pytest.approx(0.5, abs=1e-3)  # a part of the prototype
    assert neutral == pytest.approx([0.2, 0.2], abs=1e-3)
    assert (np.argsort(q[:500, 0]) == np.argsort(p[:500, 0])).all()


def test_a_model_within_the_bounds_keeps_its_probabilities() -> None:
    shares = shares_of(np.repeat([HAPPY, NEUTRAL], 50))
    p = np.repeat([0.9, 0.1], 50).astype(np.float32)[:, np.newaxis]
    shifts = fit_shifts(p, shares, *prior_bounds((12,)))
    assert shifts == pytest.approx(0, abs=1e-6)
    assert weak_targets(p, shares, shifts) == pytest.approx(p, abs=1e-5)


def test_divided_votes_are_shifted_by_their_shares() -> None:
    shifts = np.zeros((len(EXPRESSIONS), 1))
    shifts[HAPPY] = 2.0
    shares = np.zeros((3, len(EXPRESSIONS)), np.float32)
    shares[:, HAPPY], shares[:, SAD] = [0, 0.5, 1], [1, 0.5, 0]
    q = weak_targets(np.full((3, 1), 0.5, np.float32), shares, shifts)
    assert np.log(q / (1 - q)).ravel() == pytest.approx([0, 1, 2], abs=1e-4)


def test_an_expression_without_faces_has_no_shift() -> None:
    shares = shares_of(np.full(40, HAPPY))
    shifts = fit_shifts(np.full((40, 1), 0.5, np.float32), shares, *prior_bounds((12,)))
    assert np.isfinite(shifts).all()
    assert shifts[SAD] == 0


def test_bounds_are_those_of_the_published_shares() -> None:
    low, high = prior_bounds((4, 43, 17))
    assert (low[SAD, 0], high[SAD, 0]) == (0.5, 1.0)
    assert (low[NEUTRAL, 0], high[NEUTRAL, 0]) == (0.0, 0.2)
    disgust = EXPRESSIONS.index("disgust")
    assert (low[disgust, 0], high[disgust, 0]) == pytest.approx((0.155, 0.41))
    assert (low[:, 1] == 0).all()
    assert (low[SAD, 2], high[SAD, 2]) == pytest.approx((0.335, 0.77))
    assert set(PRIOR) == set(EXPRESSIONS)
    assert all(0 < PRIOR[name][unit] < 1 for name, units in PROTOTYPES.items() for unit in units)


def test_only_unknown_units_of_faces_with_a_named_expression_get_weak_labels(tmp_path: Path) -> None:
    units = (4, 6, 12)
    faces = fake_unit_faces(people=20, units=units)
    known = np.ones(faces.known.shape, bool)
    known[:, 1] = False
    named = np.array(["happiness", "unlabelled", "neutral"] * 20)
    faces = replace(faces, known=known, expressions=named)
    labeller = ExportedActionUnits(brightness_model(tmp_path, units))
    found = with_weak_units(faces, labeller)
    weak = found.probable()
    assert weak[:, 1].tolist() == (named != "unlabelled").tolist()
    assert not weak[:, [0, 2]].any()
    assert (found.known == known | weak).all()
    for before, after in ((faces.targets, found.targets), (faces.occurs, found.occurs)):
        assert (before[~weak] == after[~weak]).all()
    assert found.targets[named == "happiness", 1].mean() >= 0.5 - 1e-3
    assert found.targets[named == "neutral", 1].mean() <= 0.2 + 1e-3
    assert (found.occurs[weak] == (found.targets[weak] >= 0.5)).all()


def test_faces_without_named_expressions_stay_as_they_are(tmp_path: Path) -> None:
    faces = fake_unit_faces(people=2)
    assert with_weak_units(faces, ExportedActionUnits(brightness_model(tmp_path, faces.units))) is faces
