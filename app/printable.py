"""Text of strangers, such as file names, for a terminal: its control characters must not reach it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Categories of Unicode that move the cursor, hide or reorder text, or are no characters: controls, formats (with the
#: marks of direction), lone surrogates, and the separators of lines and paragraphs.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: A login before "@" in a word that was meant to be an address, and secrets among the values behind "?".
_LOGIN: Final = re.compile(r"(?P<scheme>(?:[a-z][\w+.-]*:?)?[/\\]+)?[^\s/\\:@]+:(?![/\\])\S*@", re.IGNORECASE)
_VALUE: Final = re.compile(r"([?&](?:pass|pwd|token|key|secret|auth)\w*=)[^\s&]+", re.IGNORECASE)


def without_password(text: str) -> str:
    """The text without what may be the password of an address, also of one that is mistyped.

    `engine.capture.redaction.redact_url` is for real addresses.

    >>> without_password("rtsp:/admin:se/c@ret@10.0.0.7 does not exist"), without_password("rtsp//me:pw@cam?token=1")
    ('rtsp:/***@10.0.0.7 does not exist', 'rtsp//***@cam?token=***')
    """
    return _VALUE.sub(r"\1***", _LOGIN.sub(r"\g<scheme>***@", text))


def printable(text: str) -> str:
    r"""The text in one line, with escapes such as ``\x1b`` in place of characters that are not shown.

    >>> printable("film\x1b[2J\n.mp4"), printable("été 猫.mp4")
    ('film\\x1b[2J\\n.mp4', 'été 猫.mp4')
    """
    if text.isprintable():
        return text
    return "".join(
        _escaped(character) if unicodedata.category(character) in _HIDDEN else character for character in text
    )


def plain(text: str) -> str:
    r"""The text in one line, without the characters that are not shown, which most formats do not allow.

    >>> plain("Ann\x07\tB."), plain("\x1b[2J\x00")
    ('Ann B.', '[2J')
    """
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
