"""The page: whole, self-contained, and with every figure that the record has."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.training.fake_expression_report import made_report, made_strip
from training.reports.expression_report import html_page, write_html

_VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in _VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href"):
                self.links.append(str(value))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    return html_page(made_report(), made_strip())


def test_the_page_is_whole(text: str) -> None:
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {"html", "title", "table", "svg"} <= page.seen


def test_the_page_needs_nothing_from_elsewhere(text: str) -> None:
    page = Page(text)
    assert "script" not in page.seen
    assert page.links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert set(re.findall(r"https?://[^\s\"<)]+", text)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "@import" not in text


def test_the_page_tells_values_with_intervals_and_sizes(text: str) -> None:
    report, said = made_report(), "".join(Page(text).words)
    for figure in (
        report.majority.accuracy,
        report.raters.after.ece,
        report.hard.after.brier,
        report.selective.augrc,
        report.votes.total_variation,
        report.routes[0].share,
        report.flip.nll_votes,
    ):
        assert figure.text() in said
    for name in ("reliability", "AURC", "E-AURC", "FPR95", "macro-F1", "contempt", "Spearman", "mirror image"):
        assert name in text


def test_words_of_a_model_are_words(text: str) -> None:
    assert "by &lt;hand&gt;" in text
    assert "<hand>" not in text


def test_the_page_follows_light_and_dark(text: str) -> None:
    assert "prefers-color-scheme: dark" in text


def test_a_model_with_one_member_and_no_clip(text: str, tmp_path: Path) -> None:
    write_html(made_report(members=1), tmp_path / "new" / "report.html")
    said = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert "none to measure" in said
    assert "Over time" not in said
    assert "Over time" in text
