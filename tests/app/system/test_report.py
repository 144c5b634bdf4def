"""The report is text without the user's name."""

from __future__ import annotations

from pathlib import Path

from app.system.doctor import Check
from app.system.report import report_text


def test_one_line_per_check_below_the_machine() -> None:
    checks = [
        Check("Python", True, "3.11.7"),
        Check("av", False, "run 'pip install av'"),
        Check("openvino", False, "for more: pip install openvino", needed=False),
        Check("write access", True, str(Path.home() / "Mien")),
    ]
    lines = report_text(checks, "0.9").splitlines()
    assert lines[0] == "Mien 0.9"
    assert lines[2:5] == [
        "ok       Python: 3.11.7",
        "missing  av: run 'pip install av'",
        "optional openvino: for more: pip install openvino",
    ]
    assert lines[5] == f"ok       write access: {Path('~') / 'Mien'}"
