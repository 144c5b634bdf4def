"""``mien-train export``: calibrate a finished run and write its ONNX file and contract."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.alignment import CROP_SIDE_PX
from training.action_units.export import export_action_units
from training.cli.options import Fer, Out, Run, TestFold, UnitSets, Workers, echo, read_unit_split
from training.data.fer2013 import read_faces
from training.expression.export import export_expression

commands = typer.Typer(no_args_is_help=True, help="Calibrate a finished run and write its ONNX file and contract.")


@commands.command("expression")
def export_expression_command(data: Fer, run: Run, out: Out) -> None:
    """Calibrate the ensemble on PublicTest and write it."""
    export_expression(run, data, out, echo)


@commands.command("au")
def export_au_command(
    data: UnitSets,
    run: Run,
    out: Out,
    test_fold: TestFold = 1,
    fer: Annotated[
        Path | None, typer.Option(help="FER2013 folder: PublicTest then counts in the choice of trusted units.")
    ] = None,
    workers: Workers = 2,
) -> None:
    """Calibrate an action-unit model on validation people and write it; data and fold are those of `fit au`."""
    tied = read_faces(fer, "PublicTest", run / "cache", CROP_SIDE_PX) if fer else None
    export_action_units(run, read_unit_split(data, test_fold, run / "cache", workers), out, echo, tied)
