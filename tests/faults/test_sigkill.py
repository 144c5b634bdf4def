"""Short version of the run in `tests.faults.sigkill`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_a_killed_session_resumes_with_the_same_table(tmp_path: Path, face_models: None) -> None:
    from tests.faults.sigkill import campaign

    kills = campaign(3, seed=11, minutes=5.0, folder=tmp_path)
    assert len(kills) == 3
    assert all(kill.recovered for kill in kills)
    assert max(kill.lost_s for kill in kills) <= 1.0
