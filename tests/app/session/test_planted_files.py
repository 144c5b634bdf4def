"""Links, pipes and folders of others under the names that a session writes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app.session.folder import SessionFolder
from app.session.journal import JournalSink, find_resume_point
from app.session.lock import SessionLock, lock_owner
from app.session.metadata import read_metadata
from app.session.table import write_tables
from app.session.video import VideoSink
from engine.errors import OutputError
from engine.files import part_path, write_text
from tests.fakes.faces import fake_frame
from tests.fakes.sessions import fake_header, labelled_face, write_session

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs links and pipes of POSIX")
pytestmark = posix_only


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    return write_session(tmp_path / "session", [(labelled_face(1, "happiness"),)] * 30, state_bytes=10, tables=False)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim.txt"
    path.write_text("precious")
    return path


def test_tables_video_and_texts_are_not_written_through_planted_links(session: SessionFolder, victim: Path) -> None:
    for path in (session.csv, session.parquet, session.video, session.metadata):
        part_path(path).unlink(missing_ok=True)
        part_path(path).symlink_to(victim)
    for path in (session.csv, session.parquet, session.video):
        path.symlink_to(victim)
    write_tables(session.journal, session.csv, session.parquet)
    sink = VideoSink(session.video, None)
    sink.open()
    sink.write_rows(fake_frame(0), ())
    sink.close(completed=True)
    sink.publish()
    write_text(session.metadata, "{}")
    assert victim.read_text() == "precious"
    assert not any(path.is_symlink() for path in (session.csv, session.parquet, session.video))


def test_a_link_in_place_of_the_journal_is_not_written_through(session: SessionFolder, victim: Path) -> None:
    point = find_resume_point(session.journal)
    assert point is not None
    real = session.journal.rename(session.path / "other.jsonl")
    session.journal.symlink_to(real)
    before = real.read_bytes()
    for resume in (point, None):
        with pytest.raises(OutputError, match=r"journal\.jsonl cannot be written"):
            JournalSink(session.journal, fake_header(), resume).open()
    assert real.read_bytes() == before


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path, victim: Path) -> None:
    folder = SessionFolder(tmp_path / "new")
    folder.make()
    folder.lock.symlink_to(victim)
    with pytest.raises(OutputError, match="cannot be"):
        SessionLock(folder).acquire()
    with pytest.raises(OutputError, match="cannot be"):
        lock_owner(folder)
    assert victim.read_text() == "precious"


def test_pipes_are_refused_without_waiting_for_a_writer(session: SessionFolder) -> None:
    for path in (session.journal, session.metadata):
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(OutputError, match="not a regular file"):
        find_resume_point(session.journal)
    with pytest.raises(OutputError, match="not a regular file"):
        read_metadata(session.metadata)
    with pytest.raises(OutputError, match="cannot be written"):
        JournalSink(session.journal, fake_header()).open()


def test_new_folders_are_for_their_owner_and_existing_ones_keep_their_mode(tmp_path: Path) -> None:
    new, shared = SessionFolder(tmp_path / "out" / "new"), SessionFolder(tmp_path / "shared")
    shared.path.mkdir(mode=0o755)
    shared.path.chmod(0o755)
    for folder in (new, shared):
        with SessionLock(folder):
            folder.make()
            (folder.path / "kept").write_text("")
    assert stat.S_IMODE(new.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(shared.path.stat().st_mode) == 0o755
