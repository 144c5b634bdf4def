"""Faults in the language of the window: sentences of the engine and of files, which are made without Qt.

A fault holds values, so that it cannot be looked up as it is. It is compared with the sentences that a user of the
window meets most, and their translation gets its values; a fault without one stays English.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from app.qt.translation import translated
from app.remedies import WINDOW_REMEDIES, window_text

#: As in the sources, which tests/app/qt/test_sentences.py compares; a name in braces stands for a value.
FAULTS: Final = (
    "camera {camera} gave no new picture for {seconds} s: plug it in again, or open its shutter",
    "{name} holds {found}: give a file or address with video",
    "{name} uses a video codec that is unknown here: convert it to H.264",
    "{name} is a text file, not a video: give a video, a picture or a folder of pictures",
    "{path} does not exist: check the path",
    "{path} is empty (0 bytes): copy it again",
    "{path} may not be read: check its permissions",
    "{path} is no video of a kind that is read: give a video, or convert it to MP4 with H.264",
    "{path} is no video that can be read ({reason}): check that it plays, or copy it again",
    "{path} cannot be opened ({reason}): check the path",
    "{name} holds no frame that can be decoded: check that it plays, or copy it again",
    "{name} gave no picture for {seconds} s: check that it plays elsewhere",
    "{name} was replaced or changed while it was read: start anew",
    "{path} cannot be read ({reason}): check the path and its permissions",
    "{name} is not read: use {schemes} or a file",
    "{name} sends no picture that can be decoded: check the address",
    "{name} cannot be read ({reason}): check the address and the network",
    "{name} sent no picture that can be decoded for {seconds} s: check camera and network",
    "{name} sent nothing for {seconds} s ({reason}): check camera and network",
    "{path} is in use by {owner}",
    "{path} cannot be {action} ({reason})",
    "{path} is missing: copy the folder again",
    "{path} is damaged ({problem}): copy the folder again",
    "{path} is damaged ({reason}): repair it, or move it away to start new notes",
    "{path} has a format that this version does not read: update the program",
    "{path} cannot be written ({reason}): free space on its disk",
    "{path} has no analysed frame yet: annotate or record longer",
    "{path} is not a session (it has no {name}): choose a folder that has one",
    "{path} can no longer be read: check that its disk is connected",
    "{path} is missing: run 'mien prepare' once (needs the package index)",
)
_VALUE: Final = re.compile(r"\{(\w+)\}")


def fault_text(error: Exception) -> str:
    """Problem and remedy in one line, translated."""
    return translated_fault(window_text(error))


def translated_fault(fault: str) -> str:
    """The translation of a fault as `app.remedies.window_text` words it; English if there is none."""
    whole = _translated(fault)
    if whole is not None:
        return whole
    for remedy in WINDOW_REMEDIES.values():
        if fault.endswith(f": {remedy}"):
            problem = fault.removesuffix(f": {remedy}")
            return f"{_translated(problem) or problem}: {translated(remedy)}"
    return fault


def _translated(sentence: str) -> str | None:
    if translated(sentence) != sentence:
        return translated(sentence)
    for template in FAULTS:
        found = _pattern(template).fullmatch(sentence)
        if found is not None:
            return translated(template).format(**{name: translated(value) for name, value in found.groupdict().items()})
    return None


@functools.lru_cache(maxsize=len(FAULTS))
def _pattern(template: str) -> re.Pattern[str]:
    texts = _VALUE.split(template)  # text and names in turn
    parts = (re.escape(text) if place % 2 == 0 else f"(?P<{text}>.+)" for place, text in enumerate(texts))
    return re.compile("".join(parts))
