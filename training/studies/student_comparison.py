"""``mien-train evaluate student``: the shipped file against the teachers that it was distilled from."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
import torch
from torch.nn import functional

from engine.types import Float32, Float64, UInt8
from training.data.fer2013 import MEAN, STD, FerFaces, majority_labels, read_faces
from training.evaluation.estimates import Estimates, Estimator, estimates_of, file_estimator
from training.evaluation.uncertainty import (
    CROP_SIDE_PX,
    MethodRow,
    UncertaintyConfig,
    at_side,
    compare,
)
from training.expression.calibration import fit_temperature
from training.expression.export import model_inputs
from training.expression.fit_teacher import finished_members, load_teachers
from training.expression.teacher import Teacher
from training.layers.onnx_export import export_onnx
from training.metrics.bootstrap import Figure, bootstrap, mean_of
from training.studies.rivals import separation

STUDENT: Final = "student"
TEACHERS: Final = "teachers"
#: Timed runs of each network; the median is reported.
TIMED_RUNS: Final = 200
_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class StudentReport:
    """Accuracy, what is kept of the teachers' separation (SPEC 4.4), and processor time."""

    split: str
    sha256: str
    teachers: tuple[int, ...]
    faces: int
    accuracy_student: Figure  # majority labels
    accuracy_teachers: Figure
    separation: float  # lowest share of what the teachers have, see `separation`
    table: tuple[MethodRow, ...]
    student_ms: float  # processor time of one face, one thread
    teacher_ms: float  # of one teacher
    times_one_teacher: float


def evaluate_student(
    model: Path,
    teacher_run: Path,
    data: Path,
    split: str,
    config: UncertaintyConfig,
    report: Callable[[str], None] = print,
) -> StudentReport:
    """Compare a model file with the finished teachers of a run; their temperature is fitted on PublicTest.

    Raises:
        ContractError: the file has no contract, or is not an expression model.
        FileNotFoundError, ValueError: the data are missing, or no teacher has finished.
    """
    read, contract, _ = file_estimator(model)
    side, cache, numbers = contract.crop.side_px, teacher_run / "cache", finished_members(teacher_run)
    teachers = load_teachers(teacher_run, numbers)
    validation = read_faces(data, "PublicTest", cache, side)
    temperature = fit_temperature(teacher_logits(teachers, validation.crops), validation.vote_shares)

    def ensemble(crops: UInt8, landmarks: Float32) -> Estimates:
        return estimates_of(teacher_logits(teachers, crops), temperature)

    estimators = {TEACHERS: at_side(ensemble, side), STUDENT: at_side(read, side)}
    faces = read_faces(data, split, cache, CROP_SIDE_PX)
    table = compare(estimators, faces, config, report).table
    rows = {name: [row for row in table if row.method == name] for name in estimators}
    whole = validation if split == "PublicTest" else read_faces(data, split, cache, side)
    student_ms, teacher_ms = _milliseconds(model, teachers[0], whole)
    return StudentReport(
        split=split,
        sha256=contract.sha256,
        teachers=numbers,
        faces=len(whole.rows),
        accuracy_student=_accuracy(read, whole),
        accuracy_teachers=_accuracy(ensemble, whole),
        separation=separation(rows[STUDENT], rows[TEACHERS]),
        table=table,
        student_ms=student_ms,
        teacher_ms=teacher_ms,
        times_one_teacher=student_ms / teacher_ms,
    )


@torch.no_grad()
def teacher_logits(teachers: Sequence[Teacher], crops: UInt8) -> Float32:
    """Logits (N, M, C) for grey crops (N, S, S), which are resized to the input of each teacher."""
    found = []
    for teacher in teachers:
        side, parts = teacher.config.input_side_px, []
        for part in torch.split(torch.from_numpy(crops), _BATCH):
            image = (part[:, None].float() / 255 - MEAN) / STD
            if side != crops.shape[1]:
                image = functional.interpolate(image, size=side, mode="bilinear", antialias=True, align_corners=False)
            with torch.autocast("cpu", torch.bfloat16):
                parts.append(teacher(image.contiguous(memory_format=torch.channels_last)))
        found.append(torch.cat(parts))
    return np.asarray(torch.stack(found, 1).numpy(), np.float32)


def _accuracy(estimate: Estimator, faces: FerFaces) -> Figure:
    labels = majority_labels(faces.votes)
    clear = labels >= 0
    predicted = estimate(faces.crops, faces.landmarks).probabilities.argmax(1)
    hits: Float64 = (predicted == labels)[clear].astype(np.float64)
    return bootstrap(mean_of(hits), len(hits))


def _milliseconds(model: Path, teacher: Teacher, faces: FerFaces) -> tuple[float, float]:
    """Median processor time of one face in the file and in an exported teacher; the runs alternate."""
    image, landmarks = model_inputs(faces.crops[:1], faces.landmarks[:1])
    side = teacher.config.input_side_px
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.onnx"
        export_onnx(teacher, (torch.zeros(1, 1, side, side),), path, ("image",), ("logits",), {})
        runs = (
            (_session(model), {"image": image, "landmarks": landmarks}),
            (_session(path), {"image": np.zeros((1, 1, side, side), np.float32)}),
        )
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(TIMED_RUNS):
            for (session, inputs), spent in zip(runs, times, strict=True):
                started = time.process_time()
                session.run(["logits"], inputs)
                spent.append(time.process_time() - started)
    first, second = (1e3 * float(np.median(spent)) for spent in times)
    return first, second


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
