"""``mien-train fit action-units``: train UGN in its two stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from engine.config import read_toml
from training.datasets.faces128 import TRAINING, Faces128
from training.fit_expression import code_version
from training.models.ugn import UGN
from training.trainers.action_units import ActionUnitsConfig, FeatureTask, GraphTask
from training.trainers.checkpoint import load_weights
from training.trainers.trainer import fit


def read_action_units_config(path: Path) -> ActionUnitsConfig:
    """Settings of a TOML file laid over the defaults.

    Raises:
        ConfigError: a key is unknown or a value has the wrong type.
    """
    return read_toml(ActionUnitsConfig, path)


def fit_action_units(
    faces: Faces128, config: ActionUnitsConfig, run: Path, device: str = "cpu", report: Callable[[str], None] = print
) -> UGN:
    """Run both stages, or go on where they stopped; RUN receives stage1/ and stage2/. Returns the trained model."""
    trained = int((faces.splits == TRAINING).sum())
    facts = {
        "config": asdict(config),
        "code": code_version(),
        "data": f"faces128, {trained} faces of the training identities, pseudo-labels",
    }
    where = torch.device(device)
    report("stage 1: features")
    first = FeatureTask(faces, config, where)
    load_weights(fit(first, config.stage1, run / "stage1", facts, report), first.model)
    report("stage 2: uncertain graph")
    second = GraphTask(faces, config, first.model, where)
    load_weights(fit(second, config.stage2, run / "stage2", facts, report), second.model)
    return first.model
