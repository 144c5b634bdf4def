"""Popover with frame rates, stage times, and the models in use."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from app.live.performance import Performance
from app.session.journal_lines import STAGES

#: Names of the stages in the order of STAGES.
_STAGE_NAMES: Final = ("tracking", "alignment", "expression", "action units", "routing")


class PerformanceView(QFrame):
    """Frames per second in and out, dropped frames, milliseconds per stage, models."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAccessibleName(self.tr("Performance"))
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._grid = QGridLayout(self)
        self._values: list[QLabel] = []
        for text in (self.tr("Frames per second, in"), self.tr("Frames per second, out"), self.tr("Dropped frames")):
            self._add_row(text)
        for name in _STAGE_NAMES:
            self._add_row(QCoreApplication.translate("mien", name))
        self._models = QLabel()
        self._models.setProperty("role", "dim")
        self._grid.addWidget(self._models, self._grid.rowCount(), 0, 1, 2)

    def show_performance(self, performance: Performance, models: tuple[str, ...]) -> None:
        """Show these figures."""
        texts = [
            f"{performance.fps_in:.1f}",
            f"{performance.fps_out:.1f}",
            self.tr("{dropped} of {all}").format(dropped=performance.dropped, all=performance.captured),
        ]
        timings = {timing.name: timing for timing in performance.stages}
        for name in STAGES:
            timing = timings.get(name)
            texts.append(
                self.tr("{p50} ms, 95 % under {p95} ms").format(p50=f"{timing.p50_ms:.1f}", p95=f"{timing.p95_ms:.1f}")
                if timing
                else "-"
            )
        for label, text in zip(self._values, texts, strict=True):
            label.setText(text)
        self._models.setText("\n".join(models))
        self.adjustSize()

    def open_below(self, button: QWidget) -> None:
        """Open below a button, right edges aligned."""
        self.adjustSize()
        corner = button.mapToGlobal(QPoint(button.width() - self.width(), button.height()))
        self.move(max(corner.x(), 0), corner.y())
        self.show()

    def _add_row(self, text: str) -> None:
        row = len(self._values)
        value = QLabel("-")
        self._values.append(value)
        self._grid.addWidget(QLabel(text), row, 0)
        self._grid.addWidget(value, row, 1, Qt.AlignmentFlag.AlignRight)
