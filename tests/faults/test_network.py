"""Nothing is sent and nothing is written outside output and cache, whatever the dependencies do.

The system calls of a whole run are traced: no socket of the internet may be made, by any process or thread, and every
file that is opened for writing or renamed must be below the folders for results, cache or temporary files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.tracking.face_models import MODELS_VARIABLE, models_folder
from tests.faults.films import make_film

CHECKOUT = Path(__file__).resolve().parents[2]
_SOCKET = re.compile(r"socket\((AF_INET6?|AF_PACKET)\b[^\n]*")
_OPENED = re.compile(r'open(?:at)?\((?:AT_FDCWD, )?"([^"]+)", [A-Z_|]*(?:O_WRONLY|O_RDWR|O_CREAT)[^\n]*= \d+')
_MADE = re.compile(r'(?:mkdir(?:at)?|rename(?:at2?)?|unlink(?:at)?|symlink(?:at)?)\([^"\n]*"([^"]+)"[^\n]*= 0')


@pytest.mark.skipif(sys.platform != "linux", reason="strace is a program of Linux")
def test_annotate_opens_no_socket_and_writes_only_its_output(tmp_path: Path, face_models: None) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace: apt-get install strace")
    home, out, trace, scratch = (tmp_path / name for name in ("home", "out", "trace", "tmp"))
    home.mkdir()
    scratch.mkdir()
    film = make_film(tmp_path / "film.mp4", 20, 320, 240, 10)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    environment |= {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    environment[MODELS_VARIABLE] = str(models_folder())
    calls = "trace=socket,open,openat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat"
    finished = subprocess.run(
        [strace, "-f", "-qq", "-o", str(trace), "-e", calls]
        + [sys.executable, "-m", "app", "annotate", str(film), "--out", str(out)],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in finished.stderr:
        pytest.skip(f"strace may not trace here: {finished.stderr.strip()[:80]}")
    assert finished.returncode == 0, finished.stderr
    text = trace.read_text(errors="replace")
    assert [call[0] for call in _SOCKET.finditer(text)] == []
    touched = {Path(name) for name in _OPENED.findall(text) + _MADE.findall(text)}
    assert out / "film" / "faces.csv" in touched or any(path.is_relative_to(out) for path in touched)
    allowed = (out, scratch, Path("/dev"), Path("/proc/self"), Path("/sys"))
    assert sorted(str(path) for path in touched if not any(path.is_relative_to(folder) for folder in allowed)) == []
    assert list(home.iterdir()) == []
    assert list(scratch.iterdir()) == []
