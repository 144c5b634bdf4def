"""Sentences on the intended use and on the law."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.overlay.disclaimer import DISCLAIMER


def intended_use() -> tuple[str, ...]:
    """Translated sentences on the intended use, also shown at the first start."""
    translate = QCoreApplication.translate
    return (
        translate("mien", DISCLAIMER),
        translate(
            "mien",
            "Mien is made for research on facial expression, and for demonstrations to people who know that it is "
            "running. Film people only if they have been informed and agree.",
        ),
        translate(
            "mien",
            "Two uses are prohibited in the EU, except for medical or safety reasons: do not use Mien to infer "
            "emotions of people at work, and do not use it to infer emotions of people in school, training or study. "
            "Where this is allowed, people must be informed.",
        ),
        translate(
            "mien",
            "Do not use it to decide about a person, to rank people, or to judge honesty, health or performance.",
        ),
    )


def eu_line() -> str:
    """The translated sentence on EU law."""
    return QCoreApplication.translate(
        "mien",
        "In the EU, inferring emotions of people at work or in education is prohibited except for medical or safety "
        "reasons. Where this is allowed, people must be informed.",
    )
