"""Sections: the page is well-formed and self-contained, and only the text between the marks of a card changes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from training.reports.sections import (
    BEGIN,
    END,
    Section,
    Table,
    figure_text,
    read_report,
    render_page,
    render_tables,
    write_card,
)

SECTIONS = (
    Section(
        "One", "A note on <faces>.", (Table((), (("name", "<value>"),)), Table(("a", "b"), (("1", "2"), ("3", "4"))))
    ),
    Section("Two", f"{'x' * 70} {'x' * 70}"),
)


class Page(HTMLParser):
    """Checks that tags are balanced and collects ids, links and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag != "meta":
            self.open.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_is_well_formed_and_self_contained() -> None:
    text = render_page("A <title>", SECTIONS, {"Two": ('<svg id="plot"></svg>',)})
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert page.links == []
    assert not re.findall(r"https?://", text)
    assert "prefers-color-scheme: dark" in text


def test_page_escapes_text_and_embeds_plots() -> None:
    text = render_page("A <title>", SECTIONS, {"Two": ('<svg id="plot"></svg>',)})
    assert "<h1>A &lt;title&gt;</h1>" in text
    assert "&lt;value&gt;" in text
    assert "<value>" not in text
    assert text.index("<h2>Two</h2>") < text.index('<svg id="plot"></svg>')


def test_markdown_has_headings_wrapped_notes_and_tables() -> None:
    text = render_tables(SECTIONS)
    assert text.startswith("### One\n\nA note on <faces>.\n\n| | |\n| --- | --- |\n| name | <value> |\n\n| a | b |\n")
    assert text.endswith(f"### Two\n\n{'x' * 70}\n{'x' * 70}")


def test_only_the_text_between_the_marks_changes(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n")
    write_card(card, SECTIONS)
    first = card.read_text()
    assert first == f"Before.\n{BEGIN}\n\n{render_tables(SECTIONS)}\n\n{END}\nAfter.\n"
    write_card(card, SECTIONS)
    assert card.read_text() == first


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}{BEGIN}{END}"])
def test_card_without_its_marks_is_rejected(tmp_path: Path, text: str) -> None:
    card = tmp_path / "card.md"
    card.write_text(text)
    with pytest.raises(ValueError, match="must contain the line"):
        write_card(card, SECTIONS)
    assert card.read_text() == text


@pytest.mark.parametrize("text", ["{", '{"model": {}}', "[]", "3"])
def test_report_of_another_command_is_rejected_with_the_right_command(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"report\.json is not .*: write it with mien-train evaluate au"):
        read_report(path, "evaluate au", ("model", "all"))


def test_undefined_figure_is_a_dash() -> None:
    assert figure_text({"value": None, "low": None, "high": None, "n": 3}) == "-"
