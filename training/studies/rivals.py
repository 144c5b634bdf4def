"""``mien-train evaluate rivals``: the ensemble, its baselines and cheaper networks in one table (SPEC 4.3 E, 4.4).

The shipped network is chosen from the table on PublicTest; on PrivateTest only that network is compared with the
ensemble.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
import torch

from engine.types import Float32
from training.data.fer2013 import FerFaces, majority_labels, read_faces
from training.evaluation.estimates import Estimates, Estimator
from training.evaluation.uncertainty import MethodRow, UncertaintyConfig, compare
from training.expression.calibration import fit_temperature
from training.expression.distil import Method
from training.expression.export import ArbexEnsemble, export_network, model_inputs
from training.expression.fit import load_members, member_folder
from training.expression.model import Arbex
from training.loop.checkpoint import read_facts
from training.metrics.bootstrap import Figure, bootstrap, mean_of
from training.studies.network_estimators import (
    density_estimator,
    dirichlet_estimator,
    dropout_estimator,
    embedding_of,
    fit_density,
    fused_logits,
    network_estimator,
)

ENSEMBLE: Final = "ensemble"
_SINGLE: Final = "single network, votes (LDL)"
_DROPOUT_SAMPLES: Final = 5
#: Timed runs of each network; the median is reported.
TIMED_RUNS: Final = 200


@dataclass(frozen=True, slots=True)
class Rival:
    """Accuracy and cost of one method."""

    method: str
    majority_accuracy: Figure
    nll_votes: float
    milliseconds: float  # one face, ONNX Runtime, one thread; all samples and members
    times_one_member: float
    separation: float  # relative to the ensemble, see `separation`


@dataclass(frozen=True, slots=True)
class RivalsReport:
    """The table of SPEC 4.4: accuracy, rho (A), AUROC (B), 2 x 2 (C), retention (D), time."""

    split: str
    faces: int  # of the whole split; the AUROCs use fewer, see their n
    rivals: tuple[Rival, ...]
    table: tuple[MethodRow, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    estimate: Estimator
    networks: Sequence[Arbex]
    passes: int = 1


def evaluate_rivals(
    members: Path,
    students: Sequence[Path],
    data: Path,
    split: str,
    config: UncertaintyConfig,
    report: Callable[[str], None] = print,
) -> RivalsReport:
    """Compare the ensemble of a run, its baselines and the networks of ``mien-train fit uar``.

    Temperatures are fitted on PublicTest, densities on Training.

    Raises:
        FileNotFoundError: a run has not finished.
    """
    networks, run = load_members(members)
    side, cache = run.model.input_side_px, members / "cache"
    validation = read_faces(data, "PublicTest", cache, side)
    training = read_faces(data, "Training", cache, side)
    entries = _baselines(networks, validation, training)
    for student in students:
        entries |= _student(student, validation, training)
    faces = validation if split == "PublicTest" else read_faces(data, split, cache, side)
    compared = compare({name: entry.estimate for name, entry in entries.items()}, faces, config, report)
    costs = _milliseconds(entries, faces)
    rows = {name: [row for row in compared.table if row.method == name] for name in entries}
    rivals = [
        _rival(name, entry.estimate(faces.crops, faces.landmarks), faces, costs, separation(rows[name], rows[ENSEMBLE]))
        for name, entry in entries.items()
    ]
    return RivalsReport(split, len(faces.rows), tuple(rivals), compared.table)


def separation(rows: Sequence[MethodRow], ensemble: Sequence[MethodRow]) -> float:
    """Lowest ratio of the method to the ensemble.

    The ratios are of AUROC - 0.5 of epistemic at every strength, and of Spearman's rho of aleatoric with the entropy of
    the votes.
    """
    shares = [
        (row.auroc_epistemic.value - 0.5) / (reference.auroc_epistemic.value - 0.5)
        for row, reference in zip(rows, ensemble, strict=True)
    ]
    return float(min(*shares, rows[0].rho_aleatoric.value / ensemble[0].rho_aleatoric.value))


def _baselines(networks: list[Arbex], validation: FerFaces, training: FerFaces) -> dict[str, _Entry]:
    single = networks[0]
    shared, own = _temperature(networks, validation), _temperature([single], validation)
    return {
        ENSEMBLE: _Entry(network_estimator(networks, shared), networks),
        _SINGLE: _Entry(network_estimator([single], own), [single]),
        "dropout": _Entry(dropout_estimator(single, own, _DROPOUT_SAMPLES), [single], _DROPOUT_SAMPLES),
        "density": _density(single, own, training),
    }


def _student(run: Path, validation: FerFaces, training: FerFaces) -> dict[str, _Entry]:
    (network,), _ = load_members(run)
    method = Method(read_facts(member_folder(run, 0) / "weights.safetensors")["uar"]["method"])
    if method is Method.DIRICHLET:
        return {method.value: _Entry(dirichlet_estimator(network), [network])}
    temperature = _temperature([network], validation)
    return {
        method.value: _Entry(network_estimator([network], temperature), [network]),
        f"{method.value}, density": _density(network, temperature, training),
    }


def _density(network: Arbex, temperature: float, training: FerFaces) -> _Entry:
    labels = majority_labels(training.votes)
    clear = labels >= 0
    features = embedding_of(network, training.crops[clear], training.landmarks[clear])
    density = fit_density(features, labels[clear], training.vote_shares.shape[1])
    return _Entry(density_estimator(network, density, temperature), [network])


def _temperature(networks: Sequence[Arbex], validation: FerFaces) -> float:
    return fit_temperature(fused_logits(networks, validation.crops, validation.landmarks), validation.vote_shares)


def _rival(name: str, found: Estimates, faces: FerFaces, costs: Mapping[str, float], separated: float) -> Rival:
    labels = majority_labels(faces.votes)
    clear = labels >= 0
    hits = (found.probabilities.argmax(1) == labels)[clear].astype(np.float64)
    logs = np.log(np.maximum(found.probabilities, 1e-12))
    return Rival(
        method=name,
        majority_accuracy=bootstrap(mean_of(hits), len(hits)),
        nll_votes=float(-(faces.vote_shares * logs).sum(1).mean()),
        milliseconds=costs[name],
        times_one_member=costs[name] / costs[_SINGLE],
        separation=separated,
    )


def _milliseconds(entries: Mapping[str, _Entry], faces: FerFaces) -> dict[str, float]:
    """Median time of one face through each exported network; runs alternate, so that load affects all alike."""
    image, landmarks = model_inputs(faces.crops[:1], faces.landmarks[:1])
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for number, (name, entry) in enumerate(entries.items()):
            path = Path(folder) / f"{number}.onnx"
            ensemble = ArbexEnsemble(entry.networks, stacked=True)
            sample = (torch.from_numpy(image), torch.from_numpy(landmarks))[: len(ensemble.inputs)]
            export_network(ensemble, sample, path)
            sessions[name] = _open_session(path)
        times: dict[str, list[float]] = {name: [] for name in entries}
        for _ in range(TIMED_RUNS):
            for name, session in sessions.items():
                times[name].append(_time_run(session, image, landmarks))
    return {name: 1e3 * entry.passes * float(np.median(times[name])) for name, entry in entries.items()}


def _open_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _time_run(session: onnxruntime.InferenceSession, image: Float32, landmarks: Float32) -> float:
    read, given = {entry.name for entry in session.get_inputs()}, {"image": image, "landmarks": landmarks}
    inputs = {name: value for name, value in given.items() if name in read}
    started = time.perf_counter()
    session.run(["logits"], inputs)
    return time.perf_counter() - started
