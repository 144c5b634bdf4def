"""The fastest CPU runtime of this machine: measured by ``mien tune``, remembered, and used while nothing has changed.

A choice is stored in the user's cache with everything it depends on: processor, cores, versions of the runtimes and
hashes of the models. Settings with another backend or threads than the defaults are not changed by it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from app.bench.probes import machine
from app.remedies import output_errors
from engine.backends.base import InferenceBackend
from engine.backends.contract import CONTRACTS, read_contract
from engine.backends.model_file import model_path
from engine.backends.parity import difference_beyond, random_inputs
from engine.backends.registry import GPU_BACKENDS, is_installed, open_backend
from engine.config import EngineConfig, load_config
from engine.errors import BackendError, EngineError, ModelError, OutputError
from engine.files import cache_folder, write_text
from engine.records import json_text, load_json, read_record
from engine.types import Float32

#: Version of the stored form.
SCHEMA: Final = 1
#: CPU backends that are measured, where installed; the first is the one without a choice.
CANDIDATES: Final = ("onnxruntime", "openvino", "openvino-bf16")
#: Batches that are measured: a live frame with one face, and a group of a file.
BATCHES: Final = (1, 8)
#: A second thread must save this share of the time, because it is taken from decoding, tracking and encoding.
_THREAD_GAIN: Final = 0.3
#: Another backend must save this share of the time of the first.
_BACKEND_GAIN: Final = 0.05
#: Largest mean difference of an output from the first backend, as a share of its standard deviation.
_PARITY: Final = 0.05
_ROUNDS: Final = 7
_RUNS: Final = 5
_DEFAULTS: Final = EngineConfig()


@dataclass(frozen=True, slots=True)
class TunedFigure:
    """A measured candidate."""

    backend: str
    threads: int
    face_ms: float  # both networks for one face
    eight_faces_ms: float  # both networks for eight faces in one batch
    refused: str = ""  # why it is not used

    @property
    def cost_ms(self) -> float:
        """Time per face, averaged over both batches."""
        return (self.face_ms + self.eight_faces_ms / BATCHES[1]) / 2


@dataclass(frozen=True, slots=True)
class Machine:
    """What a choice depends on."""

    processor: str
    cores: int
    packages: dict[str, str]  # version of each runtime that is installed
    models: dict[str, str]  # sha256 by task


@dataclass(frozen=True, slots=True)
class Tuning:
    """The stored choice."""

    schema: int
    machine: Machine
    backend: str
    threads: int
    date: str
    figures: tuple[TunedFigure, ...]


def load_settings(path: Path | None) -> EngineConfig:
    """Settings of a TOML file over the defaults, with the choice of ``mien tune`` where they name none.

    Raises:
        ConfigError: see `engine.config.load_config`.
    """
    return tuned(load_config(path))


def tuned(config: EngineConfig, stored: Path | None = None) -> EngineConfig:
    """The settings with the measured backend before onnxruntime and its threads, unless they name their own.

    Args:
        config: the settings.
        stored: file of the choice; None = that of this user.
    """
    if (config.backends, config.threads) != (_DEFAULTS.backends, _DEFAULTS.threads):
        return config
    choice = read_tuning(stored)
    if choice is None or choice.machine != this_machine():
        return config
    first = [name for name in config.backends if name in GPU_BACKENDS]
    order = dict.fromkeys([*first, choice.backend, *config.backends])
    return dataclasses.replace(config, backends=tuple(order), threads=choice.threads)


def tuning_path() -> Path:
    """File of this user's choice."""
    return cache_folder() / "tuning.json"


def read_tuning(path: Path | None = None) -> Tuning | None:
    """The stored choice; None if there is none or it cannot be read, which is the same as none."""
    path = path or tuning_path()
    try:
        found = read_record(Tuning, load_json(path, OutputError), OutputError, require_all=True)
    except (OSError, OutputError):
        return None
    return found if found.schema == SCHEMA and found.backend in CANDIDATES and found.threads >= 1 else None


def this_machine() -> Machine:
    """What a choice of this machine depends on."""
    packages = {}
    for name in ("onnxruntime", "onnxruntime-gpu", "openvino"):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    models = {}
    with contextlib.suppress(ModelError):  # doctor reports a missing model on its own
        models = {task: read_contract(model_path(task)).sha256 for task in CONTRACTS}
    return Machine(machine().processor, os.cpu_count() or 1, packages, models)


def measure(report: Callable[[str], None], stored: Path | None = None) -> Tuning:
    """Measure every installed CPU backend with one and two threads, store the choice and return it.

    Args:
        report: takes one line per candidate.
        stored: file of the choice; None = that of this user.

    Raises:
        BackendError, ModelError: onnxruntime cannot run a model.
        OutputError: the choice cannot be stored.
    """
    figures = []
    for backend in CANDIDATES:
        if not is_installed(backend):
            report(f"{backend}: not installed")
            continue
        for threads in (1, 2)[: os.cpu_count() or 1]:
            figure = _measured(backend, threads)
            figures.append(figure)
            report(describe(figure))
    best = choose(figures)
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    tuning = Tuning(SCHEMA, this_machine(), best.backend, best.threads, date, tuple(figures))
    path = stored or tuning_path()
    with output_errors(path):
        write_text(path, json_text(tuning))
    return tuning


def describe(figure: TunedFigure) -> str:
    """One line about a candidate."""
    threads = f"{figure.threads} thread{'s' if figure.threads > 1 else ''}"
    if figure.refused:
        return f"{figure.backend}, {threads}: {figure.refused}"
    return (
        f"{figure.backend}, {threads}: {figure.face_ms:.2f} ms for one face, "
        f"{figure.eight_faces_ms:.2f} ms for eight in one batch"
    )


def choose(figures: list[TunedFigure]) -> TunedFigure:
    """The candidate to use: the fastest, where more threads and other backends must be clearly faster."""
    best = figures[0]
    for figure in figures[1:]:
        gain = _THREAD_GAIN if figure.threads > best.threads else _BACKEND_GAIN if figure.backend != best.backend else 0
        if not figure.refused and figure.cost_ms < (1 - gain) * best.cost_ms:
            best = figure
    return best


def _measured(backend: str, threads: int) -> TunedFigure:
    opened: list[InferenceBackend] = []
    try:
        for task in CONTRACTS:
            opened.append(open_backend(model_path(task), (backend,), threads))
            if backend != CANDIDATES[0]:
                _require_parity(opened[-1])
        face_ms, eight_ms = (sum(_run_ms(each, faces) for each in opened) for faces in BATCHES)
        return TunedFigure(backend, threads, face_ms, eight_ms)
    except EngineError as error:
        if backend == CANDIDATES[0]:
            raise
        return TunedFigure(backend, threads, 0.0, 0.0, str(error))
    finally:
        for each in opened:
            each.close()


def _require_parity(backend: InferenceBackend) -> None:
    """Compare a backend with the first one.

    Raises:
        BackendError: an output differs by more than rounding.
    """
    contract = backend.contract
    reference = open_backend(model_path(contract.task), CANDIDATES[:1], 1)
    try:
        difference = difference_beyond(_PARITY, reference, backend, [random_inputs(contract, 3)])
    finally:
        reference.close()
    if difference is not None:
        raise BackendError(f"its numbers differ: {difference}")


def _run_ms(backend: InferenceBackend, faces: int) -> float:
    """Milliseconds of a run, the shortest mean of several rounds, which other programs disturb least."""
    inputs = random_inputs(backend.contract, faces)
    return min(_rounds_ms(backend, inputs))


def _rounds_ms(backend: InferenceBackend, inputs: dict[str, Float32]) -> Iterator[float]:
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for _ in range(_RUNS):
            backend.run(inputs)
        yield (time.perf_counter() - start) * 1000 / _RUNS
