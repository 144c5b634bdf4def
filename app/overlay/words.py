"""The words over a picture. The window gives its translations of them; files of a session stay English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.overlay.disclaimer import DISCLAIMER
from engine.facs import EXPRESSION_ADJECTIVES, EXPRESSIONS
from engine.types import QualityReason

NO_FACE_TEXT: Final = "No face in view"
REJECT_TEXT: Final = "Not assessed: unlike training data"
COVERED_TEXT: Final = "Not assessed: {reasons}"
LOW_QUALITY_TEXT: Final = "Can't see well"
REASON_TEXTS: Final[dict[str, str]] = {
    QualityReason.TOO_SMALL.value: "too small",
    QualityReason.TURNED_AWAY.value: "turned away",
    QualityReason.BLURRED.value: "blurred",
    QualityReason.DARK.value: "too dark",
    QualityReason.CUT_OFF.value: "cut off",
    QualityReason.MOUTH_COVERED.value: "mouth covered",
    QualityReason.EYES_COVERED.value: "eyes covered",
    QualityReason.SIDE_COVERED.value: "one side covered",
}
#: Heading of the units without sufficient evidence.
CAPTION: Final = "not trusted"
#: Competing labels, and a problem with its reasons.
EITHER: Final = "{first} or {last}"
BECAUSE: Final = "{problem}: {reasons}"
#: All of them, for a translator.
TEXTS: Final = (
    *(*EXPRESSION_ADJECTIVES, NO_FACE_TEXT, REJECT_TEXT, LOW_QUALITY_TEXT, *REASON_TEXTS.values()),
    *(COVERED_TEXT, CAPTION, EITHER, BECAUSE, DISCLAIMER),
)
_ADJECTIVES: Final = dict(zip(EXPRESSIONS, EXPRESSION_ADJECTIVES, strict=True))


@dataclass(frozen=True, slots=True)
class Words:
    """Translations of `TEXTS`; a text without one stays English."""

    translations: tuple[tuple[str, str], ...] = ()  # English text and its translation

    def of(self, text: str) -> str:
        """A text as it is shown."""
        return next((shown for english, shown in self.translations if english == text), text)

    def expression(self, label: str) -> str:
        """The adjective of an expression.

        Raises:
            KeyError: unknown label.
        """
        return self.of(_ADJECTIVES[label])

    def either(self, labels: tuple[str, ...]) -> str:
        """Two or more competing labels."""
        names = [self.expression(label) for label in labels]
        return self.of(EITHER).format(first=", ".join(names[:-1]), last=names[-1])

    def poor_image(self, reasons: tuple[str, ...]) -> str:
        """Why a face is not seen well; at most two reasons."""
        problem, why = self.of(LOW_QUALITY_TEXT), self._reasons(reasons)
        return self.of(BECAUSE).format(problem=problem, reasons=why) if why else problem

    def not_assessed(self, reasons: tuple[str, ...]) -> str:
        """That a face gets no label, and which part of it is covered, if that is known."""
        why = self._reasons(reasons)
        return self.of(COVERED_TEXT).format(reasons=why) if why else self.of(REJECT_TEXT)

    def _reasons(self, reasons: tuple[str, ...]) -> str:
        return ", ".join(self.of(REASON_TEXTS[reason]) for reason in reasons[:2])


ENGLISH: Final = Words()
