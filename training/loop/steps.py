"""Training of a network so small that a run takes seconds: nothing is stored, evaluated or resumed (see trainer.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from training.loop.schedule import learning_rate


def take_steps(
    parameters: Iterable[nn.Parameter],
    batches: Sequence[Tensor],
    loss_of: Callable[[Tensor], Tensor],
    *,
    highest_rate: float,
    weight_decay: float,
    warmup_steps: int,
) -> None:
    """One step of AdamW for each batch, with a linear warm-up and a cosine.

    Args:
        parameters: of the network.
        batches: row numbers (B,) each, in order.
        loss_of: loss of a batch.
        highest_rate: learning rate after the warm-up.
        weight_decay: of AdamW.
        warmup_steps: length of the warm-up.
    """
    optimizer = torch.optim.AdamW(parameters, lr=highest_rate, weight_decay=weight_decay)
    for step, rows in enumerate(batches):
        rate = learning_rate(step, steps=len(batches), warmup_steps=warmup_steps, highest=highest_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(rows)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
