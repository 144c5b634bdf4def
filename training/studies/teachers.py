"""``mien-train evaluate teacher``: the members of a teacher run one by one and as an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.facs import EXPRESSIONS
from engine.types import Float64
from engine.uncertainty import decompose, entropy
from training.data.augment import AugmentConfig
from training.data.fer2013 import FerFaces, majority_labels, read_faces
from training.evaluation.expression_report import LabelFigures, label_figures
from training.expression.faces import FaceSet
from training.expression.fit import member_folder
from training.expression.fit_teacher import finished_members, load_teachers, teacher_probabilities
from training.expression.teacher import Teacher
from training.loop.checkpoint import read_facts
from training.metrics.bootstrap import Figure, bootstrap, mean_of
from training.metrics.calibration import expected_calibration_error, log_loss
from training.metrics.ranking import spearman
from training.studies.members import OverSeeds, over_seeds


@dataclass(frozen=True, slots=True, eq=False)
class TeacherFigures:
    """Figures of one distribution per face; each carries its 95 % interval over faces and their number."""

    majority: LabelFigures  # on the faces with a majority label
    accuracy_without_copies: Figure  # the same without images that are also in another split
    nll_votes: Figure  # nats, on all faces with an emotion vote
    ece_raters: Figure
    spearman_total: Figure  # entropy of the prediction with the entropy of the votes
    spearman_aleatoric: Figure  # mean entropy of the members with the entropy of the votes


@dataclass(frozen=True, slots=True, eq=False)
class MemberOverview:
    """The members one by one, on plain images or with the mean of the mirror image."""

    figures: tuple[TeacherFigures, ...]
    accuracy: OverSeeds
    macro_f1: OverSeeds
    nll_votes: OverSeeds
    spearman_total: OverSeeds


@dataclass(frozen=True, slots=True, eq=False)
class TeacherReport:
    """All figures of a run on one split."""

    split: str
    faces: int  # with an emotion vote
    majority_faces: int
    members: tuple[int, ...]
    seeds: tuple[int, ...]
    epochs: tuple[int, ...]  # of each member, as are the sides
    input_sides_px: tuple[int, ...]
    training_data: str
    code: tuple[str, ...]  # commit that finished each member
    members_plain: MemberOverview
    members_mirror: MemberOverview
    ensemble_plain: TeacherFigures
    ensemble_mirror: TeacherFigures


def evaluate_teachers(
    run: Path, data: Path, cache: Path, split: str, members: Sequence[int] | None = None
) -> TeacherReport:
    """All figures of the finished members of a run, or of the given ones, on a split of FERPlus.

    Raises:
        FileNotFoundError: a member has not finished, or the data is missing.
        ValueError: no member has finished.
    """
    numbers = tuple(finished_members(run) if members is None else members)
    teachers = load_teachers(run, numbers)
    sides = tuple(teacher.config.input_side_px for teacher in teachers)
    by_side = {side: read_faces(data, split, cache, side) for side in sorted(set(sides))}
    faces = by_side[sides[0]]
    sets = [FaceSet(by_side[side].labelled(), AugmentConfig()) for side in sides]
    plain = _probabilities(teachers, sets, mirrored=False)
    both = (plain + _probabilities(teachers, sets, mirrored=True)) / 2
    facts = [read_facts(member_folder(run, number) / "weights.safetensors") for number in numbers]
    return TeacherReport(
        split=split,
        faces=len(faces.rows),
        majority_faces=int((majority_labels(faces.votes) >= 0).sum()),
        members=numbers,
        seeds=tuple(fact["trainer"]["seed"] for fact in facts),
        epochs=tuple(fact["trainer"]["epochs"] for fact in facts),
        input_sides_px=sides,
        training_data=facts[0]["data"],
        code=tuple(fact["code"] for fact in facts),
        members_plain=_overview(plain, faces),
        members_mirror=_overview(both, faces),
        ensemble_plain=teacher_figures(plain, faces),
        ensemble_mirror=teacher_figures(both, faces),
    )


def teacher_figures(members: Float64, faces: FerFaces) -> TeacherFigures:
    """Figures of the mean of the members' probabilities (N, M, C)."""
    labels = majority_labels(faces.votes)
    clear = np.flatnonzero(labels >= 0)
    alone = clear[~faces.in_other_split[clear]]
    mean = members.mean(1)
    votes = faces.vote_shares.astype(np.float64)
    disagreement = np.asarray(entropy(votes))
    parts = decompose(members)
    hits = (mean.argmax(1) == labels).astype(np.float64)

    def correlation(scores: Float64) -> Figure:
        return bootstrap(lambda rows: spearman(scores[rows], disagreement[rows]), len(scores))

    return TeacherFigures(
        majority=label_figures(mean[clear], labels[clear], EXPRESSIONS),
        accuracy_without_copies=bootstrap(mean_of(hits[alone]), len(alone)),
        nll_votes=bootstrap(mean_of(log_loss(mean, votes)), len(votes)),
        ece_raters=bootstrap(lambda rows: expected_calibration_error(mean[rows], votes[rows]), len(votes), biased=True),
        spearman_total=correlation(np.asarray(parts.total, np.float64)),
        spearman_aleatoric=correlation(np.asarray(parts.aleatoric, np.float64)),
    )


def _probabilities(teachers: Sequence[Teacher], sets: Sequence[FaceSet], mirrored: bool) -> Float64:
    """Probabilities (N, M, C) of each member, which reads the same faces at its own size."""
    each = [
        teacher_probabilities(teacher, faces, torch.device("cpu"), mirrored)
        for teacher, faces in zip(teachers, sets, strict=True)
    ]
    return np.stack(each, 1).astype(np.float64)


def _overview(members: Float64, faces: FerFaces) -> MemberOverview:
    each = [teacher_figures(members[:, [number]], faces) for number in range(members.shape[1])]
    return MemberOverview(
        figures=tuple(each),
        accuracy=over_seeds([figures.majority.accuracy.value for figures in each]),
        macro_f1=over_seeds([figures.majority.macro_f1.value for figures in each]),
        nll_votes=over_seeds([figures.nll_votes.value for figures in each]),
        spearman_total=over_seeds([figures.spearman_total.value for figures in each]),
    )
