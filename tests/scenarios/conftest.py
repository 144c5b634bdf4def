"""Streams of fake estimates for one or more faces, routed to decisions."""

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
    """Routes a stream of estimates; all limits are those of the calibration and the settings."""

    def __init__(self):
        self.calibration = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.1, 0.2), "fake")
        self.config = RoutingConfig()
        self.keep_lost_s = TrackingConfig().keep_lost_s
        self.router = Router(self.calibration, self.config)
        self.now_s = 0.0

    def frame(self, track=1, aleatoric=0.3, epistemic=0.2, bad=None, step_s=FRAME_S, **shares):
        """Route one frame of one face.

        Args:
            track: id of the face.
            aleatoric: aleatoric part, as a multiple of its limit.
            epistemic: epistemic part, as a multiple of its limit.
            bad: reason for low quality, if any.
            step_s: seconds since the previous frame.
            shares: probability by label; the rest is spread evenly.
        """
        self.now_s += step_s
        left = (1 - sum(shares.values())) / (len(EXPRESSIONS) - len(shares))
        probabilities = np.array([shares.get(name, left) for name in EXPRESSIONS], np.float32)
        aleatoric *= self.calibration.aleatoric_limit
        epistemic *= self.calibration.epistemic_limit
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
        """Route the same frame for some seconds; returns the decisions."""
        return [self.frame(**frame) for _ in range(round(seconds / FRAME_S))]

    def empty(self, seconds):
        """No face in view for some seconds."""
        self.now_s += seconds
        self.router.forget(self.now_s, self.keep_lost_s)


@pytest.fixture
def scene():
    """A new stream."""
    return Scene()


@pytest.fixture
def summary():
    """A decision in short: ``summary(decision) == "accept happiness"``."""

    def summarise(decision):
        return " ".join((decision.route.value, *(decision.labels or (decision.reason.value,))))

    return summarise


@pytest.fixture
def changes(summary):
    """Summaries of consecutive decisions, without repeats."""

    def list_changes(decisions):
        shown = [summary(decision) for decision in decisions]
        return [now for before, now in zip([None, *shown], shown, strict=False) if now != before]

    return list_changes
