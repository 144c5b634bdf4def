"""Rendering the open set from the synthetic head: bit-identical for any number of workers, and resumable."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import OutputError, SourceError
from engine.facs import OPEN_UNITS
from tests.training.fakes.expression import quiet
from tests.training.fakes.faces128 import write_faces128
from tests.training.fakes.head import SIDE_PX, FakeMesh, in_photograph, mesh_points, open_fake_studio, write_face
from training.data.action_unit_faces import fold_of
from training.data.open_set import read_labels, read_open_au
from training.open_set import make as make_au_module
from training.open_set import resting_faces, studio
from training.open_set.draws import STEPS, draw_sequence, draw_units
from training.open_set.make import MakeAuConfig, make_au
from training.open_set.resting_faces import RestingFaces
from training.open_set.studio import Studio

PEOPLE = ("Ann", "Bob", "Ann", "Cid")


@pytest.fixture(autouse=True)
def _fake_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("embreex")
    points = in_photograph(mesh_points()) / SIDE_PX

    def meshes(images: np.ndarray, cache: Path, workers: int) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(points, (len(images), 1, 1)).astype(np.float32), np.ones(len(images), np.float32)

    monkeypatch.setattr(resting_faces, "meshes_of", meshes)
    monkeypatch.setattr(studio, "FaceMesh", FakeMesh)
    monkeypatch.setattr(make_au_module, "write_sheets", _note_arguments)


def _note_arguments(resting: RestingFaces, studio: Studio, folder: Path, seed: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "arguments.txt").write_text(f"{len(resting.names)} faces, seed {seed}")


def _make_set(folder: Path, out: str, config: MakeAuConfig, workers: int = 1) -> Path:
    faces, face = folder / "faces128", folder / "face"
    if not face.is_dir():
        write_faces128(faces, PEOPLE)
        write_face(face)
    make_au(faces, face, folder / out, config, workers, quiet)
    return folder / out


def _make(folder: Path, out: str, pictures: int, seed: int = 0) -> Path:
    return _make_set(folder, out, MakeAuConfig(pictures, seed))


def _content(out: Path) -> dict[str, bytes]:
    files = [*sorted((out / "images").iterdir()), out / "labels.csv", out / "points.npy"]
    return {path.name: path.read_bytes() for path in files}


def test_set_does_not_depend_on_the_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = MakeAuConfig(3, sequences=1)
    one = _content(_make_set(tmp_path, "one", config, workers=1))
    monkeypatch.setattr(make_au_module, "_open_studio", open_fake_studio)  # runs in the workers
    assert _content(_make_set(tmp_path, "two", config, workers=2)) == one


def test_set_depends_on_the_seed(tmp_path: Path) -> None:
    first, other = _content(_make(tmp_path, "first", 4)), _content(_make(tmp_path, "other", 4, seed=1))
    assert first["labels.csv"] != other["labels.csv"]


def test_a_set_of_some_photographs_has_their_images_of_the_whole_set(tmp_path: Path) -> None:
    whole = _make(tmp_path, "whole", 7)
    some = tmp_path / "some"
    make_au(tmp_path / "faces128", tmp_path / "face", some, MakeAuConfig(7, 0, photographs=2), 1, quiet)
    rows, all_rows = read_labels(some / "labels.csv"), {row.image: row for row in read_labels(whole / "labels.csv")}
    assert 2 <= len(rows) < 7
    assert len({row.photograph for row in rows}) == 2
    assert np.load(some / "points.npy").shape[0] == len(rows)
    for row in rows:
        assert row.photograph == all_rows[row.image].photograph
        assert (some / "images" / row.image).read_bytes() == (whole / "images" / row.image).read_bytes()
    with pytest.raises(OutputError, match="other settings"):
        make_au(tmp_path / "faces128", tmp_path / "face", some, MakeAuConfig(7, 0), 1, quiet)
    with pytest.raises(ValueError, match="photographs must be 0 or more"):
        MakeAuConfig(photographs=-1)


def test_larger_set_begins_with_the_smaller_one(tmp_path: Path) -> None:
    small, large = _make(tmp_path, "small", 3), _make(tmp_path, "large", 7)
    for name, content in _content(small).items():
        if name.endswith(".jpg"):
            assert (large / "images" / name).read_bytes() == content
    few, many = (out.joinpath("labels.csv").read_text().splitlines() for out in (small, large))
    assert few == many[: len(few)]
    assert np.array_equal(np.load(small / "points.npy"), np.load(large / "points.npy")[:3])


def test_rows_hold_the_draw_the_photograph_and_the_fold_of_the_person(tmp_path: Path) -> None:
    out = _make(tmp_path, "set", 9)
    rows = read_labels(out / "labels.csv")
    assert [row.image for row in rows] == [f"{number:05d}.jpg" for number in range(9)]
    assert [row.photograph for row in rows[:4]] == [row.photograph for row in rows[4:8]]  # photographs are used in turn
    assert sorted(row.photograph for row in rows[:4]) == [
        "Ann_0000.png",
        "Ann_0002.png",
        "Bob_0001.png",
        "Cid_0003.png",
    ]
    for number, row in enumerate(rows):
        draw = draw_units(np.random.default_rng((0, number)))
        assert row.photograph.startswith(row.person)
        assert row.fold == fold_of(row.person)
        assert row.turn_deg == pytest.approx(draw.turn_deg, abs=0.006)
        others = [position for position, unit in enumerate(OPEN_UNITS) if unit not in (4, 25)]  # these are measured
        expected = [draw.intensity(OPEN_UNITS[position]) for position in others]
        assert row.intensities[others] == pytest.approx(expected, abs=6e-4)
        assert row.intensities[OPEN_UNITS.index(4)] >= draw.intensity(4) - 6e-4


def test_set_can_be_read(tmp_path: Path) -> None:
    out = _make(tmp_path, "set", 5)
    faces = read_open_au(out)
    assert faces.crops.shape == (5, 96, 96)
    assert set(faces.people) <= set(PEOPLE)
    image = cv2.imread(str(out / "images" / "00000.jpg"), cv2.IMREAD_UNCHANGED)
    assert image.shape == (SIDE_PX, SIDE_PX)
    assert image.std() > 5  # a face on a background


def test_sheets_are_written_beside_the_images(tmp_path: Path) -> None:
    out = _make(tmp_path, "set", 1, seed=5)
    assert (out / "sheets" / "arguments.txt").read_text() == "4 faces, seed 5"


def test_killed_run_is_resumed(tmp_path: Path) -> None:
    out = _make(tmp_path, "set", 6)
    whole = _content(out)
    (out / "blocks" / "00002.npz").unlink()
    (out / "images" / "00002.jpg").unlink()
    (out / "labels.csv").unlink()
    lines: list[str] = []
    make_au(tmp_path / "faces128", tmp_path / "face", out, MakeAuConfig(6), 1, lines.append)
    assert _content(out) == whole
    assert [line for line in lines if "photographs done" in line] == ["1 of 1 photographs done"]
    stamps = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    _make(tmp_path, "set", 6)
    assert {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()} == stamps  # nothing is rendered again


def test_set_with_other_settings_is_not_overwritten(tmp_path: Path) -> None:
    whole = _content(_make(tmp_path, "set", 2))
    for pictures, seed in ((3, 0), (2, 1)):
        with pytest.raises(OutputError, match=r"has a set with other settings.*: choose another folder"):
            _make(tmp_path, "set", pictures, seed=seed)
    assert _content(tmp_path / "set") == whole


def test_set_of_other_photographs_is_not_overwritten(tmp_path: Path) -> None:
    whole = _content(_make(tmp_path, "set", 2))
    photograph = next((tmp_path / "faces128" / "images").iterdir())
    cv2.imwrite(str(photograph), 255 - cv2.imread(str(photograph), cv2.IMREAD_GRAYSCALE))
    with pytest.raises(OutputError, match="other settings, photographs or code"):
        _make(tmp_path, "set", 2)
    assert _content(tmp_path / "set") == whole


def test_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be written"):
        _make(tmp_path, "file", 1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"pictures": 0}, "ask for at least one image"),
        ({"pictures": -1, "sequences": 2}, "must be 0 or more"),
        ({"sequences": -1}, "must be 0 or more"),
        ({"sequences": 1, "fold": 4}, "fold 4: it is 1, 2 or 3"),
        ({"fold": 1}, "only for sequences"),
    ],
)
def test_impossible_settings_are_rejected(config: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MakeAuConfig(**config)


def test_sequences_are_the_same_beside_single_images(tmp_path: Path) -> None:
    both = _content(_make_set(tmp_path, "both", MakeAuConfig(2, sequences=2)))
    single = _content(_make(tmp_path, "single", 2))
    alone = _content(_make_set(tmp_path, "alone", MakeAuConfig(0, sequences=2)))
    images = {name: content for name, content in both.items() if name.endswith(".jpg")}
    assert len(images) == 2 + 2 * STEPS
    for content in (single, alone):
        assert {name: value for name, value in content.items() if name.endswith(".jpg")}.items() <= images.items()
    whole, first, last = (content["labels.csv"].decode().splitlines() for content in (both, single, alone))
    assert whole == [*first, *last[1:]]


def test_rows_of_a_sequence_hold_its_draw_and_it_is_resumed(tmp_path: Path) -> None:
    out = _make_set(tmp_path, "set", MakeAuConfig(1, seed=4, sequences=2))
    rows = read_labels(out / "labels.csv")
    assert [(row.sequence, row.growing) for row in rows] == [(None, None), *[(0, 1)] * STEPS, *[(1, 2)] * STEPS]
    assert [row.image for row in rows[-2:]] == ["s00001_7.jpg", "s00001_8.jpg"]
    assert len({row.photograph for row in rows[1 : 1 + STEPS]}) == 1
    for row, draw in zip(rows[1 + STEPS :], draw_sequence(2, np.random.default_rng((4, 1, 1))), strict=True):
        assert row.intensities[OPEN_UNITS.index(2)] == pytest.approx(draw.intensity(2), abs=6e-4)
        assert row.turn_deg == pytest.approx(draw.turn_deg, abs=0.006)
    assert read_open_au(out).crops.shape == (1, 96, 96)  # the images of a sequence are not single ones
    whole = _content(out)  # a killed run resumes
    (out / "blocks" / "s00001.npz").unlink()
    (out / "images" / "s00001_3.jpg").unlink()
    (out / "labels.csv").unlink()
    assert _content(_make_set(tmp_path, "set", MakeAuConfig(1, seed=4, sequences=2))) == whole


def test_only_people_of_the_fold_are_in_the_sequences_of_a_fold(tmp_path: Path) -> None:
    fold = fold_of("Ann")
    inside = {person for person in PEOPLE if fold_of(person) == fold}
    assert inside < set(PEOPLE)
    out = _make_set(tmp_path, "set", MakeAuConfig(0, sequences=3, fold=fold))
    rows = read_labels(out / "labels.csv")
    assert len(rows) == 3 * STEPS
    assert {row.person for row in rows} == inside
    with pytest.raises(OutputError, match="other settings"):
        _make_set(tmp_path, "set", MakeAuConfig(0, sequences=3))
    empty = min({1, 2, 3} - {fold_of(person) for person in PEOPLE}, default=None)
    if empty:
        with pytest.raises(SourceError, match=f"no photograph is of a person of fold {empty}"):
            _make_set(tmp_path, "none", MakeAuConfig(0, sequences=3, fold=empty))


def test_settings_of_a_set_without_sequences_are_as_in_earlier_versions(tmp_path: Path) -> None:
    out = _make(tmp_path, "set", 1)
    assert list(json.loads((out / "settings.json").read_text())) == ["pictures", "seed", "recipe_sha256"]
