"""The dialog for what of a video a job analyses: start, end, every how many frames, and whether with baselines."""

from __future__ import annotations

from PySide6.QtWidgets import QCheckBox, QDialog, QFormLayout, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from app.jobs.job_queue import JobPart
from app.qt import theme
from app.qt.annotate.job_view import time_text
from app.qt.sentences import fault_text
from app.qt.widgets.page_parts import ok_and_cancel, text_label
from engine.capture.time_range import TimeRange, parse_time
from engine.errors import ConfigError

#: The longest step between two frames that are analysed.
_MAX_STEP: int = 100


class PartDialog(QDialog):
    """Edits a part; it closes only with one that is not empty."""

    def __init__(self, part: JobPart, jobs: int, parent: QWidget | None = None) -> None:
        """``jobs``: number of files it is for."""
        super().__init__(parent)
        self.setWindowTitle(self.tr("Part of the video"))
        self.start, self.end = QLineEdit(), QLineEdit()
        self.start.setPlaceholderText(self.tr("start of the video"))
        self.end.setPlaceholderText(self.tr("end of the video"))
        self.start.setText(time_text(part.start_s) if part.start_s else "")
        self.end.setText("" if part.end_s is None else time_text(part.end_s))
        self.step = QSpinBox()
        self.step.setRange(0, _MAX_STEP)
        self.step.setSpecialValueText(self.tr("as the preset"))
        self.step.setValue(part.every or 0)
        self.baseline = QCheckBox(self.tr("Subtract the neutral baseline of each face from its units"))
        self.baseline.setToolTip(self.tr("Of videos, from the frames in which the face is accepted as neutral"))
        self.baseline.setChecked(part.baseline)
        self.fault = text_label("")
        self.part = part
        self._lay_out(jobs)

    def accept(self) -> None:
        """Close if the range is not empty; otherwise say what is wrong."""
        try:
            start, end = self.start.text().strip(), self.end.text().strip()
            chosen = TimeRange(parse_time(start) if start else 0.0, parse_time(end) if end else None)
        except ConfigError as error:
            self.fault.setText(f"⚠ {fault_text(error)}")
            self.fault.show()
            return
        self.part = JobPart(chosen.start_s, chosen.end_s, self.step.value() or None, self.baseline.isChecked())
        super().accept()

    def _lay_out(self, jobs: int) -> None:
        form = QFormLayout()
        for text, field in (
            (self.tr("Start"), self.start),
            (self.tr("End"), self.end),
            (self.tr("One of so many frames"), self.step),
        ):
            form.addRow(text, field)
            field.setAccessibleName(text)
        buttons = ok_and_cancel()
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        about = self.tr(
            "Selected files: {count}. Times are seconds, mm:ss or hh:mm:ss; pictures are always read whole."
        )
        column.addWidget(text_label(about.format(count=jobs)))
        column.addLayout(form)
        column.addWidget(self.baseline)
        column.addWidget(self.fault)
        column.addWidget(buttons)
        self.fault.hide()
        self.resize(round(26 * theme.em(self)), self.sizeHint().height())
