"""People with action-unit labels: folds, splits, joining."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.fakes.action_units import fake_unit_faces
from training.data.action_unit_faces import (
    FOLDS,
    VALIDATION_SHARE,
    fold_of,
    is_validation,
    joined,
    split_people,
)


@given(st.text(max_size=20))
def test_a_person_has_one_fold(name: str) -> None:
    assert fold_of(name) == fold_of(name)
    assert fold_of(name) in FOLDS


def test_folds_and_validation_hold_their_shares_of_the_people() -> None:
    names = [f"person {number}" for number in range(4000)]
    folds = [fold_of(name) for name in names]
    assert [folds.count(fold) / 4000 for fold in FOLDS] == pytest.approx([1 / 3] * 3, abs=4 * (2 / 9 / 4000) ** 0.5)
    share = sum(is_validation(name) for name in names) / 4000
    assert share == pytest.approx(VALIDATION_SHARE, abs=4 * (0.1 * 0.9 / 4000) ** 0.5)


@pytest.mark.parametrize("fold", FOLDS)
def test_no_person_is_in_two_parts(fold: int) -> None:
    faces = fake_unit_faces(people=90)
    split = split_people(faces, fold)
    parts = [set(part.people) for part in (split.training, split.validation, split.test)]
    assert sum(len(people) for people in parts) == len(set.union(*parts)) == 90
    assert set(split.test.folds) == {fold}
    assert fold not in set(split.training.folds) | set(split.validation.folds)
    assert len(split.training.people) + len(split.validation.people) + len(split.test.people) == len(faces.people)


def test_folds_of_a_source_go_before_the_names() -> None:
    faces = fake_unit_faces(people=90)
    published = replace(faces, folds=np.repeat([1, 2, 3], 90))
    assert split_people(published, 3).test.people.tolist() == faces.people[180:].tolist()


def test_an_unknown_fold_or_too_few_people_are_refused() -> None:
    with pytest.raises(ValueError, match="1, 2 or 3, not 4"):
        split_people(fake_unit_faces(), 4)
    with pytest.raises(ValueError, match="no person is left for"):
        split_people(fake_unit_faces(people=1), 1)


def test_joining_keeps_the_order_and_all_fields() -> None:
    one, two = fake_unit_faces(people=2, source="open"), fake_unit_faces(people=3)
    both = joined([one, two])
    assert both.sources.tolist() == ["open"] * 6 + ["faces128"] * 9
    for name in ("crops", "occurs", "known", "targets", "people", "folds"):
        assert np.array_equal(getattr(both, name), np.concatenate([getattr(one, name), getattr(two, name)])), name


def test_only_sources_of_the_same_units_are_joined() -> None:
    with pytest.raises(ValueError, match=r"different units, \[\(1, 12, 25\), \(12,\)\]"):
        joined([fake_unit_faces(people=1), fake_unit_faces(people=1, units=(12,))])
    with pytest.raises(ValueError, match="at least one data set"):
        joined([])


def test_weak_labels_and_named_expressions_survive_joining_and_choosing() -> None:
    one = fake_unit_faces(people=2)
    weak = np.zeros(one.known.shape, bool)
    weak[3] = True
    two = replace(one, weak=weak, expressions=np.array(["happiness", ""] * 3))
    both = joined([one, two])
    assert np.array_equal(both.probable(), np.concatenate([np.zeros_like(weak), weak]))
    assert both.named().tolist() == [""] * 6 + ["happiness", ""] * 3
    last = both.where(np.array([9, 6]))
    assert last.probable()[:, 0].tolist() == [True, False]
    assert last.named().tolist() == ["", "happiness"]
