"""The time series with their switches: zoom, groups, units that are not trusted, and single lines."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QCheckBox, QLayout, QMenu, QToolButton, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.review.series_view import SeriesView
from app.qt.review.timeline_box import zoom_button
from app.qt.widgets.flow_row import FlowRow
from app.review.face_series import SeriesGroup

#: A lower box, in em, shows the plots alone.
_ALL_EM: Final = 14.5


class SeriesBox(QWidget):
    """Switches and plots."""

    def __init__(self, zooms: tuple[QAction, ...], parent: QWidget | None = None) -> None:
        """``zooms``: zoom in, zoom out, whole session, marked range."""
        super().__init__(parent)
        self.series = SeriesView()
        self.groups = {
            SeriesGroup.EXPRESSIONS: QCheckBox(self.tr("Expressions")),
            SeriesGroup.UNCERTAINTIES: QCheckBox(self.tr("Uncertainty")),
            SeriesGroup.UNITS: QCheckBox(self.tr("Action units")),
            SeriesGroup.INTENSITIES: QCheckBox(self.tr("Intensities")),
            SeriesGroup.POSE: QCheckBox(self.tr("Pose")),
        }
        for group, box in self.groups.items():
            box.setChecked(True)
            box.clicked.connect(lambda checked, group=group: self._show_group(group, checked))
        self.all_units = QCheckBox(self.tr("All units"))
        self.all_units.setToolTip(self.tr("Also the units in brackets, which are not trusted"))
        self.all_units.toggled.connect(self.series.show_all_units)
        self.lines = QToolButton()
        self.lines.setText(self.tr("Lines"))
        self.lines.setToolTip(self.tr("Show or hide single lines; a click on a name does so too"))
        self.lines.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self.lines)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.lines.setMenu(self._menu)
        texts = ("+", "−", self.tr("All"), self.tr("Range"))
        buttons = [zoom_button(action, text) for action, text in zip(zooms, texts, strict=True)]
        self._switches = FlowRow((*buttons, *self.groups.values(), self.all_units, self.lines), gap_em=0.6)
        layout = QVBoxLayout(self)
        layout.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)  # a low box hides the switches
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._switches)
        layout.addWidget(self.series, 1)
        self.series.lines_changed.connect(self._follow_lines)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Leave the switches out of a low box."""
        super().resizeEvent(event)
        self._switches.setVisible(self.height() >= _ALL_EM * theme.em(self))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """The plots alone."""
        inside = self.series.minimumSizeHint().expandedTo(self.series.minimumSize())
        return QSize(inside.width(), inside.height() + 4)

    def _show_group(self, group: SeriesGroup, shown: bool) -> None:
        self.series.show_lines([line for line in self.series.lines if line.group is group], shown)

    def _follow_lines(self) -> None:
        """A group is checked if one of its lines is visible."""
        for group, box in self.groups.items():
            lines = [line for line in self.series.lines if line.group is group]
            box.setChecked(any(line not in self.series.hidden for line in lines) or not lines)
        self.groups[SeriesGroup.INTENSITIES].setVisible(self.series.is_graded)

    def _fill_menu(self) -> None:
        self._menu.clear()
        group = None
        for line in self.series.lines:
            if group not in (None, line.group):
                self._menu.addSeparator()
            group = line.group
            action = self._menu.addAction(self.series.name_of(line))
            action.setCheckable(True)
            action.setChecked(line not in self.series.hidden)
            action.toggled.connect(lambda shown, line=line: self.series.show_lines((line,), shown))
