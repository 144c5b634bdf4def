"""``mien-train card`` and ``figures``: model cards and docs/results, from reports; nothing is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import Card, Out, echo
from training.reports.action_units import CardReports, write_action_units_card
from training.reports.expression import write_expression_card
from training.studies.result_figures import (
    Reports,
    action_unit_figures,
    baseline_figures,
    expression_figures,
    write_figures,
)

card_commands = typer.Typer(no_args_is_help=True, help="Write the tables of a model card from reports.")
figures_commands = typer.Typer(no_args_is_help=True, help="Collect figures from reports; nothing is measured.")


@card_commands.command("expression")
def card_expression_command(
    card: Card,
    reports: Annotated[list[Path], typer.Argument(help="report.json of each split, PublicTest first.")],
    uncertainty: Annotated[
        Path | None, typer.Option(help="Report of evaluate uncertainty, for one more table.")
    ] = None,
) -> None:
    """Write the tables of an expression model's card from its reports."""
    write_expression_card(card, reports, uncertainty)
    echo(f"wrote {card}")


@card_commands.command("au")
def card_au_command(
    card: Card,
    report: Annotated[Path, typer.Argument(help="report.json of `evaluate au`.")],
    study: Annotated[Path | None, typer.Option(help="report.json of `study au`, for the tables of the paper.")] = None,
    growth: Annotated[Path | None, typer.Option(help="Report of `evaluate au-growth`, for one more table.")] = None,
    evidence: Annotated[
        Path | None, typer.Option(help="Of `export au-calibration --evidence`, for the table of trust.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Report of `evaluate au-reference`, for the table of trust.")
    ] = None,
) -> None:
    """Write the tables of an action-unit model's card from its reports."""
    if (evidence is None) != (reference is None):
        raise typer.BadParameter("--evidence and --reference belong together: give both, or neither")
    write_action_units_card(card, report, CardReports(study, growth, evidence, reference))
    echo(f"wrote {card}")


@figures_commands.command("expression")
def figures_expression_command(
    expression: Annotated[Path, typer.Option(help="report.json of `evaluate expression`.")],
    uncertainty: Annotated[Path, typer.Option(help="Report of `evaluate uncertainty`.")],
    landmarks: Annotated[Path, typer.Option(help="Report of `evaluate landmarks`.")],
    rlps: Annotated[Path, typer.Option(help="Report of `evaluate rlps`.")],
    members: Annotated[Path | None, typer.Option(help="Report of `evaluate members` on the student's run.")] = None,
    teacher: Annotated[Path | None, typer.Option(help="Report of `evaluate teacher`.")] = None,
    student: Annotated[Path | None, typer.Option(help="Report of `evaluate student`.")] = None,
    fer2013: Annotated[Path | None, typer.Option(help="Report of `evaluate fer2013`.")] = None,
    out: Out = Path("docs/results/expression.json"),
) -> None:
    """Collect the figures of the expression model from its reports; nothing is measured."""
    reports = Reports(expression, uncertainty, landmarks, rlps, members, teacher, student, fer2013)
    write_figures(expression_figures(reports), out)
    echo(f"wrote {out}")


@figures_commands.command("au")
def figures_au_command(
    report: Annotated[Path, typer.Argument(help="report.json of `evaluate au` with the open set and --fer.")],
    reference: Annotated[Path | None, typer.Option(help="Report of `evaluate au-reference`.")] = None,
    growth: Annotated[Path | None, typer.Option(help="Report of `evaluate au-growth`.")] = None,
    out: Out = Path("docs/results/action_units.json"),
) -> None:
    """Collect the figures of the action-unit model from its reports; nothing is measured."""
    write_figures(action_unit_figures(report, reference, growth), out)
    echo(f"wrote {out}")


@figures_commands.command("au-baseline")
def figures_au_baseline_command(
    report: Annotated[Path, typer.Argument(help="Report of `evaluate au-baseline`.")], out: Out
) -> None:
    """Collect the figures of the neutral baseline of a person from its report; nothing is measured."""
    write_figures(baseline_figures(report), out)
