"""ExpW, expressions in the wild: web photographs with the boxes of their faces, in the publisher's layout.

``label/label.lst`` has a line per face: image_name face_id_in_image face_box_top face_box_left face_box_right
face_box_bottom face_box_confidence expression_label, in pixels; labels 0-6: angry disgust fear happy sad surprise
neutral. Photographs are in ``image/origin/``. 91,793 faces.
The publisher has no splits: training, validation and test (70, 15, 15 %) follow from a hash of the photograph's name,
so that the faces of a photograph stay together. One photograph under two names can still be in two splits.
Zhang, Luo, Loy, Tang, "From Facial Expression Recognition to Interpersonal Relation Prediction", IJCV 2018, arXiv
1609.06426; mmlab.ie.cuhk.edu.hk/projects/socialrelation. Columns after the publisher's readme as quoted in public
readers; not tested on the data themselves.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from engine.errors import SourceError
from training.data.labelled import LabelledImage, check_split, expression_of, list_lines

TRAINING, VALIDATION, TEST = "training", "validation", "test"
SPLITS: Final = (TRAINING, VALIDATION, TEST)
#: Upper ends of the shares of the photographs, by a hash of the name.
_UPPER_ENDS: Final = ((TRAINING, 0.70), (VALIDATION, 0.85), (TEST, 1.0))
_LABELS: Final = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")  # 0 to 6
_COLUMNS: Final = 8


def split_of(name: str) -> str:
    """Split of a photograph, from a hash of its name."""
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return next(split for split, upper in _UPPER_ENDS if share < upper)


def list_expw(folder: Path, split: str) -> list[LabelledImage]:
    """Faces of a split; ``folder`` is the one that holds label/ and image/ (named ``data`` by the publisher).

    Raises:
        SourceError: the list is missing or has a line that cannot be read, or the split is unknown.
    """
    check_split(split, SPLITS, "ExpW")
    source = folder / "label" / "label.lst"
    found = []
    for number, line in enumerate(list_lines(source), 1):
        if not line.strip():
            continue
        image = _face(folder / "image" / "origin", line, f"{source}, line {number}")
        if split_of(image.path.name) == split:
            found.append(image)
    return found


def _face(images: Path, line: str, where: str) -> LabelledImage:
    texts = line.split()
    if len(texts) != _COLUMNS:
        raise SourceError(f"{where}: {len(texts)} columns, not {_COLUMNS}: fix or delete it")
    name, face, *edges, _, label = texts
    try:
        top, left, right, bottom = (int(edge) for edge in edges)
    except ValueError:
        raise SourceError(f"{where}: the box {edges} is not four whole numbers: fix or delete it") from None
    expression = expression_of(label, _LABELS, 0, where)
    return LabelledImage(images / name, f"{name}#{face}", expression, (left, top, right, bottom))
