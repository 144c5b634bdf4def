"""A synthetic expression report."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.facs import EXPRESSIONS
from tests.training.fake_faces import fake_faces
from training.evaluation.estimates import Estimates, estimates_of
from training.evaluation.expression import before_calibration
from training.evaluation.expression_report import ExpressionReport, ModelFacts, measure

FACTS = ModelFacts("made", "ab" * 32, "by <hand>", ("made faces",), 0.8, 1.0, 0.02, "nothing")


def fake_estimates(members: int, count: int = 60) -> Estimates:
    """Members that predict the votes, each with its own noise."""
    noise = np.random.default_rng(1).normal(0, 1.0, (count, members, len(EXPRESSIONS)))
    logits = np.log(fake_faces(count).vote_shares[:, None] + 0.05) + noise
    return estimates_of(logits.astype(np.float32), FACTS.temperature)


@cache
def fake_report(members: int = 3, split: str = "PublicTest") -> ExpressionReport:
    """Report of an ensemble on 60 synthetic faces; the last class is never predicted."""
    judged = fake_estimates(members)
    before = before_calibration(judged, FACTS.temperature)
    return measure(FACTS, split, fake_faces(60), judged, before, judged.probabilities[:, ::-1])
