"""Every command line in the pages names a command and options that exist, and output.md names every column."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from app.cli import app as mien
from app.session.table import column_names
from engine.facs import EXPRESSIONS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def command_lines(program: str) -> Iterator[tuple[str, list[str]]]:
    """Page and words of each line of a code block, and of each code span, that starts with the program."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        block = re.compile(r"^```[a-z]*\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
        lines = [line for found in block.findall(text) for line in found.splitlines()]
        for line in lines + re.findall(r"`([^`\n]+)`", block.sub("", text)):
            start = line.find(f"{program} ")
            if start >= 0 and re.fullmatch(r"([A-Z] +)?", line[:start]):
                yield page.name, shlex.split(line[start:], comments=True)[1:]


def problems(group: Any, words: list[str]) -> list[str]:
    """What of the words does not exist in a command."""
    command, rest = group, list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name == "...":
            return []
        if name not in command.commands:
            return [f"no command {name}"]
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return [f"no option {word}" for word in rest if word.startswith("--") and word not in known | {"--help"}]


def test_commands_of_mien_exist() -> None:
    lines = list(command_lines("mien"))
    assert len(lines) > 5
    assert [
        (page, words, wrong) for page, words in lines if (wrong := problems(typer.main.get_command(mien), words))
    ] == []


def test_commands_of_mien_train_exist() -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from training.cli.main import app as mien_train

    lines = list(command_lines("mien-train"))
    assert len(lines) > 15
    group = typer.main.get_command(mien_train)
    assert [(page, words, wrong) for page, words in lines if (wrong := problems(group, words))] == []


def test_every_column_is_documented() -> None:
    text = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
    table = text.split("| column | meaning |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([a-z_0-9 ]+)`", " ".join(line.split("|")[1] for line in table.splitlines()[2:])))
    documented = {name for names in named for name in names.split()}
    unit_or_class = re.compile(r"(au_\d\d(_sd|_i|_b|_b_sd|_b_i)?|[pq]_(?!ood|aleatoric|epistemic)[a-z]+)")
    header: Any = SimpleNamespace(expressions=EXPRESSIONS, au_codes=(1, 43), au_intensity=True)
    columns = {name for name in column_names(header, baselines=True) if not unit_or_class.fullmatch(name)}
    assert columns == {name for name in documented if not unit_or_class.fullmatch(name)}
