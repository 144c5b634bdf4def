"""An expression report and a strip made on the spot."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.facs import EXPRESSIONS
from engine.types import Decision, Float64, Reason, Route
from tests.training.fake_faces import made_faces
from training.evaluation.estimates import Estimates, estimates_of
from training.evaluation.expression import before_calibration
from training.evaluation.expression_report import ExpressionReport, ModelFacts, measure
from training.reports.strip_chart import FacePicture, Strip

FACTS = ModelFacts("made", "ab" * 32, "by <hand>", ("made faces",), 0.8, 1.0, 0.02, "nothing")


def made_estimates(members: int, count: int = 60) -> Estimates:
    """Members that look at the votes, each through its own noise."""
    noise = np.random.default_rng(1).normal(0, 1.0, (count, members, len(EXPRESSIONS)))
    logits = np.log(made_faces(count).vote_shares[:, None] + 0.05) + noise
    return estimates_of(logits.astype(np.float32), FACTS.temperature)


@cache
def made_report(members: int = 3, split: str = "PublicTest") -> ExpressionReport:
    """Report of an ensemble on 60 made faces; nobody predicts the last class."""
    judged = made_estimates(members)
    before = before_calibration(judged, FACTS.temperature)
    return measure(FACTS, split, made_faces(60), judged, before, judged.probabilities[:, ::-1])


def made_strip(seconds: float = 8.0, fps: float = 10.0, badly: tuple[int, ...] = ()) -> Strip:
    """A face that looks sad, then unclear, then cannot be assessed, then happy: a quarter of the time each."""
    count = int(seconds * fps)
    shares = np.full((count, len(EXPRESSIONS)), 0.02)
    quarter = np.arange(count) * 4 // count
    shares[quarter == 0, 3] = shares[quarter == 3, 1] = 0.86
    shares[quarter == 1, 3] = shares[quarter == 1, 0] = shares[quarter == 2, 4] = 0.44
    shares[quarter == 2, 5] = 0.44
    decisions = (
        Decision(Route.ACCEPT, Reason.CLEAR, ("sadness",), (0.86,)),
        Decision(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("sadness", "neutral"), (0.44, 0.44)),
        Decision(Route.REJECT, Reason.UNLIKE_TRAINING_DATA),
        Decision(Route.ACCEPT, Reason.CLEAR, ("happiness",), (0.86,)),
    )
    seen_well = np.ones(count, bool)
    seen_well[list(badly)] = False
    time_s: Float64 = np.arange(count) / fps
    crop = np.tile(np.arange(96, dtype=np.uint8), (96, 1))
    return Strip(
        clip="made.mp4",
        model="made",
        frames=count,
        faces=1,
        time_s=time_s,
        shares=shares,
        aleatoric=0.3 + 0.2 * quarter,
        epistemic=np.where(quarter == 2, 0.05, 0.01),
        seen_well=seen_well,
        decisions=tuple(decisions[number] for number in quarter),
        pictures=tuple(FacePicture(float(at), crop) for at in time_s[::5]),
        max_aleatoric=0.4,
        max_epistemic=0.03,
        smoothing_s=0.5,
    )
