"""Progress where there is a terminal, and where there is none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from app import progress
from app.progress import PlainProgress, TerminalProgress


def test_lines_are_plain_and_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock)
    written = io.StringIO()
    watch = PlainProgress(Console(file=written, width=200))
    watch.begin("clip[1].mp4", 300, 0)
    for second in range(1, 11):
        clock = float(second)
        watch.update(second * 20)
    clock = 15.0
    watch.end()
    assert written.getvalue().splitlines() == [
        "clip[1].mp4: 300 frames",
        "clip[1].mp4: 100/300 frames, 20.0 fps, 10 s left",
        "clip[1].mp4: 200/300 frames, 20.0 fps, 5 s left",
        f"clip[1].mp4: 200 frames, {200 / 15:.1f} fps",
    ]


def test_a_resumed_run_counts_its_own_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock)
    written = io.StringIO()
    watch = PlainProgress(Console(file=written, width=200))
    watch.begin("clip.mp4", None, 100)
    clock = 10.0
    watch.update(150)
    watch.end()
    assert written.getvalue().splitlines() == [
        "clip.mp4: ? frames, going on at frame 100",
        "clip.mp4: 150/? frames, 5.0 fps",
        "clip.mp4: 150 frames, 5.0 fps",
    ]


def test_a_terminal_gets_a_bar_with_rate_and_time_left() -> None:
    written = io.StringIO()
    watch = TerminalProgress(Console(file=written, width=120, force_terminal=True))
    watch.begin("clip.mp4", 300, 0)
    watch.update(150)
    watch.end()
    assert "clip.mp4" in written.getvalue()
    assert "150/300 frames" in written.getvalue()
    assert "fps" in written.getvalue()
