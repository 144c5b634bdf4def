"""How fast the run goes and what it really runs on, in a sheet that opens beside its button."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from app.live.performance import STAGES, Performance

#: Words for the stages, in the order of STAGES.
_STAGE_WORDS: Final = ("tracking", "alignment", "expression", "action units", "routing")


class PerformanceView(QFrame):
    """Frames per second in and out, dropped frames, milliseconds per stage, runtime and models."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAccessibleName(self.tr("Performance"))
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._grid = QGridLayout(self)
        self._values: list[QLabel] = []
        for text in (self.tr("Frames per second, in"), self.tr("Frames per second, out"), self.tr("Dropped frames")):
            self._add_row(text)
        for word in _STAGE_WORDS:
            self._add_row(QCoreApplication.translate("mien", word))
        self._models = QLabel()
        self._models.setProperty("role", "dim")
        self._grid.addWidget(self._models, self._grid.rowCount(), 0, 1, 2)

    def show_performance(self, performance: Performance, models: tuple[str, ...]) -> None:
        """Show these figures."""
        told = [
            f"{performance.fps_in:.1f}",
            f"{performance.fps_out:.1f}",
            self.tr("{dropped} of {all}").format(dropped=performance.dropped, all=performance.captured),
        ]
        timings = {timing.name: timing for timing in performance.stages}
        for name in STAGES:
            timing = timings.get(name)
            told.append(
                self.tr("{p50} ms, 95 % under {p95} ms").format(p50=f"{timing.p50_ms:.1f}", p95=f"{timing.p95_ms:.1f}")
                if timing
                else "-"
            )
        for label, text in zip(self._values, told, strict=True):
            label.setText(text)
        self._models.setText("\n".join(models))
        self.adjustSize()

    def open_below(self, button: QWidget) -> None:
        """Open with the right edge under the button's."""
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
