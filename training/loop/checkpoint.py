"""Checkpoints: one safetensors file with weights, averaged weights, optimiser state and JSON metadata. No pickle."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.files import atomic_write
from training.layers.residual import current_name


def save_checkpoint(
    path: Path, model: nn.Module, averaged: dict[str, Tensor], optimizer: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Write everything that a resumed run needs; the old file stays until the new one is on disk."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in averaged.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items()}
    contiguous = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    with atomic_write(path) as part:
        save_file(contiguous, str(part), {"facts": json.dumps(facts)})


def load_checkpoint(
    path: Path, model: nn.Module, averaged: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Load a checkpoint into model, averaged weights and optimiser; return its facts."""
    states: dict[int, dict[str, Tensor]] = {}
    weights: dict[str, Tensor] = {}
    with safe_open(str(path), "pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["facts"])
        for key in file.keys():  # noqa: SIM118 (safe_open is not a mapping)
            kind, _, name = key.partition(".")
            if kind == "model":
                weights[current_name(name)] = file.get_tensor(key)
            elif kind == "averaged":
                averaged[current_name(name)].copy_(file.get_tensor(key))
            else:
                number, _, field = name.partition(".")
                states.setdefault(int(number), {})[field] = file.get_tensor(key)
    model.load_state_dict(weights)
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return facts


def read_facts(path: Path) -> dict[str, Any]:
    """The facts in the metadata of a checkpoint or weights file."""
    with safe_open(str(path), "pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["facts"])
    return facts


def save_weights(path: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write final weights alone, with their facts."""
    contiguous = {name: value.detach().contiguous() for name, value in weights.items()}
    with atomic_write(path) as part:
        save_file(contiguous, str(part), {"facts": json.dumps(facts)})


def load_weights(path: Path, model: nn.Module) -> dict[str, Any]:
    """Load final weights into a model; return their facts."""
    with safe_open(str(path), "pt") as file:
        model.load_state_dict({current_name(key): file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
    return read_facts(path)


def code_version() -> str:
    """Commit of the checkout, marked when files differ from it; "unknown" outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"
