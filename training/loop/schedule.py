"""The learning rate over a run: a linear warm-up, then one of three curves, chosen in the settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

#: Share of the highest rate at a share 0-1 of the steps after the warm-up; ``final`` is the share at the last step.
_CURVES: Final[dict[str, Callable[[float, float], float]]] = {
    "cosine": lambda share, final: final + (1 - final) * 0.5 * (1 + math.cos(math.pi * share)),
    "exponential": lambda share, final: final**share,
    "constant": lambda share, final: 1.0,
}


def check_schedule(curve: str, final: float) -> None:
    """Check the name of a curve and its final share.

    Raises:
        ValueError: the curve is unknown, or the share does not suit it.
    """
    if curve not in _CURVES:
        raise ValueError(f"schedule must be one of {', '.join(_CURVES)}, not {curve!r}")
    if not 0.0 <= final <= 1.0:
        raise ValueError(f"final_rate must lie between 0 and 1, not {final}")
    if curve == "exponential" and final == 0.0:
        raise ValueError("an exponential schedule never reaches 0: set final_rate, such as 0.01")


def learning_rate(
    step: int, *, steps: int, warmup_steps: int, highest: float, curve: str = "cosine", final: float = 0.0
) -> float:
    """Rate at a step, counted from 0, of a run of ``steps`` steps."""
    if step < warmup_steps:
        return highest * (step + 1) / warmup_steps
    share = (step - warmup_steps) / max(1, steps - warmup_steps)
    return highest * _CURVES[curve](share, final)
