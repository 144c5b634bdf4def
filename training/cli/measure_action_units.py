"""``mien-train evaluate au`` and ``mien-train study au``: measure, and write report.json and report.html."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from engine.alignment import CROP_SIDE_PX
from training.action_units.export import held_out_fold
from training.action_units.exported import ExportedActionUnits
from training.action_units.features import ActionUnitsConfig
from training.action_units.fit import describe_faces
from training.data.action_unit_faces import UnitFaces, split_people
from training.data.fer2013 import read_faces
from training.evaluation.action_units_file import FerSplit, evaluate_units_file
from training.loop.json_report import write_report
from training.reports.action_units import write_action_units_report
from training.studies.action_units import StudyConfig, study_units


def measure_file(
    model: Path,
    faces: UnitFaces,
    test_fold: int,
    out: Path,
    fer: Path | None = None,
    split: str = "PublicTest",
    cache: Path = Path("runs/cache"),
    threads: int = 1,
    report: Callable[[str], None] = print,
) -> None:
    """Figures of a model file on the people of one fold; with a folder of FERPlus, of its units on a split of that too.

    Raises:
        ContractError: the file is no action-unit model, or lacks a unit of the faces.
        ValueError, FileNotFoundError: the fold does not exist or is not the one that the model's training left alone,
            or FERPlus cannot be read.
    """
    _require_unseen(model, test_fold)
    test = split_people(faces, test_fold).test
    told = f"fold {test_fold}: {describe_faces(test)}"
    outside = FerSplit(split, read_faces(fer, split, cache, CROP_SIDE_PX)) if fer else None
    found = evaluate_units_file(model, test, told, outside, threads=threads, report=report)
    write_action_units_report(found, out)
    report(f"wrote {out / 'report.json'} and {out / 'report.html'}")


def _require_unseen(model: Path, test_fold: int) -> None:
    """Refuse to measure on people that the model may have been trained on."""
    held_out = held_out_fold(ExportedActionUnits(model).contract.data)
    if held_out is None:
        raise ValueError(
            f"{model} does not say which fold its training held out, so fold {test_fold} may be people it has seen: "
            "export its run again (mien-train export au), then give the fold held out as --test-fold N"
        )
    if held_out != test_fold:
        raise ValueError(
            f"{model} held out fold {held_out} and was trained on the people of fold {test_fold}: "
            f"give --test-fold {held_out}"
        )


def measure_study(
    faces: UnitFaces,
    config: ActionUnitsConfig,
    run: Path,
    out: Path,
    what: StudyConfig,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> None:
    """The paper's claims on these faces; a study that was broken off goes on.

    Raises:
        ValueError: RUN was made with other settings or faces.
    """
    found = study_units(faces, config, run, what, torch.device(device), report)
    write_report(found, out / "report.json")
    report(f"wrote {out / 'report.json'}")
