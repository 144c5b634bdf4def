"""Several processes that train one model together, started by torchrun; outside torchrun there is one rank, number 0.

    torchrun --standalone --nproc-per-node 2 -m -- training.cli.main fit expression --data DATA --run RUN --device cuda

(the lone ``--`` keeps torchrun from taking ``--run`` for an option of its own). Every rank takes its part of each
batch, and gradients are averaged over the ranks (Li et al., "PyTorch Distributed: Experiences on Accelerating Data
Parallel Training", VLDB 2020, arXiv 2006.15704). Gloo carries them between CPUs, NCCL between GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, TypeAlias

import torch

# DistributedDataParallel imports this, and its functions then keep the process group of that moment as their default:
# a group that exists by then is never freed, and its threads make some processes abort at their end.
import torch.distributed.nn.functional
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

#: Rows (B,), progress 0-1 and randomness -> scalar loss.
LossFunction: TypeAlias = Callable[[Tensor, float, torch.Generator], Tensor]

#: Others wait this long for rank 0, which may have to find the meshes of a large data set first.
_PATIENCE: Final = timedelta(hours=12)


def rank() -> int:
    """Number of this process, 0 for the one that writes files and speaks."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def ranks() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def process_group(device: str) -> Iterator[torch.device]:
    """Join the other processes of torchrun, if there are any, and give the device of this one.

    Raises:
        ValueError: there are more processes on this machine than GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield torch.device(device)
        return
    where = torch.device(device)
    if where.type == "cuda":
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise ValueError(f"process {local} has no GPU: this machine has {gpus}; use --nproc-per-node {gpus}")
        where = torch.device("cuda", local)
        torch.cuda.set_device(where)
        distributed.init_process_group("nccl", timeout=_PATIENCE, device_id=where)
    else:
        distributed.init_process_group("gloo", timeout=_PATIENCE)
    failed = True
    try:
        yield where
        failed = False
    finally:
        if where.type == "cpu" or not failed:  # after a failure NCCL would wait for ranks that wait for this one
            distributed.destroy_process_group()


def barrier() -> None:
    """Wait until every rank is here."""
    if ranks() > 1:
        distributed.barrier()


@contextmanager
def rank_0_first() -> Iterator[None]:
    """Let rank 0 run the block alone, then the others, who find the files that it left."""
    if rank() > 0:
        barrier()
    yield
    if rank() == 0:
        barrier()


def part_of(rows: Tensor) -> Tensor:
    """This rank's part of the rows (B,) of a batch; parts differ by one row at most."""
    return torch.tensor_split(rows, ranks())[rank()]


def mean_over_ranks(value: Tensor) -> Tensor:
    """Mean of a scalar over all ranks."""
    if ranks() == 1:
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total / ranks()


def need_one_step(step: int, device: torch.device) -> None:
    """Check that every rank goes on at the same step.

    Raises:
        ValueError: they do not, because they see different checkpoints.
    """
    if ranks() == 1:
        return
    ends = torch.tensor([step, -step], device=device)
    distributed.all_reduce(ends, distributed.ReduceOp.MIN)
    first, last = int(ends[0]), -int(ends[1])
    if first != last:
        raise ValueError(f"ranks would go on at steps {first} to {last}: put the run on a disk that all machines share")


class _Loss(nn.Module):
    """A loss as a module, because DistributedDataParallel prepares a step in its forward pass."""

    def __init__(self, model: nn.Module, loss: LossFunction) -> None:
        super().__init__()
        self.model = model
        self._loss = loss

    def forward(self, rows: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        return self._loss(rows, progress, generator)


def shared_loss(model: nn.Module, loss: LossFunction, trial: Tensor) -> LossFunction:
    """The same loss, but its backward pass leaves in ``model`` the mean gradient over all ranks.

    On GPUs batch norms become SyncBatchNorm and normalise over the whole batch. PyTorch has none for CPUs: there each
    rank normalises over its own part, and rank 0's running statistics are handed to all before each step.
    ``trial`` are rows to find out with whether the loss leaves parameters unused.
    """
    if ranks() == 1:
        return loss
    if next(model.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return DistributedDataParallel(_Loss(model, loss), find_unused_parameters=_leaves_unused(model, loss, trial))


def _leaves_unused(model: nn.Module, loss: LossFunction, trial: Tensor) -> bool:
    model.eval()  # so that running statistics stay as they are
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss(trial, 0.0, torch.Generator()), parameters, allow_unused=True)
    return any(gradient is None for gradient in gradients)
