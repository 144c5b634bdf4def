"""Choosing thresholds on synthetic sets with a fake labeller."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.config import read_toml
from engine.errors import ConfigError, OutputError, SourceError
from engine.facs import OPEN_UNITS
from engine.types import MESH_POINTS
from training.action_units import pseudo_labels as module
from training.action_units.blendshapes import ReadBlendshapes
from training.action_units.pseudo_labels import (
    Repeated,
    ThresholdsConfig,
    UnitReport,
    VolunteerCheck,
    choose_thresholds,
    why,
    write_pseudo_units,
)
from training.action_units.pseudo_scores import ScoreFinding
from training.data import faces128
from training.data.action_unit_faces import fold_of, is_validation
from training.data.faces128 import UNIT_BLENDSHAPES, PseudoUnits
from training.data.open_set import OpenAuRow, write_labels
from training.metrics.bootstrap import Figure

NAMES = sorted(set().union(*UNIT_BLENDSHAPES.values()))
PEOPLE = [f"person {number}" for number in range(60)]
#: The fake labeller scores the brightness of the image, but always gives 0 for these.
ZERO = ("cheekSquintLeft", "cheekSquintRight")
LEVELS = (20, 60, 180, 220)


def _fake_reader(image: np.ndarray) -> Mapping[str, float] | None:
    level = float(image.mean()) / 255
    return {name: 0.0 if name in ZERO else round(level, 4) for name in NAMES} if level > 0.01 else None


@contextmanager
def _fake_landmarker(model: Path) -> Iterator[ReadBlendshapes]:
    yield _fake_reader


def _write_image(path: Path, level: int) -> None:
    cv2.imwrite(str(path), np.full((128, 128), level, np.uint8))


def _open_set(folder: Path) -> None:
    """Bright images show every unit; the labeller finds no face in the first. The lip gap follows the grey level."""
    (folder / "images").mkdir(parents=True)
    rows, points = [], np.zeros((4 * len(PEOPLE), MESH_POINTS, 2), np.float16)
    points[:, 263] = (1, 0)
    for number in range(4 * len(PEOPLE)):
        person, level = PEOPLE[number // 4], LEVELS[number % 4]
        _write_image(folder / "images" / f"{number}.jpg", level if number else 0)
        points[number, 14] = (0, level / 255)
        shown = np.full(len(OPEN_UNITS), float(level > 100), np.float32)
        rows.append(OpenAuRow(f"{number}.jpg", person, fold_of(person), "", (0.0, 0.0, 0.0), 1.0, shown))
    write_labels(folder / "labels.csv", rows)
    np.save(folder / "points.npy", points)


def _natural_set(folder: Path) -> None:
    """Scores are the grey levels of the images; dark faces are neutral, bright ones alternate between expressions."""
    (folder / "images").mkdir(parents=True)
    expressions = ("anger", "happiness", "surprise", "sadness", "disgust")
    with (folder / "labels.csv").open("w", newline="") as labels, (folder / "blendshapes.csv").open("w") as shapes:
        label_rows, shape_rows = csv.writer(labels), csv.writer(shapes)
        label_rows.writerow(["image", "identity", "expression"])
        shape_rows.writerow(["image", "presence", *NAMES])
        for number in range(3 * len(PEOPLE)):
            level = 10 + number % 181
            _write_image(folder / "images" / f"{number}.jpg", level)
            bright = level > 100
            label = expressions[number % 5] if bright else "neutral"
            label_rows.writerow([f"{number}.jpg", PEOPLE[number // 3], label])
            scores = [0.0 if name in ZERO else round(level / 255, 4) for name in NAMES]
            shape_rows.writerow([f"{number}.jpg", 1.0, *scores])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sets ``open`` and ``faces128``, and a model file that is never opened."""
    _open_set(tmp_path / "open")
    _natural_set(tmp_path / "faces128")
    (tmp_path / "model.task").write_bytes(b"model")

    def meshes(images: np.ndarray, cache: Path, workers: int) -> tuple[np.ndarray, np.ndarray]:
        points = np.random.default_rng(0).uniform(0.3, 0.7, (len(images), MESH_POINTS, 2)).astype(np.float32)
        points[:, 14] = points[:, 13] + np.linspace(0, 0.1, len(images))[:, np.newaxis]
        return points, np.ones(len(images), np.float32)

    monkeypatch.setattr(faces128, "meshes_of", meshes)
    monkeypatch.setattr(module, "open_landmarker", _fake_landmarker)
    return tmp_path


def _choose(data: Path, out: Path, pictures: int = 4 * len(PEOPLE)) -> module.ThresholdsReport:
    config = ThresholdsConfig(pictures, repeated=40, resamples=20)
    folders = (data / "open", data / "faces128", data / "model.task")
    return choose_thresholds(*folders, out, data / "report.json", data / "cache", config, report=lambda line: None)


def test_toml_file_has_a_decision_for_each_unit_and_can_be_read(data: Path) -> None:
    found = _choose(data, data / "pseudo_units.toml")
    thresholds = read_toml(PseudoUnits, data / "pseudo_units.toml").thresholds()
    decided = dict(zip(OPEN_UNITS, thresholds.tolist(), strict=True))
    assert decided[6] == np.inf
    assert decided[12] == pytest.approx((60 + 180) / 2 / 255, abs=1e-4)  # halfway between dark and bright
    written = json.loads((data / "report.json").read_text())
    assert [unit["unit"] for unit in written["units"]] == [f"AU{unit}" for unit in OPEN_UNITS]
    assert written["units"][OPEN_UNITS.index(6)]["finding"]["threshold"] is None
    assert found.unseen == 1
    assert found.pictures == 4 * len(PEOPLE)


def test_people_who_choose_thresholds_neither_confirm_them_nor_train(data: Path) -> None:
    found = _choose(data, data / "pseudo_units.toml")
    assert found.people == {
        "choose": sum(fold_of(person) == 2 for person in PEOPLE),
        "confirm": sum(fold_of(person) == 3 for person in PEOPLE),
    }
    assert found.natural_faces == 3 * sum(fold_of(person) != 1 and not is_validation(person) for person in PEOPLE)


def test_repeated_scores_and_volunteer_labels_are_reported(data: Path) -> None:
    units = {unit.unit: unit for unit in _choose(data, data / "pseudo_units.toml").units}
    smile = units["AU12"]
    assert smile.repeated.correlation == pytest.approx(1, abs=1e-3)
    assert smile.repeated.published_rate == pytest.approx(smile.repeated.own_rate, abs=0.05)
    assert np.isnan(units["AU25"].repeated.correlation)  # no blendshape
    assert np.isnan(units["AU6"].repeated.correlation)  # always 0
    assert smile.volunteers is not None
    assert smile.volunteers.expression == "happiness"
    assert smile.volunteers.auroc_neutral.value == 1
    assert 0.5 < smile.volunteers.auroc.value < 1  # bright faces of other expressions are among the others
    assert units["AU14"].volunteers is None


def test_only_the_first_images_are_read(data: Path) -> None:
    for number in range(200, 4 * len(PEOPLE)):
        (data / "open" / "images" / f"{number}.jpg").unlink()
    assert _choose(data, data / "pseudo_units.toml", pictures=200).pictures == 200


def test_missing_image_is_reported(data: Path) -> None:
    (data / "open" / "images" / "7.jpg").unlink()
    with pytest.raises(SourceError, match=r"7\.jpg is missing"):
        _choose(data, data / "pseudo_units.toml")


def test_meshes_of_another_set_are_rejected(data: Path) -> None:
    np.save(data / "open" / "points.npy", np.zeros((3, MESH_POINTS, 2), np.float16))
    with pytest.raises(SourceError, match="holds 3 meshes, not 240"):
        _choose(data, data / "pseudo_units.toml")


def test_labeller_that_finds_no_face_is_an_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def finds_nothing(model: Path) -> Iterator[ReadBlendshapes]:
        yield lambda image: None

    monkeypatch.setattr(module, "open_landmarker", finds_nothing)
    with pytest.raises(SourceError, match="no face in any image"):
        _choose(data, data / "pseudo_units.toml")


def _finding(auroc: float = 0.9, masked: bool = False, bound: str = "") -> ScoreFinding:
    figure = Figure(auroc, auroc - 0.02, auroc + 0.02, 100)
    return ScoreFinding(masked, 0.25, 0.125, bound, auroc, figure, figure, figure, 0.2, "jawOpen", 0.8, 0.1)


def _volunteers(auroc: float) -> VolunteerCheck:
    return VolunteerCheck("anger", 9, Figure(0.5, 0.4, 0.6, 100), Figure(auroc, auroc - 0.02, auroc + 0.02, 100))


def _report(unit: str, finding: ScoreFinding) -> UnitReport:
    return UnitReport(unit, ("jawOpen",), finding, None, Repeated(1, 0.1, 0.1), why(finding, None))


def test_reason_names_the_bound_and_the_doubts_from_natural_faces() -> None:
    assert "below 0.80" in why(_finding(0.7, masked=True), None)
    assert "moved from 0.1250 so that it occurs on at most 50%" in why(_finding(bound="at most 50%"), None)
    assert "no score separates 2% to 50%" in why(_finding(masked=True, bound="no score separates 2% to 50%"), None)
    assert "do not confirm it: 0.57" in why(_finding(), _volunteers(0.57))
    assert "do not confirm" not in why(_finding(), _volunteers(0.79))  # the interval reaches 0.81
    assert "do not confirm" not in why(_finding(0.7, masked=True), _volunteers(0.57))


def test_incomplete_list_of_units_is_not_written(tmp_path: Path) -> None:
    units = tuple(_report(f"AU{unit}", _finding()) for unit in OPEN_UNITS)
    write_pseudo_units(units, tmp_path / "whole.toml")
    assert read_toml(PseudoUnits, tmp_path / "whole.toml").thresholds() == pytest.approx([0.25] * len(OPEN_UNITS))
    with pytest.raises(ConfigError, match="one entry for each"):
        write_pseudo_units(units[1:], tmp_path / "part.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["whole.toml"]


def test_path_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    units = tuple(_report(f"AU{unit}", _finding()) for unit in OPEN_UNITS)
    with pytest.raises(OutputError, match="cannot be written"):
        write_pseudo_units(units, tmp_path / "file" / "pseudo_units.toml")


def test_zero_images_are_rejected() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ThresholdsConfig(pictures=0)
