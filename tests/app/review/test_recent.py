"""What is shown of sessions before they are opened."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from app.review.recent import THUMBNAIL_PX, find_recent, fitted, read_recent
from app.session.folder import SessionFolder
from app.session.video import VideoSink
from engine.types import Frame
from tests.fakes.sessions import fake_header, labelled_face, low_quality_face, write_session

FRAMES = [
    *[()] * 2,
    *[(labelled_face(1, "happiness"),)] * 4,
    *[(labelled_face(1, "surprise", "happiness"), labelled_face(2, "neutral"))] * 2,
    *[(low_quality_face(2),)] * 2,
]


def empty_session(folder: Path, changed_s: float) -> Path:
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").touch()
    os.utime(folder / "journal.jsonl", (changed_s, changed_s))
    return folder


def test_sessions_are_found_newest_first_and_once(tmp_path: Path) -> None:
    root = tmp_path / "root"
    old, new = empty_session(root / "old", 10), empty_session(root / "new", 20)
    other = empty_session(tmp_path / "other", 15)
    (root / "no session").mkdir()
    opened = (other, new, tmp_path / "gone")
    assert find_recent(opened, (root, tmp_path / "missing")) == (new, other, old)


def test_a_session_is_described(tmp_path: Path) -> None:
    write_session(tmp_path / "run", FRAMES)
    recent = read_recent(tmp_path / "run")
    assert recent.faces == 2
    assert recent.assessed == (4 + 2 * 2) / 10
    assert recent.duration_s == pytest.approx(len(FRAMES) / 10)
    assert recent.thumbnail is None  # it has no video


def test_the_thumbnail_is_a_frame_of_the_video(tmp_path: Path) -> None:
    write_session(tmp_path / "run", FRAMES)
    video = VideoSink(SessionFolder(tmp_path / "run").video, fake_header())
    video.open()
    for index in range(len(FRAMES)):
        image = np.full((120, 160, 3), 40 if index < 2 else 200, np.uint8)
        video.write_rows(Frame(image, index, index / 10, "clip.mp4"), ())
    video.close(completed=True)
    video.publish()
    thumbnail = read_recent(tmp_path / "run").thumbnail
    assert thumbnail is not None
    assert thumbnail.shape == (THUMBNAIL_PX[1], THUMBNAIL_PX[0], 3)
    assert float(thumbnail[:45].mean()) > 190  # not the first frame, which has no face; below is the disclaimer


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b'{"journal": 999}\n'])
def test_a_damaged_session_is_listed_without_details(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal.jsonl").write_bytes(content)
    recent = read_recent(tmp_path)
    assert (recent.completed, recent.duration_s, recent.faces, recent.assessed) == (False, None, None, None)


def test_a_long_journal_without_a_table_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_session(tmp_path, FRAMES)
    SessionFolder(tmp_path).parquet.unlink(missing_ok=True)
    monkeypatch.setattr("app.review.recent._MAX_JOURNAL_BYTES", 10)
    assert read_recent(tmp_path).faces is None


def test_a_session_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert not read_recent(tmp_path / "gone").completed


@pytest.mark.parametrize(("height", "width"), [(1080, 1920), (1920, 1080), (90, 160), (7, 900), (900, 7)])
def test_images_of_any_shape_are_cut_to_the_shape_of_thumbnails(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 2, width // 2] = 255
    result = fitted(image)
    assert result.shape == (90, 160, 3)
    assert result.max() > 0
