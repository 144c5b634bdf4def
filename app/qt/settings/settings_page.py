"""The page Settings: a column of cards. Changes are saved at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.qt.about.model_cards import ModelsCard
from app.qt.preference_store import PreferenceStore
from app.qt.settings.diagnostics_card import DiagnosticsCard
from app.qt.settings.settings_cards import AppearanceCard, AskFolder, FolderCard, LimitsCard, RuntimeCard, ask_folder
from app.qt.widgets.page import Page
from app.qt.widgets.page_parts import Card, Column, breakable, scrolled, text_label
from app.system.check import Check
from app.system.doctor import examine
from app.system.model_facts import read_model_facts
from engine.errors import ModelError


class SettingsPage(Page):
    """Runtime, models, limits, folders, appearance, privacy, diagnostics."""

    def __init__(
        self,
        store: PreferenceStore,
        app_version: str,
        parent: QWidget | None = None,
        *,
        ask: AskFolder = ask_folder,
        run_checks: Callable[[Path], list[Check]] = examine,
    ) -> None:
        super().__init__(parent)
        self.appearance = AppearanceCard(store)
        self.runtime = RuntimeCard(store)
        self.limits = self._limits(store)
        self.folders = FolderCard(store, ask)
        self.diagnostics = DiagnosticsCard(store, app_version, run_checks)
        self.diagnostics.noticed.connect(self.noticed)
        column = Column()
        column.body.addWidget(text_label(self.page_title(), "title"))
        cards = (
            self.appearance,
            self.limits,
            self.folders,
            self.runtime,
            ModelsCard(complete=False),
            self._privacy(store),
            self.diagnostics,
        )
        for card in cards:
            column.body.addWidget(card)
        column.body.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(column))

    def page_title(self) -> str:
        """Settings."""
        return self.tr("Settings")

    def page_actions(self) -> tuple[QAction, ...]:
        """No actions."""
        return ()

    def shutdown(self) -> None:
        """End the checks."""
        self.diagnostics.shutdown()

    def _limits(self, store: PreferenceStore) -> LimitsCard | Card:
        """The card of the limits, or the error if the model cannot be read."""
        try:
            own = read_model_facts("expression").limits
        except ModelError as error:
            card = Card(self.tr("Limits"))
            card.body.addWidget(text_label(str(error)))
            return card
        if own is None:
            raise AssertionError("the contract of the expression model has limits")
        return LimitsCard(store, own)

    def _privacy(self, store: PreferenceStore) -> Card:
        card = Card(self.tr("Privacy"))
        kept = self.tr("nowhere, they are lost at the end") if store.path is None else breakable(str(store.path))
        for sentence in (
            self.tr(
                "Nothing leaves this computer. The network is used only for addresses that you enter, and by the "
                "command 'mien prepare', which fetches the face networks."
            ),
            self.tr(
                "Nothing is stored unless you press Record, take a snapshot, or annotate a file. A recording contains "
                "the video; Annotate stores it only in the annotated video."
            ),
            self.tr("Faces are numbered, not recognised: nothing that identifies a person is stored."),
            self.tr("An address with a user or password is never stored."),
            self.tr("These settings and the list of recent sessions are stored in: {path}").format(path=kept),
        ):
            card.body.addWidget(text_label(f"•  {sentence}"))
        return card
