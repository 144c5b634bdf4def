"""The README stays short, and its Python example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_readme_has_at_most_900_words() -> None:
    assert len(README.split()) <= 900


def test_python_example_runs_on_the_demo(capsys: pytest.CaptureFixture[str], face_models: None) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert '"clip.mp4"' in example
    exec(compile(example.replace('"clip.mp4"', '"demo"'), "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    routes = {line.split()[2] for line in lines}
    assert {"accept", "reject"} <= routes
    assert any("happiness" in line for line in lines)
