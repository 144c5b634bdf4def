"""Opens a model of unknown origin in a process of its own first, with limits on memory and time.

What a network allocates while it runs cannot be read from its file, and a runtime may crash on a damaged one. So a
model that is not part of this release runs once in a child process; only if that succeeds does this process open it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from engine.backends.contract import input_shapes
from engine.backends.model_file import ModelFile, read_model
from engine.errors import EngineError, ModelError

#: Seconds of processor time for loading and three runs; the released models take 0.5 s.
TIME_LIMIT_S: Final = 20.0
#: A busy machine gives the child a part of the time only; nothing else ends it on Windows.
_WAIT_FACTOR: Final = 3.0
#: Signal of a process whose processor time is used up, which Windows does not have.
_SIGXCPU: Final = 24
#: Address space of the child: about 1 GiB of it are libraries, the released models need a few hundred MB.
MEMORY_LIMIT_BYTES: Final = 4 * 2**30
#: Faces of the trial: as many as a group of eight frames of a file has with eight faces each.
_FACES: Final = 64
_FAILED: Final = 3
_REMEDY: Final = "use a model from a release, or export it again"


def try_model(
    model: ModelFile, time_limit_s: float = TIME_LIMIT_S, memory_limit_bytes: int = MEMORY_LIMIT_BYTES
) -> None:
    """Load and run a model in a child process.

    Args:
        model: checked by `read_model`.
        time_limit_s: processor time of the child; it is given up after three times as long.
        memory_limit_bytes: of the child's address space, where the system can limit it (not on Windows).

    Raises:
        ModelError: the child failed, crashed, or exceeded a limit.
    """
    root = Path(__file__).resolve().parents[2]
    search = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH", ""))))
    arguments = (str(model.path.absolute()), model.contract.sha256, str(memory_limit_bytes), str(time_limit_s))
    try:
        child = subprocess.run(
            [sys.executable, "-m", "engine.backends.trial", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WAIT_FACTOR * time_limit_s,
            cwd=root,  # Python looks for modules in the current folder first, which may be a stranger's
            env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_slow(model.path, time_limit_s) from None
    except OSError as error:
        raise ModelError(f"{model.path} cannot be tried in a process of its own ({error.strerror})") from None
    if child.returncode == 0:
        return
    if child.returncode == -_SIGXCPU:
        raise _too_slow(model.path, time_limit_s)
    lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
    if child.returncode == _FAILED and lines:
        raise ModelError(lines[-1])
    reason = f"signal {-child.returncode}" if child.returncode < 0 else f"exit status {child.returncode}"
    raise ModelError(f"{model.path} ended the process that tried it ({reason}): {_REMEDY}")


def _too_slow(path: Path, time_limit_s: float) -> ModelError:
    return ModelError(f"{path} did not load and run within {time_limit_s:g} s: {_REMEDY}")


def main(arguments: Sequence[str]) -> int:
    """Try the model of one request, as `try_model` makes it; return the exit status."""
    path, sha256, memory_bytes, time_s = Path(arguments[0]), arguments[1], int(arguments[2]), float(arguments[3])
    try:
        model = read_model(path)
        if model.contract.sha256 != sha256:
            raise ModelError(f"{path} was replaced while it was loaded: try again")
        open_with_limits(model, memory_bytes, time_s)
    except (EngineError, MemoryError) as error:
        sys.stderr.write(f"{' '.join(str(error).split()) or f'{path} needs more memory than allowed: {_REMEDY}'}\n")
        return _FAILED
    return 0


def open_with_limits(model: ModelFile, memory_bytes: int, time_s: float) -> None:
    """Open a model in this process and run it on the faces of a group of frames. The limits stay on the process.

    Args:
        model: checked by `read_model`.
        memory_bytes: of the address space; 0 = as it is.
        time_s: of processor time.

    Raises:
        BackendError, ModelError, MemoryError: it cannot be opened or run.
    """
    from engine.backends.onnx_runtime import OnnxRuntimeBackend, import_onnxruntime

    import_onnxruntime("onnxruntime")  # before the limits, which are for the model
    if memory_bytes:
        _limit(memory_bytes, time_s)
    backend = OnnxRuntimeBackend(model, threads=1)
    try:
        shapes = input_shapes(model.contract, _FACES)
        backend.run({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    finally:
        backend.close()


def _limit(memory_bytes: int, time_s: float) -> None:
    if sys.platform == "win32":
        return
    import resource

    seconds = int(time_s) + 1
    limits = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory_bytes),
    )
    for kind, wanted in limits:
        hard = resource.getrlimit(kind)[1]  # which only root may raise
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # At the hard limit of processor time comes SIGKILL, which does not show the reason.
        kept = hard if kind == resource.RLIMIT_CPU else limit
        with contextlib.suppress(ValueError, OSError):  # refused by macOS; the parent's time limit remains
            resource.setrlimit(kind, (limit, kept))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
