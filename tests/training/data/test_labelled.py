"""From image files to crops: squares around boxes, colour, missing files, and the mean mesh as stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from training.data import labelled as pictures
from training.data.labelled import LabelledFaces, LabelledImage, _square, read_images

SHAPE = np.random.default_rng(1).random((468, 2)).astype(np.float32)
SHAPE[list(TEMPLATE_POINTS)] = TEMPLATE  # already in the canonical view: the crop is the square itself
BLANK = 40  # mean grey level below which the fake network finds no face


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Meshes without the network: no face in dark squares. The sizes of the parts that were asked for."""
    sizes: list[int] = []

    def fake_meshes(images: Sequence[np.ndarray], cache: Path, workers: int) -> tuple[np.ndarray, np.ndarray]:
        sizes.append(len(images))
        presence = np.array([image.mean() > BLANK for image in images], np.float32)
        points = np.where(presence[:, None, None] > 0, SHAPE, np.float32(0))
        return points.astype(np.float32), presence

    monkeypatch.setattr(pictures, "meshes_of", fake_meshes)
    return sizes


def face(grey: int = 160, side: int = 64) -> np.ndarray:
    """A drawn face with two eyes and a mouth where the canonical view has them."""
    picture = np.full((side, side), grey, np.uint8)
    for x, y in ((0.32, 0.37), (0.68, 0.37)):
        cv2.circle(picture, (int(x * side), int(y * side)), side // 12, 20, -1)
    cv2.ellipse(picture, (side // 2, int(0.75 * side)), (side // 6, side // 16), 0, 0, 360, 60, -1)
    return picture


def save(path: Path, picture: np.ndarray, label: int = 1, box: tuple[int, int, int, int] | None = None):
    cv2.imwrite(str(path), picture)
    return LabelledImage(path, path.name, label, box)


def test_a_face_that_fills_its_image_becomes_the_crop(tmp_path: Path) -> None:
    faces = read_images([save(tmp_path / "a.png", face())], tmp_path, 64)
    assert np.abs(faces.crops[0].astype(int) - face()).mean() < 6  # resampled to 96 pixels and back
    assert np.abs(faces.landmarks[0] - SHAPE).max() < 1e-3
    assert faces.presence.tolist() == [1]


def test_hard_labels_become_one_hot_targets(tmp_path: Path) -> None:
    listed = [save(tmp_path / f"{label}.png", face(), label) for label in (3, 7, 3)]
    faces = read_images(listed, tmp_path, 48)
    assert faces.labels.tolist() == [3, 7, 3]
    assert faces.targets.dtype == np.float32
    assert faces.targets.tolist() == [[float(column == label) for column in range(8)] for label in (3, 7, 3)]
    assert faces.names.tolist() == ["3.png", "7.png", "3.png"]
    assert faces.summary() == f"3 faces ({EXPRESSIONS[3]} 2, {EXPRESSIONS[7]} 1)"


def test_colour_becomes_grey_by_luminance(tmp_path: Path) -> None:
    colour = np.zeros((64, 64, 3), np.uint8)
    colour[...] = (30, 200, 90)  # blue, green, red, as OpenCV writes
    faces = read_images([save(tmp_path / "a.png", colour)], tmp_path, 48)
    assert np.abs(faces.crops[0].astype(float) - (0.114 * 30 + 0.587 * 200 + 0.299 * 90)).max() <= 1


def test_missing_empty_and_broken_files_are_left_out_and_named(tmp_path: Path) -> None:
    good = [save(tmp_path / f"{name}.png", face(), number) for number, name in enumerate("ab")]
    (tmp_path / "empty.png").touch()
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    bad = [LabelledImage(tmp_path / name, name, 5) for name in ("missing.png", "empty.png", "broken.jpg")]
    faces = read_images([bad[0], good[0], *bad[1:], good[1]], tmp_path, 48)
    assert faces.names.tolist() == ["a.png", "b.png"]
    assert faces.labels.tolist() == [0, 1]
    assert faces.crops.mean() > BLANK
    assert faces.unreadable == ("missing.png", "empty.png", "broken.jpg")
    assert faces.summary().endswith("3 images cannot be read and are left out, first missing.png")


def test_a_set_without_a_readable_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none of 1 images can be read, first .*x\.png"):
        read_images([LabelledImage(tmp_path / "x.png", "x", 0)], tmp_path, 48)


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="lists no image"):
        read_images([], tmp_path, 48)


def test_images_without_any_face_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"finds no face in the first images, such as .*a\.png"):
        read_images([save(tmp_path / "a.png", face(10))], tmp_path, 48)


def test_without_a_detected_face_the_framing_of_the_image_is_kept(tmp_path: Path) -> None:
    dark = face(30)
    faces = read_images([save(tmp_path / "a.png", face()), save(tmp_path / "b.png", dark)], tmp_path, 64)
    assert faces.presence.tolist() == [1, 0]
    assert np.abs(faces.crops[1].astype(int) - dark).mean() < 4
    assert np.abs(faces.landmarks[1] - SHAPE).max() < 1e-3


def test_a_box_without_a_seen_face_is_framed_a_tenth_wider_than_the_box(tmp_path: Path) -> None:
    scene = np.full((200, 200), 30, np.uint8)
    scene[50:150, 40:140] = 0
    faces = read_images(
        [save(tmp_path / "a.png", face()), save(tmp_path / "b.png", scene, box=(40, 50, 140, 150))], tmp_path, 96
    )
    middle = faces.crops[1][48]
    inside = np.flatnonzero(middle < 15)
    assert len(inside) == pytest.approx(96 / 1.1, abs=2)
    assert inside[0] == pytest.approx(96 * 0.05 / 1.1, abs=2)


def test_a_box_becomes_a_square_with_its_surroundings(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(200, dtype=np.uint8), (150, 1))
    square = _square(save(tmp_path / "a.png", ramp, box=(60, 40, 110, 90)))
    assert square is not None
    assert square.shape == (70, 70)  # 1.4 x 50
    assert square[0].tolist() == list(range(85 - 35, 85 + 35))


def test_beyond_the_image_its_edge_is_repeated(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    square = _square(save(tmp_path / "a.png", ramp, box=(0, 0, 50, 50)))
    assert square is not None
    assert square[0].tolist() == [0] * 10 + list(range(60))
    wide = _square(save(tmp_path / "b.png", ramp[:40]))
    assert wide is not None
    assert wide.shape == (100, 100)  # an image that is no square loses nothing


def test_a_box_outside_its_image_counts_as_unreadable(tmp_path: Path) -> None:
    assert _square(save(tmp_path / "a.png", face(), box=(500, 500, 550, 550))) is None


def test_a_large_image_is_shrunk_before_it_is_stored(tmp_path: Path) -> None:
    square = _square(save(tmp_path / "a.png", face(side=600)))
    assert square is not None
    assert square.shape == (256, 256)


def test_parts_hold_all_classes_of_a_sorted_list_and_keep_its_order(
    tmp_path: Path, seen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_PART", 3)
    listed = [save(tmp_path / f"{number}.png", face(100 + number), number // 4) for number in range(8)]
    lines: list[str] = []
    faces = read_images(listed, tmp_path, 48, lines.append)
    assert seen == [3, 3, 2]
    assert faces.labels.tolist() == [0] * 4 + [1] * 4
    assert faces.crops[:, 0, 24].tolist() == list(range(100, 108))
    assert lines == [f"{done} of 8 images read" for done in (3, 6, 8)]


def test_a_record_of_fields_of_different_length_is_refused() -> None:
    with pytest.raises(ValueError, match="'labels': 2"):
        LabelledFaces(
            crops=np.zeros((1, 4, 4), np.uint8),
            landmarks=np.zeros((1, 468, 2), np.float32),
            targets=np.zeros((1, 8), np.float32),
            labels=np.zeros(2, np.int64),
            presence=np.ones(1, np.float32),
            names=np.array(["a"]),
        )
