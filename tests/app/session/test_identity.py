"""Identity of a source: hashes, files that change, and hashing that is stopped."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from app.session.identity import HashingStoppedError, SourceFiles, SourceIdentity, file_mark, has_content, source_path
from engine.errors import SourceError


def go_on() -> bool:
    return False


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"abc")
    return path


def test_a_file_is_identified_by_path_and_hash(clip: Path) -> None:
    with SourceFiles(str(clip), (clip,)) as files:
        identity = files.identify(go_on)
    assert identity == SourceIdentity(str(clip), 3, hashlib.sha256(b"abc").hexdigest())


def test_the_path_is_absolute_without_dots(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    assert source_path("x/../clip.mp4") == source_path("clip.mp4") == str(clip)


@pytest.mark.parametrize("spec", ["demo", "0", "camera:1", "/dev/video7", "rtsp://cam/live"])
def test_what_is_no_file_has_no_path(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert SourceFiles(spec, ()).identify(go_on) == SourceIdentity()


def folder_identity(folder: Path) -> SourceIdentity:
    return SourceFiles(str(folder), sorted(path for path in folder.rglob("*") if path.is_file())).identify(go_on)


def test_the_hash_of_a_folder_changes_with_every_picture_name_and_number(tmp_path: Path) -> None:
    folder, found = tmp_path / "faces", set()
    folder.mkdir()
    for name, content in [("1.png", b"a"), ("2.png", b"b"), ("2.png", b"c")]:
        (folder / name).write_bytes(content)
        found.add(folder_identity(folder).sha256)
    (folder / "2.png").rename(folder / "3.png")
    found.add(folder_identity(folder).sha256)
    (folder / "3.png").unlink()
    assert len(found) == 4
    assert folder_identity(folder).sha256 in found  # the first one again


def test_the_hash_of_a_folder_does_not_depend_on_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "1.png").write_bytes(b"a")
    before = folder_identity(tmp_path / "faces")
    (tmp_path / "faces").rename(tmp_path / "moved")
    after = folder_identity(tmp_path / "moved")
    assert (before.sha256, before.size_bytes) == (after.sha256, after.size_bytes)
    assert before.path != after.path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_picture_that_may_not_be_read_does_not_stop_the_hash(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"a")
    (tmp_path / "1.png").chmod(0)
    assert folder_identity(tmp_path).sha256 is not None


def test_a_video_that_is_gone_is_an_error(clip: Path) -> None:
    clip.unlink()
    with pytest.raises(SourceError, match=r"clip\.mp4 cannot be read"):
        SourceFiles(str(clip), (clip,))


def test_a_file_that_grows_while_it_is_hashed_is_refused(clip: Path) -> None:
    def grow() -> bool:
        if clip.stat().st_size == 3:
            with clip.open("ab") as handle:
                handle.write(b"d")
        return False

    with SourceFiles(str(clip), (clip,)) as files, pytest.raises(SourceError, match="still being written"):
        files.identify(grow)


def test_hashing_can_be_stopped(clip: Path) -> None:
    with SourceFiles(str(clip), (clip,)) as files, pytest.raises(HashingStoppedError):
        files.identify(lambda: True)


def replace(clip: Path, content: bytes) -> None:
    """Put another file under the name of the clip, with the same times."""
    new = clip.with_name("new.mp4")
    new.write_bytes(content)
    os.utime(new, ns=(0, clip.stat().st_mtime_ns))
    new.replace(clip)


def test_the_hash_is_that_of_the_file_that_was_opened(clip: Path) -> None:
    """The decoder reads the old file; hashing by name would give the new one."""
    with SourceFiles(str(clip), (clip,)) as files:
        replace(clip, b"new")
        assert files.identify(go_on).sha256 == hashlib.sha256(b"abc").hexdigest()


def test_a_file_that_is_replaced_while_it_is_opened_is_refused(clip: Path) -> None:
    before = file_mark(clip)
    replace(clip, b"new")
    with pytest.raises(SourceError, match="was replaced or changed while it was opened"):
        SourceFiles(str(clip), (clip,), before)


def test_a_file_written_in_place_has_changed_even_if_its_times_are_set_back(clip: Path) -> None:
    with SourceFiles(str(clip), (clip,)) as files:
        files.identify(go_on)
        assert files.changed() == ()
        written_ns = clip.stat().st_mtime_ns
        with clip.open("r+b") as handle:
            handle.write(b"x")
        os.utime(clip, ns=(0, written_ns))
        assert files.changed() == (clip,)


def test_a_file_that_was_only_touched_or_renamed_has_not_changed(clip: Path) -> None:
    with SourceFiles(str(clip), (clip,)) as files:
        files.identify(go_on)
        os.utime(clip, ns=(0, 0))
        clip.rename(clip.with_name("moved.mp4"))
        assert files.changed() == ()


def test_a_file_that_was_replaced_or_deleted_was_still_read_as_it_was(clip: Path) -> None:
    with SourceFiles(str(clip), (clip,)) as files:
        files.identify(go_on)
        replace(clip, b"new")
        assert files.changed() == ()
        clip.unlink()
        assert files.changed() == ()


def test_an_image_of_a_folder_that_was_replaced_has_changed(tmp_path: Path) -> None:
    """Images are opened one by one, so a later one is read from the new file."""
    image = tmp_path / "1.png"
    image.write_bytes(b"abc")
    with SourceFiles(str(tmp_path), (image,)) as files:
        files.identify(go_on)
        replace(image, b"new")
        assert files.changed() == (image,)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(SourceError, match="not a regular file"):
        SourceFiles(str(tmp_path / "clip.mp4"), (tmp_path / "clip.mp4",))


def test_content_is_compared_by_size_and_hash(clip: Path) -> None:
    digest = hashlib.sha256(b"abc").hexdigest()
    assert has_content(clip, 3, digest)
    assert not has_content(clip, 4, digest)
    assert not has_content(clip, 3, digest[::-1])
    assert not has_content(clip, None, digest)
    assert not has_content(clip.with_name("gone.mp4"), 3, digest)
