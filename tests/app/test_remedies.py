"""Every remedy has words in every front end, and an error itself has none of them."""

from __future__ import annotations

import pickle

import pytest

from app.remedies import CLI_REMEDIES, WINDOW_REMEDIES, cli_text, window_text
from engine.errors import EngineError, OutputError, Remedy


@pytest.mark.parametrize("table", [CLI_REMEDIES, WINDOW_REMEDIES], ids=["cli", "window"])
def test_every_remedy_has_words(table: dict[Remedy, str]) -> None:
    assert set(table) == set(Remedy)
    assert all(table.values())


@pytest.mark.parametrize("remedy", Remedy)
def test_the_window_names_no_option_of_the_command_line(remedy: Remedy) -> None:
    assert "--" not in window_text(EngineError("the disk is full", remedy))


def test_an_error_is_its_problem_and_each_front_end_adds_the_remedy() -> None:
    error = OutputError("clip/journal.jsonl is damaged at byte 7", Remedy.RESTART)
    assert str(error) == "clip/journal.jsonl is damaged at byte 7"
    assert cli_text(error) == "clip/journal.jsonl is damaged at byte 7: use --force to start again"
    assert window_text(error) == 'clip/journal.jsonl is damaged at byte 7: choose "Start again"'


def test_an_error_without_a_remedy_is_shown_as_it_is() -> None:
    for text in (cli_text, window_text):
        assert text(EngineError("camera 9 cannot be opened: plug it in")) == "camera 9 cannot be opened: plug it in"
        assert text(ValueError("odd")) == "odd"


def test_a_remedy_survives_a_copy_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(OutputError("no room", Remedy.FREE_SPACE)))
    assert (type(copy), copy.problem, copy.remedy) == (OutputError, "no room", Remedy.FREE_SPACE)
