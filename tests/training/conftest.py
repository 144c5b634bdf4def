"""PyTorch on one thread: the networks of the tests are too small for more, which only wait for each other."""

from __future__ import annotations

import torch


def pytest_runtest_setup() -> None:
    """Set the number of threads before the fixtures of each test; commands under test change it."""
    torch.set_num_threads(1)
