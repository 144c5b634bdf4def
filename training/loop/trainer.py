"""The training loop: batch, forward, loss, step, average, evaluate, save. A `Task` holds what differs between models.

A run that is killed resumes from its last checkpoint with the same batches and the same random numbers: both follow
from (seed, epoch, step) alone. It runs on the CPU, on one GPU, or under torchrun on several
(training/loop/distributed.py), and may resume on another number of them.

With several ranks each step sees the same batch and takes the same gradient as with one. Augmentation and dropout are
drawn separately on each rank, and batch norms on CPUs see their rank's part only; apart from these the result is that
of one rank up to rounding. It is bit-identical for a fixed number of ranks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import torch
from torch import Tensor, nn

from training.loop.checkpoint import load_checkpoint, save_checkpoint, save_weights
from training.loop.distributed import (
    barrier,
    part_of,
    rank,
    ranks,
    sum_gradients,
    sum_over_ranks,
    synchronise_norms,
)
from training.loop.run_log import Plan, RunLog, StepFigures
from training.loop.schedule import check_schedule, learning_rate

_SEEDS: Final = 0x7FFFFFFF
_Model = TypeVar("_Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """Settings of the loop: AdamW, the schedule, averaging and logging."""

    epochs: int = 12
    batch_size: int = 128  # over all ranks
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 1.0
    schedule: str = "cosine"  # after the warm-up; or "exponential", "constant" (training/loop/schedule.py)
    final_rate: float = 0.0  # share of learning_rate that is left at the last step
    average_decay: float = 0.998  # of the exponential moving average of the weights, which is saved
    clip_norm: float = 5.0
    seed: int = 0
    bf16: bool = True
    save_every_s: float = 60.0
    log_every_steps: int = 20  # steps between TensorBoard's points

    def __post_init__(self) -> None:
        """Check the schedule.

        Raises:
            ValueError: as in `check_schedule`.
        """
        check_schedule(self.schedule, self.final_rate)


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
    """Train or resume a run; return the file with the averaged weights.

    ``folder`` receives checkpoint.safetensors, log.jsonl (a line per epoch), tensorboard/ and, at the end,
    weights.safetensors. A finished run is returned as it is. Every rank calls this; rank 0 writes and reports.

    Raises:
        ValueError: the training set is smaller than a batch, or a batch has fewer samples than there are ranks.
    """
    report = report if rank() == 0 else _discard
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / "weights.safetensors"
    if final.is_file():
        report(f"{final} exists: nothing to do")
        return final
    plan = _plan(task, config)
    torch.manual_seed(config.seed)
    averaged = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
    optimizer = torch.optim.AdamW(_groups(task.model, config.weight_decay), lr=config.learning_rate)
    checkpoint = folder / "checkpoint.safetensors"
    facts = {**facts, "trainer": asdict(config)}
    kept: dict[str, Any] = {"step": 0}
    if checkpoint.is_file():
        kept = load_checkpoint(checkpoint, task.model, averaged, optimizer)
        report(f"resuming at step {kept['step']}")
    synchronise_norms(task.model)
    saved = time.monotonic()
    with RunLog(folder, plan, config.log_every_steps, kept, report) if rank() == 0 else nullcontext() as log:
        for step in range(kept["step"], plan.steps):
            figures = _train_step(task, optimizer, config, plan, step)
            _average(averaged, task.model, min(config.average_decay, (1 + step) / (10 + step)))
            if log is None:
                continue
            log.step(figures)
            if (step + 1) % plan.steps_per_epoch == 0:
                log.epoch(_evaluate(task, averaged))
            if time.monotonic() - saved > config.save_every_s:
                save_checkpoint(checkpoint, task.model, averaged, optimizer, {**facts, **log.facts()})
                saved = time.monotonic()
    if rank() == 0:
        save_weights(final, averaged, {**facts, "step": plan.steps})
    barrier()  # so that every rank finds the file
    return final


def channels_last(model: _Model) -> _Model:
    """The same model with its kernels in the memory layout in which CPUs and GPUs convolve fastest."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it for modules
    return model


def _discard(line: str) -> None:
    """Drop the lines of all ranks but the first."""


def _plan(task: Task, config: TrainerConfig) -> Plan:
    if task.samples < config.batch_size:
        raise ValueError(f"{task.samples} samples do not fill a batch of {config.batch_size}: lower trainer.batch_size")
    if config.batch_size < ranks():
        raise ValueError(f"a batch of {config.batch_size} cannot be split over {ranks()} ranks: start fewer")
    return Plan(config.epochs, task.samples, config.batch_size)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels only, not for norms, biases and positions."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def _train_step(
    task: Task, optimizer: torch.optim.Optimizer, config: TrainerConfig, plan: Plan, step: int
) -> StepFigures:
    model = task.model
    epoch, batch = divmod(step, plan.steps_per_epoch)
    rows = _order(config.seed, epoch, plan.samples)[batch * plan.batch_size : (batch + 1) * plan.batch_size]
    part = part_of(rows)
    rate = _rate(config, plan, step)
    for group in optimizer.param_groups:
        group["lr"] = rate
    model.train()
    torch.manual_seed(_seed(config.seed, 2, step))  # dropout has no generator of its own
    device = next(model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16, enabled=config.bf16):
        loss = task.loss(part, step / plan.steps, _generator(_seed(config.seed, step, 1)))
    if ranks() > 1:
        loss = loss * (len(part) / len(rows))  # the sum over ranks is then the mean over the batch
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    sum_gradients(model)
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    optimizer.step()
    return StepFigures(sum_over_ranks(loss.detach()), norm, rate)


def _rate(config: TrainerConfig, plan: Plan, step: int) -> float:
    return learning_rate(
        step,
        steps=plan.steps,
        warmup_steps=max(1, round(config.warmup_epochs * plan.steps_per_epoch)),
        highest=config.learning_rate,
        curve=config.schedule,
        final=config.final_rate,
    )


@lru_cache(maxsize=1)
def _order(seed: int, epoch: int, samples: int) -> Tensor:
    """Order (N,) of the samples in an epoch, cached until the next one."""
    return torch.randperm(samples, generator=_generator(hash((seed, epoch, 0)) & _SEEDS))


def _seed(*numbers: int) -> int:
    """Seed of this rank's random numbers; hashes of integers are the same in every run."""
    return hash(numbers if rank() == 0 else (*numbers, rank())) & _SEEDS


def _generator(seed: int) -> torch.Generator:
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


@torch.no_grad()
def _average(averaged: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            averaged[name].lerp_(value.to(averaged[name].device), 1 - decay)
        else:
            averaged[name].copy_(value)


@torch.no_grad()
def _evaluate(task: Task, averaged: dict[str, Tensor]) -> dict[str, float]:
    """Validation figures of the averaged weights; the model keeps its own."""
    kept = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
    task.model.load_state_dict(averaged)
    task.model.eval()
    figures = task.evaluate(task.model)
    task.model.load_state_dict(kept)
    return figures
