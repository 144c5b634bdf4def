"""The ceiling that the noise of the votes sets."""

from __future__ import annotations

import numpy as np
import pytest

from engine.uncertainty import entropy
from training.metrics.agreement import noise_ceiling
from training.metrics.ranking import spearman


def fake_votes(share_a: np.ndarray, per_face: int) -> np.ndarray:
    """Votes (N, 10) for two labels; ``share_a`` (N,) is the true share of the first."""
    votes = np.zeros((len(share_a), 10), int)
    votes[:, 0] = np.random.default_rng(0).binomial(per_face, share_a)
    votes[:, 1] = per_face - votes[:, 0]
    return votes


def test_the_ceiling_is_near_what_the_truth_itself_reaches() -> None:
    share_a = np.random.default_rng(1).uniform(0, 0.5, 4000)
    votes = fake_votes(share_a, 10)
    reached = spearman(share_a, np.asarray(entropy(votes / 10)))  # entropy rises with the share up to one half
    assert noise_ceiling(votes, 8) == pytest.approx(reached, abs=0.06)


def test_more_votes_raise_the_ceiling() -> None:
    share_a = np.random.default_rng(1).uniform(0, 0.5, 1500)
    assert noise_ceiling(fake_votes(share_a, 10), 8) < noise_ceiling(fake_votes(share_a, 40), 8)


def test_votes_without_order_have_no_ceiling() -> None:
    faces_all_alike = np.tile([3, 2, 0, 0, 0, 0, 0, 0, 3, 2], (300, 1))
    ceiling = noise_ceiling(faces_all_alike, 8, seed=1)
    assert np.isnan(ceiling) or ceiling < 0.35


def test_faces_with_another_number_of_votes_and_halves_without_expression_do_not_count() -> None:
    share_a = np.random.default_rng(2).uniform(0, 0.5, 500)
    votes = fake_votes(share_a, 10)
    strange = np.zeros((3, 10), int)
    strange[0, 8], strange[1, :2], strange[2, [0, 9]] = 10, (4, 5), (1, 9)
    found = noise_ceiling(np.concatenate([votes, strange]), 8)
    assert found == pytest.approx(noise_ceiling(votes, 8), abs=0.03)
