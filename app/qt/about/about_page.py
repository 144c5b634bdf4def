"""The page About: intended use, limits of the results, models, licences."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.qt.about.intended_use import eu_line, intended_use
from app.qt.about.model_cards import ModelsCard
from app.qt.widgets.form import fact_rows
from app.qt.widgets.page import Page
from app.qt.widgets.page_parts import Card, Column, scrolled, text_label
from app.system.licences import codecs, installed_packages


class AboutPage(Page):
    """A column of cards."""

    def __init__(self, app_version: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = Column()
        column.body.addWidget(text_label(self.tr("Mien {version}").format(version=app_version), "title"))
        for card in (self._use(), self._is_not(), ModelsCard(complete=True), self._measured(), self._licences()):
            column.body.addWidget(card)
        column.body.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(column))

    def page_title(self) -> str:
        """About."""
        return self.tr("About")

    def page_actions(self) -> tuple[QAction, ...]:
        """No actions."""
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
            self.tr("Not a diagnosis, not a test of honesty, attention or fitness, and not a basis for decisions."),
            self.tr("Not face recognition: a face keeps its number only until it leaves the picture."),
            eu_line(),
        ):
            card.body.addWidget(text_label(f"•  {sentence}"))
        return card

    def _measured(self) -> Card:
        card = Card(self.tr("How far it can be trusted"))
        for sentence in (
            self.tr("Percentages were checked against the votes of raters on test pictures, not on your camera."),
            self.tr("Performance by age, gender or skin colour has not been measured."),
            self.tr(
                "The model cards, and docs/results in the source code, list what was measured, with intervals and "
                "commands, and which faces the models fail on."
            ),
        ):
            card.body.addWidget(text_label(sentence))
        return card

    def _licences(self) -> Card:
        card = Card(self.tr("Licences"))
        for sentence in (
            self.tr("Mien is under the MIT licence. The licences of its models are listed above."),
            self.tr("Faces are detected by the networks of MediaPipe, under the Apache licence 2.0."),
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
                        "FFmpeg is part of PyAV. It includes libx264 and libx265, which are under the GPL: a bundle "
                        "that contains them may only be distributed under its terms."
                    )
                )
            )
        return card
