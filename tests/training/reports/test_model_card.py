"""What cards share: marks that must be there once and in order, and reports that must be what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.reports.model_card import BEGIN, END, read_report, told, under, write_tables


def test_only_what_stands_between_the_marks_changes(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n")
    write_tables(card, "new")
    assert card.read_text() == f"Before.\n{BEGIN}\n\nnew\n\n{END}\nAfter.\n"


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_card_without_its_marks_is_refused(tmp_path: Path, text: str) -> None:
    card = tmp_path / "card.md"
    card.write_text(text)
    with pytest.raises(ValueError, match="add them where tables belong"):
        write_tables(card, "new")
    assert card.read_text() == text


@pytest.mark.parametrize("text", ["{", '{"model": {}}', "[]", "3"])
def test_a_report_of_another_kind_is_refused_with_the_command_that_writes_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"report\.json is not .*: write it with mien-train evaluate au"):
        read_report(path, "evaluate au", ("model", "all"))


def test_a_figure_that_is_not_defined_is_said_to_be_none() -> None:
    assert told({"value": None, "low": None, "high": None, "n": 3}) == "none to measure"


def test_paragraphs_are_broken_but_words_are_not() -> None:
    word = "x" * 70
    assert under(f"{word} {word}", "| a |") == f"{word}\n{word}\n\n| a |"
