"""The command ``mien tune``."""

from __future__ import annotations

import typer


def tune_command() -> None:
    """Measure which CPU runtime and how many threads are fastest on this machine, and use them from now on.

    Settings and options that name a backend or threads come first. Run it again after an update of a runtime, or on
    another machine; takes some seconds, in which the machine should be idle.
    """
    from app.settings.tuning import measure, tuning_path

    choice = measure(lambda line: typer.echo(line, err=True))
    typer.echo(f"{choice.backend}, {choice.threads} thread{'s' if choice.threads > 1 else ''}: {tuning_path()}")
