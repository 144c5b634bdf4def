"""The review page without a session: how to open one, those of late, and what a session is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.qt.start.action_card import LinkButton
from app.qt.widgets.page_parts import Card, Column, scrolled, text_label
from app.session.dropped import is_session


class ReviewStart(QWidget):
    """Asks for a session."""

    #: A folder (pathlib.Path) of the list.
    chosen = Signal(object)

    def __init__(self, open_session: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = Column()
        column.body.addStretch(1)
        column.body.addWidget(text_label(self.tr("Review a session"), "title"))
        column.body.addWidget(
            text_label(
                self.tr(
                    "Play it frame by frame beside its timeline, mark and exclude ranges, label faces yourself, "
                    "and see how far you and the model agree."
                )
            )
        )
        button = QPushButton(open_session.text())
        button.setProperty("role", "main")
        button.setToolTip(open_session.toolTip())
        button.clicked.connect(open_session.trigger)
        self._told = text_label(self.tr("or drop its folder here"), "dim")
        row = QHBoxLayout()
        row.addWidget(button)
        row.addSpacing(10)
        row.addWidget(self._told, 1, Qt.AlignmentFlag.AlignVCenter)
        column.body.addLayout(row)
        self._recent = Card(self.tr("Recent sessions"))
        self._links: list[QWidget] = []
        column.body.addWidget(self._recent)
        column.body.addWidget(
            text_label(
                self.tr(
                    "A session is the folder that a recording in Live or a video in Annotate leaves behind: "
                    "a table with a row per face and frame, what was run on it, and its video."
                ),
                "dim",
            )
        )
        column.body.addStretch(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(column))
        self.show_sessions(())

    def show_sessions(self, folders: Sequence[Path]) -> None:
        """List those that are still there."""
        for link in self._links:
            link.setParent(None)
            link.deleteLater()
        there = [folder for folder in folders if is_session(folder)]
        self._links = [self._link_to(folder) for folder in there]
        if not there:
            self._links.append(text_label(self.tr("None yet. Record in Live, or annotate a video."), "dim"))
        for link in self._links:
            self._recent.body.addWidget(link)

    def show_opening(self, folder: Path | None) -> None:
        """Say that a session is being read; None: none is."""
        opening = self.tr("Opening {name} ...")
        self._told.setText(self.tr("or drop its folder here") if folder is None else opening.format(name=folder.name))

    def _link_to(self, folder: Path) -> LinkButton:
        link = LinkButton(folder.name, str(folder.parent))
        link.clicked.connect(lambda checked=False, folder=folder: self.chosen.emit(folder))
        return link
