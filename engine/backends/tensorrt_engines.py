"""TensorRT engines of this machine: opened from the store, or built by a process of its own.

A build takes seconds to minutes and can end the process: TensorRT aborts without a GPU, and the system may stop it when
memory runs out. The program that wants a plan therefore starts ``python -m engine.backends.tensorrt_engines``,
continues on another runtime, and reads the plan from the store when that process has ended. The process stores a plan
only after it has run it and compared its numbers with ONNX Runtime's, so a plan in the store has run on this machine.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from engine.backends.base import InferenceBackend
from engine.backends.cuda import CudaDevice
from engine.backends.model_file import ModelFile, read_model
from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.backends.parity import difference_beyond, random_inputs
from engine.backends.plans import PlanError, PlanStore
from engine.backends.precision import read_variant, with_precision_of
from engine.backends.switching import PendingError
from engine.backends.tensorrt import TensorRtBackend
from engine.backends.tensorrt_build import TensorRt, build_plan, open_package, plan_key
from engine.config import GpuConfig, Precision
from engine.errors import BackendError, EngineError, ModelError
from engine.records import read_record

_log = logging.getLogger(__name__)

#: Priority of the building process, so that the running program keeps its frame rate.
_NICENESS: Final = 10
_STOP_S: Final = 5.0
_FAILED: Final = 2
#: Largest mean difference from ONNX Runtime on the same file, as a share of the output's standard deviation. Rounding
#: explains a hundredth; a wrong kernel or layout is off by the whole of it.
_PARITY: Final[dict[Precision, float]] = {"fp32": 0.01, "fp16": 0.05, "int8": 0.1}


def open_tensorrt(
    model: ModelFile, threads: int, config: GpuConfig, store: PlanStore | None = None
) -> InferenceBackend:
    """Open a model as a TensorRT plan of the store.

    Raises:
        PendingError: there is no plan yet and ``config.build`` is "background": it is being built.
        BackendError: there is no driver, GPU, TensorRT or plan, or the GPU cannot run it.
        ContractError: the network does not match its contract.
    """
    del threads  # the GPU has its own
    store, config = store or PlanStore(), with_precision_of(model.path, config)
    package = open_package(config.device)
    variant = read_variant(model, config.precision, store.folder)
    open_plan = partial(_open_plan, package, variant, config, store)
    try:
        return open_plan()
    except PlanError as error:
        if config.build != "background":
            raise BackendError(f"{error}: run 'mien engines build'") from None
        raise PendingError(f"{error}; building it", PlanBuild(model.path, config, store, open_plan)) from None


def _open_plan(package: TensorRt, variant: ModelFile, config: GpuConfig, store: PlanStore) -> TensorRtBackend:
    """Open the plan of the store; one that TensorRT refuses is deleted.

    Raises:
        PlanError: there is no usable plan.
        BackendError: the GPU cannot run it.
    """
    key = plan_key(package, variant, config)
    plan = store.read(key)
    try:
        return TensorRtBackend(package, variant, plan, config)
    except PlanError:
        store.discard(key)
        raise


def build_missing(model: ModelFile, config: GpuConfig, store: PlanStore, *, force: bool = False) -> tuple[Path, bool]:
    """Build the plan of a model unless the store has it; returns its path and whether it was built.

    Only one process of a store builds at a time: two would disturb each other's timing of kernels.

    Raises:
        BackendError: this machine cannot build it, its numbers are not those of ONNX Runtime, or the model has no file
            in this precision.
        OSError: the store cannot be written.
    """
    config = with_precision_of(model.path, config)
    package = open_package(config.device)
    variant = read_variant(model, config.precision, store.folder)
    key = plan_key(package, variant, config)
    with _only_builder(store):
        if not force:
            with contextlib.suppress(PlanError):
                store.read(key)
                return store.folder / key.file_name, False
        device = CudaDevice(package.driver, config.device)  # the builder uses the context of the thread
        try:
            plan, timing = build_plan(package.module, variant, config, store.read_timing(key))
            _require_parity(package, variant, plan, config)
        finally:
            device.close()
        path = store.write(key, plan)
        if timing:
            store.write_timing(key, timing)
    return path, True


def _require_parity(package: TensorRt, variant: ModelFile, plan: bytes, config: GpuConfig) -> None:
    """Run a new plan and ONNX Runtime on the same file and inputs.

    Raises:
        BackendError: they differ by more than rounding, or the plan cannot run.
    """
    reference, backend = OnnxRuntimeBackend(variant, 1), TensorRtBackend(package, variant, plan, config)
    try:
        batches = [random_inputs(variant.contract, faces) for faces in {1, config.max_faces}]
        difference = difference_beyond(_PARITY[config.precision], reference, backend, batches)
    finally:
        backend.close()
        reference.close()
    if difference is not None:
        raise BackendError(f"tensorrt computes {variant.path.name} wrongly: {difference}")


@contextlib.contextmanager
def _only_builder(store: PlanStore) -> Iterator[None]:
    store.folder.mkdir(parents=True, exist_ok=True)
    with (store.folder / "build.lock").open("w") as handle:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)  # released when the file is closed, also by a crash
        yield


class PlanBuild:
    """A child process that builds a plan: a `engine.backends.switching.PendingBackend`."""

    def __init__(
        self,
        model: Path,
        config: GpuConfig,
        store: PlanStore,
        open_plan: Callable[[], InferenceBackend],
        command: Sequence[str] = (),
    ) -> None:
        """Start the child. ``open_plan`` opens the plan from the store; ``command`` is replaced in tests.

        Raises:
            BackendError: a process cannot be started.
        """
        self._what, self._open_plan = f"the {config.precision} engine of {model.name}", open_plan
        request = json.dumps({"model": str(model), "folder": str(store.folder), "gpu": asdict(config)})
        # A file, not a pipe: nobody reads it before the end.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        root = Path(__file__).resolve().parents[2]
        path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH", ""))))
        try:
            self._child = subprocess.Popen(
                [*(command or (sys.executable, "-m", "engine.backends.tensorrt_engines")), request],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError as error:
            self._errors.close()
            raise BackendError(f"a process that builds {self._what} cannot be started ({error.strerror})") from None
        _log.info("building %s in process %d", self._what, self._child.pid)

    def ready(self) -> bool:
        """Whether the child has ended."""
        return self._child.poll() is not None

    def open(self) -> InferenceBackend:
        """Wait for the child and open the plan.

        Raises:
            BackendError, ModelError: the child failed, or its plan cannot be opened.
        """
        status = self._child.wait()
        if status == 0:
            return self._open_plan()
        if status < 0:
            hint = "; is there enough memory?" if status == -9 else ""  # SIGKILL, as the system's memory killer sends
            raise BackendError(f"the process that builds {self._what} was ended by signal {-status}{hint}")
        raise BackendError(f"{self._what} was not built: {self._last_line() or f'exit status {status}'}")

    def close(self) -> None:
        """Stop the child."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._errors.close()

    def _last_line(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


@dataclass(frozen=True, slots=True)
class _Request:
    model: Path
    folder: Path
    gpu: GpuConfig


def main(arguments: Sequence[str]) -> int:
    """Build the plan of one request, as `PlanBuild` writes it; returns the exit status."""
    if sys.platform != "win32":
        os.nice(_NICENESS)
    try:
        request = read_record(_Request, json.loads(arguments[0]), ModelError, require_all=True)
        build_missing(read_model(request.model), request.gpu, PlanStore(request.folder))
    except (EngineError, OSError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return _FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
