"""``mien-train study au-intensity``: in which description of a rendered face is the intensity of its units?

One ridge regression per unit and description, of the renderer's own intensities, and the rank correlation on held-out
people (training/evaluation/unit_intensity.py). A description is the mesh in the canonical view, the vectors of the
shipped trunk, or maps of the pretrained one; of the face, or of the face minus those of the photograph at rest that it
was rendered from, which is the most that a baseline of the person could give. Test people are not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch

from engine.alignment import align_face
from engine.errors import SourceError
from engine.facs import HIGHEST_INTENSITY
from engine.types import Float32, Float64, UInt8
from training.action_units.features import ActionUnitsConfig, FeatureTask, features_of, network_input
from training.action_units.start import start_from_file
from training.data.action_unit_faces import NO_FOLD, UnitFaces, split_people
from training.data.open_set import read_meshes, read_open_au
from training.evaluation.unit_intensity import IntensityReport, intensity_report
from training.layers.face_trunk_weights import read_trunk
from training.metrics.decisions import Flags
from training.open_set.resting_faces import RestingFaces, read_resting_faces
from training.studies.frozen_trunk import maps_of_crops, pretrained_levels

#: Ridge penalties to choose from, on a fifth of the training people; descriptions have a mean square of 1.
PENALTIES: Final = (1e-3, 1e-2, 1e-1, 0.3, 1.0, 3.0)
_CHOOSING: Final = 5
#: Shares of the training people of the learning curves.
SHARES: Final = (0.125, 0.25, 0.5, 1.0)
Describe: TypeAlias = Callable[[UInt8], Float32]  # crops (N, 96, 96) to numbers (N, ...)
MESH, TRUNK, MAPS, ALL = "mesh", "shipped trunk", "pretrained trunk", "all three"


@dataclass(frozen=True, slots=True, eq=False)
class RenderedFaces:
    """Rendered faces with what the tracker and the photograph at rest say of them."""

    faces: UnitFaces
    meshes: Float32  # (N, 468, 2) in the canonical view, 0-1 of its side
    rest_crops: UInt8  # (N, 96, 96) of the photograph that each was rendered from
    rest_meshes: Float32  # (N, 468, 2)


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """One description of the face."""

    description: str
    minus_rest: bool  # the same of the person's face at rest is subtracted
    training_faces: int
    penalty: float
    found: IntensityReport


@dataclass(frozen=True, slots=True)
class SourcesReport:
    """The whole study."""

    test_fold: int  # not read
    training_people: int
    validation_people: int
    sources: tuple[SourceFigures, ...]
    curves: tuple[SourceFigures, ...]  # with fewer training people


def read_rendered(folder: Path, faces128: Path, cache: Path, workers: int = 2) -> RenderedFaces:
    """The images of a set of ``make-au`` of people in folds, and the photographs that they were rendered from.

    Raises:
        SourceError: as in `read_open_au` and `read_resting_faces`, or the set was made from other photographs.
    """
    rows, meshes = read_meshes(folder)
    named = np.array([row.fold != NO_FOLD for row in rows])
    rows = [row for row in rows if row.fold != NO_FOLD]
    resting = read_resting_faces(faces128, cache, workers)
    place = {name: number for number, name in enumerate(resting.names)}
    unknown = {row.photograph for row in rows} - place.keys()
    if unknown:
        raise SourceError(f"{folder} was rendered from {min(unknown)}, which is not a resting face of {faces128}")
    views = {name: _at_rest(resting, place[name]) for name in {row.photograph for row in rows}}
    return RenderedFaces(
        faces=read_open_au(folder).where(named),
        meshes=meshes[named],
        rest_crops=np.stack([views[row.photograph][0] for row in rows]),
        rest_meshes=np.stack([views[row.photograph][1] for row in rows]),
    )


def trunk_descriptions(
    faces: UnitFaces, model: Path, weights: Path, config: ActionUnitsConfig, test_fold: int = 1
) -> dict[str, Describe]:
    """What the trunk of an exported model and the pretrained one say of crops.

    ``model`` has a trunk of the shape of ``config``; ``weights`` are those of `fetch-trunk`.

    Raises:
        ModelError, ContractError, ValueError: a file is missing or does not fit.
    """
    network = pretrained_levels(read_trunk(weights))
    config = replace(config, model=replace(config.model, units=len(faces.units)))
    task = FeatureTask(split_people(faces, test_fold), config, True, torch.device("cpu"))
    start_from_file(task, model)
    trunk = task.model.eval()
    return {
        TRUNK: lambda crops: features_of(trunk, network_input(crops), torch.device("cpu")).numpy(),
        MAPS: lambda crops: maps_of_crops(network, crops).float().numpy(),
    }


def study_intensity(
    rendered: RenderedFaces,
    described: Mapping[str, Describe],
    test_fold: int = 1,
    resamples: int = 200,
    report: Callable[[str], None] = print,
) -> SourcesReport:
    """Measure the mesh, each description of the crops, and all together, on validation people.

    Raises:
        ValueError: no unit is shown by enough validation faces.
    """
    split = split_people(rendered.faces, test_fold)
    training = np.isin(rendered.faces.people, split.training.people)
    validation = np.isin(rendered.faces.people, split.validation.people)
    values = {MESH: (rendered.meshes, rendered.rest_meshes)}
    values |= {
        name: (describe(rendered.faces.crops), describe(rendered.rest_crops)) for name, describe in described.items()
    }
    kernels = _kernels(values, training)
    regression = _Regression(rendered.faces, training, validation, resamples)
    sources, curves = [], []
    for (name, minus_rest), kernel in kernels.items():
        sources.append(regression.figures(name, minus_rest, kernel, 1.0))
        report(f"{name}{', minus the face at rest' if minus_rest else ''}: {sources[-1].found.mean.text(3)}")
        if name == ALL:
            curves += [regression.figures(name, minus_rest, kernel, share) for share in SHARES]
    trained, held_out = (len(np.unique(part.people)) for part in (split.training, split.validation))
    return SourcesReport(test_fold, trained, held_out, tuple(sources), tuple(curves))


def _at_rest(resting: RestingFaces, number: int) -> tuple[UInt8, Float32]:
    crop, mesh, _ = align_face(resting.photographs[number], resting.points_px[number])
    return crop, mesh


def _kernels(descriptions: Mapping[str, tuple[Float32, Float32]], training: Flags) -> dict[tuple[str, bool], Float64]:
    """Products (N, n) of all faces with the training faces, of each description as it is and minus that at rest."""
    found: dict[tuple[str, bool], Float64] = {}
    for minus_rest in (False, True):
        for name, (face, rest) in descriptions.items():
            value = face - rest if minus_rest else face
            scaled = _standard(value.reshape(len(value), -1), training)
            found[name, minus_rest] = scaled @ scaled[training].T
        found[ALL, minus_rest] = np.sum([found[name, minus_rest] for name in descriptions], axis=0)
    return found


def _standard(values: Float32, training: Flags) -> Float64:
    """Values (N, D) with mean 0 and deviation 1 / sqrt(D) on training faces."""
    mean, deviation = values[training].mean(0), values[training].std(0)
    floor = 1e-3 * float(values[training].std()) + 1e-9  # of constant numbers
    return np.asarray((values - mean) / (deviation + floor) / np.sqrt(values.shape[1]), np.float64)


class _Regression:
    """Ridge regression of all intensities on a kernel."""

    def __init__(self, faces: UnitFaces, training: Flags, validation: Flags, resamples: int) -> None:
        self._training, self._validation = faces.where(training), faces.where(validation)
        self._rows, self._resamples = np.flatnonzero(validation), resamples
        self._places = np.flatnonzero(training)
        drawn = [hashlib.sha256(str(person).encode()).digest() for person in self._training.people]
        self._choosing = np.array([digest[0] % _CHOOSING == 0 for digest in drawn])
        self._rank = np.array([int.from_bytes(digest[8:16], "big") / 2**64 for digest in drawn])

    def figures(self, name: str, minus_rest: bool, kernel: Float64, share: float) -> SourceFigures:
        """Fit on a share of the training people and measure on the validation people."""
        used = self._rank <= share
        fitting, choosing = used & ~self._choosing, used & self._choosing
        among = kernel[self._places]  # (n, n)
        scores = [self._chosen(among, fitting, choosing, penalty) for penalty in PENALTIES]
        penalty = PENALTIES[int(np.argmax(np.nan_to_num(scores, nan=-1.0)))]
        predicted = self._predict(among, used, kernel[np.ix_(self._rows, used)], penalty)
        found = intensity_report(self._validation, predicted, self._resamples)
        if found is None:
            raise ValueError("no unit is shown by 20 validation faces: render more images")
        return SourceFigures(name, minus_rest, int(used.sum()), penalty, found)

    def _chosen(self, among: Float64, fitting: Flags, choosing: Flags, penalty: float) -> float:
        predicted = self._predict(among, fitting, among[np.ix_(choosing, fitting)], penalty)
        found = intensity_report(self._training.where(choosing), predicted, 0)
        return -1.0 if found is None else found.mean.value

    def _predict(self, among: Float64, used: Flags, rows: Float64, penalty: float) -> Float32:
        labels = self._training.graded()[used].astype(np.float64)
        mean = labels.mean(0)
        weights = np.linalg.solve(among[np.ix_(used, used)] + penalty * np.eye(int(used.sum())), labels - mean)
        return np.asarray(np.clip(rows @ weights + mean, 0, HIGHEST_INTENSITY), np.float32)
