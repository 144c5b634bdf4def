"""Read damaged video files as the program does, and check that each gives frames or one clear error within 30 s.

``python -m tests.faults.mutated_videos --count 10000`` writes mutated_videos_handled_of_10000 (or of the count) to
docs/results/trust.json. The damage is reproducible from ``--first`` and the number of the file. The processes that
decode are forked from this one after the imports, which are most of their start; `tests.faults.test_long_runs` starts
them as the program does.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import av
import numpy as np

from engine.capture import decode_child, decode_process
from engine.capture.opening import open_source
from engine.errors import SourceError
from tests.faults.figures import record

LIMIT_S: Final = 30.0
#: Containers, codecs and pixel formats that are damaged.
KINDS: Final = (
    *(("a.mp4", "libx264", "yuv420p"), ("b.mkv", "libx265", "yuv420p"), ("c.webm", "libvpx-vp9", "yuv420p")),
    *(("d.avi", "mpeg4", "yuv420p"), ("e.mov", "mjpeg", "yuvj420p"), ("f.ts", "mpeg2video", "yuv420p")),
    *(
        ("g.gif", "gif", "rgb8"),
        ("h.mkv", "ffv1", "yuv420p"),
        ("i.flv", "flv", "yuv420p"),
        ("j.mxf", "mpeg2video", "yuv420p"),
    ),
)


def make_clips(folder: Path) -> list[Path]:
    """Write one short clip of each kind."""
    return [_make(folder / name, codec, form) for name, codec, form in KINDS]


def _make(path: Path, codec: str, form: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, form
        stream.codec_context.gop_size = 5
        random_picture = np.random.default_rng(5).integers(0, 255, (64, 96, 3), np.uint8)
        for step in range(12):
            picture = np.roll(random_picture, 3 * step, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=form)))
        container.mux(stream.encode(None))
    return path


def damage(data: bytes, chance: random.Random) -> bytes:
    """Flip bits, overwrite, repeat, cut out, insert, cut off: one to four of these."""
    content = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(content)), chance.choice((1, 2, 4, 8, 64, 512))
        match chance.randrange(6):
            case 0:
                content[at] ^= 1 << chance.randrange(8)
            case 1:
                content[at : at + length] = chance.choice((b"\x00", b"\xff", b"\x7f")) * length
            case 2:
                content[at : at + length] = chance.randbytes(length)
            case 3:
                content[at:at] = content[at : at + length]
            case 4:
                del content[at : at + length]
            case _:
                del content[max(at, 16) :]
        if len(content) < 16:
            content += bytes(16)
    return bytes(content)


def read_one(path: Path) -> str:
    """Read a file to its end; return how it ended.

    Raises:
        AssertionError: the error is not one line that names the file.
    """
    frames = 0
    try:
        with open_source(str(path)) as source:
            for frame in source:
                frames += 1
                assert np.isfinite(frame.timestamp_s)
            fault = source.fault() or ""
    except SourceError as error:
        if str(path) not in error.problem or "\n" in error.problem:
            raise AssertionError(error.problem) from error
        return "error: decoder crashed or hung" if "the process that does so" in error.problem else "error"
    return f"frames{', decoder restarted' if 'started again' in fault else ''}"


def run(count: int, first: int, folder: Path, minutes: float = 1e9) -> tuple[int, Counter[str], float]:
    """Read ``count`` damaged files, or as many as the minutes allow.

    Returns:
        How many were handled, how each ended, and the longest time in seconds.
    """
    clips = [(path.suffix, path.read_bytes()) for path in make_clips(folder)]
    ends: Counter[str] = Counter()
    handled, longest_s, end_s = 0, 0.0, time.monotonic() + minutes * 60
    for number in range(first, first + count):
        if time.monotonic() > end_s:
            break
        chance = random.Random(number)
        suffix, data = chance.choice(clips)
        path = folder / f"damaged-{number}{suffix}"
        path.write_bytes(damage(data, chance))
        start_s = time.monotonic()
        end = read_one(path)
        seconds = time.monotonic() - start_s
        path.unlink()
        ends[end] += 1
        longest_s = max(longest_s, seconds)
        handled += seconds <= LIMIT_S
    return handled, ends, longest_s


class ForkedDecoder:
    """A process that decodes, as `subprocess.Popen` has it for `DecodeChild`, but forked."""

    def __init__(self, handle: int, descriptor: int) -> None:
        reading, writing = os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            self._serve(handle, descriptor, reading)
        os.close(reading)
        self.stdin = os.fdopen(writing, "wb", buffering=0)

    def kill(self) -> None:
        """End it."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Its status; ``timeout`` is that of a process that hung up, which ends at once."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    @staticmethod
    def _serve(handle: int, descriptor: int, reading: int) -> NoReturn:
        try:
            os.setsid()
            os.dup2(reading, 0)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            _close_all_but(handle, descriptor)
            sys.argv[1:] = [str(handle)]
            decode_process.main()
        finally:
            os._exit(0)


def _close_all_but(*kept: int) -> None:
    """Close what a new process would not have, above all the parent's end of the connection."""
    first = 3
    for number in sorted(kept):
        os.closerange(first, number)
        first = number + 1
    os.closerange(first, 1024)


def fork_decoders() -> None:
    """From now on, fork the processes that decode instead of starting them."""
    decode_child._start = lambda theirs, descriptor: ForkedDecoder(theirs.fileno(), descriptor)  # type: ignore[assignment, return-value]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time, with fewer files")
    options = parser.parse_args(arguments)
    if hasattr(os, "fork"):
        fork_decoders()
    with tempfile.TemporaryDirectory() as folder:
        handled, ends, longest_s = run(options.count, options.first, Path(folder), options.minutes)
    read = ends.total()
    sys.stdout.write(f"{handled} of {read} handled, {dict(ends)}, longest {longest_s:.1f} s\n")
    command = f"python -m tests.faults.mutated_videos --first {options.first} --count {read}"
    record(f"mutated_videos_handled_of_{options.count}", handled, read, f"{command} ({dict(ends)}, {longest_s:.1f} s)")
    return 0 if handled == read else 1


if __name__ == "__main__":
    sys.exit(main())
