"""Names of strangers on a terminal, and passwords in messages."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.printable import printable, without_password


@pytest.mark.parametrize(
    "character", ["\x1b", "\x00", "\x07", "\n", "\r", "\t", "\x7f", "\x9b", "\u202e", "\u2028", "\u200b"]
)
def test_characters_that_control_a_terminal_are_escaped(character: str) -> None:
    shown = printable(f"film{character}.mp4")
    assert character not in shown
    assert shown == f"film{character.encode('unicode_escape').decode()}.mp4"


@pytest.mark.parametrize("name", ["film.mp4", "Größe (1).mp4", "猫 [x].mp4", "a b"])
def test_ordinary_names_are_unchanged(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    "word",
    [
        "rtsp:/admin:secret@10.0.0.7/live",
        "rtsp//admin:secret@10.0.0.7",
        "rtps://admin:secret@cam",
        "rtsp:\\\\admin:secret@cam",
        "admin:secret@10.0.0.7:554/live",
        "rtsp:admin:secret@cam",
        "rtsp:/admin:with@secret@cam",
        "rtsp:/admin:a/secret@cam",
        "cam/live?password=secret",
        "rtsp:/cam/live?x=1&token=secret",
    ],
)
def test_the_password_of_a_mistyped_address_is_not_shown(word: str) -> None:
    shown = without_password(f"{word} does not exist: check the path")
    assert "secret" not in shown
    assert shown.endswith("does not exist: check the path")


@pytest.mark.parametrize("text", ["C:\\clips\\a@b.mp4 is missing", "12:30 a.m.", "a.mp4: 3 of 4 frames", "me@home.org"])
def test_other_texts_are_unchanged(text: str) -> None:
    assert without_password(text) == text


def test_annotate_does_not_print_the_password_of_a_mistyped_address(tmp_path: object) -> None:
    result = CliRunner().invoke(app, ["annotate", "rtsp:/admin:secret@10.0.0.7/live", "--out", f"{tmp_path}/out"])
    assert result.exit_code == 2
    assert "secret" not in result.output
    assert "***@10.0.0.7" in result.output
