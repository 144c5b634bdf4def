"""The learning rate over a run."""

from __future__ import annotations

import pytest

from training.loop.schedule import learning_rate
from training.loop.trainer import TrainerConfig


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [learning_rate(step, steps=100, warmup_steps=10, highest=1.0) for step in range(101)]
    assert rates[0] == 1 / 10
    assert rates[9] == rates[10] == 1.0
    assert abs(rates[55] - 0.5) < 1e-9  # half-way down: 45 of 90 steps
    assert rates[100] == pytest.approx(0.0, abs=1e-12)


def test_an_exponential_rate_falls_by_the_same_factor_in_every_epoch() -> None:
    rates = [
        learning_rate(step, steps=50, warmup_steps=10, highest=1.0, curve="exponential", final=0.5**4)
        for step in range(10, 51, 10)
    ]
    assert rates == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16])


def test_a_cosine_ends_at_the_final_share() -> None:
    half, last = (learning_rate(step, steps=100, warmup_steps=10, highest=2.0, final=0.1) for step in (55, 100))
    assert half == pytest.approx(2.0 * (0.1 + 0.9 / 2))
    assert last == pytest.approx(2.0 * 0.1)


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    rates = [learning_rate(step, steps=100, warmup_steps=10, highest=0.3, curve="constant") for step in (0, 9, 50, 99)]
    assert rates == pytest.approx([0.03, 0.3, 0.3, 0.3])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "linear"}, "cosine, exponential, constant, not 'linear'"),
        ({"schedule": "exponential"}, "set final_rate"),
        ({"final_rate": 2.0}, "not 2.0"),
    ],
)
def test_a_schedule_that_cannot_be_computed_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainerConfig(**settings)
