"""All data sets with action-unit labels behind one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from engine.errors import SourceError
from training.data.action_unit_faces import UnitFaces, joined
from training.data.bp4d import read_bp4d
from training.data.disfa import read_disfa
from training.data.faces128 import read_faces128
from training.data.open_set import read_open_au

Report = Callable[[str], None]


class UnitSource(str, Enum):
    """Data sets with action-unit labels; each reader's docstring states its layout."""

    OPEN = "open"  # rendered by `mien-train make-au`
    FACES128 = "faces128"  # pseudo-labels
    BP4D = "bp4d"
    DISFA = "disfa"


#: Folder, cache, workers and report -> faces.
_READERS: Final[dict[UnitSource, Callable[[Path, Path, int, Report], UnitFaces]]] = {
    UnitSource.OPEN: lambda folder, cache, workers, report: read_open_au(folder),  # its meshes are in the set
    UnitSource.FACES128: lambda folder, cache, workers, report: read_faces128(folder, cache, workers),
    UnitSource.BP4D: read_bp4d,
    UnitSource.DISFA: read_disfa,
}


@dataclass(frozen=True, slots=True)
class UnitData:
    """A data set and its folder."""

    name: str
    folder: Path


def parse_unit_data(text: str) -> UnitData:
    """A data set from ``NAME=FOLDER``.

    Raises:
        SourceError: the name is unknown, or the folder is missing.

    >>> parse_unit_data("bp4d=data/bp4d").name
    'bp4d'
    """
    name, _, folder = text.partition("=")
    if name not in _names() or not folder:
        raise SourceError(f"--data {text!r} is not NAME=FOLDER with NAME one of {', '.join(_names())}")
    return UnitData(name, Path(folder))


def read_units(name: str, folder: Path, cache: Path, workers: int = 2, report: Report = print) -> UnitFaces:
    """Faces of one data set, cropped as the engine crops live faces.

    Args:
        name: one of UnitSource.
        folder: of the data set.
        cache: folder for crops and meshes.
        workers: processes that compute them.
        report: gets lines on progress, frames left out and missing people, where they apply.

    Raises:
        SourceError: the name is unknown, or the data are not in the publisher's layout.
        FaceModelError: a face network is not on this machine.
    """
    if name not in _names():
        raise SourceError(f"unknown data set {name!r}: use one of {', '.join(_names())}")
    return _READERS[UnitSource(name)](folder, cache, workers, report)


def read_all_units(data: Sequence[UnitData], cache: Path, workers: int = 2, report: Report = print) -> UnitFaces:
    """Faces of several data sets; cache, workers and report as in `read_units`.

    Raises:
        SourceError, FaceModelError: as in `read_units`; or a data set is given twice.
        ValueError: the list is empty, or the sets do not label the same units.
    """
    names = [part.name for part in data]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SourceError(f"--data {min(twice)} is given twice: its faces would count twice")
    return joined([read_units(part.name, part.folder, cache, workers, report) for part in data])


def _names() -> list[str]:
    return [source.value for source in UnitSource]
