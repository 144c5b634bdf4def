"""What the program is, what it is not, what its models learned from, and whose work it stands on."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.qt.about.model_cards import ModelsCard
from app.qt.start.first_notice import eu_line, intended_use
from app.qt.widgets.form import fact_rows
from app.qt.widgets.page import Page
from app.qt.widgets.page_parts import Card, Column, scrolled, text_label
from app.system.licences import codecs, installed_packages


class AboutPage(Page):
    """One column of cards to read."""

    def __init__(self, app_version: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = Column()
        column.body.addWidget(text_label(self.tr("Mien {version}").format(version=app_version), "title"))
        for card in (self._use(), self._is_not(), ModelsCard(whole=True), self._measured(), self._licences()):
            column.body.addWidget(card)
        column.body.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(column))

    def page_title(self) -> str:
        """About."""
        return self.tr("About")

    def page_actions(self) -> tuple[QAction, ...]:
        """None: it is a page to read."""
        return ()

    def _use(self) -> Card:
        card = Card(self.tr("What it is for"))
        for sentence in intended_use():
            card.body.addWidget(text_label(sentence))
        return card

    def _is_not(self) -> Card:
        card = Card(self.tr("What it is not"))
        for sentence in (
            self.tr("Not a measure of what anyone feels: the same face can mean many things."),
            self.tr("Not a certified FACS coding: action units are estimated muscle movements."),
            self.tr("Not a diagnosis, not a test of honesty, attention or fitness, and no ground for a decision."),
            self.tr("Not a recognition of persons: faces get a number that ends when they leave the picture."),
            eu_line(),
        ):
            card.body.addWidget(text_label(f"•  {sentence}"))
        return card

    def _measured(self) -> Card:
        card = Card(self.tr("How far it can be trusted"))
        for sentence in (
            self.tr("Percentages were checked against the votes of raters on test pictures, not on your camera."),
            self.tr("How it does by age, gender or skin colour is not measured."),
            self.tr(
                "What was measured, with intervals and commands, and which faces it fails on, stands in the model "
                "cards and in docs/results of the source code."
            ),
        ):
            card.body.addWidget(text_label(sentence))
        return card

    def _licences(self) -> Card:
        card = Card(self.tr("Licences"))
        for sentence in (
            self.tr("Mien is under the MIT licence. The licences of its models stand above."),
            self.tr("The networks that find faces are MediaPipe's, under the Apache licence 2.0."),
        ):
            card.body.addWidget(text_label(sentence))
        unknown = self.tr("see the package")
        rows = [(f"{one.name} {one.version}", one.licence or unknown) for one in installed_packages()]
        media = codecs()
        rows.append((f"FFmpeg {media.version}", media.licence))
        card.body.addWidget(fact_rows(rows))
        if media.has_gpl_parts:
            card.body.addWidget(
                text_label(
                    self.tr(
                        "FFmpeg comes inside PyAV. It carries libx264 and libx265, which are under the GPL: whoever "
                        "passes on a bundle with them must keep to it."
                    )
                )
            )
        return card
