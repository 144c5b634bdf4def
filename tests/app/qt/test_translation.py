"""Which translation is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.qt.translation import chosen_language, installed_languages


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, Path]:
    for name in ("mien_de.qm", "mien_pt_BR.qm", "other_fr.qm", "mien_it.ts"):
        (tmp_path / name).write_bytes(b"x")
    return installed_languages(tmp_path)


def test_translation_files_are_found_by_name(installed: dict[str, Path], tmp_path: Path) -> None:
    assert list(installed) == ["de", "pt_BR"]
    assert installed["de"] == tmp_path / "mien_de.qm"
    assert installed_languages(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("wanted", "desktop", "used"),
    [
        ("", "de_AT", "de"),
        ("", "pt_BR", "pt_BR"),
        ("", "pt_PT", None),
        ("", "C", None),
        ("de", "pt_BR", "de"),
        ("en", "de_DE", None),
        ("xx", "de_DE", None),
    ],
)
def test_the_users_language_comes_before_the_desktops(
    installed: dict[str, Path], wanted: str, desktop: str, used: str | None
) -> None:
    assert chosen_language(wanted, desktop, installed) == (installed[used] if used else None)
