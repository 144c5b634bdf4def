"""What the program shows of what its workers report."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.batch import ItemState
from app.cluster.command import _result
from app.cluster.records import Item, Report
from app.sources import GivenSource
from app.terminal import print_internal_error


def test_the_traceback_of_a_bug_in_a_worker_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.terminal.cache_folder", lambda: tmp_path)
    trace = 'Traceback (most recent call last):\n  File "pipeline.py", line 7, in process\nValueError: odd\n'
    report = Report(0, ItemState.FAILED, problem="internal error: ValueError: odd", is_bug=True, traceback=trace)
    result = _result(GivenSource("a.mp4"), Item(0, "a.mp4", str(tmp_path)), report)
    assert result.is_bug
    assert result.error is not None
    print_internal_error(result.error)
    assert trace in (tmp_path / "last-error.txt").read_text(encoding="utf-8")
