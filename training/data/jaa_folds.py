"""The three subject-exclusive folds of BP4D and DISFA, used by papers since JAA-Net.

Two folds train, the third measures (SPEC 3.5). Lists: Shao, Liu, Cai, Ma, "Deep Adaptive Attention for Joint Facial
Action Unit Detection and Face Alignment", ECCV 2018; github.com/ZhiwenShao/PyTorch-JAANet, data/list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.errors import SourceError

#: Subject to fold, 41 people.
BP4D_FOLDS: Final[Mapping[str, int]] = {
    subject: fold
    for fold, subjects in (
        (1, "F001 F002 F008 F009 F010 F016 F018 F023 M001 M004 M007 M008 M012 M014"),
        (2, "F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018"),
        (3, "F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015"),
    )
    for subject in subjects.split()
}
#: Subject to fold, 27 people.
DISFA_FOLDS: Final[Mapping[str, int]] = {
    subject: fold
    for fold, subjects in (
        (1, "SN001 SN002 SN009 SN010 SN016 SN026 SN027 SN030 SN032"),
        (2, "SN006 SN011 SN012 SN013 SN018 SN021 SN024 SN028 SN031"),
        (3, "SN003 SN004 SN005 SN007 SN008 SN017 SN023 SN025 SN029"),
    )
    for subject in subjects.split()
}


def published_fold(subject: str, folds: Mapping[str, int], where: str) -> int:
    """The fold of a subject.

    Raises:
        SourceError: the subject is in no fold; ``where`` names the file it comes from.
    """
    if subject not in folds:
        raise SourceError(
            f"{where}: subject {subject!r} is in no published fold; they have the {len(folds)} subjects "
            f"{' '.join(sorted(folds))}: is this another release? Move its files away to read the others"
        )
    return folds[subject]
