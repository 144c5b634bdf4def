"""Tests that download packages are skipped where the suite runs without a network on purpose."""

from __future__ import annotations

import os

import pytest

from tests.faults.offline import VARIABLE


@pytest.fixture(scope="session")
def package_index() -> None:
    """The package index that pip is set up for."""
    if os.environ.get(VARIABLE):
        pytest.skip("needs the package index: the suite runs without a network")
