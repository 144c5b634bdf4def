"""The tables of a card: written between the marks, from reports of one model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.fake_expression_report import made_report
from training.loop.json_report import plain, write_report
from training.metrics.multiclass import Figure
from training.reports.expression_card import expression_tables, write_expression_card
from training.reports.model_card import BEGIN, END


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "card.md"
    path.write_text(f"# Card\n\nBefore.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    return path


@pytest.fixture
def reports(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{split}.json" for split in ("PublicTest", "PrivateTest")]
    for path in paths:
        write_report(dataclasses.replace(made_report(), split=path.stem), path)
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


def test_words_around_the_tables_stay(card: Path, reports: list[Path]) -> None:
    write_expression_card(card, reports)
    text = card.read_text()
    assert text.startswith(f"# Card\n\nBefore.\n\n{BEGIN}\n\n| | PublicTest | PrivateTest |\n")
    assert text.endswith(f"\n\n{END}\n\nAfter.\n")
    assert "old" not in text
    write_expression_card(card, reports)
    assert card.read_text() == text


def test_tables_hold_the_figures_of_each_report(card: Path, reports: list[Path]) -> None:
    write_expression_card(card, reports)
    rows = dict(line.strip("| ").split(" | ", 1) for line in card.read_text().splitlines() if line.startswith("| "))
    told = made_report().majority.accuracy.text()
    assert rows["accuracy, majority labels"] == f"{told} | {told}"
    assert rows["accepted"].startswith(made_report().routes[0].share.text())
    assert rows["contempt"].startswith("0 | none to measure")
    assert "3" in rows["one member alone, accuracy (mean, deviation)"]


def test_every_row_has_a_cell_per_column(reports: list[Path]) -> None:
    raw = [json.loads(path.read_text()) for path in reports]
    for table in expression_tables(raw, shift()).split("\n\n"):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1


def test_the_commonest_mistake_is_named() -> None:
    report = plain(made_report())
    report["majority"]["confusion_matrix"][1] = [3, 10, 0, 6, 1, 0, 0, 0]
    row = next(line for line in expression_tables([report]).splitlines() if line.startswith("| happiness"))
    assert row.endswith("| sadness, 30 % |")


def test_a_report_of_uncertainty_adds_a_table(card: Path, reports: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "uncertainty.json"
    path.write_text(json.dumps(shift()))
    write_expression_card(card, reports, path)
    told = "0.700 (0.650 to 0.750)"
    assert f"| 15 corruptions, severity 5, CIFAR-C (mean) | 20 | {told} | {told} |" in card.read_text()
    assert f"| drawn | 9 | {told} | {told} |" in card.read_text()


def test_one_member_and_undefined_figures_are_told() -> None:
    text = expression_tables([plain(made_report(members=1))])
    assert "Spearman of epistemic with the same | none to measure |" in text
    assert "NaN" not in text


def test_reports_of_two_models_are_refused(card: Path, reports: list[Path], tmp_path: Path) -> None:
    other = dataclasses.replace(made_report().model, sha256="cd" * 32)
    write_report(dataclasses.replace(made_report(), model=other), reports[1])
    before = card.read_text()
    with pytest.raises(ValueError, match="of 2 models"):
        write_expression_card(card, reports)
    with pytest.raises(ValueError, match="of 2 models"):
        expression_tables([plain(made_report())], shift("cd" * 32))
    assert card.read_text() == before


def test_a_report_of_another_kind_is_refused(card: Path, reports: list[Path]) -> None:
    reports[0].write_text('{"figures": []}')
    with pytest.raises(ValueError, match="'model' is missing: write it with mien-train evaluate expression"):
        write_expression_card(card, reports)
    reports[0].write_text("{")
    with pytest.raises(ValueError, match=r"PublicTest\.json is not JSON"):
        write_expression_card(card, reports)
