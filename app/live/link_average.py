"""The links between action units of one frame against their average over the session."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import AUEstimate, Float64

#: Frames before which nothing is called unusual: about a second.
MIN_FRAMES: Final = 30
#: A link differs from its average by at least so many standard deviations of the session, and by at least so much.
_DEVIATIONS: Final = 2.0
_LEAST: Final = 0.02


class LinkAverage:
    """Mean and standard deviation of each directed link over the faces of a session (Welford's algorithm)."""

    def __init__(self, units: int) -> None:
        """``units``: K."""
        self.frames = 0
        self.mean: Float64 = np.zeros((units, units))
        self._squares: Float64 = np.zeros((units, units))

    def add(self, estimate: AUEstimate) -> None:
        """Add the links of one face in one frame."""
        strength = link_strength(estimate)
        self.frames += 1
        change = strength - self.mean
        self.mean = self.mean + change / self.frames
        self._squares += change * (strength - self.mean)

    @property
    def deviation(self) -> Float64:
        """Standard deviation over the session, (K, K); 0 with fewer than two frames."""
        return np.asarray(np.sqrt(self._squares / max(self.frames - 1, 1)))

    def difference(self, estimate: AUEstimate) -> Float64:
        """Strength less average (K, K); 0 where a link is as usual, and everywhere before `MIN_FRAMES`."""
        change = link_strength(estimate) - self.mean
        unusual: npt.NDArray[np.bool_] = np.abs(change) >= np.maximum(_DEVIATIONS * self.deviation, _LEAST)
        return np.where(unusual & (self.frames >= MIN_FRAMES), change, 0.0)


def link_strength(estimate: AUEstimate) -> Float64:
    """Learned link times the mean of the sampled mask, (K, K): what row i receives from column j."""
    return np.asarray(estimate.adjacency.astype(np.float64) * estimate.mask_mean)
