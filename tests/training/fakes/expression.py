"""Synthetic faces, runs of untrained expression networks, and a report on them."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import torch

from engine.facs import EXPRESSIONS
from training.data.fer2013 import FerFaces
from training.evaluation.estimates import Estimates, estimates_of
from training.evaluation.expression import before_calibration
from training.evaluation.expression_report import ExpressionReport, ModelFacts, measure
from training.expression.fit import ExpressionRunConfig, member_folder
from training.expression.model import Arbex, ArbexConfig
from training.loop.checkpoint import save_weights

#: The smallest network that has every part.
SHAPE = ArbexConfig(widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1), token_width=16, token_depth=1, fer2013_head=True)
FACTS = ModelFacts("synthetic", "ab" * 32, "by <hand>", ("synthetic faces",), 0.8, 1.0, 0.02, "nothing")


def fake_faces(count: int = 16) -> FerFaces:
    """Images of noise; every second face has a clear majority."""
    random = np.random.default_rng(0)
    votes = random.integers(0, 5, (count, 10))
    votes[:, 0] += 1
    votes[::2, 1] += 40
    return FerFaces(
        rows=np.arange(count),
        crops=random.integers(0, 256, (count, 48, 48), dtype=np.uint8),
        landmarks=random.random((count, 468, 2), dtype=np.float32),
        vote_shares=(votes[:, :8] / votes[:, :8].sum(1, keepdims=True)).astype(np.float32),
        votes=votes,
        labels=random.integers(0, 7, count),
        presence=np.ones(count, np.float32),
        in_other_split=np.zeros(count, bool),
    )


def fake_run(folder: Path, config: ExpressionRunConfig) -> Path:
    """A finished run of untrained members."""
    for member in range(config.members):
        torch.manual_seed(member)
        member_folder(folder, member).mkdir(parents=True)
        facts = {"config": asdict(config), "code": "test", "data": "synthetic images"}
        weights = member_folder(folder, member) / "weights.safetensors"
        save_weights(weights, Arbex(config.model).state_dict(), facts)
    return folder


def quiet(line: str) -> None:
    """Drop a progress line."""


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
