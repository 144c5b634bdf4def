"""A stream of made-up estimates for one face or more: what the model would say goes in, decisions come out."""

from __future__ import annotations

import numpy as np
import pytest

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig, TrackingConfig
from engine.facs import EXPRESSIONS
from engine.routing import Router
from engine.types import ExpressionEstimate, FaceQuality, QualityReason, Uncertainty

FRAME_S = 1 / 25


class Scene:
    """Plays a stream through a router; all limits come from the calibration and the settings."""

    def __init__(self):
        self.calibration = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.1, 0.2), "made up")
        self.config = RoutingConfig()
        self.keep_lost_s = TrackingConfig().keep_lost_s
        self.router = Router(self.calibration, self.config)
        self.now_s = 0.0

    def frame(self, track=1, disagreement=0.3, strangeness=0.2, bad=None, step_s=FRAME_S, **shares):
        """One frame of one face.

        Args:
            track: id of the face.
            disagreement: aleatoric part, as a multiple of its limit.
            strangeness: epistemic part, as a multiple of its limit.
            bad: reason why the face is seen badly.
            step_s: seconds since the frame before.
            shares: probability by label; the rest is spread evenly.
        """
        self.now_s += step_s
        left = (1 - sum(shares.values())) / (len(EXPRESSIONS) - len(shares))
        probabilities = np.array([shares.get(name, left) for name in EXPRESSIONS], np.float32)
        aleatoric = disagreement * self.calibration.aleatoric_limit
        epistemic = strangeness * self.calibration.epistemic_limit
        decision = self.router.route(
            track,
            ExpressionEstimate(np.tile(probabilities, (5, 1)), probabilities),
            Uncertainty(aleatoric + epistemic, aleatoric, epistemic, 0.5),
            FaceQuality(0.9) if bad is None else FaceQuality(0.1, (QualityReason(bad),)),
            self.now_s,
        )
        self.router.forget(self.now_s, self.keep_lost_s)
        return decision

    def play(self, seconds, **frame):
        """The same frame for some seconds; the decisions."""
        return [self.frame(**frame) for _ in range(round(seconds / FRAME_S))]

    def gone(self, seconds):
        """Nobody in view, so that nothing is routed."""
        self.now_s += seconds
        self.router.forget(self.now_s, self.keep_lost_s)


@pytest.fixture
def scene():
    """A new stream."""
    return Scene()


@pytest.fixture
def told():
    """What a decision shows, in short: ``told(decision) == "accept happiness"``."""

    def tell(decision):
        return " ".join((decision.route.value, *(decision.labels or (decision.reason.value,))))

    return tell


@pytest.fixture
def changes(told):
    """What was shown in turn, without repeats."""

    def list_changes(decisions):
        shown = [told(decision) for decision in decisions]
        return [now for before, now in zip([None, *shown], shown, strict=False) if now != before]

    return list_changes
