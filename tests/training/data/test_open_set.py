"""The rendered set on disk: labels there and back, soft targets, unseen faces, and files that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import OutputError, SourceError
from engine.facs import OPEN_UNITS
from tests.training.fakes.head import SIDE_PX, in_photograph, mesh_points, photograph
from training.data.open_set import (
    LABELS,
    PICTURES,
    POINTS,
    OpenAuRow,
    read_labels,
    read_meshes,
    read_open_au,
    write_labels,
)


def _row(number: int, presence: float = 1.0, **units: float) -> OpenAuRow:
    intensities = np.array([units.get(f"AU{unit}", 0.0) for unit in OPEN_UNITS], np.float32)
    person = ("Ann", "Bob, Jr.", "Chloë")[number % 3]
    return OpenAuRow(
        f"{number:05d}.jpg", person, number % 3 + 1, f"p{number}.jpg", (1.25, -3.5, 0.0), presence, intensities
    )


def _write(folder: Path, rows: list[OpenAuRow]) -> Path:
    (folder / PICTURES).mkdir(parents=True)
    for number, row in enumerate(rows):
        cv2.imwrite(str(folder / PICTURES / row.image), photograph(100 + number))
    write_labels(folder / LABELS, rows)
    points = in_photograph(mesh_points()) / SIDE_PX
    np.save(folder / POINTS, np.tile(points, (len(rows), 1, 1)).astype(np.float16))
    return folder


def test_labels_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [_row(0, 0.9876, AU1=0.123, AU43=1.0), _row(1, 0.25, AU12=0.5), _row(2)]
    write_labels(tmp_path / LABELS, rows)
    for read, row in zip(read_labels(tmp_path / LABELS), rows, strict=True):
        assert (read.image, read.person, read.fold, read.photograph) == (
            row.image,
            row.person,
            row.fold,
            row.photograph,
        )
        assert read.turn_deg == row.turn_deg
        assert read.presence == pytest.approx(row.presence, abs=5e-5)
        assert read.intensities == pytest.approx(row.intensities, abs=5e-4)
        assert read.intensities.dtype == np.float32


def test_the_table_names_its_columns(tmp_path: Path) -> None:
    write_labels(tmp_path / LABELS, [_row(0)])
    header = (tmp_path / LABELS).read_text().splitlines()[0].split(",")
    assert header[:8] == ["image", "person", "fold", "photograph", "pitch_deg", "yaw_deg", "roll_deg", "presence"]
    assert header[8:] == [*(f"AU{unit}" for unit in OPEN_UNITS), "sequence", "growing"]


def test_sequences_come_back_and_sets_without_their_columns_are_read(tmp_path: Path) -> None:
    rows = [_row(0, AU1=0.123), replace(_row(1, AU12=0.5), sequence=7, growing=12)]
    write_labels(tmp_path / LABELS, rows)
    assert [(row.sequence, row.growing) for row in read_labels(tmp_path / LABELS)] == [(None, None), (7, 12)]
    lines = (tmp_path / LABELS).read_text().splitlines()
    (tmp_path / LABELS).write_text("".join(line.rsplit(",", 2)[0] + "\n" for line in lines))
    read = read_labels(tmp_path / LABELS)
    assert [(row.sequence, row.growing) for row in read] == [(None, None)] * 2
    assert read[1].intensities[OPEN_UNITS.index(12)] == pytest.approx(0.5)


@pytest.mark.parametrize("end", ["7,", ",AU12", "7,AU3", "seven,AU12", "7"])
def test_a_damaged_sequence_is_refused(tmp_path: Path, end: str) -> None:
    write_labels(tmp_path / LABELS, [replace(_row(1, AU12=0.5), sequence=7, growing=12)])
    text = (tmp_path / LABELS).read_text()
    assert text.count("7,AU12") == 1
    (tmp_path / LABELS).write_text(text.replace("7,AU12", end))
    with pytest.raises(SourceError, match="is damaged"):
        read_labels(tmp_path / LABELS)


def test_a_unit_occurs_from_a_fifth_on_and_targets_rise_around_it(tmp_path: Path) -> None:
    shown = {"AU1": 0.05, "AU2": 0.1, "AU4": 0.15, "AU5": 0.199, "AU6": 0.2, "AU7": 0.25, "AU9": 0.3, "AU10": 1.0}
    faces = read_open_au(_write(tmp_path / "set", [_row(0, **shown)]))
    assert faces.occurs[0, :8].tolist() == [False, False, False, False, True, True, True, True]
    expected = [0, 0, (0.15 - 0.1) / 0.2, (0.199 - 0.1) / 0.2, 0.5, (0.25 - 0.1) / 0.2, 1, 1]
    assert faces.targets[0, :8] == pytest.approx(expected, abs=1e-5)
    assert not faces.occurs[0, 8:].any()
    assert not faces.targets[0, 8:].any()


def test_reading_keeps_rows_together_and_leaves_out_unseen_faces(tmp_path: Path) -> None:
    faces = read_open_au(_write(tmp_path / "set", [_row(0, AU4=1.0), _row(1, 0.49, AU4=1.0), _row(2, AU12=0.5)]))
    assert faces.units == OPEN_UNITS
    assert faces.people.tolist() == ["Ann", "Chloë"]
    assert faces.folds.tolist() == [1, 3]
    assert faces.crops.shape == (2, 96, 96)
    assert faces.crops[:, 48, 48].tolist() == pytest.approx([100, 102], abs=1)  # each image stays with its row
    assert faces.occurs[:, [OPEN_UNITS.index(4), OPEN_UNITS.index(12)]].tolist() == [[True, False], [False, True]]
    assert faces.known.all()
    assert set(faces.sources) == {"open"}


def test_images_of_sequences_are_not_among_the_single_ones(tmp_path: Path) -> None:
    rows = [_row(0, AU4=1.0), replace(_row(1, AU12=0.5), sequence=7, growing=12)]
    folder = _write(tmp_path / "set", rows)
    assert read_open_au(folder).people.tolist() == ["Ann"]
    kept, meshes = read_meshes(folder)
    assert [row.person for row in kept] == ["Ann"]
    assert len(meshes) == 1


def test_a_set_without_any_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no single image with a reliable face"):
        read_open_au(_write(tmp_path / "set", [_row(0, 0.1)]))


@pytest.mark.parametrize("name", [LABELS, POINTS])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = _write(tmp_path / "set", [_row(0)])
    (folder / name).unlink()
    with pytest.raises(SourceError, match=f"{name} is missing: point to a folder that mien-train make-au completed"):
        read_open_au(folder)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    folder = _write(tmp_path / "set", [_row(0)])
    (folder / PICTURES / "00000.jpg").unlink()
    with pytest.raises(SourceError, match=r"00000.jpg is missing or not a 128x128 image"):
        read_open_au(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("AU26", "AU27", "no column 'AU26'"),
        (",1.0000,", ",high,", "is damaged"),
        (",1.0000,", ",1.0000\n", "is damaged"),  # a row that was cut off
        ("Ann,1,", "Ann,4,", "fold or an intensity out of range"),
        ("0.500", "nan", "fold or an intensity out of range"),
        ("0.500", "1.500", "fold or an intensity out of range"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_labels(tmp_path / LABELS, [_row(0, AU4=0.5)])
    text = (tmp_path / LABELS).read_text()
    assert text.count(old) == 1
    (tmp_path / LABELS).write_text(text.replace(old, new))
    with pytest.raises(SourceError, match=message):
        read_labels(tmp_path / LABELS)


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    write_labels(tmp_path / LABELS, [])
    with pytest.raises(SourceError, match="lists no image"):
        read_labels(tmp_path / LABELS)


@pytest.mark.parametrize(("content", "message"), [(b"", "is damaged"), (b"nothing", "is damaged")])
def test_damaged_points_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    folder = _write(tmp_path / "set", [_row(0)])
    (folder / POINTS).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_open_au(folder)


def test_points_of_another_set_are_refused(tmp_path: Path) -> None:
    folder = _write(tmp_path / "set", [_row(0), _row(1)])
    np.save(folder / POINTS, np.zeros((1, 468, 2), np.float16))
    with pytest.raises(SourceError, match="not a mesh for each of 2 images"):
        read_open_au(folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose another folder"):
        write_labels(tmp_path / "absent" / LABELS, [_row(0)])
