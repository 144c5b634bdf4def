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

from training.loop.distributed import need_one_step, part_of, process_group, rank, rank_0_first, ranks
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
    """Swallow a progress line."""


def refusal(step: int, config: TrainerConfig, folder: Path) -> list[str]:
    """What a rank says of unequal steps and of a batch that is too small."""
    told = []
    try:
        need_one_step(step, torch.device("cpu"))
    except ValueError as error:
        told.append(str(error))
    try:
        fit(CurveTask(), config, folder, {}, quiet)
    except ValueError as error:
        told.append(str(error))
    return told


def on_ranks(folder: Path) -> None:
    """What torchrun runs: a whole run, the rest of a broken one, and what each rank has to show for itself."""
    with process_group("cpu") as device:
        with rank_0_first():
            seen = (folder / "made").is_file()
            (folder / "made").touch()
        task = CurveTask()
        fit(task, CONFIG, folder / "whole", {}, print)
        fit(CurveTask(), CONFIG, folder / "broken", {}, quiet)
        weights = {name: value.clone() for name, value in task.model.state_dict().items()}
        save_file({**weights, "draws": torch.tensor(task.draws)}, str(folder / f"rank_{rank()}.safetensors"))
        told = refusal(10 + rank(), TrainerConfig(batch_size=1), folder / "refused")
        facts = {"device": str(device), "ranks": ranks(), "seen": seen, "told": told}
        number = rank()
    # Python knows nothing of the group's threads; one that is alive when the process ends may abort it.
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
    (folder / "said").write_text(done.stdout)
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
    first, second = (load_file(folder / f"rank_{number}.safetensors")["draws"][1:] for number in range(2))
    assert torch.equal(first, alone)  # the first draw of a rank was the trial before the run
    assert (second != alone).all()


def test_rank_0_alone_writes_and_speaks(folder: Path) -> None:
    assert (folder / "said").read_text().count("epoch 3 of 3") == 1
    assert len(list((folder / "whole" / "tensorboard").iterdir())) == 1


def test_rank_0_goes_first_and_the_other_finds_its_file(folder: Path) -> None:
    assert [facts["seen"] for facts in facts_of(folder)] == [False, True]


def test_every_rank_refuses_unequal_steps_and_a_batch_without_a_part_for_each(folder: Path) -> None:
    for facts in facts_of(folder):
        assert (facts["device"], facts["ranks"]) == ("cpu", 2)
        steps, batch = facts["told"]
        assert "steps 10 to 11" in steps
        assert "a batch of 1 has no part for each of 2 ranks" in batch


def test_the_group_leaves_no_thread_behind(folder: Path) -> None:
    for facts in facts_of(folder):
        assert not [name for name in facts["threads"] if "gloo" in name]


def test_outside_torchrun_there_is_one_rank_with_the_whole_batch() -> None:
    with process_group("cpu") as device:
        assert (device, rank(), ranks()) == (torch.device("cpu"), 0, 1)
        assert part_of(torch.arange(5)).tolist() == [0, 1, 2, 3, 4]
        with rank_0_first():
            need_one_step(3, device)


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="process 2 has no GPU: this machine has 2; use --nproc-per-node 2"):  # noqa: SIM117
        with process_group("cuda"):
            pass


if __name__ == "__main__":
    on_ranks(Path(sys.argv[1]))
