"""Page and card of an expression model: every figure of the report, one column per split, one model only."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.fakes.expression import fake_report
from training.loop.json_report import plain, write_report
from training.metrics.bootstrap import Figure
from training.reports.expression import (
    expression_page,
    expression_sections,
    write_expression_card,
    write_expression_report,
)
from training.reports.sections import BEGIN, END, figure_text, render_tables


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "card.md"
    path.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n")
    return path


@pytest.fixture
def reports(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{split}.json" for split in ("PublicTest", "PrivateTest")]
    for path in paths:
        write_report(dataclasses.replace(fake_report(), split=path.stem), path)
    return paths


def shift(sha256: str = "ab" * 32) -> dict[str, Any]:
    figure = plain(Figure(0.7, 0.65, 0.75, 40))
    strengths = [{"strength": "CIFAR-C", "n": 20, "shift": {"mean": {"epistemic": figure, "aleatoric": figure}}}]
    return {
        "sha256": sha256,
        "split": "PublicTest",
        "tables": {"strengths": strengths},
        "natural_shift": {"sets": [{"name": "drawn", "n": 9, "auroc_epistemic": figure, "auroc_aleatoric": figure}]},
    }


def rows_of(text: str) -> dict[str, str]:
    return dict(
        line.strip("| ").split(" | ", 1)
        for line in text.splitlines()
        if line.count("|") > 2 and " | " in line.strip("| ")
    )


def test_report_folder_has_json_and_a_page_with_four_plots(tmp_path: Path) -> None:
    write_expression_report(fake_report(), tmp_path / "new")
    assert json.loads((tmp_path / "new" / "report.json").read_text())["split"] == "PublicTest"
    page = (tmp_path / "new" / "report.html").read_text()
    assert page.count("<svg") == 4
    assert "by &lt;hand&gt;" in page


def test_page_has_every_kind_of_figure_with_its_interval() -> None:
    report, page = fake_report(), expression_page(fake_report())
    for figure in (
        report.majority.accuracy,
        report.raters.after.ece,
        report.hard.after.brier,
        report.selective.augrc,
        report.votes.total_variation,
        report.routes[0].share,
        report.flip.macro_f1,
    ):
        assert figure_text(plain(figure)) in page


def test_card_has_a_column_per_split(card: Path, reports: list[Path]) -> None:
    write_expression_card(card, reports)
    rows = rows_of(card.read_text())
    accuracy = figure_text(plain(fake_report().majority.accuracy))
    assert rows["accuracy"] == f"{accuracy} | {accuracy}"
    assert rows["accepted (one label): share of all faces"].startswith(
        figure_text(plain(fake_report().routes[0].share))
    )
    assert rows["contempt"].startswith("0 | 0 | - | ")
    assert "of 3" in rows["accuracy of single members, mean and standard deviation"]


def test_every_row_has_a_cell_per_column(reports: list[Path]) -> None:
    sections = expression_sections([json.loads(path.read_text()) for path in reports], shift())
    for section in sections:
        for table in section.tables:
            assert {len(row) for row in table.rows} == {len(table.head or table.rows[0])}


def test_most_frequent_confusion_is_named() -> None:
    report = plain(fake_report())
    report["majority"]["confusion_matrix"][1] = [3, 10, 0, 6, 1, 0, 0, 0]
    assert rows_of(render_tables(expression_sections([report])))["happiness"].endswith("| sadness, 30 %")


def test_report_of_uncertainty_adds_a_section(card: Path, reports: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "uncertainty.json"
    path.write_text(json.dumps(shift()))
    write_expression_card(card, reports, path)
    value = "0.700 (0.650 to 0.750)"
    assert f"| 15 corruptions, severity 5, CIFAR-C (mean) | 20 | {value} | {value} |" in card.read_text()
    assert f"| drawn | 9 | {value} | {value} |" in card.read_text()


def test_single_member_has_no_epistemic_correlation() -> None:
    text = render_tables(expression_sections([plain(fake_report(members=1))]))
    assert "Spearman, epistemic against the same | - |" in text
    assert "nan" not in text.lower()


def test_reports_of_two_models_are_rejected(card: Path, reports: list[Path]) -> None:
    other = dataclasses.replace(fake_report().model, sha256="cd" * 32)
    write_report(dataclasses.replace(fake_report(), model=other), reports[1])
    before = card.read_text()
    with pytest.raises(ValueError, match="of 2 models"):
        write_expression_card(card, reports)
    with pytest.raises(ValueError, match="of 2 models"):
        expression_sections([plain(fake_report())], shift("cd" * 32))
    assert card.read_text() == before


def test_report_of_another_command_is_rejected(card: Path, reports: list[Path]) -> None:
    reports[0].write_text('{"figures": []}')
    with pytest.raises(ValueError, match="'model' is missing: write it with mien-train evaluate expression"):
        write_expression_card(card, reports)
