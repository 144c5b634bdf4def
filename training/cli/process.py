"""What every command of ``mien-train`` does to its own process: settings of torch, and lines for the user."""

from __future__ import annotations

import sys

import torch
import typer

from training.loop.distributed import rank


def settle_torch(threads: int) -> None:
    """Settings of the whole process, so made by commands and nowhere deeper."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # late in training tiny numbers would slow the CPU down a hundredfold


def say(line: str) -> None:
    """Print a line at once; under torchrun rank 0 alone does."""
    if rank() == 0:
        typer.echo(line)
        sys.stdout.flush()
