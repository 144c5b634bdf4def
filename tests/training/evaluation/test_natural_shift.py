"""Sets of natural shift: what changes, unreadable files, and figures of synthetic scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data import news_faces
from training.evaluation.estimates import Estimates
from training.evaluation.natural_shift import ShiftSet, changed_sets, media_sets, natural_shift, news_sets
from training.evaluation.uncertainty_tables import Scores


@pytest.fixture
def faces() -> ShiftSet:
    rows, columns = np.mgrid[:96, :96]
    crops = np.asarray([60 + rows / 2 + columns + k for k in range(6)], np.uint8)
    groups = np.array(["a", "a", "b", "b", "c", "c"])
    return ShiftSet("synthetic", crops, np.full((6, 468, 2), 0.5, np.float32), groups, np.array([0, 1, 0, 1, -1, 0]))


def test_halves_are_covered_and_images_rotated(faces: ShiftSet) -> None:
    sets = {item.name.removeprefix("synthetic: "): item for item in changed_sets(faces)}
    crop = faces.crops[0]
    lower, upper, left = (sets[f"{half} half covered"].crops[0] for half in ("lower", "upper", "left"))
    assert (lower[48:] == 128).all()
    assert (lower[:48] == crop[:48]).all()
    assert (upper[:48] == 128).all()
    assert (upper[48:] == crop[48:]).all()
    assert (left[:, :48] == 128).all()
    assert (left[:, 48:] == crop[:, 48:]).all()
    assert (sets["turned by 180 degrees"].crops[0] == crop[::-1, ::-1]).all()
    assert (sets["turned by 90 degrees"].crops[0] == np.rot90(crop)).all()
    assert {item.base for item in sets.values()} == {"synthetic"}
    assert all((item.landmarks == faces.landmarks).all() for item in sets.values())


def test_sketch_and_cartoon_keep_the_outlines() -> None:
    crop = np.full((96, 96), 90, np.uint8)
    cv2.circle(crop, (48, 48), 30, 200, -1)
    base = ShiftSet("synthetic", crop[None], np.zeros((1, 468, 2), np.float32), np.array(["a"]))
    sets = {item.name: item.crops[0] for item in changed_sets(base)}
    sketch, cartoon = sets["synthetic: pencil sketch"], sets["synthetic: cartoon"]
    assert (sketch > 200).mean() > 0.5  # white paper, no areas
    for drawn in (sketch, cartoon):
        assert drawn[48, 10:26].min() < min(drawn[48, 2], drawn[48, 48]) - 20


def estimator_of_grey(crops: np.ndarray, landmarks: np.ndarray) -> Estimates:
    """Epistemic uncertainty is the share of covered (grey) pixels; label 0 is always predicted."""
    p = np.zeros((len(crops), 8))
    p[:, 0] = 1
    return Estimates(p, crops[:, 0, 0] / 255, (crops == 128).mean((1, 2)))


def clean_scores(count: int = 20) -> Scores:
    zeros = np.zeros(count)
    return Scores(np.full(count, 0.2), zeros, zeros, zeros, np.zeros(count, np.int64))


def test_figures_compare_with_clean_and_with_unchanged_faces(faces: ShiftSet) -> None:
    report = natural_shift(estimator_of_grey, clean_scores(), [faces, *changed_sets(faces)], ["x: broken"], 20)
    figures = {item.name: item for item in report.sets}
    plain, covered = figures["synthetic"], figures["synthetic: lower half covered"]
    assert (report.clean_n, report.skipped) == (20, ("x: broken",))
    assert (plain.n, plain.groups) == (6, 3)
    assert plain.auroc_epistemic.value == 0
    assert plain.epistemic_over_base is None
    assert covered.auroc_epistemic.value == 1
    assert covered.epistemic_over_base is not None
    assert covered.epistemic_over_base.value == 1
    assert covered.aleatoric_over_base is not None
    assert covered.aleatoric_over_base.value == pytest.approx(0.5)
    assert covered.labels is None
    assert plain.labels is not None
    assert plain.labels.accuracy.value == pytest.approx(3 / 5)
    assert plain.labels.accuracy.n == 5
    assert plain.labels.macro_f1 == pytest.approx((2 * 3 / (3 + 5) + 0) / 2)
    assert plain.labels.faces_per_class["happiness"] == 2


def test_news_faces_keep_their_person_and_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    rows = ["image,identity,expression"]
    for k, name in enumerate(["happiness", "unlabelled", "fear"]):
        cv2.imwrite(str(tmp_path / "images" / f"{k}.png"), np.full((128, 128), 50 * k + 20, np.uint8))
        rows.append(f"{k}.png,person_{k},{name}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    points = np.random.default_rng(0).random((3, 468, 2), dtype=np.float32)
    monkeypatch.setattr(news_faces, "meshes_of", lambda images, cache: (points, np.array([0.9, 0.9, 0.1], np.float32)))
    faces, few, *changed = news_sets(tmp_path, tmp_path)
    assert sorted(faces.groups) == ["person_0", "person_1"]  # the mesh network is not sure of the third
    labels = dict(zip(faces.groups.tolist(), (faces.labels if faces.labels is not None else []), strict=True))
    assert labels == {"person_0": 1, "person_1": -1}
    assert few.labels is None
    assert {item.base for item in changed} == {few.name}
    with pytest.raises(FileNotFoundError, match="no person without a measured face"):
        news_faces.other_news(tmp_path, tmp_path)
    monkeypatch.setattr(news_faces, "MEASURED", 1)
    measured, others = (read(tmp_path, tmp_path) for read in (news_faces.measured_news, news_faces.other_news))
    assert set(measured.people) | set(others.people) == {"person_0", "person_1"}
    assert not set(measured.people) & set(others.people)


def test_missing_news_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"labels\.csv is missing"):
        news_sets(tmp_path, tmp_path)
    (tmp_path / "labels.csv").write_text("image,identity,expression\na.jpg,a,anger\n")
    with pytest.raises(FileNotFoundError, match=r"a\.jpg is missing"):
        news_sets(tmp_path, tmp_path)


@pytest.mark.usefixtures("face_models")
def test_media_folder_gives_faces_patches_and_unreadable_files(shared: Path, tmp_path: Path) -> None:
    media = shared / "media"
    shutil.copy(media / "astronaut_nasa_public_domain.png", tmp_path / "face.png")
    shutil.copy(media / "pyfeat_mit" / "no_face.mp4", tmp_path / "empty.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    found = media_sets(tmp_path)
    names = [item.name for item in found.sets]
    assert names[0] == "media"
    assert names[-1] == "no face"
    assert found.sets[0].groups.tolist() == ["face.png"]
    assert found.sets[0].crops.shape == (1, 96, 96)
    patches = found.sets[-1]
    assert patches.landmarks[0] == pytest.approx(found.sets[0].landmarks[0])
    assert all(group.startswith("empty.mp4") for group in patches.groups)
    (reason,) = found.skipped
    assert reason.startswith("broken.mp4")
    assert str(tmp_path) not in reason


@pytest.mark.usefixtures("face_models")
def test_folder_without_faces_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="it is empty"):
        media_sets(tmp_path)
