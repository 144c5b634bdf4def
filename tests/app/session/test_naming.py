"""Folder names of sessions: stable, distinct, and given back to the source that they belong to."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.session.naming import new_session_folders, session_folders


def clip(folder: Path, name: str, content: bytes | None = None) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode() if content is None else content)
    return str(path)


def annotated(out: Path, name: str, spec: str | None, kind: str = "video") -> None:
    """A session of a source."""
    folder = out / name
    folder.mkdir(parents=True)
    source: dict[str, object] = {"kind": kind}
    if spec is not None:
        content = Path(spec).read_bytes()
        source |= {"path": spec, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "metadata.json").write_text(json.dumps({"source": source}))


def names(out: Path, *specs: str) -> list[str]:
    return [folder.path.relative_to(out).as_posix() for folder in session_folders(out, specs)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_source_is_named_after_its_file(tmp_path: Path, out: Path) -> None:
    assert names(out, clip(tmp_path, "My talk.mp4"), "demo", "0", "rtsp://me:pw@10.0.0.7/live") == [
        "My-talk",
        "demo",
        "camera-0",
        "rtsp-10.0.0.7-live",
    ]


def test_files_of_one_name_get_their_folders_in_front(tmp_path: Path, out: Path) -> None:
    specs = [clip(tmp_path, f"{person}/cam/video.mp4") for person in ("P01", "P02")]
    assert names(out, *specs) == ["P01-cam-video", "P02-cam-video"]


def test_files_that_differ_in_their_suffix_keep_it(tmp_path: Path, out: Path) -> None:
    assert names(out, clip(tmp_path, "a/talk.mp4"), clip(tmp_path, "a/talk.mov")) == ["talk.mp4", "talk.mov"]


def test_files_whose_names_differ_in_forbidden_characters_get_a_hash(tmp_path: Path, out: Path) -> None:
    specs = [clip(tmp_path, "a b.mp4"), clip(tmp_path, "a-b.mp4")]
    assert names(out, *specs) == [f"a-b-{hashlib.sha256(spec.encode()).hexdigest()[:8]}" for spec in specs]


def test_names_that_differ_in_case_only_are_told_apart(tmp_path: Path, out: Path) -> None:
    """They would be one folder on Windows and macOS."""
    found = names(out, clip(tmp_path, "x/Talk.mp4"), clip(tmp_path, "y/talk.mp4"))
    assert found == ["x-Talk", "y-talk"]


@given(st.data())
def test_names_are_distinct_and_do_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    part = st.sampled_from(["a", "A", "a b", "a-b", "b", "a.b"])
    paths = st.tuples(part, part, part, st.sampled_from([".mp4", ".mov", ""])).map(
        lambda p: f"/{p[0]}/{p[1]}/{p[2]}{p[3]}"
    )
    specs = data.draw(st.lists(paths, unique=True, max_size=8))
    out = Path("/no/such/folder")
    found = dict(zip(specs, names(out, *specs), strict=True))
    assert len({name.casefold() for name in found.values()}) == len(specs)
    for order in itertools.islice(itertools.permutations(specs), 10):
        assert dict(zip(order, names(out, *order), strict=True)) == found


def test_a_source_gets_its_own_session_back_whatever_else_is_given(tmp_path: Path, out: Path) -> None:
    first, second = clip(tmp_path, "P01/video.mp4"), clip(tmp_path, "P02/video.mp4")
    annotated(out, "video", first)
    assert names(out, first) == ["video"]
    assert names(out, second) == ["P02-video"]
    assert names(out, second, first) == ["P02-video", "video"]


def test_a_copy_of_the_same_content_is_another_source(tmp_path: Path, out: Path) -> None:
    first, copy = clip(tmp_path, "P01/video.mp4", b"same"), clip(tmp_path, "P02/video.mp4", b"same")
    annotated(out, "video", first)
    assert names(out, copy) == ["P02-video"]


def test_a_source_that_was_moved_keeps_its_session(tmp_path: Path, out: Path) -> None:
    old = clip(tmp_path, "usb/video.mp4")
    annotated(out, "video", old)
    shutil.move(tmp_path / "usb", tmp_path / "archive")
    assert names(out, str(tmp_path / "archive" / "video.mp4")) == ["video"]


def test_another_file_of_the_same_name_does_not_get_the_session_of_a_deleted_one(tmp_path: Path, out: Path) -> None:
    old = clip(tmp_path, "usb/video.mp4", b"first")
    annotated(out, "video", old)
    Path(old).unlink()
    assert names(out, clip(tmp_path, "other/video.mp4", b"other")) == ["other-video"]


def test_a_replaced_file_keeps_its_folder(tmp_path: Path, out: Path) -> None:
    """Whether it may be resumed is decided when it is read."""
    spec = clip(tmp_path, "video.mp4", b"old")
    annotated(out, "video", spec)
    clip(tmp_path, "video.mp4", b"new")
    assert names(out, spec) == ["video"]


def test_a_file_does_not_get_the_folder_of_the_demo_or_a_camera(tmp_path: Path, out: Path) -> None:
    annotated(out, "demo", None, "synthetic")
    annotated(out, "camera-0", None, "camera")
    assert names(out, clip(tmp_path, "x/demo.mp4"), clip(tmp_path, "x/camera-0.mp4")) == ["x-demo", "x-camera-0"]
    assert names(out, "demo", "0") == ["demo", "camera-0"]


def test_a_folder_with_other_files_may_be_used(tmp_path: Path, out: Path) -> None:
    (out / "video").mkdir(parents=True)
    (out / "video" / "notes.txt").write_text("mine")
    assert names(out, clip(tmp_path, "video.mp4")) == ["video"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"source": 3}', b"\xff"])
def test_damaged_metadata_belongs_to_no_source(tmp_path: Path, out: Path, content: bytes) -> None:
    (out / "video").mkdir(parents=True)
    (out / "video" / "metadata.json").write_bytes(content)
    assert names(out, clip(tmp_path, "video.mp4")) == ["video"]


def test_a_name_that_is_no_utf_8_has_a_name(tmp_path: Path, out: Path) -> None:
    assert len(set(names(out, str(tmp_path / "a\udcff.mp4"), str(tmp_path / "a\udcfe.mp4")))) == 2


def test_new_folders_never_exist(tmp_path: Path, out: Path) -> None:
    spec = clip(tmp_path, "p/video.mp4")
    annotated(out, "Video", spec)
    found = new_session_folders(out, ("video-2",), [spec, clip(tmp_path, "p/video-3.mp4"), spec])
    assert [path.name for path in found] == ["video-4", "video-3", "video-5"]


def test_new_folders_of_one_name_are_told_apart_by_their_paths(tmp_path: Path, out: Path) -> None:
    specs = [clip(tmp_path, "P01/video.mp4"), clip(tmp_path, "P02/video.mp4")]
    assert [path.name for path in new_session_folders(out, ("P02-video",), specs)] == ["P01-video", "P02-video-2"]
