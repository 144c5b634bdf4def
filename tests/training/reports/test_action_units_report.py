"""Both action-unit pages: whole, self-contained, and with the figures that the records have."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.fake_action_unit_labels import faulty_faces
from tests.training.fake_action_unit_reports import UNITS, made_file_report, made_study
from training.evaluation.action_units_file import UnitFileReport
from training.loop.json_report import plain
from training.reports.action_units_report import units_page, write_units_html
from training.studies.figures import action_unit_figures
from training.studies.study_report import study_page, write_study_html


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> UnitFileReport:
    return made_file_report(tmp_path_factory.mktemp("model"), faulty_faces(units=UNITS), split="PrivateTest")


@pytest.fixture(scope="module")
def page(report: UnitFileReport, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "new" / "report.html"
    write_units_html(report, path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page_of_study(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("study") / "new" / "report.html"
    write_study_html(made_study(), path)
    return path.read_text(encoding="utf-8")


def words(text: str) -> str:
    return re.sub(r"<[^>]+>", "", text)


def test_both_pages_are_self_contained(page: str, page_of_study: str) -> None:
    for text in (page, page_of_study):
        assert "<script" not in text
        assert set(re.findall(r"https?://[^\s\"<)]+", text)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
        ids = re.findall(r'\bid="([^"]+)"', text)
        assert len(ids) == len(set(ids)) > 0


def test_the_page_of_a_file_tells_each_figure(report: UnitFileReport, page: str) -> None:
    said = words(page)
    for unit in report.all.units:
        assert unit.scores.f1_half.text() in said
        assert unit.scores.auroc.text() in said
    assert report.fer is not None
    assert report.fer.ties[0].auroc.text() in said
    assert report.all.uncertainty[0].gap_points.text(1) in said
    assert '<th scope="row">AU2</th><td>no</td>' in page
    assert '<th scope="row">AU12</th><td>yes</td>' in page
    assert "open, 12 units of BP4D" in said
    assert "neither is FACS coding by people" in said
    assert "made &lt;faces&gt;" in page
    assert page.count("<svg") == 4


def test_a_report_without_units_to_measure_has_no_plots_of_them(tmp_path: Path) -> None:
    faces = faulty_faces()
    blind = replace(faces, occurs=np.zeros_like(faces.occurs))
    found = made_file_report(tmp_path, blind, fer=False)
    said = words(units_page(found))
    assert "none to measure" in said
    assert "Left out where they have no known label" in said


def test_the_page_of_a_study_answers_pair_by_pair(page_of_study: str) -> None:
    said = words(page_of_study)
    compared = made_study().points[2].compared
    asked = "appears" if compared.order_appears else "does not appear"
    assert f"ugn-b &gt; ugn &gt; gn-d &gt; resnet-bl &gt; resnet. It {asked}" in said
    for pair in compared.comparisons:
        assert f"{pair.first} less {pair.second}" in said
        assert f"{100 * pair.over_people.low:.2f} to {100 * pair.over_people.high:.2f}" in said
    assert "fewer than 600 steps" in said
    assert page_of_study.count("<svg") == 3


def test_a_study_of_one_fold_has_no_interval_over_folds() -> None:
    assert "none" in words(study_page(made_study(folds=1)))


def test_figures_are_those_of_the_report(report: UnitFileReport, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(plain(report)))
    found = {item.name: item for item in action_unit_figures(path)}
    of_open = next(part.report for part in report.sources if part.source == "open")
    assert of_open.mean_bp4d is not None
    f1 = found["open_au_f1_average_12"]
    assert f1.value == pytest.approx(of_open.mean_bp4d.scores.f1_half.value, abs=1e-4)
    assert f1.interval == "95 %, bootstrap over people"
    gap = report.all.uncertainty[0].gap_points
    assert found["epistemic_decile_accuracy_gap"].value == pytest.approx(gap.value, abs=1e-4)
    assert found["au_edge_ms_s20_cpu2"].value == pytest.approx(report.latency[1].median_ms, abs=1e-4)
    assert report.fer is not None
    ties = {tie.units: tie.auroc.value for tie in report.fer.ties}
    for name, units in (("au12_happiness", ("AU12",)), ("au4_anger", ("AU4",)), ("au25_26_surprise", ("AU25", "AU26"))):
        assert found[f"{name}_auroc_ferplus"].value == pytest.approx(ties[units], abs=1e-4)
    assert len(found) == 6
    fold = report.test_fold
    assert f"--data faces128=FACES128 --data open=OPEN --test-fold {fold} --fer FER --split PrivateTest" in f1.command


@pytest.mark.parametrize(
    ("change", "told"),
    [({"fer": None}, "--fer"), ({"sources": []}, "--data open"), ({"latency": []}, "no time")],
)
def test_a_report_that_lacks_a_part_is_refused(
    report: UnitFileReport, tmp_path: Path, change: dict[str, object], told: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(plain(report) | change))
    with pytest.raises(ValueError, match=told):
        action_unit_figures(path)


def test_a_report_of_the_split_that_chooses_is_refused(report: UnitFileReport, tmp_path: Path) -> None:
    assert report.fer is not None
    path = tmp_path / "report.json"
    path.write_text(json.dumps(plain(replace(report, fer=replace(report.fer, split="PublicTest")))))
    with pytest.raises(ValueError, match=r"report\.json was made on PublicTest of FERPlus: evaluate with --split Priv"):
        action_unit_figures(path)


def test_a_report_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="has no 'by_samples'"):
        action_unit_figures(path)
