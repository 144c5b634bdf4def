"""Fixtures for tests of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.session.folder import SessionFolder
from app.session.rows import SessionHeader
from tests.fakes.sessions import Annotator, fake_header


@pytest.fixture
def header() -> SessionHeader:
    """The header of a session with the units of BP4D."""
    return fake_header()


@pytest.fixture
def run_annotate(tmp_path: Path) -> Annotator:
    """Annotates fake frames into a folder of this test."""
    return Annotator(SessionFolder(tmp_path / "session"))
