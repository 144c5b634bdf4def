"""Progress with and without a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from app import progress
from app.progress import PlainProgress, TerminalProgress


def test_without_a_terminal_a_line_is_printed_every_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock)
    written = io.StringIO()
    listener = PlainProgress(Console(file=written, width=200))
    listener.begin("clip[1].mp4", 300, 0)
    for second in range(1, 11):
        clock = float(second)
        listener.update(second * 20)
    clock = 15.0
    listener.end()
    assert written.getvalue().splitlines() == [
        "clip[1].mp4: 300 frames",
        "clip[1].mp4: 100/300 frames, 20.0 fps, 10 s left",
        "clip[1].mp4: 200/300 frames, 20.0 fps, 5 s left",
        f"clip[1].mp4: 200 frames, {200 / 15:.1f} fps",
    ]


def test_the_rate_of_a_resumed_job_counts_only_its_own_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock)
    written = io.StringIO()
    listener = PlainProgress(Console(file=written, width=200))
    listener.begin("clip.mp4", None, 100)
    clock = 10.0
    listener.update(150)
    listener.end()
    assert written.getvalue().splitlines() == [
        "clip.mp4: ? frames, resuming at frame 100",
        "clip.mp4: 150/? frames, 5.0 fps",
        "clip.mp4: 150 frames, 5.0 fps",
    ]


def test_a_terminal_shows_a_bar_with_rate_and_eta() -> None:
    written = io.StringIO()
    listener = TerminalProgress(Console(file=written, width=120, force_terminal=True))
    listener.begin("clip.mp4", 300, 0)
    listener.update(150)
    listener.end()
    assert "clip.mp4" in written.getvalue()
    assert "150/300 frames" in written.getvalue()
    assert "fps" in written.getvalue()
