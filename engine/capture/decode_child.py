"""The parent's end of a process that decodes a video: starting it, talking to it with deadlines, ending it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any, Final

from engine.capture.decode_messages import JSON
from engine.capture.frame_memory import FrameMemory
from engine.config import CaptureConfig
from engine.errors import SourceError

#: A process that gives no sign of life for so long is stuck; while it works on packets it gives one each second.
STUCK_S: Final = 10.0
#: The first sign comes once Python has started, which takes long on a slow disk.
START_S: Final = 30.0
#: Seconds between two looks at the interrupt.
_POLL_S: Final = 0.1
_MAX_MESSAGE: Final = 1 << 16
_ROOT: Final = Path(__file__).resolve().parents[2]
_CODE: Final = "import sys; sys.path[:] = {path!r}; from engine.capture.decode_process import main; main()"
#: Libraries reserve address space per thread, which the limit of memory counts.
_ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class ChildLostError(Exception):
    """The process has ended or is stuck; the message says which."""


class DecodeChild:
    """A process that decodes one video; used by one thread."""

    def __init__(self, path: Path, limits: CaptureConfig, interrupted: Callable[[], bool]) -> None:
        """Start it. ``interrupted`` ends every wait.

        Raises:
            SourceError: a process cannot be started.
        """
        self._name = str(path)
        self._limits = limits
        self._interrupted = interrupted
        self._patience_s = START_S
        self.memory = FrameMemory()
        self._connection, theirs = Pipe()
        try:
            self._process = _start(theirs, self.memory.descriptor)
        except OSError as error:
            self.memory.close()
            self._connection.close()
            raise SourceError(f"a process that decodes {path} cannot be started ({error.strerror})") from None
        finally:
            theirs.close()
        # A source that is dropped without being closed leaves no process behind either.
        self._end = weakref.finalize(self, _end, self._connection, self._process, self.memory)
        self.send(
            path=str(path),
            folder="" if Path(path).is_absolute() else str(Path.cwd()),
            limits=asdict(limits),
            descriptor=self.memory.descriptor,
        )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def send(self, **request: Any) -> None:
        """Send a request; one that the process does not take any more is found missing by `receive`."""
        self.send_bytes(JSON + json.dumps(request).encode())

    def send_bytes(self, message: bytes) -> None:
        """Send a message of another form; see `send`."""
        with contextlib.suppress(OSError):
            self._connection.send_bytes(message)

    def receive(self, limit_s: float | None = None) -> bytes | dict[str, Any] | None:
        """The next answer: a frame as it came, or a message; None after the interrupt.

        Args:
            limit_s: for the whole wait, signs of life included; None = as long as the process works.

        Raises:
            SourceError: the file cannot be decoded.
            ChildLostError: the process has ended or is stuck.
        """
        start_s = heard_s = time.monotonic()
        while not self._interrupted():
            if self._has_answer():
                answer, self._patience_s = self._take(), STUCK_S
                if isinstance(answer, bytes) or "alive" not in answer:
                    return answer
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > self._patience_s:
                raise ChildLostError(f"is stuck: it did nothing for {self._patience_s:.0f} s")
            if limit_s is not None and time.monotonic() - start_s > limit_s:
                raise SourceError(f"{self._name} gave no picture for {limit_s:.0f} s: check that it plays elsewhere")
        return None

    def close(self) -> None:
        """End the process, which holds nothing that needs saving, and release its memory."""
        self._end()

    def _has_answer(self) -> bool:
        try:
            return bool(self._connection.poll(_POLL_S))
        except OSError:  # its end broke, as of a process that was killed on Windows
            raise ChildLostError(self._status()) from None

    def _take(self) -> bytes | dict[str, Any]:
        try:
            message = self._connection.recv_bytes(_MAX_MESSAGE)
        except (EOFError, OSError):
            raise ChildLostError(self._status()) from None
        if message[:1] != JSON:
            return bytes(message)
        answer: dict[str, Any] = json.loads(message[1:])
        if "error" in answer:
            raise SourceError(str(answer["error"]))
        if "out_of_memory" in answer:
            raise SourceError(
                f"{self._name} needs more than {self._limits.decode_memory_mb} MB to decode: shrink it, "
                "or raise capture.decode_memory_mb"
            )
        if "failure" in answer:
            raise ChildLostError(f"failed ({answer['failure']})")
        return answer

    def _status(self) -> str:
        try:
            status = self._process.wait(STUCK_S)
        except subprocess.TimeoutExpired:
            return "hung up"
        return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


def _end(connection: Any, process: subprocess.Popen[bytes], memory: FrameMemory) -> None:
    connection.close()
    process.kill()
    if process.stdin is not None:
        process.stdin.close()
    process.wait()
    memory.close()


def _start(theirs: Any, descriptor: int) -> subprocess.Popen[bytes]:
    handle = theirs.fileno()
    # An isolated Python ignores PYTHONDONTWRITEBYTECODE.
    flags = ["-I", "-B"] if sys.dont_write_bytecode else ["-I"]
    command = [sys.executable, *flags, "-c", _CODE.format(path=[*filter(None, sys.path), str(_ROOT)]), str(handle)]
    options: dict[str, Any] = {"pass_fds": [handle] if descriptor < 0 else [handle, descriptor]}
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        options = {
            "close_fds": True,
            "startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]}),
            "creationflags": subprocess.CREATE_NO_WINDOW,
        }
    else:
        options["start_new_session"] = True  # Ctrl-C ends the parent in order, and that ends the process
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,  # no module is taken from the folder of the caller, where the video may lie
        env={**os.environ, **_ENVIRONMENT},
        **options,
    )
