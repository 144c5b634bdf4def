"""The loop: the weights it trains, its log, and that a killed run ends where an uninterrupted one does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from training.loop import trainer
from training.loop.schedule import learning_rate
from training.loop.trainer import TrainerConfig, fit

CONFIG = TrainerConfig(
    epochs=3, batch_size=8, learning_rate=0.05, warmup_epochs=0.5, average_decay=0.5, bf16=False, save_every_s=0.0
)


class LineTask:
    """Fit y = 3 x - 1 with noise and dropout: enough to see order, randomness and averaging."""

    samples = 32

    def __init__(self, die_after: int | None = None) -> None:
        torch.manual_seed(5)
        self.model: nn.Module = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 1))
        self._x = torch.linspace(-1, 1, self.samples)[:, None]
        self._left = die_after

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        if self._left is not None:
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
        x = self._x[rows] + 0.01 * torch.randn(len(rows), 1, generator=generator)
        return ((self.model(x) - 3 * x + 1) ** 2).mean()

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        assert not model.training
        with torch.no_grad():
            return {"error": float((model(self._x) - 3 * self._x + 1).abs().mean())}


def quiet(line: str) -> None:
    """Drop a progress line."""


def test_training_lowers_the_error_and_logs_each_epoch(tmp_path: Path) -> None:
    fit(LineTask(), TrainerConfig(epochs=40, batch_size=8, learning_rate=0.05, bf16=False), tmp_path, {}, quiet)
    errors = [json.loads(line)["error"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(errors) == 40
    assert errors[-1] < errors[0] / 2


@pytest.mark.parametrize("steps", [1, 5, 11])
def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path, steps: int) -> None:
    whole = load_file(fit(LineTask(), CONFIG, tmp_path / "whole", {}, quiet))
    with pytest.raises(KeyboardInterrupt):
        fit(LineTask(die_after=steps), CONFIG, tmp_path / "killed", {}, quiet)
    resumed = load_file(fit(LineTask(), CONFIG, tmp_path / "killed", {}, quiet))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_each_epoch_reports_its_mean_training_loss_and_the_time_left(tmp_path: Path) -> None:
    losses: list[float] = []
    lines: list[str] = []

    class RecordingTask(LineTask):
        def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
            loss = super().loss(rows, progress, generator)
            losses.append(float(loss.detach()))
            return loss

    fit(RecordingTask(), CONFIG, tmp_path, {}, lines.append)
    logged = [json.loads(line)["training_loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert logged == pytest.approx([sum(losses[start : start + 4]) / 4 for start in (0, 4, 8)], abs=1e-5)
    assert [line.split("  ")[0] for line in lines] == ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"]
    assert lines[-1].endswith("0 min left")


@pytest.mark.parametrize("steps", [3, 4, 6, 9])
def test_a_killed_run_logs_as_an_uninterrupted_one(tmp_path: Path, steps: int) -> None:
    fit(LineTask(), CONFIG, tmp_path / "whole", {}, quiet)
    rarely_saved = TrainerConfig(**{**_values(CONFIG), "save_every_s": 0.0 if steps < 6 else 1e9})
    with pytest.raises(KeyboardInterrupt):
        fit(LineTask(die_after=steps), rarely_saved, tmp_path / "killed", {}, quiet)
    fit(LineTask(), CONFIG, tmp_path / "killed", {}, quiet)
    assert (tmp_path / "killed" / "log.jsonl").read_text() == (tmp_path / "whole" / "log.jsonl").read_text()


def test_a_truncated_line_is_dropped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(LineTask(die_after=5), CONFIG, tmp_path, {}, quiet)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"epoch": 2, "training_l')
    fit(LineTask(), CONFIG, tmp_path, {}, quiet)
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3]


def test_tensorboard_gets_steps_and_epochs_once_each_also_after_a_kill(tmp_path: Path) -> None:
    config = TrainerConfig(**{**_values(CONFIG), "log_every_steps": 2})
    with pytest.raises(KeyboardInterrupt):
        fit(LineTask(die_after=7), config, tmp_path, {}, quiet)
    fit(LineTask(), config, tmp_path, {}, quiet)
    points = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    steps = {tag: [point.step for point in points.Scalars(tag)] for tag in points.Tags()["scalars"]}
    every_second = [2, 4, 6, 8, 10, 12]
    assert steps == {
        "training/loss": every_second,
        "training/gradient_norm": every_second,
        "training/learning_rate": every_second,
        "training/images_per_s": every_second,
        "training/loss_of_epoch": [4, 8, 12],
        "validation/error": [4, 8, 12],
    }
    rates = [point.value for point in points.Scalars("training/learning_rate")]
    assert rates == pytest.approx(
        [learning_rate(step - 1, steps=12, warmup_steps=2, highest=0.05) for step in every_second]
    )
    assert all(point.value > 0 for point in points.Scalars("training/images_per_s"))


def test_a_batch_larger_than_the_training_set_is_refused(tmp_path: Path) -> None:
    config = TrainerConfig(**{**_values(CONFIG), "batch_size": 33})
    with pytest.raises(ValueError, match="32 samples do not fill a batch of 33"):
        fit(LineTask(), config, tmp_path, {}, quiet)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    first = load_file(fit(LineTask(), CONFIG, tmp_path / "a", {}, quiet))
    second = load_file(fit(LineTask(), TrainerConfig(**{**_values(CONFIG), "seed": 1}), tmp_path / "b", {}, quiet))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def _values(config: TrainerConfig) -> dict[str, float]:
    return {name: getattr(config, name) for name in config.__slots__}


def test_a_finished_run_is_returned_as_it_is(tmp_path: Path) -> None:
    path = fit(LineTask(), CONFIG, tmp_path, {}, quiet)
    before = path.read_bytes()
    fit(LineTask(die_after=0), CONFIG, tmp_path, {}, quiet)
    assert path.read_bytes() == before


def test_a_kill_while_saving_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(LineTask(die_after=3), CONFIG, tmp_path, {}, quiet)
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        fit(LineTask(), CONFIG, tmp_path, {}, quiet)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept


def test_norms_and_biases_do_not_decay() -> None:
    decayed, plain = trainer._groups(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), 0.1)
    assert [p.ndim for p in decayed["params"]] == [2]
    assert decayed["weight_decay"] == 0.1
    assert len(plain["params"]) == 3
    assert plain["weight_decay"] == 0.0
