"""``mien-train evaluate``: measure a model, a run or a method and write its report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from engine.alignment import CROP_SIDE_PX
from engine.backends.model_file import model_path
from training import CONFIGS
from training.action_units.export import held_out_fold
from training.action_units.exported import ExportedActionUnits
from training.action_units.fit import describe_faces
from training.cli.options import (
    CACHE,
    Cache,
    Fer,
    Model,
    Out,
    OutFolder,
    Run,
    Settings,
    Split,
    TestFold,
    Threads,
    UnitSets,
    Workers,
    configure_torch,
    echo,
    read_faces_of,
)
from training.corruptions.catalogue import Strength
from training.data.action_unit_faces import UnitFaces, split_people
from training.data.fer2013 import read_faces
from training.evaluation.action_units_file import FerSplit, evaluate_units_file
from training.evaluation.covered import evaluate_covered
from training.evaluation.expression import evaluate_expression
from training.evaluation.face_rule import choose_rule, curve_text
from training.evaluation.faces import FacesConfig, evaluate_faces
from training.evaluation.head_pose import compare_head_pose
from training.evaluation.swapped_landmarks import evaluate_landmarks
from training.evaluation.uncertainty import UncertaintyConfig, evaluate_uncertainty_report
from training.evaluation.unit_baseline import evaluate_baseline
from training.evaluation.unit_baseline_people import evaluate_stills
from training.evaluation.unit_growth import evaluate_growth
from training.evaluation.unit_reference import evaluate_reference
from training.loop.json_report import write_report
from training.reports.action_units import write_action_units_report
from training.reports.expression import write_expression_report
from training.reports.faces import write_faces_report
from training.rlps.fit import read_rlps_config
from training.studies.fer2013_labels import evaluate_fer2013
from training.studies.label_switches import evaluate_switches
from training.studies.members import evaluate_members
from training.studies.rivals import evaluate_rivals
from training.studies.rlps_trials import evaluate_rlps
from training.studies.student_comparison import evaluate_student
from training.studies.teachers import evaluate_teachers

commands = typer.Typer(no_args_is_help=True, help="Measure a model, a run or a method.")


@commands.command("expression")
def evaluate_expression_command(
    model: Model,
    data: Fer,
    out: OutFolder,
    split: Split = "PublicTest",
    cache: Cache = CACHE,
) -> None:
    """Accuracy, calibration, uncertainty and routes on a split of FERPlus."""
    report = evaluate_expression(model, data, cache, split)
    write_expression_report(report, out)
    echo(f"wrote {out / 'report.json'} and {out / 'report.html'}")


@commands.command("uncertainty")
def evaluate_uncertainty_command(
    model: Model,
    data: Fer,
    out: Out,
    split: Split = "PublicTest",
    faces128: Annotated[Path | None, typer.Option(help="Folder of faces128, for natural shift.")] = None,
    media: Annotated[Path | None, typer.Option(help="Folder of clips and images, for natural shift.")] = None,
    faces: Annotated[int, typer.Option(help="Number of faces corrupted at severity 5; 0 is all.")] = 0,
    graded: Annotated[int, typer.Option(help="Number of them also corrupted at severities 1 to 4.")] = 200,
    strength: Annotated[list[Strength] | None, typer.Option(help="Constants (may be given again).")] = None,
    cache: Cache = CACHE,
) -> None:
    """The dual validation: aleatoric against the raters, epistemic against corrupted images and natural shift."""
    strengths = tuple(strength) if strength else UncertaintyConfig().strengths
    settings = UncertaintyConfig(strengths, faces or None, graded)
    found = evaluate_uncertainty_report(model, data, cache, split, settings, faces128, media, echo)
    write_report(found, out)
    echo(f"wrote {out}")


@commands.command("faces")
def evaluate_faces_command(
    faces128: Annotated[Path, typer.Option(help="File faces128.npz.")],
    media: Annotated[Path, typer.Option(help="Folder of clips.")],
    out: OutFolder,
    reference: Annotated[Path | None, typer.Option(help="Folder of reference poses for the clips.")] = None,
    scenes: Annotated[int, typer.Option(help="Scenes per condition; four times as many for the figures.")] = (
        FacesConfig().scenes
    ),
    photographs: Annotated[int, typer.Option(help="Photographs searched as they are.")] = FacesConfig().photographs,
    drawn: Annotated[int, typer.Option(help="Images without faces per kind.")] = FacesConfig().drawn,
    moving: Annotated[int, typer.Option(help="Videos of such images per kind.")] = FacesConfig().moving,
    video_frames: Annotated[int, typer.Option(help="Frames of each video without faces.")] = FacesConfig().video_frames,
    portraits: Annotated[int, typer.Option(help="Photographs whose faces are pasted.")] = FacesConfig().portraits,
    seed: Annotated[int, typer.Option(help="Other scenes, drawings and photographs.")] = FacesConfig().seed,
    only: Annotated[list[str], typer.Option(help="Beginning of the names of parts to measure; repeatable.")] = [],  # noqa: B006
    fit: Annotated[bool, typer.Option("--fit", help="Also choose the rule of evidence, on the other half.")] = False,
) -> None:
    """Which faces the tracker finds, of which size and condition, and what it takes for one.

    The folder parts in --out keeps each part, so that a second run with the same settings resumes.
    """
    rule = choose_rule(faces128, media, report=echo) if fit else None
    if rule is not None:
        echo(f"weights {[round(weight, 2) for weight in rule.weights]}, limit {rule.limit:.2f}")
        echo(f"faces found per number of false candidates: {curve_text(rule.curve)}")
    config = FacesConfig(scenes, photographs, drawn, moving, video_frames, portraits, seed=seed)
    head_pose = compare_head_pose(media, reference) if reference else None  # first: it may refuse the folder
    found = evaluate_faces(faces128, media, config, echo, out / "parts", only)
    write_faces_report(found, rule, head_pose, out)
    echo(f"wrote {out / 'report.json'} and {out / 'faces.svg'}")


@commands.command("covered")
def evaluate_covered_command(
    model: Model,
    data: Fer,
    out: Out,
    split: Split = "PublicTest",
    faces: Annotated[int, typer.Option(help="Number of faces; 0 is all.")] = 0,
    cache: Cache = CACHE,
) -> None:
    """What the routes do with masks, hands, sunglasses and the like, and whether the covered part is named."""
    write_report(evaluate_covered(model, data, cache, split, faces), out)
    echo(f"wrote {out}")


@commands.command("landmarks")
def evaluate_landmarks_command(
    model: Model,
    data: Fer,
    out: Out,
    split: Split = "PublicTest",
    cache: Cache = CACHE,
) -> None:
    """What a model reads from the landmarks: its accuracy with those of another face."""
    write_report(evaluate_landmarks(model, data, cache, split), out)
    echo(f"wrote {out}")


@commands.command("switches")
def evaluate_switches_command(
    clip: Annotated[list[Path], typer.Option(help="Video with a face (may be given again).")],
    out: Out,
) -> None:
    """Changes of the label per minute in clips, of single frames and as shown after smoothing."""
    write_report(evaluate_switches(clip), out)
    echo(f"wrote {out}")


@commands.command("au")
def evaluate_au_command(
    model: Model,
    data: UnitSets,
    out: OutFolder,
    test_fold: TestFold = 1,
    fer: Annotated[Path | None, typer.Option(help="FER2013 folder, for the check against expressions.")] = None,
    split: Split = "PublicTest",
    cache: Cache = CACHE,
    threads: Threads = 1,
    workers: Workers = 2,
) -> None:
    """Figures per unit on held-out people, and whether units separate the expressions that FACS ties them to."""
    configure_torch(threads)
    measure_file(model, read_faces_of(data, cache, workers), test_fold, out, fer, split, cache, threads, echo)


@commands.command("au-reference")
def evaluate_au_reference_command(
    model: Model,
    media: Annotated[Path, typer.Option(help="Folder of clips.")],
    reference: Annotated[Path, typer.Option(help="Folder with <clip>.csv as OpenFace writes them.")],
    out: Out,
    threads: Threads = 1,
) -> None:
    """Units against an independent program on clips; for measuring, and for which units are trusted."""
    configure_torch(threads)
    found = evaluate_reference(model, media, reference)
    write_report(found, out)
    echo(f"{found.clips} clips, {found.frames} frames: within-clip r {found.within_clip_r_mean7.text(2)}")


@commands.command("au-growth")
def evaluate_au_growth_command(
    model: Model,
    sequences: Annotated[Path, typer.Option(help="Folder of `make-au --sequences`.")],
    out: Out,
    test_fold: TestFold = 1,
    threads: Threads = 1,
) -> None:
    """Whether intensity and occurrence grow with a unit that grows on a held-out face, by rendered sequences."""
    configure_torch(threads)
    _require_unseen(model, test_fold)
    found = evaluate_growth(model, sequences, test_fold, threads=threads, report=echo)
    write_report(found, out)
    for name, scores in (("occurrence", found.occurrence), ("intensity", found.intensity)):
        if scores is not None:
            echo(f"{name}: Spearman {scores.pooled.text()}, within sequences {scores.within.text()}")
    if found.neutral is not None:
        echo(f"intensity with a neutral image of the face: Spearman {found.neutral.pooled.text()}")


@commands.command("au-baseline")
def evaluate_au_baseline_command(
    model: Model,
    data: UnitSets,
    media: Annotated[Path, typer.Option(help="Folder of clips.")],
    reference: Annotated[Path, typer.Option(help="Folder with <clip>.csv as OpenFace writes them.")],
    out: Out,
    test_fold: TestFold = 1,
    cache: Cache = CACHE,
    threads: Threads = 1,
    workers: Workers = 2,
) -> None:
    """Units with and without the neutral baseline of a person: on clips, and on stills of open and faces128."""
    configure_torch(threads)
    _require_unseen(model, test_fold)
    if not model.samefile(model_path("action_units", model.parent)):
        raise ValueError(f"clips are read with the models of a folder: call it action_units.onnx, not {model.name}")
    stills = evaluate_stills(model, split_people(read_faces_of(data, cache, workers), test_fold).test)
    clips = evaluate_baseline(media, reference, model.parent)
    write_report({"stills": stills, "clips": clips}, out)
    for each in stills:
        echo(f"{each.name}, {each.people} people: AUROC {each.auroc_change.text()}")
    for arm in clips.arms:
        echo(f"{arm.arm}: AUROC {arm.auroc_change.text()}, F1 {arm.f1_change.text()}, {arm.tracks} tracks")


def measure_file(
    model: Path,
    faces: UnitFaces,
    test_fold: int,
    out: Path,
    fer: Path | None = None,
    split: str = "PublicTest",
    cache: Path = CACHE,
    threads: int = 1,
    report: Callable[[str], None] = print,
) -> None:
    """Write the report on a model file: people of one fold, and with ``fer`` also a split of FERPlus.

    Raises:
        ContractError: the file is not an action-unit model, or lacks a unit of the faces.
        ValueError, FileNotFoundError: the fold does not exist or is not the one that the model's training held out,
            or FERPlus cannot be read.
    """
    _require_unseen(model, test_fold)
    test = split_people(faces, test_fold).test
    described = f"fold {test_fold}: {describe_faces(test)}"
    outside = FerSplit(split, read_faces(fer, split, cache, CROP_SIDE_PX)) if fer else None
    found = evaluate_units_file(model, test, described, outside, threads=threads, report=report)
    write_action_units_report(found, out)
    report(f"wrote {out / 'report.json'} and {out / 'report.html'}")


def _require_unseen(model: Path, test_fold: int) -> None:
    """Refuse to measure on people that the model may have been trained on."""
    held_out = held_out_fold(ExportedActionUnits(model).contract.data)
    if held_out is None:
        raise ValueError(
            f"the contract of {model} names no held-out fold, so fold {test_fold} may be people of its training: "
            "export its run again (mien-train export au), then give that fold as --test-fold N"
        )
    if held_out != test_fold:
        raise ValueError(
            f"{model} held out fold {held_out} and was trained on the people of fold {test_fold}: "
            f"give --test-fold {held_out}"
        )


@commands.command("members")
def evaluate_members_command(data: Fer, run: Run, out: Out, split: Split = "PublicTest", threads: Threads = 2) -> None:
    """The networks of a run one by one: seeds, before and after fusion, FER2013's seven labels."""
    configure_torch(threads)
    write_report(evaluate_members(run, data, run / "cache", split), out)
    echo(f"wrote {out}")


@commands.command("teacher")
def evaluate_teacher_command(
    data: Fer,
    run: Run,
    out: Out,
    split: Split = "PublicTest",
    member: Annotated[list[int] | None, typer.Option(help="Measure only this member (may be given again).")] = None,
    threads: Threads = 2,
) -> None:
    """The finished members of a teacher run one by one and as an ensemble, with and without the mirror image."""
    configure_torch(threads)
    write_report(evaluate_teachers(run, data, run / "cache", split, member), out)
    echo(f"wrote {out}")


@commands.command("student")
def evaluate_student_command(
    model: Model,
    data: Fer,
    teacher: Annotated[Path, typer.Option(help="Finished run of `fit teacher`.")],
    out: Out,
    split: Split = "PublicTest",
    faces: Annotated[int, typer.Option(help="Number of faces that are corrupted.")] = 400,
    threads: Threads = 2,
) -> None:
    """A model file against the teachers it was distilled from: accuracy, separation, processor time."""
    configure_torch(threads)
    settings = UncertaintyConfig(severe_faces=faces, graded_faces=0)
    write_report(evaluate_student(model, teacher, data, split, settings, echo), out)
    echo(f"wrote {out}")


@commands.command("fer2013")
def evaluate_fer2013_command(
    data: Fer,
    run: Run,
    out: Out,
    split: Split = "PublicTest",
    cache: Cache = CACHE,
    threads: Threads = 2,
) -> None:
    """Networks of `fit fer2013` against FER2013's own seven labels."""
    configure_torch(threads)
    write_report(evaluate_fer2013(run, data, cache, split, echo), out)
    echo(f"wrote {out}")


@commands.command("rivals")
def evaluate_rivals_command(
    data: Fer,
    members: Annotated[Path, typer.Option(help="Finished run of `fit expression`.")],
    student: Annotated[list[Path], typer.Option(help="Finished run of `fit uar` (may be given again).")],
    out: Out,
    split: Split = "PublicTest",
    faces: Annotated[int, typer.Option(help="Number of faces that are corrupted.")] = 1000,
    threads: Threads = 2,
) -> None:
    """Ensemble, baselines and cheap rivals in one table: accuracy, uncertainty, milliseconds."""
    configure_torch(threads)
    settings = UncertaintyConfig(severe_faces=faces, graded_faces=0)
    write_report(evaluate_rivals(members, student, data, split, settings, echo), out)
    echo(f"wrote {out}")


@commands.command("rlps")
def evaluate_rlps_command(
    data: Fer,
    clip: Annotated[list[Path], typer.Option(help="Video without a face (may be given again).")],
    run: Run,
    out: Out,
    config: Settings = CONFIGS / "rlps_trial.toml",
    seeds: Annotated[int, typer.Option(help="Repetitions of the main trial.")] = 3,
    cache: Cache = CACHE,
    threads: Threads = 2,
) -> None:
    """What RLPS removes where the noise is known, and the accuracy of training on the rest."""
    configure_torch(threads)
    write_report(evaluate_rlps(read_rlps_config(config), data, clip, run, cache, seeds, report=echo), out)
    echo(f"wrote {out}")
