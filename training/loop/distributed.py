"""Several processes that train one model together, started by torchrun; without it there is one rank, number 0.

    torchrun --standalone --nproc-per-node 2 -m -- training.cli fit expression --data DATA --run RUN --device cuda

(the lone ``--`` keeps torchrun from reading ``--run`` as its own option). Every rank takes its part of each batch, and
gradients are averaged over the ranks by one all-reduce per step: the networks here are small, so the overlap of
communication and backward pass that DistributedDataParallel offers would gain nothing. Gloo connects CPUs, NCCL GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import torch

# Other parts of torch import this module later, and its functions then keep the process group of that moment as their
# default argument: the group is never freed, and its threads make some processes abort at their end.
import torch.distributed.nn.functional
from torch import Tensor, distributed, nn

#: Rank 0 may first have to find the meshes of a large data set, while the others wait.
_TIMEOUT: Final = timedelta(hours=12)


def rank() -> int:
    """Number of this process; 0 writes files and prints."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def ranks() -> int:
    """Number of processes that train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def process_group(device: str) -> Iterator[torch.device]:
    """Join the other processes of torchrun, if there are any; the value is the device of this one."""
    where = torch.device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield where
        return
    if where.type == "cuda":
        where = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(where)
    distributed.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=_TIMEOUT)
    yield where
    distributed.destroy_process_group()  # not after an error: NCCL would wait for ranks that wait for this one


def barrier() -> None:
    """Wait until every rank is here."""
    if ranks() > 1:
        distributed.barrier()


@contextmanager
def rank_0_first() -> Iterator[None]:
    """Run the block on rank 0 alone, then on the others, which find the files that it left."""
    if rank() > 0:
        barrier()
    yield
    if rank() == 0:
        barrier()


def part_of(rows: Tensor) -> Tensor:
    """This rank's part of the rows (B,) of a batch; parts differ by one row at most."""
    return torch.tensor_split(rows, ranks())[rank()]


def sum_over_ranks(value: Tensor) -> Tensor:
    """Sum of a tensor over all ranks."""
    if ranks() == 1:
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total


def synchronise_norms(model: nn.Module) -> None:
    """Let the batch norms of all ranks normalise over the whole batch.

    PyTorch has no such layer for CPUs: there each rank normalises over its own part.
    """
    if ranks() > 1 and next(model.parameters()).is_cuda:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]  # torch leaves it untyped


def sum_gradients(model: nn.Module) -> None:
    """Replace each gradient by its sum over all ranks."""
    if ranks() == 1:
        return
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    total = sum_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = torch.split_with_sizes(total, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
