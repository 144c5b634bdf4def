"""Thresholds of pseudo-labels: best F1, bounds, masking, and separate people for choosing and confirming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.action_units.pseudo_scores import (
    CHOOSING_FOLD,
    CONFIRMING_FOLDS,
    RATES,
    TEST_FOLD,
    ScoredFaces,
    bounded,
    find_scores,
    sides_averaged,
)

#: Natural scores: a third is above 0.4.
NATURAL = (np.linspace(0.0, 1.0, 100, dtype=np.float32) ** 2.5)[:, np.newaxis]


def _faces(scores: dict[int, list[float]], intensities: dict[int, list[float]]) -> ScoredFaces:
    """Faces of one unit, by fold, each face another person."""
    folds = np.concatenate([np.full(len(values), fold) for fold, values in scores.items()])
    joined = np.array(sum(scores.values(), []), np.float32)[:, np.newaxis]
    return ScoredFaces(
        scores=joined,
        intensities=np.array(sum((intensities[fold] for fold in scores), []), np.float32)[:, np.newaxis],
        people=np.array([f"{number}" for number in range(len(folds))]),
        folds=folds,
        shapes={"jawOpen": joined[:, 0], "mouthClose": 1 - joined[:, 0]},
    )


CLEAR = _faces(
    {2: [0.1, 0.2, 0.6, 0.9], 3: [0.1, 0.3, 0.5, 0.7, 0.2, 0.8]},
    {2: [0.0, 0.0, 0.3, 1.0], 3: [0.0, 0.1, 0.2, 0.6, 0.0, 0.9]},
)


def test_threshold_maximises_f1_on_the_choosing_people() -> None:
    (found,) = find_scores(CLEAR, NATURAL, resamples=50)
    assert found.threshold == pytest.approx((0.2 + 0.6) / 2)
    assert not found.masked
    assert not found.bound
    assert found.auroc_choosing == 1
    assert found.auroc.value == 1
    assert found.auroc.n == 6
    assert found.f1.value == 1  # 0.5, 0.7 and 0.8 are predicted
    assert found.natural_rate == pytest.approx(1 - 0.4 ** (1 / 2.5), abs=0.01)


def test_figures_on_the_confirming_people_equal_the_values_by_hand() -> None:
    faces = _faces(
        {2: [0.1, 0.7], 3: [0.1, 0.5, 0.3, 0.9, 0.2]},
        {2: [0.0, 1.0], 3: [0.0, 0.0, 0.3, 0.8, 0.0]},
    )
    (found,) = find_scores(faces, NATURAL, resamples=50)
    assert found.auroc.value == pytest.approx((3 + 2) / 6)  # 0.9 beats 3 absent faces, 0.3 beats 2
    assert found.auroc_plain.value == 1  # 0.3 is left out
    assert found.auroc_plain.n == 4
    assert found.threshold == pytest.approx((0.1 + 0.7) / 2)
    assert found.f1_of_always == pytest.approx(2 * (2 / 5) / (1 + 2 / 5))
    assert found.best_shape == "jawOpen"
    assert found.best_shape_auroc == pytest.approx(5 / 6)


def test_score_that_fails_on_the_confirming_people_is_masked() -> None:
    faces = _faces({2: [0.1, 0.9], 3: [0.9, 0.1, 0.8, 0.2]}, {2: [0.0, 1.0], 3: [0.0, 1.0, 0.0, 1.0]})
    (found,) = find_scores(faces, NATURAL, resamples=50)
    assert found.masked
    assert (found.auroc_choosing, found.auroc.value) == (1, 0)


def test_score_that_is_always_zero_on_natural_faces_is_masked() -> None:
    (found,) = find_scores(CLEAR, np.zeros((50, 1), np.float32), resamples=50)
    assert found.masked
    assert np.isnan(found.threshold)
    assert found.natural_rate == 0


def test_confirming_people_do_not_affect_the_threshold() -> None:
    """Other scores on fold 3 leave the choice as it is; those of the test fold change nothing at all."""
    others = _faces(
        {2: [0.1, 0.2, 0.6, 0.9], 3: [0.9, 0.9, 0.4, 0.1, 0.0, 1.0]},
        {2: [0.0, 0.0, 0.3, 1.0], 3: [0.0, 0.1, 0.2, 0.6, 0.0, 0.9]},
    )
    tested = _faces(
        {2: [0.1, 0.2, 0.6, 0.9], 3: [0.1, 0.3, 0.5, 0.7, 0.2, 0.8], 1: [0.9, 0.1]},
        {2: [0.0, 0.0, 0.3, 1.0], 3: [0.0, 0.1, 0.2, 0.6, 0.0, 0.9], 1: [0.0, 1.0]},
    )
    assert find_scores(tested, NATURAL, 50) == find_scores(CLEAR, NATURAL, 50)
    (first,), (second,) = find_scores(CLEAR, NATURAL, 50), find_scores(others, NATURAL, 50)
    assert (first.threshold, first.auroc_choosing) == (second.threshold, second.auroc_choosing)
    assert first.auroc != second.auroc
    assert len({TEST_FOLD, CHOOSING_FOLD, *CONFIRMING_FOLDS}) == 2 + len(CONFIRMING_FOLDS)


@pytest.mark.parametrize("missing", [2, 3])
def test_set_without_choosing_or_confirming_people_is_rejected(missing: int) -> None:
    folds = [fold for fold in (2, 3) if fold != missing]
    faces = _faces({fold: [0.1, 0.9] for fold in folds}, {fold: [0.0, 1.0] for fold in folds})
    with pytest.raises(ValueError, match="choose" if missing == 2 else "confirm"):
        find_scores(faces, NATURAL)


def test_unit_that_never_occurs_is_rejected() -> None:
    faces = _faces({2: [0.1, 0.9], 3: [0.1, 0.9]}, {2: [0.0, 1.0], 3: [0.0, 0.1]})
    with pytest.raises(ValueError, match="confirm"):
        find_scores(faces, NATURAL)


def test_bounds_move_the_threshold_to_the_nearest_score_within_them() -> None:
    natural = np.linspace(0.01, 1.0, 100, dtype=np.float32)
    low, high = bounded(0.10, natural), bounded(0.995, natural)
    assert low.threshold == pytest.approx((0.50 + 0.51) / 2)
    assert high.threshold == pytest.approx((0.98 + 0.99) / 2)
    assert (low.bound, high.bound) == ("at most 50%", "at least 2%")
    assert bounded(0.7, natural).bound == ""
    assert bounded(0.7, natural).threshold == 0.7


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=120) | st.lists(st.integers(0, 3), min_size=1, max_size=120),
    st.integers(1, 9_999),
)
def test_rates_stay_within_the_bounds_or_there_is_no_threshold(steps: list[int], threshold: int) -> None:
    natural = np.array(steps, np.float32) / np.float32(10_000)
    found = bounded(threshold / 10_000, natural)
    if not np.isnan(found.threshold):
        assert RATES[0] <= (natural >= np.float32(found.threshold)).mean() <= RATES[1]
    else:
        shares = [float((natural >= step).mean()) for step in natural if step > 0]
        assert not any(RATES[0] <= share <= RATES[1] for share in shares)


def test_left_and_right_scores_are_averaged_and_single_shapes_unchanged() -> None:
    one, two = np.array([0.2], np.float32), np.array([0.6], np.float32)
    averaged = sides_averaged({"jawOpen": two, "mouthSmileLeft": one, "mouthSmileRight": two, "onlyLeft": one})
    assert list(averaged) == ["jawOpen", "mouthSmile", "onlyLeft"]
    assert averaged["mouthSmile"] == pytest.approx([(0.2 + 0.6) / 2])
