"""The process that decodes one video: opens it, confines itself, and writes pictures into shared memory on request.

Started by `engine.capture.decode_child.DecodeChild` as ``python -c`` with the connection's handle as its argument; it
ends when that connection or standard input is closed, which is also what the end of its parent does.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sys
import threading
import time
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engine.capture.confinement import allow_cpu, allow_shared, confine, forbid_opening
from engine.capture.decode_messages import ALIVE_S, FRAME, FRAME_FIELDS, JSON, READ, SHARED_MB
from engine.capture.frame_memory import open_memory
from engine.capture.video_decoder import VideoDecoder
from engine.config import CaptureConfig
from engine.errors import SourceError, error_of
from engine.records import read_record
from engine.types import UInt8


def main() -> None:
    """Serve the connection whose handle is the first argument."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection = _connection(int(sys.argv[1]))
    server = _Server(connection)
    error = error_of(server.serve)
    if isinstance(error, SourceError):
        server.send(error=error.problem)
    elif isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        server.send(out_of_memory=True)
    elif error is not None and not isinstance(error, (EOFError, ConnectionError)):
        server.send(failure=f"{type(error).__name__}: {error}")


def _connection(handle: int) -> Any:
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        return PipeConnection(handle)
    return Connection(handle)


def _end_with_parent() -> None:
    """End this process when the parent closes standard input or ends, whatever a decoder is doing."""
    while os.read(0, 1):
        pass
    os._exit(0)


class _Server:
    """Answers the requests of the parent in their order."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._alive_s = time.monotonic()
        self._fault: str | None = None  # as last sent
        self._damaged = 0  # likewise

    def send(self, **message: Any) -> None:
        """Send a message to the parent."""
        self._connection.send_bytes(JSON + json.dumps(message).encode())

    def serve(self) -> None:
        """Open the video that the first request names, and answer until the parent hangs up."""
        self.send(alive=True)
        request = self._receive()
        limits = read_record(CaptureConfig, request["limits"])
        if request["folder"]:  # of a relative path; libraries were imported before
            os.chdir(request["folder"])
        filtered = confine(limits.decode_memory_mb, SHARED_MB)
        decoder = VideoDecoder(Path(request["path"]), limits, self._sign_of_life)
        width_px, height_px = decoder.info.width_px, decoder.info.height_px
        forbid_opening()
        self.send(opened=asdict(decoder.info), filtered=filtered)
        room = self._receive()
        size = height_px * width_px * 3
        slots = room["slots"]
        allow_shared(slots * size)
        memory = open_memory(room["name"], request["descriptor"], slots * size)
        pictures = [memory[slot * size :][:size].reshape(height_px, width_px, 3) for slot in range(slots)]
        self.send(ready=True)
        while True:
            message = self._connection.recv_bytes()
            allow_cpu()
            if message[:1] == READ:
                self._read(decoder, pictures[message[1]])
            else:
                self._skip(decoder, **json.loads(message[1:]))

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv_bytes()[1:])
        return message

    def _read(self, decoder: VideoDecoder, out: UInt8) -> None:
        picture = decoder.read()
        if picture is not None:
            decoder.convert(picture, out)
        self._send_faults(decoder)
        if picture is None:
            self.send(ended=True, truncated=decoder.truncated)
            return
        pts_s = math.nan if picture.time is None else picture.time
        self._connection.send_bytes(FRAME + FRAME_FIELDS.pack(decoder.next_index - 1, decoder.now_s, pts_s))

    def _skip(
        self, decoder: VideoDecoder, frame: int | None = None, time_s: float | None = None, jump: bool = False
    ) -> None:
        if frame is not None:
            decoder.skip_to(frame)
        elif time_s is not None and jump:
            decoder.jump_to_time(time_s)
        elif time_s is not None:
            decoder.skip_to_time(time_s)
        self._send_faults(decoder)
        self.send(skipped=decoder.upcoming)

    def _send_faults(self, decoder: VideoDecoder) -> None:
        fault = decoder.fault()
        if (fault, decoder.damaged) != (self._fault, self._damaged):
            self._fault, self._damaged = fault, decoder.damaged
            self.send(fault=fault, damaged=decoder.damaged)

    def _sign_of_life(self) -> None:
        now_s = time.monotonic()
        if now_s - self._alive_s > ALIVE_S:
            self._alive_s = now_s
            allow_cpu()
            self.send(alive=True)
