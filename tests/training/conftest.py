"""PyTorch on one thread: the networks of the tests are too small for more, which only wait for each other."""

from __future__ import annotations

import torch


def pytest_runtest_setup() -> None:
    """One thread, before the fixtures of each test."""
    torch.set_num_threads(1)


def pytest_runtest_teardown() -> None:
    """Undo what commands under test change in the whole process: hypothesis, in any later test, needs denormals."""
    torch.set_flush_denormal(False)
