"""Sequences in which a unit grows: what follows it, what does not, and the report on a model file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from engine.errors import ContractError, SourceError
from engine.facs import OPEN_UNITS
from tests.training.fakes.action_units import brightness_model
from tests.training.fakes.expression import quiet
from tests.training.fakes.head import SIDE_PX, in_photograph, mesh_points
from training.action_units.export import held_out_line
from training.cli import main as cli
from training.data.open_set import LABELS, PICTURES, POINTS, GrowingFaces, OpenAuRow, read_growing, write_labels
from training.evaluation.unit_growth import evaluate_growth, growth_report
from training.loop.json_report import plain
from training.reports.action_units import growth_section
from training.reports.sections import render_tables

STEPS = np.arange(5) / 4


def growing(units: tuple[int, ...] = (12, 12, 12, 4, 4, 4)) -> GrowingFaces:
    """A sequence of five images for each of these units, each of another person."""
    count = len(units)
    return GrowingFaces(
        crops=np.zeros((5 * count, 1, 1), np.uint8),
        labels=np.tile(STEPS, count).astype(np.float32),
        units=np.repeat(units, 5).astype(np.int64),
        sequences=np.repeat(np.arange(count), 5),
        people=np.repeat([f"person {number}" for number in range(count)], 5),
        fold=1,
        left_out=0,
    )


def test_curves_that_rise_are_perfect_within_sequences_and_people_differ_only_when_pooled() -> None:
    faces = growing()
    offsets = np.repeat([0.0, 2.0, 4.0, 0.0, 0.0, 0.0], 5)  # the people of AU12 start higher and higher
    report = growth_report(faces, (faces.labels + offsets).astype(np.float32), None, "made", "abc", 50)
    mouth, brows = report.units[1], report.units[0]
    assert [unit.unit for unit in report.units] == ["AU4", "AU12"]
    assert (mouth.sequences, mouth.people, mouth.intensity) == (3, 3, None)
    assert brows.occurrence.pooled.value == pytest.approx(1.0)
    assert mouth.occurrence.pooled.low < mouth.occurrence.pooled.value < 0.5
    assert mouth.occurrence.pooled.value < mouth.occurrence.pooled.high  # although resamples have fewer people
    for scores in (mouth.occurrence, brows.occurrence, report.occurrence):
        assert (scores.within.value, scores.not_falling.value) == (pytest.approx(1.0), 1.0)
    pooled = (mouth.occurrence.pooled.value + brows.occurrence.pooled.value) / 2
    assert report.occurrence.pooled.value == pytest.approx(pooled)
    assert (report.images, report.sequences, report.people, report.intensity, report.gain) == (30, 6, 6, None, None)


def test_a_curve_that_does_not_move_has_no_correlation_and_one_that_falls_a_negative_one() -> None:
    faces = growing((12, 12, 12, 12))
    output = np.concatenate([np.zeros(5), STEPS, -STEPS, [0, 2, 1, 3, 4]]).astype(np.float32)
    scores = growth_report(faces, output, None, "made", "abc", 20).occurrence
    swapped = 1 - 6 * 2 / (5 * 24)  # Spearman of one exchange of neighbours
    assert scores.within.value == pytest.approx((0 + 1 - 1 + swapped) / 4)
    assert scores.not_falling.value == pytest.approx((4 + 4 + 0 + 3) / 16)
    assert (scores.within.n, scores.not_falling.n) == (4, 16)


def test_steps_without_growth_of_the_label_and_sequences_without_any_do_not_count() -> None:
    faces = growing((25, 25))
    labels = np.array([0, 0.5, 1, 1, 1, 0, 0, 0, 0, 0], np.float32)  # clipped at 1; lips that never part
    output = np.array([0, 1, 2, 1, 0, 4, 3, 2, 1, 0], np.float32)
    scores = growth_report(replace(faces, labels=labels), output, None, "made", "abc", 20).occurrence
    assert (scores.within.n, scores.not_falling.n) == (1, 2)
    assert scores.not_falling.value == 1.0
    assert scores.within.value > 0


def test_gain_is_the_difference_of_intensity_and_occurrence() -> None:
    faces = growing()
    noisy = np.random.default_rng(0).permutation(faces.labels)
    report = growth_report(faces, noisy, faces.labels, "made", "abc", 50)
    assert report.intensity is not None
    assert report.gain is not None
    assert report.intensity.pooled.value == pytest.approx(1.0)
    for name in ("pooled", "within", "not_falling"):
        gain, ours, before = (getattr(part, name) for part in (report.gain, report.intensity, report.occurrence))
        assert gain.value == pytest.approx(ours.value - before.value)
        assert gain.low <= gain.value <= gain.high


def test_a_neutral_image_of_each_face_makes_intensities_of_people_comparable() -> None:
    faces = growing()
    resting = np.repeat([0.0, 1.0, 2.0, 0.5, 0.5, 5.0], 5).astype(np.float32)  # the last one can show no growth
    report = growth_report(faces, faces.labels, np.minimum(5, resting + 2 * faces.labels), "made", "abc", 50)
    mouth, brows = (report.units[at].neutral for at in (1, 0))
    assert mouth is not None
    assert brows is not None
    assert report.neutral is not None
    assert report.units[1].intensity is not None
    assert report.units[1].intensity.pooled.value < 0.8
    assert mouth.pooled.value > 0.95
    assert mouth.pooled.low <= mouth.pooled.value <= mouth.pooled.high
    assert (mouth.pooled.n, mouth.later.n) == (15, 12)
    assert report.neutral.later.value == pytest.approx((mouth.later.value + brows.later.value) / 2)
    assert (report.neutral.pooled.n, report.neutral.later.n) == (30, 24)


def test_card_has_each_unit_the_means_and_what_intensity_adds() -> None:
    faces = growing()
    graded = growth_report(faces, -faces.labels, faces.labels, "made", "abc", 20)
    report = plain(graded)
    text = render_tables([growth_section(report)])
    assert "without them the mean is 1.000 (1.000 to 1.000)." in " ".join(text.split())
    rows = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:] for line in text.splitlines()}
    assert rows["unit"][-1] == "intensity: Spearman with a neutral image of the face"
    assert rows["AU12"][-1] == rows["mean"][-1] == "1.000 (1.000 to 1.000)"
    del report["neutral"]  # as a report of an earlier version
    text = render_tables([growth_section(report)])
    rows = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:] for line in text.splitlines()}
    assert rows["unit"][1:4] == ["intensity: Spearman", "intensity: within", "intensity: not falling"]
    assert rows["unit"][4:] == ["occurrence: Spearman", "occurrence: within", "occurrence: not falling"]
    perfect, reversed_ = ["1.000 (1.000 to 1.000)"] * 2 + ["1.000"], ["-1.000 (-1.000 to -1.000)"] * 2 + ["0.000"]
    assert rows["AU12"] == ["3", *perfect, *reversed_]
    assert rows["mean"] == ["6", *perfect, *reversed_]
    assert "within 2.000 (2.000 to 2.000), not falling 1.000" in " ".join(text.split())
    plain_model = growth_report(faces, faces.labels, None, "made", "abc", 20)
    text = render_tables([growth_section(plain(plain_model))])
    assert "intensity: " not in text
    assert "Intensity minus" not in text


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """A single image, and for two units each a sequence of people of folds 1 and 2 that gets brighter; one hidden."""
    folder = tmp_path / "set"
    (folder / PICTURES).mkdir(parents=True)
    rows = [OpenAuRow("00000.jpg", "Ann", 1, "a.jpg", (0, 0, 0), 1.0, np.zeros(18, np.float32))]
    for number, (person, fold, unit) in enumerate((("Ann", 1, 4), ("Bob", 1, 12), ("Cid", 2, 12))):
        for step, level in enumerate(STEPS):
            intensities = np.zeros(18, np.float32)
            intensities[OPEN_UNITS.index(unit)] = level
            presence = 0.2 if (number, step) == (1, 2) else 1.0
            name = f"s{number:05d}_{step}.jpg"
            rows.append(OpenAuRow(name, person, fold, "a.jpg", (0, 0, 0), presence, intensities, number, unit))
    for row in rows:
        grey = np.full((SIDE_PX, SIDE_PX), 60 + 120 * row.intensities.max(), np.uint8)
        cv2.imwrite(str(folder / PICTURES / row.image), grey)
    write_labels(folder / LABELS, rows)
    points = in_photograph(mesh_points()) / SIDE_PX
    np.save(folder / POINTS, np.tile(points, (len(rows), 1, 1)).astype(np.float16))
    return folder


def test_sequences_of_one_fold_are_read_without_single_and_hidden_images(rendered: Path) -> None:
    faces = read_growing(rendered, 1)
    assert faces.people.tolist() == ["Ann"] * 5 + ["Bob"] * 4
    assert faces.units.tolist() == [4] * 5 + [12] * 4
    assert faces.labels == pytest.approx([*STEPS, *np.delete(STEPS, 2)])
    assert (faces.left_out, faces.fold) == (1, 1)
    assert faces.crops.shape == (9, 96, 96)
    with pytest.raises(SourceError, match="no sequence with a reliable face of fold 3: render some"):
        read_growing(rendered, 3)


def test_command_measures_occurrence_and_intensity_of_a_file(rendered: Path, tmp_path: Path) -> None:
    model = brightness_model(tmp_path / "model", OPEN_UNITS, intensity=True, data=(held_out_line(1),))
    options = ["--sequences", str(rendered), "--out", str(tmp_path / "growth.json")]
    finished = CliRunner().invoke(cli.app, ["evaluate", "au-growth", str(model), *options], catch_exceptions=False)
    assert "9 images of 2 sequences" in finished.output
    assert "occurrence: Spearman 1.000" in finished.output
    assert "intensity: Spearman -1.000" in finished.output  # minus the level
    assert "with a neutral image of the face: Spearman nan" in finished.output  # never above its first image
    report = json.loads((tmp_path / "growth.json").read_text())
    assert (report["model"], report["left_out"], report["test_fold"]) == ("brightness", 1, 1)
    assert report["gain"]["within"]["value"] == -2
    assert report["neutral"]["later"] == {"value": None, "low": None, "high": None, "n": 7}
    with pytest.raises(ValueError, match="give --test-fold 1"):
        CliRunner().invoke(
            cli.app, ["evaluate", "au-growth", str(model), *options, "--test-fold", "2"], catch_exceptions=False
        )


def test_a_file_without_intensity_is_measured_and_one_without_a_unit_refused(rendered: Path, tmp_path: Path) -> None:
    report = evaluate_growth(brightness_model(tmp_path / "plain", OPEN_UNITS), rendered, 2, 10, report=quiet)
    assert report.intensity is None
    assert [unit.unit for unit in report.units] == ["AU12"]
    assert report.occurrence.within.value == pytest.approx(1.0)
    with pytest.raises(ContractError, match="no output for AU43"):
        evaluate_growth(brightness_model(tmp_path / "few", OPEN_UNITS[:-1]), rendered, 2, 10, report=quiet)
