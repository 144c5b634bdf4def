"""The log of a run: printed lines, log.jsonl with a line per epoch, and TensorBoard scalars."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from engine.files import write_text


@dataclass(frozen=True, slots=True)
class Plan:
    """Length of a run."""

    epochs: int
    samples: int
    batch_size: int  # over all ranks

    @property
    def steps_per_epoch(self) -> int:
        """Full batches; samples that do not fill one are left out of that epoch."""
        return self.samples // self.batch_size

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch


@dataclass(frozen=True, slots=True, eq=False)
class StepFigures:
    """Figures of one step; tensors stay on their device, which avoids a synchronisation."""

    loss: Tensor  # scalar, mean of the whole batch
    gradient_norm: Tensor  # scalar, before clipping
    learning_rate: float


class RunLog:
    """Log of a run in ``folder``, opened at the step where the run starts or resumes; on rank 0 only.

    Every ``every``-th step goes to TensorBoard, epochs to all three. Entries that an interrupted run wrote after its
    last checkpoint are dropped.
    """

    def __init__(
        self, folder: Path, plan: Plan, every: int, facts: dict[str, Any], report: Callable[[str], None]
    ) -> None:
        self._plan, self._every, self._report = plan, every, report
        self._first = self._step = int(facts.get("step", 0))
        self._loss_sum = torch.tensor(float(facts.get("loss_sum", 0.0)), dtype=torch.float64)
        self._loss_steps = int(facts.get("loss_steps", 0))
        self._path = folder / "log.jsonl"
        _drop_epochs(self._path, self._first // plan.steps_per_epoch)
        self._started = self._marked = time.monotonic()
        self._marked_step = self._first
        purged = self._first + 1 if self._first else None  # hides points that were logged after the checkpoint
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=purged)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def facts(self) -> dict[str, Any]:
        """State of the log that a checkpoint stores."""
        return {"step": self._step, "loss_sum": float(self._loss_sum), "loss_steps": self._loss_steps}

    def step(self, figures: StepFigures) -> None:
        """Log the next step."""
        self._step += 1
        self._loss_sum = self._loss_sum.to(figures.loss.device) + figures.loss
        self._loss_steps += 1
        if self._step % self._every:
            return
        self._scalar("training/loss", float(figures.loss))
        self._scalar("training/gradient_norm", float(figures.gradient_norm))
        self._scalar("training/learning_rate", figures.learning_rate)
        now = time.monotonic()
        images = (self._step - self._marked_step) * self._plan.batch_size
        self._scalar("training/images_per_s", images / max(now - self._marked, 1e-9))
        self._mark()

    def epoch(self, figures: dict[str, float]) -> None:
        """Log a finished epoch: its validation figures and the mean training loss."""
        number = self._step // self._plan.steps_per_epoch
        loss = float(self._loss_sum) / max(self._loss_steps, 1)
        self._loss_sum, self._loss_steps = torch.zeros((), dtype=torch.float64), 0
        line = {"epoch": number, "training_loss": round(loss, 5)}
        line |= {name: round(value, 5) for name, value in figures.items()}
        with self._path.open("a") as log:
            log.write(json.dumps(line) + "\n")
        self._scalar("training/loss_of_epoch", loss)
        for name, value in figures.items():
            self._scalar(f"validation/{name}", value)
        self._writer.flush()
        values = "  ".join(f"{name} {value:.4f}" for name, value in {"loss": loss, **figures}.items())
        self._report(f"epoch {number} of {self._plan.epochs}  {values}  {self._time_left()} left")
        self._mark()  # evaluation does not count as training time

    def _time_left(self) -> str:
        per_step_s = (time.monotonic() - self._started) / max(self._step - self._first, 1)
        minutes = round(per_step_s * (self._plan.steps - self._step) / 60)
        return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"

    def _scalar(self, name: str, value: float) -> None:
        self._writer.add_scalar(name, value, self._step)

    def _mark(self) -> None:
        self._marked, self._marked_step = time.monotonic(), self._step


def _drop_epochs(path: Path, last: int) -> None:
    """Drop the lines of epochs after ``last``, and a truncated line."""
    if not path.is_file():
        return
    lines = path.read_text().splitlines()
    kept = [line for line in lines if line.endswith("}") and json.loads(line)["epoch"] <= last]
    if len(kept) < len(lines):
        write_text(path, "".join(f"{line}\n" for line in kept))
