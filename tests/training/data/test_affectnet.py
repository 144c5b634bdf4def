"""AffectNet on synthetic trees of both layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from training.data.affectnet import list_affectnet

HEAD = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
ORDER = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]


def array_tree(folder: Path, labels: list[object]) -> Path:
    images, annotations = folder / "train_set" / "images", folder / "train_set" / "annotations"
    images.mkdir(parents=True)
    annotations.mkdir()
    for number, label in enumerate(labels):
        (images / f"{number}.jpg").touch()
        np.save(annotations / f"{number}_exp.npy", np.array(label))
    return annotations


def list_tree(folder: Path, name: str, lines: list[str]) -> None:
    (folder / "Manually_Annotated_file_lists").mkdir()
    (folder / "Manually_Annotated_file_lists" / name).write_text("\n".join(lines) + "\n")


def row(name: str, expression: int, box: str = "10,20,30,40") -> str:
    return f"{name},{box},1.5;2.5;3,{expression},-0.1,0.2"


def test_arrays_of_text_or_number_are_read_and_other_labels_left_out(tmp_path: Path) -> None:
    array_tree(tmp_path, ["0", "1", "2", "3", 4, 5, 6, 7, "8", "9", 10])
    pictures = list_affectnet(tmp_path, "train")
    assert [EXPRESSIONS[picture.label] for picture in pictures] == ORDER
    assert [picture.name for picture in pictures] == [f"{number}.jpg" for number in range(8)]
    assert all(picture.box is None for picture in pictures)


def test_an_image_without_annotation_is_named(tmp_path: Path) -> None:
    (array_tree(tmp_path, ["0", "1"]) / "1_exp.npy").unlink()
    with pytest.raises(SourceError, match=r"1_exp\.npy is missing"):
        list_affectnet(tmp_path, "train")


@pytest.mark.parametrize("content", [b"", b"not an array"])
def test_a_broken_annotation_is_named(tmp_path: Path, content: bytes) -> None:
    (array_tree(tmp_path, ["0"]) / "0_exp.npy").write_bytes(content)
    with pytest.raises(SourceError, match=r"0_exp\.npy cannot be read as an array"):
        list_affectnet(tmp_path, "train")


def test_an_annotation_of_an_unknown_label_is_named(tmp_path: Path) -> None:
    array_tree(tmp_path, ["11"])
    with pytest.raises(SourceError, match=r"0_exp\.npy: unknown label '11'; labels are 0 to 10"):
        list_affectnet(tmp_path, "train")


@pytest.mark.parametrize("head", [[HEAD], []])
def test_lists_are_read_with_and_without_head(tmp_path: Path, head: list[str]) -> None:
    rows = [row(f"{label}/a.jpg", label) for label in range(11)]
    list_tree(tmp_path, "validation.csv", head + rows)
    pictures = list_affectnet(tmp_path, "val")
    assert [EXPRESSIONS[picture.label] for picture in pictures] == ORDER
    assert pictures[1].path == tmp_path / "Manually_Annotated_Images" / "1" / "a.jpg"
    assert pictures[1].box == (10, 20, 10 + 30, 20 + 40)


def test_images_may_be_one_folder_deeper_and_lack_a_box(tmp_path: Path) -> None:
    images = tmp_path / "Manually_Annotated" / "Manually_Annotated_Images"
    images.mkdir(parents=True)
    list_tree(tmp_path, "training.csv", [HEAD, row("a.jpg", 0, "0,0,-1,-1")])
    (picture,) = list_affectnet(tmp_path, "train")
    assert picture.path == images / "a.jpg"
    assert picture.box is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row("a.jpg", 11), "line 2: unknown label '11'"),
        (row("a.jpg", 1, "NULL,1,2,3"), "line 2: the box .* is not four whole numbers"),
        ("a.jpg,1,2", "line 2: 3 columns, not 9"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, message: str) -> None:
    list_tree(tmp_path, "training.csv", [HEAD, line])
    with pytest.raises(SourceError, match=message):
        list_affectnet(tmp_path, "train")


def test_a_folder_of_neither_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"neither train_set/ nor Manually_Annotated_file_lists.training\.csv"):
        list_affectnet(tmp_path, "train")


def test_a_split_that_affectnet_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no split 'test': use train or val"):
        list_affectnet(tmp_path, "test")
