"""Which languages the program has: the files ``mien_XX.qm`` that stand beside the models, if any."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Where translations are packaged.
TRANSLATIONS_FOLDER: Final = Path(__file__).resolve().parents[2] / "assets" / "translations"
_PREFIX: Final = "mien_"


def installed_languages(folder: Path = TRANSLATIONS_FOLDER) -> dict[str, Path]:
    """Every language such as "de" or "pt_BR" with its file, in order of its code."""
    return {path.stem.removeprefix(_PREFIX): path for path in sorted(folder.glob(f"{_PREFIX}*.qm"))}


def chosen_language(wanted: str, desktop: str, installed: dict[str, Path]) -> Path | None:
    """The file of the language to be used; None = the English of the source.

    Args:
        wanted: as in the preferences; "" = that of the desktop, "en" = English.
        desktop: the desktop's, as in "de_AT".
        installed: as `installed_languages` gives it.
    """
    if wanted:
        return installed.get(wanted)
    return installed.get(desktop) or installed.get(desktop.split("_")[0])
