"""DISFA in synthetic trees of the publisher's layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SourceError
from engine.facs import DISFA_UNITS
from tests.training.fakes.sequences import SIDE_PX, plain_image, use_fake_networks
from training.data.disfa import list_disfa, read_disfa, read_intensities


def _write_video(path: Path, brightness: Sequence[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (SIDE_PX, SIDE_PX))
    for value in brightness:
        video.write(plain_image(value))
    video.release()


def _write_labels(root: Path, person: str, intensities: dict[int, list[int]], count: int, first: int = 1) -> None:
    folder = root / "ActionUnit_Labels" / person
    folder.mkdir(parents=True, exist_ok=True)
    for unit in (*DISFA_UNITS, 5, 15, 17, 20):  # the publisher coded twelve
        values = intensities.get(unit, [0] * count)
        lines = [f"{number},{value}" for number, value in enumerate(values, first)]
        (folder / f"{person}_au{unit}.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One person of fold 1 with six frames, one of fold 3 with two."""
    use_fake_networks(monkeypatch)
    root = tmp_path / "DISFA"
    _write_labels(root, "SN001", {12: [0, 1, 2, 3, 4, 5], 26: [2, 0, 0, 0, 0, 0]}, 6)
    _write_labels(root, "SN029", {1: [1, 2]}, 2)
    _write_video(root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi", [60, 80, 100, 0, 140, 160])
    _write_video(root / "Videos_LeftCamera" / "leftVideoSN029_Comp.avi", [180, 200])
    return root


def _units(row: np.ndarray) -> list[int]:
    return [unit for unit, holds in zip(DISFA_UNITS, row, strict=True) if holds]


def test_faces_of_a_tree(tree: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    faces = read_disfa(tree, tmp_path / "cache", 1, lines.append)
    assert faces.units == DISFA_UNITS
    assert faces.crops.mean(axis=(1, 2)) == pytest.approx([60, 80, 100, 140, 160, 180, 200], abs=4)  # MJPEG
    assert [_units(row) for row in faces.occurs] == [[26], [], [12], [12], [12], [], [1]]  # from intensity 2 on
    assert faces.known.all()
    assert np.array_equal(faces.targets, faces.occurs.astype(np.float32))
    assert faces.people.tolist() == ["SN001"] * 5 + ["SN029"] * 2
    assert faces.folds.tolist() == [1] * 5 + [3] * 2
    assert set(faces.sources) == {"disfa"}
    assert "7 of 8 coded frames of 2 people" in lines[-2]
    assert "25 of 27 people are missing" in lines[-1]


def test_a_second_reading_decodes_nothing(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_disfa(tree, tmp_path / "cache", 1)
    monkeypatch.delattr("training.data.disfa.VideoFileSource")
    second = read_disfa(tree, tmp_path / "cache", 1)
    for field in ("crops", "occurs", "people", "folds"):
        assert np.array_equal(getattr(first, field), getattr(second, field))


def test_new_codes_hold_for_crops_that_are_kept(tree: Path, tmp_path: Path) -> None:
    read_disfa(tree, tmp_path / "cache", 1)
    _write_labels(tree, "SN029", {9: [5, 5]}, 2)
    faces = read_disfa(tree, tmp_path / "cache", 1)
    assert [_units(row) for row in faces.occurs[-2:]] == [[9], [9]]


def test_the_left_camera_is_preferred_to_the_right_one(tree: Path) -> None:
    for name in ("Video_RightCamera", "Videos_LeftCamera"):
        for person in ("SN001", "SN029"):
            _write_video(tree / name / f"{name.split('_')[1][:-6]}Video{person}_comp.avi", [100])
    assert list_disfa(tree)[0].files[0].name == "LeftVideoSN001_comp.avi"
    (tree / "Videos_LeftCamera").rename(tree / "other")
    assert list_disfa(tree)[0].files[0].name == "RightVideoSN001_comp.avi"


@pytest.mark.parametrize("frames", [5, 7])
def test_a_video_may_differ_by_its_last_frame(tree: Path, tmp_path: Path, frames: int) -> None:
    _write_video(tree / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi", [100] * frames)
    faces = read_disfa(tree, tmp_path / "cache", 1)
    assert (faces.people == "SN001").sum() == min(frames, 6)
    assert [_units(row) for row in faces.occurs[:3]] == [[26], [], [12]]


@pytest.mark.parametrize("frames", [4, 8])
def test_more_than_the_last_frame_is_refused(tree: Path, tmp_path: Path, frames: int) -> None:
    _write_video(tree / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi", [100] * frames)
    with pytest.raises(SourceError, match=rf"has {frames} frames that can be decoded, but 6 are coded for SN001"):
        read_disfa(tree, tmp_path / "cache", 1)


def test_a_video_that_cannot_be_opened_is_named(tree: Path, tmp_path: Path) -> None:
    (tree / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi").write_bytes(b"")
    with pytest.raises(SourceError, match=r"LeftVideoSN001_comp\.avi is empty"):
        read_disfa(tree, tmp_path / "cache", 1)


def test_missing_parts_are_named(tree: Path) -> None:
    (tree / "ActionUnit_Labels" / "SN029" / "SN029_au9.txt").unlink()
    with pytest.raises(SourceError, match=r"SN029_au9\.txt is missing"):
        list_disfa(tree)
    (tree / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi").unlink()
    with pytest.raises(SourceError, match="no video of SN001"):
        list_disfa(tree)
    (tree / "Videos_LeftCamera").rename(tree / "Videos")
    with pytest.raises(SourceError, match="none of the folders Videos_LeftCamera,"):
        list_disfa(tree)
    (tree / "ActionUnit_Labels").rename(tree / "Labels")
    with pytest.raises(SourceError, match="ActionUnit_Labels is missing"):
        list_disfa(tree)
    (tree / "ActionUnit_Labels").mkdir()
    (tree / "Videos").rename(tree / "Videos_LeftCamera")
    with pytest.raises(SourceError, match="no folder of a subject such as SN001"):
        list_disfa(tree)


def test_an_unknown_person_is_refused(tree: Path) -> None:
    _write_labels(tree, "SN033", {}, 1)
    with pytest.raises(SourceError, match=r"subject 'SN033' .* 27 subjects SN001 .* SN032"):
        list_disfa(tree)


def test_files_of_different_length_are_refused(tree: Path) -> None:
    _write_labels(tree, "SN001", {25: [0] * 5}, 6)
    with pytest.raises(SourceError, match=r"SN001_au25\.txt has 5 lines, SN001_au1\.txt has 6"):
        list_disfa(tree)


def test_frames_may_count_from_zero(tmp_path: Path) -> None:
    _write_labels(tmp_path, "SN001", {1: [3, 0]}, 2, first=0)
    found = read_intensities(tmp_path / "ActionUnit_Labels" / "SN001")
    assert found[:, 0].tolist() == [3, 0]
    assert found.shape == (2, len(DISFA_UNITS))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty"),
        ("1,0\n2,6\n", "line 2: '2,6' is not a frame and an intensity"),
        ("1,0\n2\n", "line 2: '2' is not"),
        ("1,0\n3,0\n", "does not number its frames"),
        ("4,0\n5,0\n", "does not number its frames"),
    ],
)
def test_codes_that_cannot_be_read_are_named(tmp_path: Path, text: str, fault: str) -> None:
    _write_labels(tmp_path, "SN001", {}, 2)
    folder = tmp_path / "ActionUnit_Labels" / "SN001"
    (folder / "SN001_au2.txt").write_text(text)
    with pytest.raises(SourceError, match=rf"SN001_au2\.txt.*{fault}"):
        read_intensities(folder)


def test_a_frame_lost_to_damage_is_refused(tree: Path, tmp_path: Path) -> None:
    video = tree / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"
    content = bytearray(video.read_bytes())
    third = [place for place in range(len(content)) if content[place : place + 4] == b"00dc"][2]
    size = int.from_bytes(content[third + 4 : third + 8], "little")
    content[third + 8 : third + 8 + size] = bytes(size)
    video.write_bytes(content)
    with pytest.raises(SourceError, match="has 5 frames that can be decoded, but 6 are coded"):
        read_disfa(tree, tmp_path / "cache", 1)
