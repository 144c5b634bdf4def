"""Asking for the name of a face."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QInputDialog, QWidget

#: Asks for a name: window, id of the face, its name so far, and the names in use. None: cancelled.
AskName = Callable[[QWidget, int, str, Sequence[str]], str | None]


def ask_for_name(parent: QWidget, face_id: int, now: str, known: Sequence[str]) -> str | None:
    """Ask in a dialog: a name can be typed, or chosen from those in use. None: cancelled; empty: no name."""
    translate = QCoreApplication.translate
    choices = [now, *(name for name in known if name != now)]
    text = translate("mien", "Name. Faces of one name are one person; the name of another face joins the two.")
    dialog = QInputDialog(parent)
    dialog.setWindowTitle(translate("mien", "Face {number}").format(number=face_id))
    dialog.setLabelText(text)
    dialog.setComboBoxItems(choices)
    dialog.setComboBoxEditable(True)
    dialog.setTextValue(now)
    dialog.setOkButtonText(translate("mien", "OK"))
    dialog.setCancelButtonText(translate("mien", "Cancel"))
    accepted = dialog.exec()
    dialog.deleteLater()
    return dialog.textValue() if accepted else None
