"""Which faces of a live frame are analysed when not all of them fit into the time of a frame.

Tracking runs on every frame. What is left of the latency target is divided by the measured cost of a face, and as many
faces are analysed, those first that have waited longest: the rate drops evenly over the faces. No clock is read here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

#: Weight of the newest frame in the average cost of a face.
_NEWEST: Final = 0.1
#: What a run of both networks costs beside its faces, in costs of a face: measured 0.9 of the expression network, which
#: takes longer than the other beside it. Without it, the cost of a face is taken for more the fewer are analysed, and a
#: rate that one slow frame has lowered stays low.
FIXED_FACES: Final = 1.0


class AnalysisRate:
    """Chooses faces by the time that they take. Faces are ids of tracks."""

    def __init__(self, target_ms: float) -> None:
        """``target_ms``: for tracking and analysis of one frame; 0 = every face of every frame."""
        self._target_ms = target_ms
        self._cost_ms: float | None = None  # of one face, running average
        self._is_warm = False  # the first run of a network takes longer than all others
        self._waited: dict[int, int] = {}  # frames since the analysis of each face of the last frame; 0 = in it

    def clear(self) -> None:
        """Forget the faces; the cost is that of the machine and is kept."""
        self._waited = {}

    def choose(self, faces: Sequence[int], spent_ms: float) -> set[int]:
        """The faces of the next frame to analyse.

        All faces that were not in the previous frame, and those of the others that have waited longest, as many as fit
        but at least one: then a face is analysed in every ceil(faces / fitting) frames if none is new.

        Args:
            faces: of the frame, each once; the earlier first among those that have waited equally long.
            spent_ms: of the target, before the analysis.
        """
        new = {face for face in faces if face not in self._waited}
        old = sorted((face for face in faces if face not in new), key=lambda face: -self._waited[face])
        room = max(self._fitting(len(faces), spent_ms) - len(new), 1)
        chosen = new | set(old[:room])
        self._waited = {face: 0 if face in chosen else self._waited[face] + 1 for face in faces}
        return chosen

    def measured(self, analysed: Collection[int], passed_ms: float) -> None:
        """Take in how long the analysis of a frame took; the first is left out."""
        if analysed and self._is_warm:
            cost_ms = passed_ms / (len(analysed) + FIXED_FACES)
            self._cost_ms = cost_ms if self._cost_ms is None else self._cost_ms + _NEWEST * (cost_ms - self._cost_ms)
        self._is_warm = self._is_warm or bool(analysed)

    def _fitting(self, faces: int, spent_ms: float) -> int:
        if self._target_ms <= 0 or not self._cost_ms:
            return faces
        room = (self._target_ms - spent_ms) / self._cost_ms - FIXED_FACES
        return faces if room >= faces else int(max(room, 0.0))
