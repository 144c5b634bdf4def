"""``mien-train``: fit, export and evaluate the models. Needs the extra ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from engine.errors import EngineError
from training import CONFIGS
from training.cli.action_units import add_au_commands
from training.cli.process import say, settle_torch
from training.corruptions.catalogue import Strength
from training.data.sources import Source
from training.evaluation.expression import evaluate_expression
from training.evaluation.uncertainty import UncertaintyConfig, evaluate_uncertainty_report
from training.expression.distil import fit_uar, read_uar_config
from training.expression.export import export_expression
from training.expression.fit import ExpressionData, fit_expression, read_run_config
from training.loop.distributed import process_group
from training.loop.json_report import write_report
from training.reports.expression import write_expression_card, write_expression_report
from training.rlps.fit import fit_rlps, read_rlps_config
from training.studies.ablations import ablate
from training.studies.figures import Reports, expression_figures, write_figures
from training.studies.framing import measure_framing
from training.studies.members import evaluate_members
from training.studies.rivals import evaluate_rivals
from training.studies.rlps_trials import evaluate_rlps

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
fit_commands = typer.Typer(no_args_is_help=True, help="Train a model; a run that was killed goes on where it was.")
export_commands = typer.Typer(no_args_is_help=True, help="Calibrate a finished run and write its ONNX and contract.")
evaluate_commands = typer.Typer(no_args_is_help=True, help="Measure an exported model.")
figures_commands = typer.Typer(no_args_is_help=True, help="Collect figures from reports; nothing is measured.")
card_commands = typer.Typer(no_args_is_help=True, help="Write the tables of a model card from reports.")
app.add_typer(fit_commands, name="fit")
app.add_typer(export_commands, name="export")
app.add_typer(evaluate_commands, name="evaluate")
app.add_typer(figures_commands, name="figures")
app.add_typer(card_commands, name="card")
add_au_commands(
    app,
    fit=fit_commands,
    export=export_commands,
    evaluate=evaluate_commands,
    figures=figures_commands,
    card=card_commands,
)

Fer = Annotated[Path, typer.Option("--data", help="Folder with fer2013.csv and fer2013new.csv.")]
Run = Annotated[Path, typer.Option("--run", help="Folder of the run: checkpoints, weights, logs, caches.")]
Out = Annotated[Path, typer.Option("--out", help="File to write.")]
Model = Annotated[Path, typer.Argument(help="ONNX file with its contract beside it.")]
Split = Annotated[str, typer.Option(help="PublicTest for choices; PrivateTest once per release.")]
Cache = Annotated[Path, typer.Option(help="Folder that keeps the meshes of the pictures.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]


@fit_commands.command("expression")
def fit_expression_command(
    data: Annotated[Path, typer.Option("--data", help="Folder of the data set in its publisher's layout.")],
    run: Run,
    config: Annotated[Path, typer.Option(help="Settings.")] = CONFIGS / "expression_edge.toml",
    source: Annotated[Source, typer.Option(help="Which data set that is.")] = Source.FER2013,
    split: Annotated[str, typer.Option(help="Split to train on; without it the publisher's first.")] = "",
    validation_split: Annotated[str, typer.Option(help="Split to choose on; without it the second.")] = "",
    keep: Annotated[Path | None, typer.Option(help="Cleaned list of `fit rlps`: train on these only.")] = None,
    member: Annotated[list[int] | None, typer.Option(help="Train only this member (may be given again).")] = None,
    start: Annotated[Path | None, typer.Option(help="Finished run whose members are the initial weights.")] = None,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Train the members of the expression ensemble (ARBEx; FERPlus votes where nothing else is said)."""
    settle_torch(threads)
    settings = read_run_config(config)
    faces = ExpressionData(data, source, split, validation_split, keep)
    with process_group(device) as where:
        fit_expression(settings, faces, run, member or range(settings.members), str(where), start, say)


@fit_commands.command("uar")
def fit_uar_command(
    data: Fer,
    members: Annotated[Path, typer.Option(help="Finished run of `fit expression`: the ensemble to learn from.")],
    run: Run,
    config: Annotated[Path, typer.Option(help="Settings; see training/configs/uar_*.toml.")] = CONFIGS
    / "uar_distilled.toml",
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Train one cheap network that keeps the ensemble's uncertainty."""
    settle_torch(threads)
    with process_group(device) as where:
        fit_uar(read_uar_config(config), ExpressionData(data), members, run, str(where), say)


@fit_commands.command("rlps")
def fit_rlps_command(
    data: Fer,
    run: Run,
    config: Annotated[Path, typer.Option(help="Settings.")] = CONFIGS / "rlps.toml",
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Clean the training set: RUN/keep.csv for `fit expression --keep`, and a contact sheet of what is left out."""
    settle_torch(threads)
    fit_rlps(read_rlps_config(config), data, run, device, report=say)


@export_commands.command("expression")
def export_expression_command(data: Fer, run: Run, out: Out) -> None:
    """Calibrate the ensemble on PublicTest and write it."""
    export_expression(run, data, out, say)


@evaluate_commands.command("expression")
def evaluate_expression_command(
    model: Model,
    data: Fer,
    out: Annotated[Path, typer.Option("--out", help="Folder for report.json and report.html.")],
    split: Annotated[str, typer.Option(help="PublicTest for choices; PrivateTest once per release.")] = "PublicTest",
    cache: Annotated[Path, typer.Option(help="Folder that keeps the meshes of the pictures.")] = Path("runs/cache"),
) -> None:
    """Accuracy, calibration, uncertainty and routes on a split of FERPlus."""
    report = evaluate_expression(model, data, cache, split)
    write_expression_report(report, out)
    say(f"wrote {out / 'report.json'} and {out / 'report.html'}")


@card_commands.command("expression")
def card_expression_command(
    card: Annotated[Path, typer.Argument(help="Model card, with the two marks between which the tables stand.")],
    reports: Annotated[list[Path], typer.Argument(help="report.json of each split, PublicTest first.")],
    uncertainty: Annotated[
        Path | None, typer.Option(help="Report of evaluate uncertainty, for one more table.")
    ] = None,
) -> None:
    """Write the tables of an expression model's card from its reports."""
    write_expression_card(card, reports, uncertainty)
    say(f"wrote {card}")


@evaluate_commands.command("uncertainty")
def evaluate_uncertainty_command(
    model: Model,
    data: Fer,
    out: Out,
    split: Split = "PublicTest",
    faces128: Annotated[Path | None, typer.Option(help="Folder of faces128, for natural shift.")] = None,
    media: Annotated[Path | None, typer.Option(help="Folder of clips and pictures, for natural shift.")] = None,
    faces: Annotated[int, typer.Option(help="How many faces are corrupted at severity 5; 0 is all.")] = 0,
    graded: Annotated[int, typer.Option(help="How many of them at severities 1 to 4 too.")] = 200,
    strength: Annotated[list[Strength] | None, typer.Option(help="Constants (may be given again).")] = None,
    cache: Cache = Path("runs/cache"),
) -> None:
    """The dual validation: aleatoric against the raters, epistemic against corrupted and foreign pictures."""
    strengths = tuple(strength) if strength else UncertaintyConfig().strengths
    settings = UncertaintyConfig(strengths, faces or None, graded)
    found = evaluate_uncertainty_report(model, data, cache, split, settings, faces128, media, say)
    write_report(found, out)
    say(f"wrote {out}")


@evaluate_commands.command("members")
def evaluate_members_command(data: Fer, run: Run, out: Out, split: Split = "PublicTest", threads: Threads = 2) -> None:
    """The networks of a run one by one: seeds, before and after fusion, FER2013's seven labels."""
    settle_torch(threads)
    write_report(evaluate_members(run, data, run / "cache", split), out)
    say(f"wrote {out}")


@evaluate_commands.command("rivals")
def evaluate_rivals_command(
    data: Fer,
    members: Annotated[Path, typer.Option(help="Finished run of `fit expression`.")],
    student: Annotated[list[Path], typer.Option(help="Finished run of `fit uar` (may be given again).")],
    out: Out,
    split: Split = "PublicTest",
    faces: Annotated[int, typer.Option(help="How many faces are corrupted.")] = 1000,
    threads: Threads = 2,
) -> None:
    """Ensemble, baselines and cheap rivals in one table: accuracy, uncertainty, milliseconds."""
    settle_torch(threads)
    settings = UncertaintyConfig(severe_faces=faces, graded_faces=0)
    write_report(evaluate_rivals(members, student, data, split, settings, say), out)
    say(f"wrote {out}")


@evaluate_commands.command("rlps")
def evaluate_rlps_command(
    data: Fer,
    clip: Annotated[list[Path], typer.Option(help="Video without a face (may be given again).")],
    run: Run,
    out: Out,
    config: Annotated[Path, typer.Option(help="Settings.")] = CONFIGS / "rlps_trial.toml",
    seeds: Annotated[int, typer.Option(help="Repetitions of the main trial.")] = 3,
    cache: Cache = Path("runs/cache"),
    threads: Threads = 2,
) -> None:
    """What RLPS removes where the noise is known, and what training on the rest is worth."""
    settle_torch(threads)
    write_report(evaluate_rlps(read_rlps_config(config), data, clip, run, cache, seeds, report=say), out)
    say(f"wrote {out}")


@figures_commands.command("expression")
def figures_command(
    expression: Annotated[Path, typer.Option(help="report.json of `evaluate expression`.")],
    uncertainty: Annotated[Path, typer.Option(help="Report of `evaluate uncertainty`.")],
    members: Annotated[Path, typer.Option(help="Report of `evaluate members`.")],
    rivals: Annotated[Path, typer.Option(help="Report of `evaluate rivals`.")],
    rlps: Annotated[Path, typer.Option(help="Report of `evaluate rlps`.")],
    out: Out = Path("docs/results/expression.json"),
) -> None:
    """Collect the figures of the expression model from its reports; nothing is measured."""
    write_figures(expression_figures(Reports(expression, uncertainty, members, rivals, rlps)), out)
    say(f"wrote {out}")


@app.command("ablate")
def ablate_command(
    data: Fer,
    members: Annotated[Path, typer.Option(help="Finished run of `fit expression`.")],
    run: Run,
    out: Out,
    threads: Threads = 1,
) -> None:
    """Anchors per class and losses of ARBEx, on one member's frozen trunk."""
    settle_torch(threads)
    write_report(ablate(members, data, run, report=say), out)
    say(f"wrote {out}")


@app.command("framing")
def framing_command(data: Fer, cache: Annotated[Path, typer.Option()] = Path("runs/cache")) -> None:
    """Print where eyes, nose and mouth fall in FER2013 Training (engine.alignment.TEMPLATE)."""
    points, count = measure_framing(data, cache)
    say(f"{count} pictures")
    for x, y in points:
        say(f"[{x:.4f}, {y:.4f}],")


def main() -> None:
    """Entry point of the console script: one line and status 2 for what the user can mend."""
    try:
        app()
    except FileNotFoundError as error:
        _refuse(f"{error.filename} is not there" if error.filename else str(error))
    except (EngineError, OSError, ValueError) as error:
        _refuse(str(error))


def _refuse(line: str) -> NoReturn:
    typer.echo(f"mien-train: {line}", err=True)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
