"""Following a face through frames, and crops that are kept on disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SourceError
from tests.training.fakes.sequences import (
    DARK,
    FakeDetector,
    plain_image,
    start_worker_with_fake_networks,
    use_fake_networks,
)
from training.data import face_sequences
from training.data.face_sequences import CodedSequence, CodedSet, crops_of, read_sequences
from training.data.meshes import worker_pool

UNITS = (12, 25)


@pytest.fixture(autouse=True)
def _fake_networks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "face_models" not in request.fixturenames:
        use_fake_networks(monkeypatch)


def _sequence(folder: Path, name: str, fold: int, brightness: list[int]) -> CodedSequence:
    folder.mkdir(exist_ok=True)
    files = tuple(folder / f"{name}_{number}.bmp" for number in range(len(brightness)))
    for file, value in zip(files, brightness, strict=True):
        cv2.imwrite(str(file), plain_image(value))
    known = np.ones((len(files), len(UNITS)), np.bool_)
    occurs = np.array([[value % 2, 1] for value in brightness], np.bool_)
    return CodedSequence(name, name[:2], fold, files, occurs, known)


READ: list[str] = []


def _frames(sequence: CodedSequence) -> Iterator[np.ndarray]:
    READ.append(sequence.name)
    for file in sequence.files:
        found = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        if found is None:
            raise SourceError(f"{file} is broken")
        yield found


DATA = CodedSet("fake", UNITS, {"P1": 1, "P2": 2}, _frames)


def test_the_detector_is_asked_only_where_the_mesh_loses_the_face() -> None:
    crops, kept = crops_of(plain_image(value) for value in (100, 110, DARK - 1, DARK - 2, 120, 130))
    assert kept.tolist() == [True, True, False, False, True, True]
    assert crops.mean(axis=(1, 2)).tolist() == [100, 110, 120, 130]
    assert FakeDetector.calls == 1 + 2 + 1  # at the start, in the dark, after it


def test_no_face_at_all_gives_no_crop() -> None:
    crops, kept = crops_of([plain_image(0)])
    assert crops.shape == (0, 96, 96)
    assert kept.tolist() == [False]


def test_faces_carry_their_codes_person_and_fold(tmp_path: Path) -> None:
    lines: list[str] = []
    sequences = [_sequence(tmp_path / "a", "P1_T1", 1, [101, 0, 102]), _sequence(tmp_path / "b", "P2_T1", 2, [103])]
    faces = read_sequences(DATA, sequences, tmp_path / "cache", 1, lines.append)
    assert faces.units == UNITS
    assert faces.crops.mean(axis=(1, 2)).tolist() == [101, 102, 103]
    assert faces.occurs.tolist() == [[True, True], [False, True], [True, True]]
    assert faces.targets.tolist() == [[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    assert faces.targets.dtype == np.float32
    assert faces.people.tolist() == ["P1", "P1", "P2"]
    assert faces.folds.tolist() == [1, 1, 2]
    assert set(faces.sources) == {"fake"}
    assert "3 of 4 coded frames of 2 people (folds 1 / 2 / 3: 2 / 1 / 0); 1 without a reliable face" in lines[-1]


def test_missing_people_are_reported(tmp_path: Path) -> None:
    lines: list[str] = []
    read_sequences(DATA, [_sequence(tmp_path, "P2_T1", 2, [101])], tmp_path / "cache", 1, lines.append)
    assert "1 of 2 people are missing (P1)" in lines[-1]


def test_an_interrupted_reading_resumes_with_its_sequence(tmp_path: Path) -> None:
    sequences = [_sequence(tmp_path, name, 1, [101, 102]) for name in ("P1_T1", "P1_T2")]
    last = sequences[1].files[1]
    whole = last.read_bytes()
    last.write_bytes(b"")
    with pytest.raises(SourceError, match=r"P1_T2_1\.bmp is broken"):
        read_sequences(DATA, sequences, tmp_path / "cache", 1)
    last.write_bytes(whole)
    READ.clear()
    faces = read_sequences(DATA, sequences, tmp_path / "cache", 1)
    assert READ == ["P1_T2"]
    assert faces.crops.mean(axis=(1, 2)).tolist() == [101, 102, 101, 102]


def test_a_changed_image_is_read_again(tmp_path: Path) -> None:
    sequences = [_sequence(tmp_path, "P1_T1", 1, [101])]
    read_sequences(DATA, sequences, tmp_path / "cache", 1)
    file = sequences[0].files[0]
    before = file.stat()
    cv2.imwrite(str(file), plain_image(140))
    assert file.stat().st_size == before.st_size  # only the time differs
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert read_sequences(DATA, sequences, tmp_path / "cache", 1).crops.mean() == 140


LOCK = threading.Lock()


def _start_worker() -> None:
    assert LOCK.acquire(blocking=False), "inherited from a thread of another process"
    start_worker_with_fake_networks()


def test_two_processes_read_what_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = [_sequence(tmp_path, f"P1_T{n}", 1, [100 + n, 0, 110 + n]) for n in range(3)]
    monkeypatch.setattr(face_sequences, "worker_pool", partial(worker_pool, initializer=_start_worker))
    with LOCK:
        one, two = (read_sequences(DATA, sequences, tmp_path / f"cache{n}", n) for n in (1, 2))
    assert np.array_equal(one.crops, two.crops)
    assert len(list((tmp_path / "cache2").glob("fake_P1_T*.npz"))) == 3


def test_a_sequence_that_ends_early_lacks_its_last_face(tmp_path: Path) -> None:
    sequence = _sequence(tmp_path, "P1_T1", 1, [101, 102])

    def short(sequence: CodedSequence) -> Iterator[np.ndarray]:
        yield next(_frames(sequence))

    faces = read_sequences(CodedSet("fake", UNITS, {"P1": 1}, short), [sequence], tmp_path / "cache", 1)
    assert faces.occurs.tolist() == [[True, True]]


def test_a_set_without_any_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no face is found in any of 2 frames"):
        read_sequences(DATA, [_sequence(tmp_path, "P1_T1", 1, [0, 1])], tmp_path / "cache", 1)


def test_the_largest_face_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    class TwoFaces(FakeDetector):
        def detect(self, image: np.ndarray) -> list[object]:
            (large,) = super().detect(image)
            small = type(large)(large.box * np.float32(0.3), large.landmarks * np.float32(0.3), 0.99)
            return [small, large]

    monkeypatch.setattr(face_sequences, "FaceDetector", TwoFaces)
    image = plain_image(60)
    image[20:44, 20:44] = 200  # the large face lies in the middle
    crops, _ = crops_of([image])
    assert crops.mean() > 150


def test_a_real_face_is_in_the_canonical_view(shared: Path, face_models: None) -> None:
    astronaut = cv2.imread(str(shared / "media" / "astronaut_nasa_public_domain.png"), cv2.IMREAD_COLOR_RGB)
    assert astronaut is not None
    moved = np.roll(astronaut, 12, axis=1)
    crops, kept = crops_of([astronaut, moved, np.zeros_like(astronaut), astronaut])
    assert kept.tolist() == [True, True, False, True]
    # The view follows the face, so the moved image gives the same crop.
    assert np.abs(crops[0].astype(int) - crops[1].astype(int)).mean() < 6
    assert np.abs(crops[0].astype(int) - crops[2].astype(int)).mean() < 2
