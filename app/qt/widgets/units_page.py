"""The list of action units, with the switch for those that are not trusted and the baseline of the face."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from app.qt.widgets.action_unit_panel import ActionUnitPanel
from app.qt.widgets.baseline_bar import BaselineBar
from app.session.rows import FaceRow


class UnitsPage(QWidget):
    """`panel` lists the units; the switch also applies to other views, see `all_units`."""

    #: Whether units that are not trusted are shown.
    all_units = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.panel, self.baseline = ActionUnitPanel(), BaselineBar()
        self.switch = QCheckBox(self.tr("Units that are not trusted"))
        self.switch.setToolTip(self.tr("The model is not accurate enough for these units to rely on them"))
        self.switch.toggled.connect(self.panel.show_all_units)
        self.switch.toggled.connect(self.all_units)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 0, 0)
        layout.addWidget(self.switch)
        layout.addWidget(self.baseline)
        layout.addWidget(self.panel)
        layout.addStretch(1)

    def show_row(self, row: FaceRow | None) -> None:
        """Show a face; None: there is none."""
        self.panel.show_row(row)
        self.baseline.show_row(row)
