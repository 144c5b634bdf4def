"""One function over all data sets: every publisher's layout, drawn small, gives the same record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from engine.errors import SourceError
from engine.facs import EXPRESSIONS
from training.data import fer2013
from training.data import labelled as pictures
from training.data.fer2013 import VOTE_COLUMNS
from training.data.sources import SPLITS, Source, read_labelled

SHAPE = np.random.default_rng(1).random((468, 2)).astype(np.float32)
SHAPE[list(TEMPLATE_POINTS)] = TEMPLATE


@pytest.fixture(autouse=True)
def _fake_meshes(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_meshes(images: Sequence[np.ndarray], cache: Path, workers: int = 2) -> tuple[np.ndarray, np.ndarray]:
        return np.repeat(SHAPE[None], len(images), 0), np.ones(len(images), np.float32)

    monkeypatch.setattr(pictures, "meshes_of", fake_meshes)
    monkeypatch.setattr(fer2013, "meshes_of", fake_meshes)


def draw(path: Path, side: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((side, side, 3), (90, 120, 170), np.uint8)
    cv2.circle(picture, (side // 3, side // 3), side // 10, (20, 20, 20), -1)
    cv2.circle(picture, (2 * side // 3, side // 3), side // 10, (20, 20, 20), -1)
    cv2.imwrite(str(path), picture)


def raf_db(data: Path) -> None:
    draw(data / "Image" / "aligned" / "train_00001_aligned.jpg", 100)
    (data / "EmoLabel").mkdir()
    (data / "EmoLabel" / "list_patition_label.txt").write_text("train_00001.jpg 4\n")


def affectnet(data: Path) -> None:
    draw(data / "train_set" / "images" / "7.jpg", 224)
    (data / "train_set" / "annotations").mkdir()
    np.save(data / "train_set" / "annotations" / "7_exp.npy", np.array("1"))


def expw(data: Path) -> None:
    draw(data / "image" / "origin" / "party_0.jpg", 300)
    (data / "label").mkdir()
    (data / "label" / "label.lst").write_text("party_0.jpg 0 100 50 150 200 90.5 3\n")


def folders(data: Path) -> None:
    draw(data / "training" / "happy" / "me.png", 60)


def fer(data: Path) -> None:
    pixels = " ".join(["100"] * 48 * 48)
    (data / "fer2013.csv").write_text(f"emotion,pixels,Usage\n3,{pixels},Training\n")
    votes = ",".join("9" if name == "happiness" else "1" if name == "fear" else "0" for name in VOTE_COLUMNS)
    (data / "fer2013new.csv").write_text(f"Usage,Image name,{','.join(VOTE_COLUMNS)}\nTraining,x.png,{votes}\n")


TREES = {
    Source.FER2013: (fer, "Training", "fer2013.csv:0"),
    Source.RAF_DB: (raf_db, "train", "train_00001.jpg"),
    Source.AFFECTNET: (affectnet, "train", "7.jpg"),
    Source.EXPW: (expw, "training", "party_0.jpg#0"),
    Source.FOLDERS: (folders, "training", "happy/me.png"),
}


@pytest.mark.parametrize("source", list(Source))
def test_every_layout_gives_the_same_record(tmp_path: Path, source: Source) -> None:
    make, split, name = TREES[source]
    make(tmp_path)
    faces = read_labelled(source.value, tmp_path, split, tmp_path / "cache", 56)
    assert faces.names.tolist() == [name]
    assert faces.labels.tolist() == [EXPRESSIONS.index("happiness")]
    assert faces.crops.shape == (1, 56, 56)
    assert (faces.crops.dtype, faces.landmarks.dtype, faces.targets.dtype) == (np.uint8, np.float32, np.float32)
    assert faces.landmarks.shape == (1, 468, 2)
    happy = 0.9 if source is Source.FER2013 else 1.0  # votes are kept as shares
    assert faces.targets[0, EXPRESSIONS.index("happiness")] == pytest.approx(happy)
    assert faces.targets.sum() == pytest.approx(1)
    assert faces.unreadable == ()


def test_every_source_with_splits_names_them_and_reads_its_first() -> None:
    assert all(TREES[source][1] == splits[0] for source, splits in SPLITS.items())


def test_an_unknown_source_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match="unknown data set 'ck': use one of fer2013, raf-db, affectnet, expw, folders"
    ):
        read_labelled("ck", tmp_path, "train", tmp_path, 48)


def test_an_unknown_split_of_fer2013_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="FER2013 has no split 'train': use Training or PublicTest or PrivateTest"):
        read_labelled("fer2013", tmp_path, "train", tmp_path, 48)
