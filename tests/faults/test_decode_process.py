"""The process that decodes videos: it crashes, hangs, loses its parent, and meets files made to do harm."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from engine.capture import decode_child, video_file
from engine.capture.frame_memory import HAS_UNNAMED, FrameMemory
from engine.capture.opening import open_source
from engine.capture.video_file import VideoFileSource
from engine.config import CaptureConfig
from engine.errors import SourceError

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")


def indices(source: VideoFileSource) -> list[int]:
    return [frame.index for frame in source]


def test_a_crash_is_survived_once_and_reported(clip):
    with VideoFileSource(clip) as source:
        first = [source.read() for _ in range(7)]
        os.kill(source._child.pid, signal.SIGSEGV)
        rest = list(source)
    frames = [frame for frame in (*first, *rest) if frame]
    assert [frame.index for frame in frames] == list(range(40))
    assert [frame.timestamp_s for frame in frames] == pytest.approx([step / 25 for step in range(40)])
    assert [round(float(frame.image.mean()) / 6) for frame in frames] == pytest.approx(list(range(40)), abs=1)
    assert "its decoder was ended by signal 11 and was started again" in str(source.fault())


def test_a_second_crash_is_an_error_of_this_file(clip):
    with VideoFileSource(clip) as source:
        source.read()
        os.kill(source._child.pid, signal.SIGKILL)
        for _ in range(7):
            source.read()
        os.kill(source._child.pid, signal.SIGABRT)
        with pytest.raises(SourceError, match=r"clip.mp4 cannot be decoded: .* ended by signal 6, near frame"):
            indices(source)


def test_a_process_that_hangs_is_replaced(clip, monkeypatch):
    monkeypatch.setattr(decode_child, "STUCK_S", 3.0)
    with VideoFileSource(clip) as source:
        source.skip_to(11)
        stuck = source._child.pid
        os.kill(stuck, signal.SIGSTOP)
        assert indices(source) == list(range(11, 40))
    assert "is stuck" in str(source.fault())
    assert not _is_running(stuck)


def test_a_file_that_was_replaced_is_not_read_on_by_another_process(clip, tmp_path):
    path = tmp_path / "film.mkv"
    path.write_bytes(clip.read_bytes())
    (tmp_path / "other.mkv").write_bytes(clip.read_bytes())
    with VideoFileSource(path) as source:
        source.read()
        (tmp_path / "other.mkv").replace(path)
        os.kill(source._child.pid, signal.SIGKILL)
        with pytest.raises(SourceError, match="was replaced or changed while it was read"):
            indices(source)


def test_interrupt_and_close_do_not_wait_for_a_process_that_hangs(clip):
    source = VideoFileSource(clip)
    os.kill(source._child.pid, signal.SIGSTOP)
    source.interrupt()
    assert source.read() is None
    source.close()
    source.close()
    assert not _is_running(source._child.pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_its_parent(clip, number):
    code = (
        f"import signal, sys, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a suite in the background ignores it
        "from pathlib import Path; from engine.capture.video_file import VideoFileSource\n"
        f"source = VideoFileSource(Path({str(clip)!r})); source.read()\n"
        "print(source._child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _is_running(child)
        parent.send_signal(number)
    for _ in range(100):
        if not _is_running(child):
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} is still there")


def test_nothing_stays_open(clip, open_files):
    with VideoFileSource(clip) as source:
        source.read()
    before = open_files()
    for _ in range(3):
        with VideoFileSource(clip) as source:
            source.read()
        with contextlib.suppress(SourceError):
            VideoFileSource(clip.with_name("missing.mp4"))
    assert open_files() <= before


@pytest.mark.parametrize("slots", [2, 6, 64])
def test_frames_in_use_keep_their_pixels(clip, monkeypatch, slots):
    monkeypatch.setattr(video_file, "_MAX_SLOTS", slots)
    with VideoFileSource(clip) as source:
        frames = list(source)
    assert [round(float(frame.image.mean()) / 6) for frame in frames] == pytest.approx(list(range(40)), abs=1)


@pytest.mark.skipif(not HAS_UNNAMED, reason="frames are copies on this system")
def test_a_slot_is_free_again_after_the_last_view_of_its_frame():
    memory = FrameMemory()
    memory.reserve(3, 4096)
    slot = memory.take()
    image = memory.image(slot, (2, 3, 3), keep=True)
    part = image[1:, :2].view()[0]
    del image
    assert memory.free == 2
    del part
    assert memory.free == 3
    assert memory.take() == slot
    memory.close()


@pytest.mark.skipif(not HAS_UNNAMED, reason="memory has a name on this system")
def test_the_other_process_cannot_shrink_the_memory():
    memory = FrameMemory()
    memory.reserve(2, 4096)
    with pytest.raises(PermissionError):
        os.ftruncate(memory.descriptor, 4096)
    memory.close()


def test_memory_with_a_name_leaves_none_behind():
    before = _shared_names()
    memory = FrameMemory(unnamed=False)
    name = memory.reserve(2, 50)
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from engine.capture.frame_memory import open_memory\n"
        f"memory = open_memory({name!r}, -1, 100); print(flush=True); sys.stdin.read(1); memory[50:56] = range(6)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        memory.forget_name()
        assert _shared_names() == before
        errors = other.communicate(b"x")[1]
    assert (memory.take(), memory.take(), memory.take()) == (0, 1, None)
    assert memory.image(1, (1, 2, 3), keep=True).tolist() == [[[0, 1, 2], [3, 4, 5]]]  # a copy
    assert memory.free == 1
    memory.close()
    assert (other.returncode, errors) == (0, b"")


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile '{clip}'\nduration 9\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{clip}\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="x"><Period/></MPD>\n',
        "a letter\nwith two lines\n" * 30,
    ],
    ids=["concat", "playlist", "sdp", "dash", "text"],
)
def test_a_file_that_names_others_is_refused(clip, tmp_path, content):
    path = tmp_path / "film.mp4"
    path.write_text(content.format(clip=clip))
    with pytest.raises(SourceError, match="is no video"):
        open_source(str(path))


def write_black(path: Path, width: int, height: int, frames: int = 2) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, options={"qscale": "31"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        picture = av.VideoFrame(width, height, "yuvj420p")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        for step in range(frames):
            picture.pts = step
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def test_a_film_of_too_many_pixels_is_refused(tmp_path):
    path = write_black(tmp_path / "large.mkv", 1024, 800)
    with pytest.raises(SourceError, match=r"1024 x 800 pixels, the limit is 0.5 megapixels: .*max_megapixels"):
        VideoFileSource(path, CaptureConfig(max_megapixels=0.5))
    with VideoFileSource(path) as source:
        assert indices(source) == [0, 1]


def test_too_many_frames_and_hours_are_refused(clip):
    few = pytest.raises(SourceError, match="more than 5 frames: cut it, or raise capture.max_frames")
    with VideoFileSource(clip, CaptureConfig(max_frames=5)) as source, few:
        indices(source)
    with pytest.raises(SourceError, match="states a duration of .* the limit is 0.0001 h"):
        VideoFileSource(clip, CaptureConfig(max_duration_h=0.0001))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_memory_is_limited_in_the_other_process_only(tmp_path):
    path = write_black(tmp_path / "large.mkv", 6400, 4800)
    refused = pytest.raises(SourceError, match="needs more than 450 MB to decode: .*capture.decode_memory_mb")
    with refused, VideoFileSource(path, CaptureConfig(decode_memory_mb=450)) as source:
        list(source)
    assert np.zeros(1 << 27, np.uint8).nbytes  # this process has no such limit


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_shared_frames_do_not_count_against_the_memory_and_nothing_else_does_so():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import mmap\n"
        "from engine.capture.confinement import allow_shared, confine\n"
        "def maps(mb):\n"
        "    try: mmap.mmap(-1, mb << 20).close()\n"
        "    except OSError: return False\n"
        "    return True\n"
        "confine(int(open('/proc/self/statm').read().split()[0]) * mmap.PAGESIZE // 2**20 + 64, 512)\n"
        "print(maps(256)); allow_shared(256 << 20); print(maps(256), maps(400))\n"
        "allow_shared(1 << 40); print(maps(500), maps(1000))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "True", "False", "True", "False"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters system calls")
def test_the_confined_process_reaches_no_network_and_changes_no_file(clip, tmp_path):
    tests = {
        "socket": "import socket; socket.socket()",
        "program": "import os; os.execv('/bin/true', ['true'])",
        "process": "import os; os.fork()",
        "write": f"open({str(tmp_path / 'new')!r}, 'w')",
        "append": f"open({str(clip)!r}, 'ab')",
        "delete": f"import os; os.unlink({str(clip)!r})",
        "rename": f"import os; os.rename({str(clip)!r}, {str(clip) + 'x'!r})",
        "signal": f"import os; os.kill({os.getpid()}, 0)",
        "read": f"forbid_opening(); open({str(clip)!r}, 'rb')",
    }
    code = (
        f"import sys, socket; sys.path.insert(0, {str(ROOT)!r})\n"
        "from engine.capture.confinement import confine, forbid_opening\n"
        "import json\n"
        "filtered = confine(2048)\n"
        "print(filtered, flush=True)\n"
        "for name, statement in json.loads(sys.argv[1]).items():\n"
        "    try: exec(statement)\n"
        "    except PermissionError: print(name, 'refused')\n"
        "    else: print(name, 'allowed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(tests)], capture_output=True, text=True, timeout=60, check=True
    )
    filtered, *lines = done.stdout.splitlines()
    if filtered == "False":
        pytest.skip("this system has no filter of system calls")
    assert lines == [f"{name} refused" for name in tests]
    assert clip.exists()


def _is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _shared_names() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("psm_*")} if Path("/dev/shm").is_dir() else set()
