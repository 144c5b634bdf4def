"""Human against model: one number with its interval, what it counts, and what biases it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from app.qt.background import Worker
from app.qt.translation import translated
from app.qt.widgets.page_parts import Card, text_label
from app.review.agreement import Agreement, agree
from app.review.notes import Notes
from app.review.session import Session


class AgreementBox(Card):
    """Shows an `Agreement` in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.body.addWidget(text_label(self.tr("Agreement of people and model"), "heading"))
        self.setAccessibleName(self.tr("Agreement of people and model"))
        self._figure = text_label("", selectable=True)
        self._counts = text_label("", "dim", selectable=True)
        self._warning = text_label(
            self.tr(
                "Labels that are given only where the model looked wrong bias this number: "
                "label whole stretches that were chosen before looking."
            ),
            "dim",
        )
        for part in (self._figure, self._counts, self._warning):
            self.body.addWidget(part)
        self.setToolTip(
            self.tr(
                "Cohen's kappa: 1 = the same labels everywhere, 0 = no more than chance. The model's label of an "
                "ambiguous frame is the first of the two. The interval comes from resampling the labelled ranges."
            )
        )
        self.show_agreement(None)

    @property
    def told(self) -> str:
        """All that is shown, in one text."""
        parts = (self._figure, self._counts, self._warning)
        return "\n".join(part.text() for part in parts if not part.isHidden())

    def show_agreement(self, agreement: Agreement | None) -> None:
        """Show it; None: nobody has labelled anything."""
        self._counts.setVisible(agreement is not None)
        self._warning.setVisible(agreement is not None)
        if agreement is None:
            self._figure.setText(self.tr("Label some ranges, and it is counted here how far you and the model agree."))
            return
        self._figure.setText(self._kappa_words(agreement))
        self._counts.setText(self._count_words(agreement))

    def show_fault(self, fault: str) -> None:
        """Say why nothing could be counted."""
        self._figure.setText(self.tr("It could not be counted: {fault}").format(fault=fault))
        self._counts.hide()
        self._warning.hide()

    def _kappa_words(self, agreement: Agreement) -> str:
        if agreement.kappa is None:
            return "" if agreement.kappa_missing is None else translated(agreement.kappa_missing.value)
        if agreement.interval is None:
            missing = "" if agreement.interval_missing is None else translated(agreement.interval_missing.value)
            return self.tr("Cohen's kappa {kappa}. {why}").format(kappa=f"{agreement.kappa:.2f}", why=missing)
        low, high = agreement.interval
        form = self.tr("Cohen's kappa {kappa} (95% interval {low} to {high})")
        return form.format(kappa=f"{agreement.kappa:.2f}", low=f"{low:.2f}", high=f"{high:.2f}")

    def _count_words(self, agreement: Agreement) -> str:
        lines = [
            self.tr("{compared} frames in {ranges} labelled ranges; the same label in {agreeing}").format(
                compared=agreement.compared, ranges=agreement.ranges, agreeing=agreement.agreeing
            ),
            self.tr("In {within} frames yours is one of the labels that the model shows").format(
                within=agreement.within_set
            ),
        ]
        left_out = {
            self.tr("not assessed by the model: {count}"): agreement.not_assessed,
            self.tr("unclear to you: {count}"): agreement.unclear,
            self.tr("excluded: {count}"): agreement.excluded,
        }
        words = [form.format(count=count) for form, count in left_out.items() if count]
        if words:
            lines.append(self.tr("Left out: {words}").format(words=", ".join(words)))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Scored:
    notes: Notes
    agreement: Agreement | None


class Scoring(QObject):
    """Keeps a box with the agreement up to date."""

    def __init__(self, session: Session, box: AgreementBox, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._box = box
        self._wanted = Notes()
        self._worker = Worker("mien-agreement", self._count, self._show, self._fail)

    def score(self, notes: Notes) -> None:
        """Count for these notes."""
        self._wanted = notes
        if notes.labels:
            self._worker.submit(notes)
        else:
            self._box.show_agreement(None)

    def close(self) -> None:
        """End the thread."""
        self._worker.close()

    def _count(self, notes: Notes) -> _Scored:
        return _Scored(notes, agree(self._session, notes))

    def _show(self, scored: _Scored) -> None:
        if scored.notes is self._wanted:
            self._box.show_agreement(scored.agreement)

    def _fail(self, error: Exception) -> None:
        self._box.show_fault(str(error))
