"""The table of formats: complete, documented, and honest about missing packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import tomllib

from app.export.command import format_lines, format_names
from app.export.formats import FORMATS, PLAIN_FORMATS, Needs, chosen_formats
from engine.errors import ConfigError

ROOT = Path(__file__).parents[3]


def test_every_writer_can_be_imported_and_every_file_has_one() -> None:
    for item in FORMATS:
        assert len(item.load()) == len(item.files)


def test_names_and_files_are_unique() -> None:
    assert len({item.name for item in FORMATS}) == len(FORMATS)
    files = [name for item in FORMATS for name in item.files]
    assert len(set(files)) == len(files)


def test_no_file_has_a_name_that_annotating_uses() -> None:
    ours = {"faces.csv", "faces.parquet", "annotated.mp4", "video.mp4", "journal.jsonl", "metadata.json", "review.json"}
    assert not ours & {name for item in FORMATS for name in item.files}


def test_all_means_what_needs_neither_labels_nor_video() -> None:
    assert tuple(item.name for item in chosen_formats(["all"])) == PLAIN_FORMATS
    assert {item.name for item in FORMATS} - set(PLAIN_FORMATS) == {"agreement", "video", "blurred"}
    assert all(item.needs is Needs.NOTHING for item in chosen_formats(["all"]))


def test_names_may_be_separated_by_commas_and_come_back_in_the_tables_order() -> None:
    assert format_names(["srt, csv", "csv"]) == ("csv", "srt")


def test_an_unknown_format_is_refused_with_the_list() -> None:
    with pytest.raises(ConfigError, match=r"'xml' is not a format: choose from csv, .*blurred or all"):
        format_names(["xml"])


@pytest.mark.parametrize("name", ["elan", "boris"])
def test_a_missing_package_is_named_with_its_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.export.formats.find_spec", lambda module: None)
    with pytest.raises(ConfigError, match=rf'{name} needs [\w-]+: run pip install "[\w-]+==[\d.]+"'):
        chosen_formats([name])
    assert any('first: pip install "pympi-ling==' in line for line in format_lines())


def test_the_pins_are_those_of_the_extra_and_of_the_constraints() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["export"]
    assert sorted(extra) == sorted(item.library.requirement for item in FORMATS if item.library is not None)
    pins = (ROOT / "packaging" / "constraints.txt").read_text().splitlines()
    assert set(extra) <= set(pins)


def test_packages_are_imported_only_when_they_write() -> None:
    import subprocess
    import sys

    code = (
        "import sys, app.export.command, app.export.elan, app.export.boris, app.cli;"
        "print([name for name in ('pympi', 'openpyxl', 'PySide6', 'av') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert find_spec("pympi") is not None


def test_the_documentation_lists_every_format() -> None:
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    for item in FORMATS:
        assert f"| `{item.name}` |" in text
        assert all(f"`{name}`" in text for name in item.files)
