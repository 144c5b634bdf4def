"""What everybody is told once: what the program is for, and what it must not be used for."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from app.overlay.overlay import STANDING_LINE
from app.qt.widgets.page_parts import Card, text_label


class FirstNotice(Card):
    """A card, not a dialog; stays until it was read."""

    #: "I have read this" was pressed.
    read = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(QCoreApplication.translate("mien", "Before you start"), parent)
        for sentence in intended_use():
            self.body.addWidget(text_label(sentence))
        button = QPushButton(self.tr("I have read this"))
        button.setProperty("role", "main")
        button.setToolTip(self.tr("Takes this notice away. About keeps it."))
        button.clicked.connect(lambda checked=False: self.read.emit())
        self.body.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)


def intended_use() -> tuple[str, ...]:
    """The sentences of the notice, translated; the page About shows them too."""
    translate = QCoreApplication.translate
    return (
        translate("mien", STANDING_LINE),
        translate(
            "mien",
            "Mien is made for research on facial expression and for showing it to people who know that it runs. Film "
            "people only if they have been told and agree.",
        ),
        translate(
            "mien",
            "Two uses are prohibited in the EU, except for medical or safety reasons: do not use Mien to infer "
            "emotions of people at work, and do not use it to infer emotions of people in school, training or study. "
            "Where this is allowed, people must be told.",
        ),
        translate(
            "mien",
            "Do not use it to decide about a person, to rank people, or to judge honesty, health or performance.",
        ),
    )


def eu_line() -> str:
    """The sentence on the law of the EU, translated."""
    return QCoreApplication.translate(
        "mien",
        "In the EU, inferring emotions of people at work or in education is prohibited except for medical or safety "
        "reasons. Where this is allowed, people must be told.",
    )
