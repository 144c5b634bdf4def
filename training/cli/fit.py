"""``mien-train fit``: train a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from training import CONFIGS
from training.action_units.exported import ExportedActionUnits
from training.action_units.expression_prior import read_weak_faces, with_weak_units
from training.action_units.fit import fit_action_units, read_action_units_config
from training.cli.options import (
    Device,
    Fer,
    Run,
    Settings,
    TestFold,
    Threads,
    UnitSets,
    Workers,
    configure_torch,
    echo,
    read_unit_split,
)
from training.data.action_unit_faces import joined
from training.data.sources import Source
from training.expression.cover_head import fit_cover_head, read_cover_config
from training.expression.distil import fit_uar, read_uar_config
from training.expression.fit import ExpressionData, fit_expression, read_run_config
from training.expression.fit_fer2013 import fit_fer2013
from training.expression.fit_teacher import fit_teacher, read_teacher_config
from training.expression.student import fit_student, make_student_lessons, read_student_config
from training.layers.face_trunk_weights import default_path
from training.loop.distributed import process_group, rank_0_first
from training.rlps.fit import fit_rlps, read_rlps_config

commands = typer.Typer(no_args_is_help=True, help="Train a model; a run that was killed resumes.")


@commands.command("expression")
def fit_expression_command(
    data: Annotated[Path, typer.Option("--data", help="Folder of the data set in its publisher's layout.")],
    run: Run,
    config: Settings = CONFIGS / "expression_edge.toml",
    source: Annotated[Source, typer.Option(help="The data set.")] = Source.FER2013,
    split: Annotated[str, typer.Option(help="Training split; by default the publisher's first.")] = "",
    validation_split: Annotated[str, typer.Option(help="Validation split; by default the second.")] = "",
    keep: Annotated[Path | None, typer.Option(help="Keep list of `fit rlps`: train on these only.")] = None,
    member: Annotated[list[int] | None, typer.Option(help="Train only this member (may be given again).")] = None,
    start: Annotated[Path | None, typer.Option(help="Finished run whose members are the initial weights.")] = None,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Train the members of the expression ensemble (ARBEx)."""
    configure_torch(threads)
    settings = read_run_config(config)
    faces = ExpressionData(data, source, split, validation_split, keep)
    with process_group(device) as where:
        fit_expression(settings, faces, run, member or range(settings.members), str(where), start, echo)


@commands.command("teacher")
def fit_teacher_command(
    data: Fer,
    run: Run,
    trunk: Annotated[Path | None, typer.Option(help="Pretrained weights; by default those of `fetch-trunk`.")] = None,
    config: Settings = CONFIGS / "teacher.toml",
    member: Annotated[list[int] | None, typer.Option(help="Train only this member (may be given again).")] = None,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Fine-tune dlib's face network on FERPlus votes: the ensemble that students are distilled from."""
    configure_torch(threads)
    settings = read_teacher_config(config)
    with process_group(device) as where:
        fit_teacher(settings, data, trunk or default_path(), run, member or range(settings.members), str(where), echo)


@commands.command("fer2013")
def fit_fer2013_command(
    data: Fer,
    teacher: Annotated[Path, typer.Option(help="Finished run of `fit teacher`.")],
    run: Run,
    config: Settings = CONFIGS / "fer2013.toml",
    member: Annotated[list[int] | None, typer.Option(help="Start only from this teacher (may be given again).")] = None,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Fine-tune the teachers on FER2013's own seven labels."""
    configure_torch(threads)
    settings = read_teacher_config(config)
    with process_group(device) as where:
        fit_fer2013(settings, data, teacher, run, member, str(where), echo)


@commands.command("student")
def fit_student_command(
    data: Fer,
    teacher: Annotated[Path, typer.Option(help="Finished run of `fit teacher`.")],
    run: Run,
    config: Settings = CONFIGS / "student.toml",
    faces128: Annotated[Path | None, typer.Option(help="Folder of faces128: the teachers label its faces.")] = None,
    lessons_only: Annotated[bool, typer.Option("--lessons-only", help="Store the teachers' answers and stop.")] = False,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Distil the teachers into the network that ships: a branch per teacher, on a teacher's trunk."""
    configure_torch(threads)
    settings = read_student_config(config)
    if lessons_only:
        make_student_lessons(settings, data, teacher, run, faces128, echo)
        return
    with process_group(device) as where:
        fit_student(settings, data, teacher, run, faces128, str(where), echo)


@commands.command("covered")
def fit_covered_command(
    data: Fer,
    run: Annotated[Path, typer.Option(help="Finished run of `fit student`; the head is stored in it.")],
    config: Settings = CONFIGS / "covered.toml",
    cache: Annotated[Path | None, typer.Option(help="Folder of the images' meshes; default: RUN/cache.")] = None,
    threads: Threads = 2,
) -> None:
    """Teach the student to name the part of a face that is covered; `export expression` then writes it as an output."""
    configure_torch(threads)
    fit_cover_head(read_cover_config(config), data, run, cache, echo)


@commands.command("uar")
def fit_uar_command(
    data: Fer,
    members: Annotated[Path, typer.Option(help="Finished run of `fit expression`: the ensemble to learn from.")],
    run: Run,
    config: Annotated[Path, typer.Option(help="Settings: one of training/configs/uar_*.toml.")] = CONFIGS
    / "uar_distilled.toml",
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Distil the ensemble into one network that keeps its uncertainty."""
    configure_torch(threads)
    with process_group(device) as where:
        fit_uar(read_uar_config(config), ExpressionData(data), members, run, str(where), echo)


@commands.command("rlps")
def fit_rlps_command(
    data: Fer,
    run: Run,
    config: Settings = CONFIGS / "rlps.toml",
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Choose the training images to keep: RUN/keep.csv for `fit expression --keep`, and a sheet of the others."""
    configure_torch(threads)
    fit_rlps(read_rlps_config(config), data, run, device, report=echo)


@commands.command("au")
def fit_au_command(
    data: UnitSets,
    run: Run,
    test_fold: TestFold = 1,
    config: Settings = CONFIGS / "action_units.toml",
    start: Annotated[
        Path | None,
        typer.Option(help="Exported model whose trunk is the initial one, or the weights of `fetch-trunk` (npz)."),
    ] = None,
    fer: Annotated[
        Path | None,
        typer.Option(help="FER2013 folder: its Training faces are added, with weak labels, as faces128 gets."),
    ] = None,
    labeller: Annotated[
        Path | None, typer.Option(help="Exported model that gives the weak labels of --fer; by default --start.")
    ] = None,
    threads: Threads = 2,
    device: Device = "cpu",
    workers: Workers = 2,
) -> None:
    """Train an action-unit model (UGN or one of its baselines) on two folds of people."""
    configure_torch(threads)
    if labeller is not None and fer is None:
        raise typer.BadParameter("--labeller labels the faces of --fer: give both, or neither")
    labelling = labeller or start
    if fer is not None and (labelling is None or labelling.suffix == ".npz"):
        raise typer.BadParameter("--fer needs --labeller MODEL, or --start MODEL, which labels its faces")
    settings = read_action_units_config(config)
    with process_group(device) as where:
        with rank_0_first():
            split = read_unit_split(data, test_fold, run / "cache", workers)
            if fer is not None and labelling is not None:
                network = ExportedActionUnits(labelling, threads)
                weak = read_weak_faces(fer, run / "cache", network)
                split = replace(split, training=joined([with_weak_units(split.training, network), weak]))
        fit_action_units(split, settings, run, str(where), echo, start=start)
