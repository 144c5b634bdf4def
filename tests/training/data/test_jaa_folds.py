"""The published folds: everyone once, and validation people whatever fold is held out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from engine.errors import SourceError
from training.data.action_unit_faces import FOLDS, is_validation
from training.data.jaa_folds import BP4D_FOLDS, DISFA_FOLDS, published_fold

DISFA_ABSENT = (14, 15, 19, 20, 22)  # numbers that the publisher skips


def _sizes(folds: Mapping[str, int]) -> list[int]:
    return [list(folds.values()).count(fold) for fold in FOLDS]


def test_bp4d_has_23_women_and_18_men_in_14_14_and_13() -> None:
    assert set(BP4D_FOLDS) == {f"F{n:03}" for n in range(1, 24)} | {f"M{n:03}" for n in range(1, 19)}
    assert _sizes(BP4D_FOLDS) == [14, 14, 13]


def test_disfa_has_27_people_nine_to_a_fold() -> None:
    assert set(DISFA_FOLDS) == {f"SN{n:03}" for n in range(1, 33) if n not in DISFA_ABSENT}
    assert _sizes(DISFA_FOLDS) == [9, 9, 9]


@pytest.mark.parametrize("folds", [BP4D_FOLDS, DISFA_FOLDS], ids=["bp4d", "disfa"])
@pytest.mark.parametrize("test_fold", FOLDS)
def test_somebody_is_left_to_choose_on(folds: Mapping[str, int], test_fold: int) -> None:
    others = [subject for subject, fold in folds.items() if fold != test_fold]
    choosing = [subject for subject in others if is_validation(subject)]
    assert 0 < len(choosing) < len(others) / 2


def test_an_unknown_subject_is_refused_with_the_expected_ones() -> None:
    assert published_fold("F023", BP4D_FOLDS, "F023_T1.csv") == 1
    with pytest.raises(SourceError, match=r"F024_T1\.csv: subject 'F024' .* 41 subjects F001 .* M018"):
        published_fold("F024", BP4D_FOLDS, "F024_T1.csv")
