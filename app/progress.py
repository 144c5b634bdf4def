"""Progress of a job: a bar in a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from app.printable import printable

#: Seconds between two lines without a terminal.
_LINE_EVERY_S: Final = 5.0
#: Averaging time of the frame rate.
_RATE_OVER_S: Final = 5.0


class _Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        """Format the rate."""
        return Text(f"{task.speed:5.1f} fps" if task.speed else "    - fps", style="cyan")


class TerminalProgress:
    """A bar with frames, frame rate and ETA."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._name = ""

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Show the bar."""
        frames = TextColumn("{task.completed:.0f}/{task.total:.0f} frames" if total else "{task.completed:.0f} frames")
        clock = TimeRemainingColumn() if total else TimeElapsedColumn()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            frames,
            _Rate(),
            clock,
            console=self._console,
            speed_estimate_period=_RATE_OVER_S,
            auto_refresh=False,
        )
        self._progress.start()
        self._name = name
        self._progress.add_task(printable(name), total=total, completed=done)

    def update(self, done: int, file: str | None = None) -> None:
        """Move the bar, and name the picture."""
        if self._progress is not None:
            name = printable(self._name if file is None else f"{self._name}: {file}")
            self._progress.update(self._progress.task_ids[0], description=name, completed=done, refresh=True)

    def end(self) -> None:
        """Stop the bar at its last state."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class PlainProgress:
    """Lines for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name = ""
        self._total: int | None = None
        self._first = self._last = 0
        self._start_s = self._printed_s = 0.0

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Print name and number of frames."""
        self._name, self._total, self._first, self._last = name, total, done, done
        self._start_s = self._printed_s = time.monotonic()
        self._print(f"{name}: {total or '?'} frames" + (f", resuming at frame {done}" if done else ""))

    def update(self, done: int, file: str | None = None) -> None:
        """Print progress, the picture, rate and ETA if a line is due."""
        self._last = done
        now = time.monotonic()
        if now - self._printed_s < _LINE_EVERY_S:
            return
        self._printed_s = now
        rate = (done - self._first) / (now - self._start_s)
        left = f", {max(self._total - done, 0) / rate:.0f} s left" if self._total and rate else ""
        current = "" if file is None else f" ({file})"
        self._print(f"{self._name}: {done}/{self._total or '?'} frames{current}, {rate:.1f} fps{left}")

    def end(self) -> None:
        """Print the average rate."""
        seconds = max(time.monotonic() - self._start_s, 1e-9)
        self._print(f"{self._name}: {self._last} frames, {(self._last - self._first) / seconds:.1f} fps")

    def _print(self, line: str) -> None:
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
