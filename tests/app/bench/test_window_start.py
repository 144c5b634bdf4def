"""The benchmark of the start: what it measures, and what it reports of a window that does not start."""

from __future__ import annotations

import sys

import pytest

from app.bench.window_start import can_measure_start, measure_start, window_command
from engine.errors import EngineError

pytestmark = pytest.mark.skipif(not can_measure_start(), reason="needs Unix sockets")

#: Reports itself painted, then waits for its end.
PAINTED = (
    "import signal, sys; from app.serve.systemd import notify; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
    "notify('READY=1'); signal.pause()"
)


def test_it_measures_until_the_window_reports_itself_painted() -> None:
    figures = measure_start(2, [sys.executable, "-c", PAINTED])
    assert figures.starts == 2
    assert 0 < figures.lowest_s <= figures.median_s <= figures.highest_s
    assert figures.cpu_s is None or figures.cpu_s <= figures.highest_s


def test_a_window_that_ends_instead_is_an_error() -> None:
    with pytest.raises(EngineError, match="not painted: no display for it"):
        measure_start(1, [sys.executable, "-c", "raise SystemExit('no display for it')"])
    with pytest.raises(EngineError, match="not painted: run 'mien'"):
        measure_start(1, [sys.executable, "-c", "raise SystemExit(2)"])


def test_it_starts_the_installed_command_of_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert window_command() == [str(tmp_path / "python"), "-m", "app"]
    (tmp_path / "mien").touch()
    assert window_command() == [str(tmp_path / "mien")]
