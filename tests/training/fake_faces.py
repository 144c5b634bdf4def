"""Synthetic faces and runs of untrained networks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from training.data.fer2013 import FerFaces
from training.expression.fit import ExpressionRunConfig, member_folder
from training.expression.model import Arbex, ArbexConfig
from training.loop.checkpoint import save_weights

#: The smallest network that has every part.
SHAPE = ArbexConfig(widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1), token_width=16, token_depth=1, fer2013_head=True)


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
