"""Atomic writing, hashes and the user's folders."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import files
from engine.files import atomic_write, create_part, part_path, publish, sha256_of, write_text

CHECKOUT = Path(__file__).parents[2]


def test_a_file_appears_under_its_name_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("old")
    with atomic_write(path) as part:
        assert part == part_path(path) == tmp_path / "faces.part.csv"
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["faces.csv"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("old")

    def fail_half_way() -> None:
        with atomic_write(path) as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["faces.csv"]


def test_the_part_of_a_crashed_run_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    part_path(path).write_text("a longer text than the new one")
    write_text(path, "new")
    assert path.read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_a_link_in_place_of_the_part_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path = tmp_path / "faces.csv"
    part_path(path).symlink_to(victim)
    write_text(path, "new")
    assert victim.read_text() == "mine"
    assert path.read_text() == "new"
    assert not path.is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    write_text(tmp_path / "new", "text")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    part_path(tmp_path / "faces.csv").mkdir()
    with pytest.raises(OSError, match=r"faces\.part\.csv"):
        write_text(tmp_path / "faces.csv", "new")


def test_write_text_creates_the_folder(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b.txt", "ü\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "ü\n".encode()


def test_file_and_folder_are_on_the_disk_when_the_file_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def record(descriptor: int) -> None:
        named = (tmp_path / "a.txt").exists()
        synced.append(f"{'folder' if Path(f'/proc/self/fd/{descriptor}').is_dir() else 'file'}, named: {named}")

    monkeypatch.setattr(os, "fsync", record)
    publish(create_part(tmp_path / "a.txt"), tmp_path / "a.txt")
    assert synced[0].endswith("named: False")
    if sys.platform == "linux":
        assert synced == ["file, named: False", "folder, named: True"]


@pytest.mark.parametrize("size", [0, 5, (1 << 20) + 1])
def test_sha256_is_that_of_the_whole_content(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "a").write_bytes(content[:size])
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content[:size]).hexdigest()


@pytest.mark.skipif(sys.platform != "linux", reason="XDG folders")
def test_folders_follow_the_xdg_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert files.cache_folder() == tmp_path / "cache" / "mien"
    assert files.settings_folder() == tmp_path / "config" / "mien"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert files.cache_folder() == tmp_path / ".cache" / "mien"
    assert files.settings_folder() == tmp_path / ".config" / "mien"


def test_the_folders_cost_nothing_to_import() -> None:
    program = "import sys, engine.files; print('platformdirs' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert finished.stdout.strip() == "False"
