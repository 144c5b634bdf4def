"""A finished run of untrained teachers on synthetic faces, and a small student for it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from tests.training.fakes.expression import fake_faces
from training.data.fer2013 import FerFaces
from training.expression.fit import member_folder
from training.expression.fit_teacher import TeacherRunConfig
from training.expression.lessons import VersionsConfig
from training.expression.student import StudentConfig
from training.expression.teacher import Teacher, TeacherConfig
from training.loop.checkpoint import save_weights
from training.loop.trainer import TrainerConfig

SIDE = 96
#: A branch for each of two teachers, and one for the raters.
SMALL_STUDENT = StudentConfig(
    model=replace(StudentConfig().model, input_side_px=SIDE, network_side_px=SIDE, token_width=16, branches=3),
    versions=VersionsConfig(count=1, unlabelled_count=0),
    trainer=TrainerConfig(epochs=1, batch_size=8, bf16=False),
)


def wide_faces(*_: object) -> FerFaces:
    """Sixteen fake faces of 96 px."""
    small = fake_faces()
    crops = np.kron(small.crops, np.ones((2, 2), np.uint8))[:, :SIDE, :SIDE]
    return replace(small, crops=np.ascontiguousarray(crops))


def fake_teachers(run: Path) -> Path:
    """A finished run of two untrained teachers that read different sizes."""
    for member, side in enumerate((SIDE, 80)):
        torch.manual_seed(member)
        settings = TeacherRunConfig(members=2, model=TeacherConfig(input_side_px=side))
        member_folder(run, member).mkdir(parents=True)
        weights = Teacher(settings.model).state_dict()
        save_weights(member_folder(run, member) / "weights.safetensors", weights, {"config": asdict(settings)})
    return run
