"""The FER2013 reader, on a small synthetic tree of the published layout and, where available, on the data itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.alignment import TEMPLATE, TEMPLATE_POINTS
from training.data import fer2013
from training.data.fer2013 import (
    VOTE_COLUMNS,
    leaked,
    majority_labels,
    read_faces,
    read_table,
    vote_shares,
)

ROWS = ("Training", "Training", "Training", "PublicTest", "PublicTest", "PrivateTest", "PrivateTest")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    images = random.integers(1, 255, (len(ROWS), 48, 48))
    images[3] = images[1]  # a copy across splits
    images[6] = 0  # no image
    votes = np.zeros((len(ROWS), 10), int)
    votes[:, 1] = 10
    votes[2] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]  # not a face
    lines = [f"{3},{' '.join(map(str, image.ravel()))},{usage}" for image, usage in zip(images, ROWS, strict=True)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(lines) + "\n")
    heads = ",".join(["Usage", "Image name", *VOTE_COLUMNS])
    rows = [f"{usage},x.png,{','.join(map(str, row))}" for usage, row in zip(ROWS, votes, strict=True)]
    (tmp_path / "fer2013new.csv").write_text(heads + "\n" + "\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def flat_meshes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meshes without the network: a synthetic face, seen on even rows only."""
    shape = np.random.default_rng(1).random((468, 2)).astype(np.float32)
    shape[list(TEMPLATE_POINTS)] = TEMPLATE

    def fake_meshes(images: np.ndarray, cache: Path) -> tuple[np.ndarray, np.ndarray]:
        presence = (np.arange(len(images)) % 2 == 0).astype(np.float32)
        return np.repeat(shape[None], len(images), 0), presence

    monkeypatch.setattr(fer2013, "meshes_of", fake_meshes)


def test_rows_keep_their_order_and_blank_images_are_marked(tree: Path) -> None:
    table = read_table(tree)
    assert [fer2013.SPLITS[part] for part in table.split] == list(ROWS)
    assert table.has_image.tolist() == [True] * 6 + [False]


def test_training_drops_copies_of_test_images_and_faces_without_votes(tree: Path, flat_meshes: None) -> None:
    training = read_faces(tree, "Training", tree)
    assert training.rows.tolist() == [0]  # row 1 is a copy of row 3, row 2 has no emotion vote


def test_test_splits_stay_whole_and_copies_are_marked(tree: Path, flat_meshes: None) -> None:
    public = read_faces(tree, "PublicTest", tree)
    assert public.rows.tolist() == [3, 4]
    assert public.in_other_split.tolist() == [True, False]
    assert read_faces(tree, "PrivateTest", tree).rows.tolist() == [5]  # row 6 has no image


def test_a_face_that_the_mesh_misses_keeps_its_own_framing(tree: Path, flat_meshes: None) -> None:
    public = read_faces(tree, "PublicTest", tree)
    assert public.presence.tolist() == [0.0, 1.0]
    # the synthetic mesh already lies in the canonical view, so the crop is the image itself
    picture = read_table(tree).images[3].astype(int)
    assert np.abs(public.crops[0].astype(int) - picture)[8:-8, 8:-8].mean() < 40


def test_files_of_different_length_are_refused(tree: Path) -> None:
    votes = tree / "fer2013new.csv"
    votes.write_text("\n".join(votes.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(ValueError, match="7 rows"):
        read_table(tree)


def test_majority_drops_single_votes_and_needs_more_than_half_of_the_rest() -> None:
    votes = np.array(
        [
            [6, 1, 1, 1, 1, 0, 0, 0, 0, 0],  # 6 of 6 once single votes are gone
            [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # 5 of 10 is not more than half
            [0, 0, 0, 4, 3, 1, 1, 1, 0, 0],  # 4 of 7
            [0, 0, 0, 0, 0, 0, 0, 0, 9, 1],  # unknown
            [2, 0, 0, 0, 0, 0, 0, 0, 0, 8],  # not a face
        ]
    )
    assert majority_labels(votes).tolist() == [0, -1, 3, -1, -1]


def test_shares_are_of_the_emotion_votes_only() -> None:
    votes = np.array([[3, 1, 0, 0, 0, 0, 0, 0, 6, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]])
    shares = vote_shares(votes)
    assert shares[0].tolist() == [3 / 4, 1 / 4, 0, 0, 0, 0, 0, 0]
    assert shares[1].sum() == 0


def test_a_copy_inside_one_split_is_not_a_leak() -> None:
    images = np.zeros((3, 2, 2), np.uint8)
    images[2] = 1
    assert leaked(images, np.array([0, 0, 1])).tolist() == [False, False, False]
    assert leaked(images, np.array([0, 1, 1])).tolist() == [True, True, False]
