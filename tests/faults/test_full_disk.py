"""A disk that is full for real: a small tmpfs in a mount namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

#: Fills the disk, sees the error, reads what was kept, makes room, and resumes.
PROGRAM = """
import sys
from pathlib import Path
from app.session.folder import SessionFolder
from app.session.journal import read_journal
from engine.errors import OutputError, Remedy
from tests.fakes.sessions import Annotator

disk = Path(sys.argv[1])
annotator = Annotator(SessionFolder(disk / "session"))
free = disk / "other"
free.write_bytes(bytes(int(sys.argv[2])))
try:
    annotator()
except OutputError as error:
    print(error, error.remedy is Remedy.FREE_SPACE, sep="|")
else:
    raise SystemExit("the disk was not full")
kept = sum(1 for _ in read_journal(annotator.folder.journal))
names = sorted(path.name for path in annotator.folder.path.iterdir())
free.unlink()
outcome = annotator(resume=True)
print(kept, outcome.finished, *names, sep="|")
"""


def _small_disk(folder: Path, size: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a mount namespace in which a tmpfs of this size lies on the folder."""
    unshare = shutil.which("unshare")
    if sys.platform != "linux" or unshare is None:
        pytest.skip("a small disk needs Linux and the program unshare")
    mount = 'mount -t tmpfs -o size="$1" none "$0" || exit 77; shift; exec "$@"'
    done = subprocess.run(
        [unshare, "--map-root-user", "--mount", "sh", "-c", mount, str(folder), size, *command],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or done.stderr.startswith("unshare"):
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()[:80]}")
    return done


@pytest.mark.parametrize("left_kb", [8, 12, 16, 20, 24])  # the journal fails, then the video
def test_a_full_disk_is_one_error_and_the_journal_is_kept(tmp_path: Path, left_kb: int) -> None:
    done = _small_disk(tmp_path, "1m", sys.executable, "-c", PROGRAM, str(tmp_path), str((1024 - left_kb) * 1024))
    assert done.returncode == 0, done.stderr
    error, kept = done.stdout.splitlines()
    assert "No space left on device" in error
    assert error.endswith("|True")
    frames, finished, *names = kept.split("|")
    assert int(frames) > 0 or left_kb < 12
    assert finished == "True"
    assert "journal.jsonl" in names
    assert not [name for name in names if ".part" in name or name.startswith("faces")]
