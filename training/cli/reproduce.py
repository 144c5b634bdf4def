"""``mien-train reproduce``: a shipped model from the data to its contract, in one command that resumes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from training import CONFIGS
from training.cli.options import Fer, Out, Threads, configure_torch, echo
from training.evaluation.expression import evaluate_expression
from training.expression.cover_head import cover_file, fit_cover_head, read_cover_config
from training.expression.export import export_expression
from training.expression.fit_teacher import fit_teacher, read_teacher_config
from training.expression.student import fit_student, read_student_config
from training.layers.face_trunk_weights import default_path, fetch_trunk
from training.reports.expression import write_expression_report

#: Settings that try the chain in minutes; each file is named like the one of the shipped model.
QUICK: Final = CONFIGS / "quick"

commands = typer.Typer(no_args_is_help=True, help="Make a shipped model again, from the data to its contract.")


@commands.callback()
def reproduce() -> None:
    """Make a shipped model again, from the data to its contract."""


@commands.command("expression")
def reproduce_expression_command(
    data: Fer,
    runs: Annotated[Path, typer.Option(help="Folder of all checkpoints, weights and caches: outside the repository.")],
    out: Out,
    faces128: Annotated[Path | None, typer.Option(help="Folder of faces128: the teachers label its faces.")] = None,
    trunk: Annotated[Path | None, typer.Option(help="Pretrained weights; by default fetched and checked.")] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Try the chain: a few hundred faces and one pass, in RUNS/quick; a poor model."),
    ] = False,
    threads: Threads = 2,
) -> None:
    """Trunk, teachers, student, covered parts, export, and a report on PublicTest.

    Finished trainings are skipped, killed ones resume; export and report are made again.
    """
    configure_torch(threads)
    weights = trunk or default_path()
    configs, runs = (QUICK, runs / "quick") if quick else (CONFIGS, runs)
    teacher_run, student_run = runs / "teacher", runs / "student"
    teacher, student = read_teacher_config(configs / "teacher.toml"), read_student_config(configs / "student.toml")
    covered = read_cover_config(configs / "covered.toml")

    def fit_teachers() -> None:
        fit_teacher(teacher, data, weights, teacher_run, range(teacher.members), report=echo)

    def fit_the_student() -> None:
        fit_student(student, data, teacher_run, student_run, faces128, report=echo)

    def fit_covered() -> None:
        if not cover_file(student_run).is_file():
            fit_cover_head(covered, data, student_run, teacher_run / "cache", echo)

    def measure() -> None:
        cache = teacher_run / "cache"
        write_expression_report(evaluate_expression(out, data, cache, "PublicTest"), runs / "report")

    run_steps(
        (
            ("trunk", lambda: fetch_trunk(weights, echo)),
            ("teachers", fit_teachers),
            ("student", fit_the_student),
            ("covered parts", fit_covered),
            ("export", lambda: export_expression(student_run, data, out, echo, teacher_run / "cache")),
            ("report on PublicTest", measure),
        ),
        echo,
    )


def run_steps(steps: Sequence[tuple[str, Callable[[], object]]], report: Callable[[str], None]) -> None:
    """Run named steps in order and report the wall time of each and of all."""
    begin = time.monotonic()
    for name, step in steps:
        started = time.monotonic()
        report(f"--- {name}")
        step()
        report(f"--- {name}: {_minutes(time.monotonic() - started)}")
    report(f"--- all: {_minutes(time.monotonic() - begin)}")


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
