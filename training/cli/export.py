"""``mien-train export``: calibrate a finished run and write its ONNX file and contract."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from engine.alignment import CROP_SIDE_PX
from engine.files import write_text
from engine.records import json_text
from training.action_units.export import add_neutral, calibrate_again, export_action_units
from training.cli.options import CACHE, Cache, Fer, Model, Out, Run, TestFold, UnitSets, Workers, echo, read_unit_split
from training.data.fer2013 import read_faces
from training.evaluation.precision_files import write_precisions
from training.evaluation.unit_reference import agreeing_units, evaluate_reference
from training.expression.export import export_expression

commands = typer.Typer(no_args_is_help=True, help="Calibrate a finished run and write its ONNX file and contract.")


OnlyPrecision = Annotated[
    Literal["fp16", "int8"] | None,
    typer.Option("--precision", help="Only fp16 or int8, for GPUs; default: fp16, and int8 of expression."),
]


@commands.command("expression")
def export_expression_command(data: Fer, run: Run, out: Out, precision: OnlyPrecision = None) -> None:
    """Calibrate the ensemble on PublicTest and write it, also in other precisions."""
    export_expression(run, data, out, echo)
    write_precisions(out, data, run / "cache", (precision,) if precision else (), echo)


@commands.command("variants")
def export_variants_command(
    model: Model,
    data: Fer,
    precision: OnlyPrecision = None,
    report: Annotated[Path | None, typer.Option("--report", help="JSON file for the figures.")] = None,
    cache: Cache = CACHE,
) -> None:
    """Write a model in float16 and int8 beside it, if its decisions on PublicTest stay the same."""
    found = write_precisions(model, data, cache, (precision,) if precision else (), echo)
    if report is not None:
        write_text(report, json_text([asdict(figures) for figures in found]))


Clips = Annotated[Path | None, typer.Option(help="Folder of clips, with --reference.")]
Reference = Annotated[
    Path | None, typer.Option(help="Folder with <clip>.csv as OpenFace writes them; only for which units are trusted.")
]


@commands.command("au")
def export_au_command(
    data: UnitSets,
    run: Run,
    out: Out,
    test_fold: TestFold = 1,
    fer: Annotated[
        Path | None, typer.Option(help="FER2013 folder: PublicTest then counts for thresholds and trusted units.")
    ] = None,
    precision: OnlyPrecision = None,
    self_noise: Annotated[
        float | None, typer.Option(help="Share of the noise on the units' own loops, 0-1; default: as trained.")
    ] = None,
    workers: Workers = 2,
) -> None:
    """Calibrate an action-unit model on validation people and write it; data and fold are those of `fit au`.

    With --fer it is also written in other precisions.
    """
    tied = read_faces(fer, "PublicTest", run / "cache", CROP_SIDE_PX) if fer else None
    split = read_unit_split(data, test_fold, run / "cache", workers)
    export_action_units(run, split, out, echo, tied, self_noise=self_noise)
    if fer is not None:
        write_precisions(out, fer, run / "cache", (precision,) if precision else (), echo)


@commands.command("au-calibration")
def export_au_calibration_command(
    model: Model,
    data: UnitSets,
    test_fold: TestFold = 1,
    fer: Annotated[Path | None, typer.Option(help="FER2013 folder, as in `export au`.")] = None,
    media: Clips = None,
    reference: Reference = None,
    evidence: Annotated[
        Path | None, typer.Option(help="JSON file for AUROCs and F1 by threshold, for `card au`.")
    ] = None,
    cache: Cache = CACHE,
    workers: Workers = 2,
) -> None:
    """Calibrate an exported action-unit model again; its weights stay.

    With --media and --reference, units that the reference contradicts or does not code are not trusted.
    """
    if (media is None) != (reference is None):
        raise typer.BadParameter("--media and --reference belong together: give both, or neither")
    tied = read_faces(fer, "PublicTest", cache, CROP_SIDE_PX) if fer else None
    agreeing = None
    if media is not None and reference is not None:
        agreeing = agreeing_units(evaluate_reference(model, media, reference))
    found = calibrate_again(model, read_unit_split(data, test_fold, cache, workers), echo, tied, agreeing)
    if evidence is not None:
        write_text(evidence, json_text({"units": [asdict(unit) for unit in found]}))


@commands.command("au-neutral")
def export_au_neutral_command(
    model: Model,
    fer: Annotated[Path, typer.Option(help="FER2013 folder: faces of PublicTest that people called neutral.")],
    cache: Cache = CACHE,
) -> None:
    """Write the usual neutral logits into a contract, for baselines of persons; nothing else changes."""
    add_neutral(model, read_faces(fer, "PublicTest", cache, CROP_SIDE_PX), echo)
