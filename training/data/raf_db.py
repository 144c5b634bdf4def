"""RAF-DB, the basic set of seven expressions, in the publisher's layout.

``EmoLabel/list_patition_label.txt`` (the publisher's spelling) has a line ``train_00001.jpg 5`` per image; labels 1-7
are surprise fear disgust happiness sadness anger neutral. ``Image/aligned/train_00001_aligned.jpg`` is the face,
100x100 colour. The prefix of a name is its split: 12,271 train, 3,068 test.

Li, Deng, Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild",
CVPR 2017; www.whdeng.cn/RAF/model1.html. Layout after its readers in public repositories; not tested on the data
themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.errors import SourceError
from training.data.labelled import LabelledImage, check_split, expression_of, list_lines

SPLITS: Final = ("train", "test")
_LABELS: Final = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # 1 to 7


def list_raf_db(folder: Path, split: str) -> list[LabelledImage]:
    """Images of a split; ``folder`` is the one that holds EmoLabel/ and Image/ (named ``basic`` by the publisher).

    Raises:
        SourceError: the list is missing or has a line that cannot be read, or the split is unknown.
    """
    check_split(split, SPLITS, "RAF-DB")
    source = folder / "EmoLabel" / "list_patition_label.txt"
    found = []
    for number, line in enumerate(list_lines(source), 1):
        name, _, label = line.strip().partition(" ")
        if not name:
            continue
        expression = expression_of(label, _LABELS, 1, f"{source}, line {number}")
        if name.partition("_")[0] not in SPLITS:
            raise SourceError(f"{source}, line {number}: {name!r} starts with neither train_ nor test_")
        if name.startswith(f"{split}_"):
            path = folder / "Image" / "aligned" / f"{Path(name).stem}_aligned.jpg"
            found.append(LabelledImage(path, name, expression))
    return found
