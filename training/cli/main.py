"""``mien-train``: fit, export and evaluate the models. Needs the extra ``train``."""

from __future__ import annotations

from typing import NoReturn

import typer

from engine.errors import EngineError
from training.cli import evaluate, export, fetch_trunk, fit, make_au, report, reproduce, study

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(fit.commands, name="fit")
app.add_typer(export.commands, name="export")
app.add_typer(evaluate.commands, name="evaluate")
app.add_typer(report.figures_commands, name="figures")
app.add_typer(report.card_commands, name="card")
make_au.add_to(app)
fetch_trunk.add_to(app)
app.add_typer(reproduce.commands, name="reproduce")
app.add_typer(study.commands, name="study")
study.add_to(app)


def main() -> None:
    """Entry point of the console script: one line and status 2 for errors that the user can fix."""
    try:
        app()
    except FileNotFoundError as error:
        _exit(f"{error.filename} does not exist" if error.filename else str(error))
    except (EngineError, OSError, ValueError) as error:
        _exit(str(error))


def _exit(line: str) -> NoReturn:
    typer.echo(f"mien-train: {line}", err=True)
    raise SystemExit(2)
