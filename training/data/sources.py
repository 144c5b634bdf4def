"""All data sets with expression labels through one function."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from engine.errors import SourceError
from training.data import affectnet, expw, fer2013, raf_db
from training.data.affectnet import list_affectnet
from training.data.expw import list_expw
from training.data.folders import list_folders
from training.data.labelled import LabelledFaces, LabelledImage, check_split, read_images
from training.data.raf_db import list_raf_db


class Source(str, Enum):
    """Data sets with expression labels; each reader's docstring states its layout."""

    FER2013 = "fer2013"  # with FERPlus votes
    RAF_DB = "raf-db"
    AFFECTNET = "affectnet"
    EXPW = "expw"
    FOLDERS = "folders"


#: Splits of a source in the publisher's words, the one to train on first and the one to choose on second (RAF-DB and
#: AffectNet have no third: papers choose and report on the same); folders have the splits that the user names.
SPLITS: Final[dict[Source, tuple[str, ...]]] = {
    Source.FER2013: fer2013.SPLITS,
    Source.RAF_DB: raf_db.SPLITS,
    Source.AFFECTNET: affectnet.SPLITS,
    Source.EXPW: expw.SPLITS,
}
_LISTS: Final[dict[Source, Callable[[Path, str], list[LabelledImage]]]] = {
    Source.RAF_DB: list_raf_db,
    Source.AFFECTNET: list_affectnet,
    Source.EXPW: list_expw,
    Source.FOLDERS: list_folders,
}


def read_labelled(
    source: str, data: Path, split: str, cache: Path, side_px: int, report: Callable[[str], None] | None = None
) -> LabelledFaces:
    """Faces of a split of any source, cropped as the engine crops live faces; ``cache`` holds the meshes.

    ``report`` gets progress lines while a large set is read.

    Raises:
        SourceError: the source or split is unknown, or the data are not in the publisher's layout.
        FileNotFoundError: a file of FER2013 is missing.
        FaceModelError: the mesh network is not on this machine.
    """
    names = [known.value for known in Source]
    if source not in names:
        raise SourceError(f"unknown data set {source!r}: use one of {', '.join(names)}")
    known = Source(source)
    if known is Source.FER2013:
        check_split(split, fer2013.SPLITS, "FER2013")
        return fer2013.read_faces(data, split, cache, side_px).labelled()
    return read_images(_LISTS[known](data, split), cache, side_px, report)
