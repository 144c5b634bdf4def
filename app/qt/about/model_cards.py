"""Cards of the models: short in the settings, complete under About."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPushButton, QTextBrowser, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.form import fact_rows
from app.qt.widgets.page_parts import Card, text_label
from app.system.model_facts import TASKS, ModelFacts, read_model_facts
from engine.errors import ModelError


class ModelsCard(Card):
    """Facts on every model from its contract, or the reason why it cannot be read."""

    def __init__(self, complete: bool, parent: QWidget | None = None) -> None:
        """``complete`` shows all facts, and a button that opens the model card if there is one."""
        super().__init__(QCoreApplication.translate("mien", "Models"), parent)
        self.buttons: list[QPushButton] = []
        for task in TASKS:
            self.body.addWidget(text_label(_task_name(task), "heading"))
            try:
                facts = read_model_facts(task)
            except ModelError as error:
                self.body.addWidget(text_label(str(error), selectable=True))
                continue
            self.body.addWidget(fact_rows(_rows(facts, complete)))
            if complete and facts.card is not None:
                self._add_button(facts)

    def _add_button(self, facts: ModelFacts) -> None:
        button = QPushButton(self.tr("Model card…"))
        button.setToolTip(self.tr("Measurements, methods and known failures"))
        button.setAccessibleName(self.tr("Model card: {task}").format(task=_task_name(facts.task)))
        button.clicked.connect(lambda checked=False: ModelCardSheet(facts, self).show())
        self.buttons.append(button)
        self.body.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)


class ModelCardSheet(QDialog):
    """A modeless window with a model card."""

    def __init__(self, facts: ModelFacts, parent: QWidget | None = None) -> None:
        """``facts.card`` must not be None; an unreadable card is replaced by its error."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Model card: {task}").format(task=_task_name(facts.task)))
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
        text = QCoreApplication.translate("mien", "{path} cannot be read ({error}).")
        return text.format(path=facts.card, error=error)


def _task_name(task: str) -> str:
    translate = QCoreApplication.translate
    return {"expression": translate("mien", "Expression"), "action_units": translate("mien", "Action units")}[task]


def _rows(facts: ModelFacts, complete: bool) -> list[tuple[str, str]]:
    translate = QCoreApplication.translate
    rows = [
        (translate("mien", "Name"), facts.name),
        (translate("mien", "sha256"), f"{facts.sha256[:12]}…"),
        (translate("mien", "Trained on"), "\n".join(facts.data)),
    ]
    if facts.trusted != facts.labels:
        text = translate("mien", "{count} of {all}: {names}. The others are greyed and hatched: do not rely on them.")
        names = ", ".join(facts.trusted) or translate("mien", "none")
        rows.append(
            (
                translate("mien", "Trusted"),
                text.format(count=len(facts.trusted), all=len(facts.labels), names=names),
            )
        )
    if complete:
        rows.append((translate("mien", "Limits fitted on"), facts.fitted_on))
        rows.append((translate("mien", "Trained"), facts.trained))
    rows.append((translate("mien", "Licence"), facts.licence))
    return rows
