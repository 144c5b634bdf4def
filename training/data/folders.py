"""A plain folder per class: ``SPLIT/CLASS/**/picture.jpg``, as in many copies of FER2013 and private collections.

Class folders are named as in engine.facs, by noun or adjective in any case (happiness, Happy). Each image shows one
face and little else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.errors import SourceError
from engine.facs import EXPRESSION_ADJECTIVES, EXPRESSIONS
from training.data.labelled import LabelledImage

#: Name of a folder to index into EXPRESSIONS.
_CLASSES: Final = {name: number for names in (EXPRESSIONS, EXPRESSION_ADJECTIVES) for number, name in enumerate(names)}
_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})


def list_folders(folder: Path, split: str) -> list[LabelledImage]:
    """Images of ``folder/split``, class after class; the split ``.`` is the folder itself.

    Raises:
        SourceError: the folder is missing or has a subfolder that is not named after an expression.
    """
    root = folder / split
    if not root.is_dir():
        raise SourceError(f"{root} is missing: expected a folder per expression, {root / EXPRESSIONS[0]} and so on")
    found = []
    for place in sorted(root.iterdir()):
        if not place.is_dir() or place.name.startswith("."):
            continue
        if place.name.lower() not in _CLASSES:
            raise SourceError(
                f"{place} is not named after an expression: rename it to one of {', '.join(EXPRESSIONS)}, or move it"
            )
        label = _CLASSES[place.name.lower()]
        files = sorted(path for path in place.rglob("*") if path.suffix.lower() in _SUFFIXES)
        found += [LabelledImage(path, path.relative_to(root).as_posix(), label) for path in files]
    return found
