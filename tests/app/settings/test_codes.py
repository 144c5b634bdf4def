"""Codes of events: which can be used, and that preferences keep them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings.codes import CodeFault, EventCode, fault_of
from app.settings.preferences import Preferences, load_preferences, save_preferences

STIMULUS, BLINK = EventCode("S", "stimulus", lasts=True), EventCode("D", "blink")


@pytest.mark.parametrize(
    ("codes", "fault"),
    [
        ((), None),
        ((STIMULUS, BLINK), None),
        ((EventCode("s", "x"),), CodeFault.KEY),
        ((EventCode("", "x"),), CodeFault.KEY),
        ((EventCode("Ä", "x"),), CodeFault.KEY),
        ((STIMULUS, EventCode("S", "x")), CodeFault.KEY_TAKEN),
        ((EventCode("F", "x"),), CodeFault.KEY_TAKEN),
        ((EventCode("S", "  "),), CodeFault.NAME),
        ((STIMULUS, EventCode("D", "stimulus")), CodeFault.NAME_TWICE),
    ],
)
def test_codes_need_a_free_letter_and_a_name_each(codes: tuple[EventCode, ...], fault: CodeFault | None) -> None:
    assert fault_of(codes, {"F", "N"}) is fault


def test_preferences_keep_codes_and_refuse_those_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "desktop.json"
    save_preferences(path, Preferences(codes=(STIMULUS, BLINK)))
    assert load_preferences(path).codes == (STIMULUS, BLINK)
    save_preferences(path, Preferences(codes=(STIMULUS, STIMULUS)))
    warnings: list[str] = []
    assert load_preferences(path, warnings.append).codes == ()
    assert "all different" in warnings[0]
