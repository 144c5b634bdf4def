"""Progress of a batch in one line."""

from __future__ import annotations

import io

from rich.console import Console

from app.batch import ItemState
from app.cluster.batch_progress import BatchProgress
from app.cluster.records import Item, Report


def test_the_eta_goes_by_the_size_of_the_sources() -> None:
    now = [0.0]
    output = io.StringIO()
    items = [Item(place, f"{place}.mp4", "out", size_bytes=size) for place, size in enumerate((100, 300, 500, 100))]
    progress = BatchProgress(items, 2, Console(file=output), now=lambda: now[0])
    assert progress.line() == "0 of 4 sources, 2 workers"
    now[0] = 10.0
    progress.end(items[0], Report(0, ItemState.DONE))
    assert progress.line() == "1 of 4 sources, 2 workers, about 2 min left"  # 10 s for 100, 900 left: 90 s
    progress.update(items[1], 0.5)
    assert progress.line() == "1 of 4 sources, 2 workers, about 30 s left"  # 10 s for 250, 750 left: 30 s
    progress.end(items[1], Report(1, ItemState.FINISHED_BEFORE))  # took no time
    now[0] = 20.0
    assert progress.line() == "2 of 4 sources, 2 workers, about 2 min left"  # 20 s for 100, 600 left: 120 s
    progress.end(items[2], Report(2, ItemState.FAILED))
    progress.end(items[3], Report(3, ItemState.DONE))
    assert progress.line() == "4 of 4 sources, 1 failed, 2 workers"
    progress.close()
    lines = output.getvalue().splitlines()
    assert lines[0].startswith("1 of 4")
    assert lines[-1] == "4 of 4 sources, 1 failed, 2 workers"


def test_a_terminal_has_one_line_that_changes() -> None:
    now = [0.0]
    output = io.StringIO()
    items = [Item(place, f"{place}.mp4", "out") for place in range(2)]
    console = Console(file=output, force_terminal=True, width=80)
    progress = BatchProgress(items, 1, console, now=lambda: now[0])
    for item in items:
        now[0] += 1.0
        progress.end(item, Report(item.place, ItemState.DONE))
    progress.close()
    assert output.getvalue().count("\n") <= 2
    assert output.getvalue().rstrip().endswith("2 of 2 sources, 1 worker")
