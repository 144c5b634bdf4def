"""The training loop: batch, forward, loss, step, average, evaluate, save. What differs between models is a Task.

A run can be killed at any moment and goes on from its last checkpoint with the same batches and the same random
numbers: both follow from (seed, epoch, step) alone. Runs on the CPU or one GPU.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from training.trainers.checkpoint import load_checkpoint, save_checkpoint, save_weights


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """Settings of the loop."""

    epochs: int = 12
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 1.0
    average_decay: float = 0.998  # of the exponential moving average of the weights, which is what is kept
    clip_norm: float = 5.0
    seed: int = 0
    bf16: bool = True
    save_every_s: float = 60.0


class Task(Protocol):
    """What differs between models."""

    samples: int  # of the training set

    @property
    def model(self) -> nn.Module:
        """The network that is trained."""

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Scalar loss of the samples with these row numbers (B,) at progress 0-1; randomness from generator only."""

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Validation figures of the averaged model, in evaluation mode."""


def fit(
    task: Task, config: TrainerConfig, folder: Path, facts: dict[str, Any], report: Callable[[str], None] = print
) -> Path:
    """Train, or go on with training; return the file with the averaged weights.

    ``folder`` receives checkpoint.safetensors, log.jsonl (a line per epoch) and, at the end, weights.safetensors. A
    finished run is returned as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / "weights.safetensors"
    if final.is_file():
        report(f"{final} is there: nothing to do")
        return final
    torch.manual_seed(config.seed)
    averaged = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
    optimizer = torch.optim.AdamW(_groups(task.model, config.weight_decay), lr=config.learning_rate)
    checkpoint = folder / "checkpoint.safetensors"
    facts = {**facts, "trainer": asdict(config)}
    step = 0
    if checkpoint.is_file():
        step = int(load_checkpoint(checkpoint, task.model, averaged, optimizer)["step"])
        report(f"going on at step {step}")
    per_epoch = task.samples // config.batch_size
    saved = started = time.monotonic()
    first = step
    while step < config.epochs * per_epoch:
        _train_step(task, config, optimizer, step, per_epoch)
        _average(averaged, task.model, min(config.average_decay, (1 + step) / (10 + step)))
        step += 1
        if step % per_epoch == 0:
            left_s = (time.monotonic() - started) / (step - first) * (config.epochs * per_epoch - step)
            _log_epoch(task, averaged, folder, step // per_epoch, left_s, report)
        if time.monotonic() - saved > config.save_every_s:
            save_checkpoint(checkpoint, task.model, averaged, optimizer, {**facts, "step": step})
            saved = time.monotonic()
    save_weights(final, averaged, {**facts, "step": step})
    return final


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels only, not for norms, biases and positions."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def learning_rate(config: TrainerConfig, step: int, per_epoch: int) -> float:
    """Linear warm-up, then half a cosine down to 0 at the last step."""
    warm = max(1, round(config.warmup_epochs * per_epoch))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, config.epochs * per_epoch - warm)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _train_step(task: Task, config: TrainerConfig, optimizer: torch.optim.Optimizer, step: int, per_epoch: int) -> None:
    epoch, batch = divmod(step, per_epoch)
    order = torch.randperm(task.samples, generator=_generator(config.seed, epoch, 0))
    rows = order[batch * config.batch_size : (batch + 1) * config.batch_size]
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step, per_epoch)
    task.model.train()
    torch.manual_seed(hash((config.seed, 2, step)) & 0x7FFFFFFF)  # dropout has no generator of its own
    device = next(task.model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16, enabled=config.bf16):
        loss = task.loss(rows, step / (config.epochs * per_epoch), _generator(config.seed, step, 1))
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(task.model.parameters(), config.clip_norm)
    optimizer.step()


def _generator(seed: int, number: int, purpose: int) -> torch.Generator:
    generator = torch.Generator()
    generator.manual_seed(hash((seed, number, purpose)) & 0x7FFFFFFF)  # hashes of integers are the same in every run
    return generator


@torch.no_grad()
def _average(averaged: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            averaged[name].lerp_(value.to(averaged[name].device), 1 - decay)
        else:
            averaged[name].copy_(value)


@torch.no_grad()
def _log_epoch(
    task: Task, averaged: dict[str, Tensor], folder: Path, epoch: int, left_s: float, report: Callable[[str], None]
) -> None:
    kept = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
    task.model.load_state_dict(averaged)
    task.model.eval()
    figures = task.evaluate(task.model)
    task.model.load_state_dict(kept)
    line = {"epoch": epoch, **{name: round(value, 5) for name, value in figures.items()}}
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
    told = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
    report(f"epoch {epoch}  {told}  {left_s / 60:.0f} min left")
