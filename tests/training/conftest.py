"""PyTorch on one thread: the networks of the tests are too small for more, which only wait for each other."""

from __future__ import annotations

import torch


def pytest_runtest_setup() -> None:
    """Reset what commands under test change in the whole process, before the fixtures of each test."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)  # the commands switch it on for the whole process; hypothesis needs denormals
