"""Page and card of an action-unit model: every figure of the report, and the tables of the study."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.training.fakes.action_unit_reports import UNITS, fake_file_report, fake_study
from tests.training.fakes.action_units import faulty_faces
from training.cli import main as cli
from training.data.action_unit_faces import UnitFaces
from training.evaluation.action_units_file import UnitFileReport
from training.loop.json_report import plain, write_report
from training.metrics.bootstrap import Figure
from training.reports.action_units import (
    CardReports,
    action_units_page,
    action_units_sections,
    write_action_units_card,
    write_action_units_report,
)
from training.reports.action_units_study import study_sections
from training.reports.sections import BEGIN, END, render_tables
from training.studies.action_units import PAPER_ORDER


def unit_tables(report: dict[str, Any]) -> str:
    return render_tables(action_units_sections(report))


def study_tables(report: dict[str, Any]) -> str:
    return render_tables(study_sections(report))


def faces_with_a_gap() -> UnitFaces:
    """One of the two sources has no labels for AU6."""
    faces = faulty_faces(units=UNITS)
    known = faces.known.copy()
    known[faces.sources == "faces128", UNITS.index(6)] = False
    return replace(faces, known=known)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> UnitFileReport:
    return fake_file_report(tmp_path_factory.mktemp("model"), faces_with_a_gap())


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "card.md"
    path.write_text(f"# Card\n\nBefore.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    return path


@pytest.fixture
def written(report: UnitFileReport, tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    write_report(report, path)
    return path


def cells(text: str, first: str) -> list[str]:
    """The cells of the one row that begins with this."""
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return row.strip("| ").split(" | ")[1:]


def as_read(report: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(plain(report)))
    return found


def shown(figure: Figure, places: int = 3) -> str:
    """As a report, which has four places, gives it."""
    return Figure(**as_read(figure)).text(places)


def test_command_writes_between_the_marks(card: Path, written: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.json"
    write_report(fake_study(), study)
    finished = CliRunner().invoke(cli.app, ["card", "au", str(card), str(written), "--study", str(study)])
    assert finished.exit_code == 0, finished.output
    text = card.read_text()
    assert text.startswith(f"# Card\n\nBefore.\n\n{BEGIN}\n\n### What was measured\n")
    assert text.endswith(f"\n\n{END}\n\nAfter.\n")
    assert "\nold\n" not in text
    assert "The paper's five models" in text
    write_action_units_card(card, written, CardReports(study=study))
    assert card.read_text() == text


def test_card_without_a_study_has_no_study_tables(card: Path, written: Path) -> None:
    write_action_units_card(card, written)
    assert "### Time" in card.read_text()
    assert "five models" not in card.read_text()


def test_card_says_why_units_are_trusted(card: Path, written: Path, tmp_path: Path) -> None:
    evidence, clips = tmp_path / "evidence.json", tmp_path / "clips.json"
    sources = [{"source": "open", "auroc": 0.912, "faces": 90}]
    facts = {"threshold": 0.25, "sources": sources, "expression": None, "trusted": False}
    evidence.write_text(json.dumps({"units": [{"unit": "AU4", **facts}, {"unit": "AU24", **facts}]}))
    figure = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 9}
    agreed = {"unit": "AU4", "within_clip_r": figure, "auroc": figure, "rate": 0.1, "reference_rate": 0.2}
    report = {"clips": 2, "frames": 1234, "within_clip_r_mean7": figure, "units": [agreed]}
    clips.write_text(json.dumps(report))
    options = ["--evidence", str(evidence), "--reference", str(clips)]
    finished = CliRunner().invoke(cli.app, ["card", "au", str(card), str(written), *options])
    assert finished.exit_code == 0, finished.output
    trust = card.read_text().split("### Evidence for trust")[1]
    assert "2 clips, 1,234 frames" in trust
    assert cells(trust, "AU4") == ["0.250", "0.91", "-", "-", "0.50 (0.25 to 0.75)", "0.50", "0.10 / 0.20", "no"]
    assert cells(trust, "AU24")[4:7] == ["-"] * 3  # not coded by the reference
    alone = CliRunner().invoke(cli.app, ["card", "au", str(card), str(written), *options[:2]])
    assert alone.exit_code == 2


def test_each_unit_has_its_figures_from_every_source(report: UnitFileReport) -> None:
    text = unit_tables(as_read(report))
    head = cells(text, "unit")
    assert head[:7] == [
        "trusted",
        "threshold",
        "faces128: rate",
        *(f"faces128: {name}" for name in ("F1 at 0.5", "F1", "AUROC", "ECE")),
    ]
    assert [name.split(":")[0] for name in head[7:]] == ["open"] * 5
    row = cells(text, "AU12 lip corner puller")
    expected = ["yes", f"{round(report.all.units[UNITS.index(12)].threshold, 4):.3f}"]
    for source in report.sources:
        unit = source.report.units[UNITS.index(12)]
        scores = unit.scores
        values = (unit.rate, scores.f1_half.value, scores.f1.value, scores.auroc.value, scores.ece)
        expected += [f"{round(value, 4):.3f}" for value in values]
    assert row == expected
    assert cells(text, "AU2 outer brow raiser")[0] == "no"


def test_unit_that_a_source_does_not_label_has_no_figures_there(report: UnitFileReport) -> None:
    row = cells(unit_tables(as_read(report)), "AU6 cheek raiser")
    assert row[2:7] == ["-"] * 5
    assert "-" not in row[7:]


def test_means_are_over_all_units_and_those_of_the_paper(report: UnitFileReport) -> None:
    text = unit_tables(as_read(report))
    row = cells(text, "F1 at 0.5")
    heads = ("all: 14 units", "all: 12 of BP4D", "faces128: 13 units", "faces128: 11 of BP4D")
    heads += ("open: 14 units", "open: 12 of BP4D")
    assert f"| | {' | '.join(heads)} |" in text
    expected = []
    for found in (report.all, *(source.report for source in report.sources)):
        assert found.mean_bp4d is not None
        expected += [shown(found.mean.scores.f1_half), shown(found.mean_bp4d.scores.f1_half)]
    assert row == expected
    assert cells(text, 'F1 of always "present"')[0] == f"{round(report.all.mean.scores.f1_always, 4):.3f}"
    assert "always the same one: faces128 AU6." in text.replace("\n", " ")


def test_outside_check_has_a_row_per_tie(report: UnitFileReport) -> None:
    text = unit_tables(as_read(report))
    assert report.fer is not None
    for tie in report.fer.ties:
        counts = f"{tie.positives:,} | {tie.auroc.n - tie.positives:,}"
        assert f"| {' + '.join(tie.units)} on {tie.expression} | {shown(tie.auroc)} | {counts} |" in text
    assert f"{report.fer.agreed['anger']}" in text
    without = unit_tables(as_read(replace(report, fer=None)))
    assert "FERPlus" not in without


def test_tenths_samples_and_time(report: UnitFileReport) -> None:
    text = unit_tables(as_read(report))
    epistemic = report.all.uncertainty[0]
    row = cells(text, "epistemic, all")
    assert row[1:11] == [f"{round(value, 4):.3f}" for value in epistemic.deciles]
    assert row[11] == shown(epistemic.gap_points, 1)
    assert {
        f"{kind}, {name}" for kind in ("epistemic", "aleatoric", "total") for name in ("all", "faces128", "open")
    } <= {line.strip("| ").split(" | ")[0] for line in text.splitlines()}
    for part in report.by_samples:
        assert f"| {part.samples} | {shown(part.f1_half)} | {as_read(part)['epistemic_nats']:.4f} |" in text
    for time in report.latency:
        assert f"| {time.threads} | {time.samples} | {round(time.median_ms, 4):.2f} | 2 |" in text


def test_single_source_has_one_column(report: UnitFileReport) -> None:
    text = unit_tables(as_read(replace(report, sources=report.sources[1:])))
    assert "all: " not in text
    assert "epistemic, open" in text
    assert "epistemic, all" not in text


def test_undefined_figures_are_dashes(tmp_path: Path) -> None:
    faces = faulty_faces()
    empty = replace(faces, occurs=np.zeros_like(faces.occurs))
    found = fake_file_report(tmp_path, empty, fer=False)
    text = unit_tables(as_read(found))
    assert cells(text, "AU12 lip corner puller")[2:7] == ["0.000", "-", "-", "-", "-"]
    assert set(cells(text, "F1 at 0.5")) == {"-"}
    assert "None" not in text
    assert "nan" not in text


def test_every_row_has_a_cell_per_column(report: UnitFileReport) -> None:
    text = f"{unit_tables(as_read(report))}\n\n{study_tables(as_read(fake_study()))}"
    tables = [[line for line in part.splitlines() if line.startswith("|")] for part in text.split("\n\n")]
    found = [{line.count("|") for line in rows} for rows in tables if rows]
    assert len(found) == 9 + 5
    assert all(len(counts) == 1 for counts in found)
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120


def test_study_has_a_row_per_pair() -> None:
    study = fake_study()
    compared = study.points[2].compared
    text = study_tables(as_read(study))
    expected = " > ".join(item.value for item in PAPER_ORDER)
    flowing = text.replace("\n", " ")
    assert (
        f"The paper's order of F1, {expected}, {'appears' if compared.order_appears else 'does not appear'}; "
        in flowing
    )
    assert f"the order found is {' > '.join(compared.found_order)}." in flowing
    for scores in compared.variants:
        row = [line for line in text.splitlines() if line.startswith(f"| {scores.variant} |")]
        assert shown(scores.f1) in row[0]
        assert shown(scores.accuracy) in row[0]
    for pair in compared.comparisons:
        name = f"{pair.first} minus {pair.second}" + (" (adjacent in the order)" if pair.neighbours else "")
        people = as_read(pair.over_people)
        interval = f"{people['low']:.3f} to {people['high']:.3f}"
        assert cells(text, name)[2:4] == [interval, people["verdict"]]
    assert "none for fewer than 600 steps" in flowing
    assert "3 test folds of people (150 test people)" in flowing  # 50 in each


def test_study_has_series_by_share_and_by_flips() -> None:
    study = fake_study()
    text = study_tables(as_read(study))
    for row, point in (("1 %", 0), ("10 %", 1), ("0 %", 2), ("30 %", 3)):
        scores = study.points[point].compared.variants
        assert cells(text, row)[: len(scores)] == [shown(item.f1) for item in scores]


def test_study_shows_whether_trainings_had_ended() -> None:
    text = study_tables(plain(fake_study()))
    assert "| 10 %, 0 % flipped | gn-d | 0.200 | 0.500 | 0.600 | 0.625 | +0.025 |" in text
    assert text.count("+0.025") == 4 * 5  # settings x models


def test_study_of_one_fold_and_one_point_has_no_series_and_no_interval_over_folds() -> None:
    text = study_tables(as_read(fake_study(points=((1.0, 0.0),), folds=1)))
    assert "1 test fold of people" in text
    assert "by the share" not in text
    assert cells(text, "ugn-b minus ugn (adjacent in the order)")[4] == "-"


def test_study_without_the_whole_data_is_rejected() -> None:
    with pytest.raises(ValueError, match="no point with all people"):
        study_tables(as_read(fake_study(points=((0.5, 0.0),))))


def test_report_of_another_command_is_rejected_and_the_card_unchanged(
    card: Path, written: Path, tmp_path: Path
) -> None:
    before = card.read_text()
    other = tmp_path / "other.json"
    other.write_text('{"model": {}, "majority": {}}')
    with pytest.raises(ValueError, match=r"other\.json .* is missing: write it with mien-train evaluate au"):
        write_action_units_card(card, other)
    with pytest.raises(ValueError, match="is missing: write it with mien-train study au"):
        write_action_units_card(card, written, CardReports(study=written))
    other.write_text("{")
    with pytest.raises(ValueError, match=r"other\.json is not JSON"):
        write_action_units_card(card, other)
    with pytest.raises(FileNotFoundError):
        write_action_units_card(card, tmp_path / "none.json")
    assert card.read_text() == before


def test_report_folder_has_json_and_a_self_contained_page(report: UnitFileReport, tmp_path: Path) -> None:
    write_action_units_report(report, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "report.json").read_text())["test_fold"] == report.test_fold
    page = (tmp_path / "new" / "report.html").read_text()
    assert page.count("<svg") == 4
    assert "<script" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 0
    for unit in report.all.units:
        assert unit.unit in page


def test_page_of_undefined_figures_has_only_the_reliability_plot(tmp_path: Path) -> None:
    faces = faulty_faces()
    found = fake_file_report(tmp_path, replace(faces, occurs=np.zeros_like(faces.occurs)), fer=False)
    assert action_units_page(found).count("<svg") == 1
