"""Agreement between the coder and the model: the box that shows it, and its computation off the main thread."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from app.qt.background import Worker
from app.qt.sentences import fault_text
from app.qt.translation import translated
from app.qt.widgets.page_parts import ActionButton, Card, text_label
from app.review.agreement import Agreement, measure_agreement
from app.review.coders import CoderAgreement, measure_coders
from app.review.notes import Notes
from app.review.session import Session


class AgreementBox(Card):
    """Shows an `Agreement`: kappa with its interval, the frame counts, and the caveat on selective labelling.

    Below it, the agreement with another person, if their notes were chosen.
    """

    def __init__(self, compare: QAction, parent: QWidget | None = None) -> None:
        """``compare`` chooses the notes of another person."""
        super().__init__("", parent)
        self.body.addWidget(text_label(self.tr("Agreement with the model"), "heading"))
        self.setAccessibleName(self.tr("Agreement with the model"))
        self._kappa = text_label("", selectable=True)
        self._counts = text_label("", "dim", selectable=True)
        self._caveat = text_label(
            self.tr(
                "Labelling only where the model looks wrong biases this number: "
                "choose the ranges before looking, and label all of them."
            ),
            "dim",
        )
        self._other = text_label("", selectable=True)
        for part in (self._kappa, self._counts, self._caveat, self._other, ActionButton(compare)):
            self.body.addWidget(part)
        self._other.hide()
        self.setToolTip(
            self.tr(
                "Cohen's kappa: 1 = identical labels, 0 = chance agreement. For ambiguous frames the first of the "
                "model's labels counts. The interval is a bootstrap over the labelled ranges."
            )
        )
        self.show_agreement(None)

    @property
    def text(self) -> str:
        """Everything the box shows, one line per label."""
        parts = (self._kappa, self._counts, self._caveat, self._other)
        return "\n".join(part.text() for part in parts if not part.isHidden())

    def show_agreement(self, agreement: Agreement | None) -> None:
        """Show the agreement; None: there are no labels."""
        self._counts.setVisible(agreement is not None)
        self._caveat.setVisible(agreement is not None)
        if agreement is None:
            self._kappa.setText(self.tr("Label some ranges to see how well you and the model agree."))
            return
        self._kappa.setText(self._kappa_text(agreement))
        self._counts.setText(self._count_text(agreement))

    def show_coders(self, agreement: CoderAgreement | None) -> None:
        """Show the agreement with another person; None: nobody was chosen."""
        self._other.setVisible(agreement is not None)
        if agreement is None:
            return
        name = agreement.other or self.tr("the other person")
        if agreement.kappa is None:
            kappa = "" if agreement.missing is None else translated(agreement.missing.value)
        else:
            kappa = self.tr("Cohen's kappa {kappa}").format(kappa=f"{agreement.kappa:.2f}")
            if agreement.interval is not None:
                low, high = agreement.interval
                form = self.tr("Cohen's kappa {kappa} (95 % interval {low} to {high})")
                kappa = form.format(kappa=f"{agreement.kappa:.2f}", low=f"{low:.2f}", high=f"{high:.2f}")
        counts = self.tr(
            "{compared} frames labelled by both, identical in {agreeing}; left out: unclear to one of you {unclear}, "
            "labelled by one only {one_only}"
        ).format(
            compared=agreement.compared,
            agreeing=agreement.agreeing,
            unclear=agreement.unclear,
            one_only=agreement.one_only,
        )
        heading = self.tr("Agreement with {name}").format(name=name)
        self._other.setText("\n".join(("", heading, kappa, counts)).strip())

    def show_person(self, name: str) -> None:
        """Show who was chosen to compare with, before there is a label."""
        heading = self.tr("Agreement with {name}").format(name=name or self.tr("the other person"))
        self._other.setText(f"{heading}\n{self.tr('Label some ranges to compare.')}")
        self._other.show()

    def show_fault(self, fault: str) -> None:
        """Show why the agreement could not be computed."""
        self._kappa.setText(self.tr("The agreement could not be computed: {fault}").format(fault=fault))
        self._counts.hide()
        self._caveat.hide()

    def _kappa_text(self, agreement: Agreement) -> str:
        if agreement.kappa is None:
            return "" if agreement.kappa_missing is None else translated(agreement.kappa_missing.value)
        if agreement.interval is None:
            missing = "" if agreement.interval_missing is None else translated(agreement.interval_missing.value)
            return self.tr("Cohen's kappa {kappa}. {why}").format(kappa=f"{agreement.kappa:.2f}", why=missing)
        low, high = agreement.interval
        form = self.tr("Cohen's kappa {kappa} (95 % interval {low} to {high})")
        return form.format(kappa=f"{agreement.kappa:.2f}", low=f"{low:.2f}", high=f"{high:.2f}")

    def _count_text(self, agreement: Agreement) -> str:
        lines = [
            self.tr("{compared} frames in {ranges} labelled ranges; identical labels in {agreeing}").format(
                compared=agreement.compared, ranges=agreement.ranges, agreeing=agreement.agreeing
            ),
            self.tr("Your label is among the model's labels in {within} frames").format(within=agreement.within_set),
        ]
        left_out = {
            self.tr("not assessed by the model: {count}"): agreement.not_assessed,
            self.tr("unclear to you: {count}"): agreement.unclear,
            self.tr("excluded: {count}"): agreement.excluded,
        }
        reasons = [form.format(count=count) for form, count in left_out.items() if count]
        if reasons:
            lines.append(self.tr("Left out: {reasons}").format(reasons=", ".join(reasons)))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Score:
    notes: Notes
    agreement: Agreement | None
    coders: CoderAgreement | None


@dataclass(frozen=True, slots=True)
class _Request:
    notes: Notes
    other: Notes | None  # of another person


class AgreementScorer(QObject):
    """Computes the agreement on its own thread and shows the result for the latest notes."""

    def __init__(self, session: Session, box: AgreementBox, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._box = box
        self._latest = Notes()
        self._other: Notes | None = None
        self._worker = Worker("mien-agreement", self._compute, self._show, self._fail)

    def score(self, notes: Notes) -> None:
        """Compute the agreement for these notes."""
        self._latest = notes
        if notes.labels:
            self._worker.submit(_Request(notes, self._other))
            return
        self._box.show_agreement(None)
        if self._other is not None:
            self._box.show_person(self._other.coder)

    def compare_with(self, other: Notes) -> None:
        """Compare with the labels of another person too, from now on."""
        self._other = other
        self.score(self._latest)

    def close(self) -> None:
        """Stop the thread."""
        self._worker.close()

    def _compute(self, request: _Request) -> _Score:
        session, notes, other = self._session, request.notes, request.other
        coders = None if other is None else measure_coders(session, notes, other)
        return _Score(notes, measure_agreement(session, notes), coders)

    def _show(self, score: _Score) -> None:
        if score.notes is self._latest:
            self._box.show_agreement(score.agreement)
            self._box.show_coders(score.coders)

    def _fail(self, error: Exception) -> None:
        self._box.show_fault(fault_text(error))
