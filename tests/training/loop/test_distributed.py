"""Several processes that train together. This file is also the program that torchrun starts on two of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.loop.distributed import part_of, process_group, rank, rank_0_first, ranks
from training.loop.trainer import TrainerConfig, fit

#: Batches of 7 on 2 ranks have parts of 4 and 3.
CONFIG = TrainerConfig(
    epochs=3, batch_size=7, learning_rate=0.05, warmup_epochs=0.5, average_decay=0.5, bf16=False, save_every_s=0.0
)


class CurveTask:
    """Fit y = x^2 without dropout, batch norm or noise: then ranks and one process differ by rounding alone."""

    samples = 30

    def __init__(self, die_after: int = -1) -> None:
        torch.manual_seed(5)
        self.model: nn.Module = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.model.register_parameter("unused", nn.Parameter(torch.ones(2, 2)))
        self.draws: list[float] = []
        self._x = torch.linspace(-1, 1, self.samples)[:, None]
        self._left = die_after

    def loss(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self.draws.append(float(torch.rand((), generator=generator)))
        x = self._x[rows]
        return ((self.model(x) - x**2) ** 2).mean()

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            return {"error": float((model(self._x) - self._x**2).abs().mean())}


def quiet(line: str) -> None:
    """Drop a progress line."""


def error_of(config: TrainerConfig, folder: Path) -> str:
    """Message of the error that a run with these settings raises."""
    try:
        fit(CurveTask(), config, folder, {}, quiet)
    except ValueError as error:
        return str(error)
    return ""


def on_ranks(folder: Path) -> None:
    """What torchrun starts: a whole run, the rest of an interrupted one, and the facts of each rank."""
    with process_group("cpu") as device:
        with rank_0_first():
            seen = (folder / "first").is_file()
            (folder / "first").touch()
        task = CurveTask()
        fit(task, CONFIG, folder / "whole", {}, print)
        fit(CurveTask(), CONFIG, folder / "broken", {}, quiet)
        weights = {name: value.clone() for name, value in task.model.state_dict().items()}
        save_file({**weights, "draws": torch.tensor(task.draws)}, str(folder / f"rank_{rank()}.safetensors"))
        error = error_of(TrainerConfig(batch_size=1), folder / "refused")
        facts = {"device": str(device), "ranks": ranks(), "seen": seen, "error": error}
        number = rank()
    # The group's threads are not Python's; one that outlives the group may abort the process at its end.
    facts["threads"] = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    (folder / f"rank_{number}.json").write_text(json.dumps(facts))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one process (``one``) and of two (the rest)."""
    folder = tmp_path_factory.mktemp("ranks")
    fit(CurveTask(), CONFIG, folder / "one", {}, quiet)
    with pytest.raises(KeyboardInterrupt):
        fit(CurveTask(die_after=6), CONFIG, folder / "broken", {}, quiet)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
    root = str(Path(__file__).resolve().parents[3])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    done = subprocess.run(
        [*command, str(folder)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "output").write_text(done.stdout)
    return folder


def facts_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads((folder / f"rank_{number}.json").read_text()) for number in range(2)]


def test_ranks_hold_equal_weights(folder: Path) -> None:
    first, second = (load_file(folder / f"rank_{number}.safetensors") for number in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first if name != "draws")


@pytest.mark.parametrize("run", ["whole", "broken"])
def test_two_ranks_end_where_one_process_does(folder: Path, run: str) -> None:
    one = load_file(folder / "one" / "weights.safetensors")
    two = load_file(folder / run / "weights.safetensors")
    start = CurveTask().model.state_dict()
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    assert all((one[name] - start[name]).abs().max() > 0.02 for name in one if name != "unused")
    assert torch.equal(two["unused"], start["unused"])


def test_the_logged_loss_is_of_the_whole_batch(folder: Path) -> None:
    one, two = (
        [json.loads(line) for line in (folder / run / "log.jsonl").read_text().splitlines()] for run in ("one", "whole")
    )
    assert [line["epoch"] for line in two] == [1, 2, 3]
    assert [line["training_loss"] for line in two] == pytest.approx([line["training_loss"] for line in one], abs=2e-5)


def test_each_rank_draws_its_own_random_numbers_and_rank_0_those_of_one_process(folder: Path) -> None:
    task = CurveTask()
    fit(task, CONFIG, folder / "again", {}, quiet)
    alone = torch.tensor(task.draws)
    first, second = (load_file(folder / f"rank_{number}.safetensors")["draws"] for number in range(2))
    assert torch.equal(first, alone)
    assert (second != alone).all()


def test_only_rank_0_writes_and_prints(folder: Path) -> None:
    assert (folder / "output").read_text().count("epoch 3 of 3") == 1
    assert len(list((folder / "whole" / "tensorboard").iterdir())) == 1


def test_rank_0_goes_first_and_the_other_finds_its_file(folder: Path) -> None:
    assert [facts["seen"] for facts in facts_of(folder)] == [False, True]


def test_every_rank_refuses_a_batch_smaller_than_the_number_of_ranks(folder: Path) -> None:
    for facts in facts_of(folder):
        assert (facts["device"], facts["ranks"]) == ("cpu", 2)
        assert "a batch of 1 cannot be split over 2 ranks" in str(facts["error"])


def test_the_group_leaves_no_thread_behind(folder: Path) -> None:
    for facts in facts_of(folder):
        assert not [name for name in facts["threads"] if "gloo" in name]


def test_outside_torchrun_there_is_one_rank_with_the_whole_batch() -> None:
    with process_group("cpu") as device:
        assert (device, rank(), ranks()) == (torch.device("cpu"), 0, 1)
        assert part_of(torch.arange(5)).tolist() == [0, 1, 2, 3, 4]
        with rank_0_first():
            pass


if __name__ == "__main__":
    on_ranks(Path(sys.argv[1]))
