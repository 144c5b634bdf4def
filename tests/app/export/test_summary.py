"""The summary page: self-contained, escaped, with pictures only where there are some and they are wanted."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.review.notes import Marker
from engine.facs import EXPRESSIONS
from tests.app.export.conftest import NOTES
from tests.fakes.sessions import write_session


class Page(HTMLParser):
    """Collects the tags, the addresses and the text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "action")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag  # every element is closed, in order

    def handle_data(self, data: str) -> None:
        self.text += data


def page(folder: Path) -> Page:
    parsed = Page(folder / "summary.html")
    assert parsed.open == []
    return parsed


def test_the_page_runs_nothing_and_loads_nothing(recorded, write) -> None:
    parsed = page(write("html", opened=recorded))
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(parsed.tags)
    assert all(address.startswith("data:image/jpeg;base64,") for address in parsed.addresses)
    text = (write("html", opened=recorded, replace=True) / "summary.html").read_text(encoding="utf-8")
    assert "url(http" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_counts_and_shares_are_those_of_the_session(write) -> None:
    text = page(write("html")).text
    assert "Frames analysed45" in text
    assert "Frames without a face5 (11.1 %)" in text
    assert "Faces (tracks, not persons)2" in text
    # 50 rows with a face: 20 + 10 accepted, 10 ambiguous, 5 unlike the training data, 5 dark
    assert all(words in text for words in ("60.0 % (30)", "20.0 % (10)", "10.0 % (5)"))
    assert "66.7 % (20)" in text  # happy among the accepted
    assert "dark 5" in text
    assert "face 1, 0:02.5, 1.00 s: happy or surprised" in text


def test_expressions_have_their_patterns_beside_their_colours(write) -> None:
    page = (write("html") / "summary.html").read_text(encoding="utf-8")
    used = set(re.findall(r'fill="url\(#expression-(\w+)\)"', page))
    assert used == set(EXPRESSIONS)  # the bars list all
    tiles = dict(re.findall(r'<pattern id="expression-(\w+)".*? d="([^"]*)"', page))
    assert set(tiles) == used
    assert len(set(tiles.values())) == len(tiles)  # they differ without colour


def test_episodes_are_counted_with_their_lengths(write) -> None:
    rows = re.findall(r"<tr>(.*?)</tr>", (write("html") / "summary.html").read_text(encoding="utf-8"))
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    assert ["expression", "happy", "1", "2.0", "2.00", "2.00"] in cells
    assert ["expression", "ambiguous", "1", "1.0", "1.00", "1.00"] in cells


def test_ambiguous_stretches_have_a_picture_of_the_face(recorded, write) -> None:
    (address,) = page(write("html", opened=recorded)).addresses
    data = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
    height, width = cv2.imdecode(data, cv2.IMREAD_COLOR).shape[:2]
    # the box is 60 x 70 pixels, with a quarter on each side, cut at the upper edge of the frame
    assert height == 144
    assert width == pytest.approx(144 * 90 / 105, abs=3)


def test_pictures_can_be_left_out(recorded, write) -> None:
    assert page(write("html", opened=recorded, pictures=False)).addresses == []


def test_without_a_video_there_is_no_picture(write) -> None:
    assert page(write("html")).addresses == []


def test_text_of_people_and_file_names_are_escaped(tmp_path, write) -> None:
    from app.review.session import open_session

    write_session(tmp_path / "odd", [()], source="<script>alert(1)</script>.mp4")
    with open_session(tmp_path / "odd") as session:
        notes = NOTES.with_coder("<b>Ada").with_marker(Marker(0.0, "<img src=x onerror=alert(1)>"))
        parsed = page(write("html", notes, opened=session))
    assert not {"script", "img", "b"} & set(parsed.tags)
    assert "<img src=x onerror=alert(1)>" in parsed.text


def test_a_session_without_a_face_has_a_page(tmp_path, write) -> None:
    from app.review.session import open_session

    write_session(tmp_path / "empty", [()] * 3)
    with open_session(tmp_path / "empty") as session:
        text = page(write("html", opened=session)).text
    assert "No face was found." in text
    assert "No face was ambiguous." in text


def test_excluded_ranges_can_be_left_out(write) -> None:
    assert "Frames analysed43" in page(write("html", without_excluded=True)).text
