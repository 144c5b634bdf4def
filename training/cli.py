"""``mien-train``: fit, export and evaluate the models. Needs the extra ``train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from engine.alignment import CROP_SIDE_PX
from engine.errors import EngineError
from training.datasets.faces128 import read_faces128
from training.datasets.fer2013 import read_faces
from training.evaluate_action_units import evaluate_action_units
from training.evaluate_expression import evaluate_expression
from training.export.action_units import export_action_units
from training.export.expression import export_expression
from training.fit_action_units import fit_action_units, read_action_units_config
from training.fit_expression import fit_expression, read_run_config
from training.framing import measure_framing
from training.report import write_report

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
fit_commands = typer.Typer(no_args_is_help=True, help="Train a model; a run that was killed goes on where it was.")
export_commands = typer.Typer(no_args_is_help=True, help="Calibrate a finished run and write its ONNX and contract.")
evaluate_commands = typer.Typer(no_args_is_help=True, help="Measure an exported model.")
app.add_typer(fit_commands, name="fit")
app.add_typer(export_commands, name="export")
app.add_typer(evaluate_commands, name="evaluate")

_CONFIGS = Path(__file__).resolve().parent / "configs"

Fer = Annotated[Path, typer.Option("--data", help="Folder with fer2013.csv and fer2013new.csv.")]
Faces = Annotated[Path, typer.Option("--data", help="Folder of faces128: images/, labels.csv, blendshapes.csv.")]
Run = Annotated[Path, typer.Option("--run", help="Folder of the run: checkpoints, weights, logs, caches.")]
Out = Annotated[Path, typer.Option("--out", help="File to write.")]
Model = Annotated[Path, typer.Argument(help="ONNX file with its contract beside it.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]


@fit_commands.command("expression")
def fit_expression_command(
    data: Fer,
    run: Run,
    config: Annotated[Path, typer.Option(help="Settings.")] = _CONFIGS / "expression_edge.toml",
    member: Annotated[list[int] | None, typer.Option(help="Train only this member (may be given again).")] = None,
    start: Annotated[Path | None, typer.Option(help="Finished run whose members are the initial weights.")] = None,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Train the members of the expression ensemble (ARBEx on FERPlus votes)."""
    _settle_torch(threads)
    settings = read_run_config(config)
    fit_expression(settings, data, run, member or range(settings.members), device, start, _say)


@fit_commands.command("action-units")
def fit_action_units_command(
    data: Faces,
    run: Run,
    config: Annotated[Path, typer.Option(help="Settings.")] = _CONFIGS / "action_units.toml",
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Train the action-unit model (UGN on the pseudo-labels of faces128)."""
    _settle_torch(threads)
    faces = read_faces128(data, run / "cache")
    fit_action_units(faces, read_action_units_config(config), run, device, _say)


@export_commands.command("expression")
def export_expression_command(data: Fer, run: Run, out: Out) -> None:
    """Calibrate the ensemble on PublicTest and write it."""
    export_expression(run, data, out, _say)


@export_commands.command("action-units")
def export_action_units_command(data: Faces, run: Run, out: Out) -> None:
    """Calibrate the action-unit model on validation identities and write it."""
    export_action_units(run, read_faces128(data, run / "cache"), out, _say)


@evaluate_commands.command("expression")
def evaluate_expression_command(
    model: Model,
    data: Fer,
    out: Out,
    split: Annotated[str, typer.Option(help="PublicTest for choices; PrivateTest once per release.")] = "PublicTest",
    cache: Annotated[Path, typer.Option(help="Folder that keeps the meshes of the pictures.")] = Path("runs/cache"),
) -> None:
    """Accuracy, calibration, uncertainty and routes on a split of FERPlus."""
    write_report(evaluate_expression(model, data, cache, split), out)
    _say(f"wrote {out}")


@evaluate_commands.command("action-units")
def evaluate_action_units_command(
    model: Model,
    data: Faces,
    out: Out,
    fer: Annotated[Path | None, typer.Option(help="FER2013 folder, for the check against expressions.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder that keeps the meshes of the pictures.")] = Path("runs/cache"),
) -> None:
    """Figures per unit on held-out identities."""
    expressions = read_faces(fer, "PublicTest", cache, CROP_SIDE_PX) if fer else None
    write_report(evaluate_action_units(model, read_faces128(data, cache), expressions), out)
    _say(f"wrote {out}")


@app.command("framing")
def framing_command(data: Fer, cache: Annotated[Path, typer.Option()] = Path("runs/cache")) -> None:
    """Print where eyes, nose and mouth fall in FER2013 Training (engine.alignment.TEMPLATE)."""
    points, count = measure_framing(data, cache)
    _say(f"{count} pictures")
    for x, y in points:
        _say(f"[{x:.4f}, {y:.4f}],")


def _settle_torch(threads: int) -> None:
    """Settings of the whole process, so made here and nowhere deeper."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # late in training tiny numbers would slow the CPU down a hundredfold


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()


def main() -> None:
    """Entry point of the console script: one line and status 2 for what the user can mend."""
    try:
        app()
    except (EngineError, FileNotFoundError, ValueError) as error:
        typer.echo(f"mien-train: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
