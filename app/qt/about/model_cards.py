"""The models as cards: short in the settings, with the whole model card on the page About."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.form import fact_rows
from app.qt.widgets.page_parts import Card, text_label
from app.system.model_facts import TASKS, ModelFacts, read_model_facts
from engine.errors import ModelError


class ModelsCard(Card):
    """Every model with what its contract says, or the sentence that says why it cannot be used."""

    def __init__(self, whole: bool, parent: QWidget | None = None) -> None:
        """``whole`` shows all that the contract says, and a button for the model card where there is one."""
        super().__init__(QCoreApplication.translate("mien", "Models"), parent)
        self.buttons: list[QPushButton] = []
        for task in TASKS:
            self.body.addWidget(text_label(_task_words(task), "heading"))
            try:
                facts = read_model_facts(task)
            except ModelError as error:
                self.body.addWidget(text_label(str(error), selectable=True))
                continue
            self.body.addWidget(fact_rows(_rows(facts, whole)))
            if whole and facts.card is not None:
                self._add_button(facts)

    def _add_button(self, facts: ModelFacts) -> None:
        button = QPushButton(self.tr("Whole model card…"))
        button.setToolTip(self.tr("All that was measured, how, and where it fails"))
        button.setAccessibleName(self.tr("Whole model card: {task}").format(task=_task_words(facts.task)))
        button.clicked.connect(lambda checked=False: ModelCardSheet(facts, self).show())
        self.buttons.append(button)
        self.body.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)


class ModelCardSheet(QDialog):
    """A model card to read, beside the window."""

    def __init__(self, facts: ModelFacts, parent: QWidget | None = None) -> None:
        """``facts.card`` must be there; a card that cannot be read is told in its place."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Model card: {task}").format(task=_task_words(facts.task)))
        self.text = QTextBrowser()
        self.text.setOpenLinks(False)
        self.text.setAccessibleName(self.windowTitle())
        self.text.setMarkdown(_card_text(facts))
        buttons = QDialogButtonBox()
        buttons.addButton(self.tr("Close"), QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text, 1)
        layout.addWidget(buttons)
        em, room = theme.em(self), self.screen().availableGeometry()
        self.resize(min(round(0.9 * room.width()), round(56 * em)), min(round(0.9 * room.height()), round(40 * em)))


def _card_text(facts: ModelFacts) -> str:
    if facts.card is None:
        return ""
    try:
        return facts.card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = QCoreApplication.translate("mien", "{path} cannot be read ({error}).")
        return told.format(path=facts.card, error=error)


def _task_words(task: str) -> str:
    translate = QCoreApplication.translate
    return {"expression": translate("mien", "Expression"), "action_units": translate("mien", "Action units")}[task]


def _rows(facts: ModelFacts, whole: bool) -> list[tuple[str, str]]:
    translate = QCoreApplication.translate
    rows = [
        (translate("mien", "Name"), facts.name),
        (translate("mien", "sha256"), f"{facts.sha256[:12]}…"),
        (translate("mien", "Learned from"), "\n".join(facts.data)),
    ]
    if facts.trusted != facts.labels:
        told = translate("mien", "{count} of {all}: {names}. The others are greyed and hatched; do not build on them.")
        names = ", ".join(facts.trusted) or translate("mien", "none")
        rows.append(
            (
                translate("mien", "Can be relied on"),
                told.format(count=len(facts.trusted), all=len(facts.labels), names=names),
            )
        )
    if whole:
        rows.append((translate("mien", "Limits chosen on"), facts.fitted_on))
        rows.append((translate("mien", "Trained"), facts.trained))
    rows.append((translate("mien", "Licence"), facts.licence))
    return rows
