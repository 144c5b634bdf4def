"""The report of `mien-train evaluate au` as one HTML page (training/reports/html_page.py)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from training.action_units.expression_check import AGREED_VOTES, ExpressionCheck
from training.evaluation.action_units import MeanScores, Scores, UnitReport, UnitScores
from training.evaluation.action_units_file import UnitFileReport
from training.reports.action_units_plots import bins_plot, deciles_plot, occurrence_plot, unit_plot
from training.reports.html_page import figure_text, framed, page, section, table
from training.reports.plots import inline_svg

#: What "right" means on the data sets whose labels are not people's.
_LABELS: Final = {
    "open": "the labels of open are those that its faces were rendered with",
    "faces128": "the labels of faces128 are the scores of another network",
}


def write_units_html(report: UnitFileReport, path: Path) -> None:
    """Write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(units_page(report), encoding="utf-8")


def units_page(report: UnitFileReport) -> str:
    """The page as text."""
    sections = [_facts(report), _means(report), _units(report), *_uncertainty(report.all), _reliability(report.all)]
    sections.append(_samples(report))
    if report.fer is not None:
        sections.append(_expressions(report.fer))
    return page(f"{report.model.name}: action units, {report.test}", sections)


def _facts(report: UnitFileReport) -> str:
    model = report.model
    rows = [
        ("trained", model.trained),
        ("data", "; ".join(model.data)),
        ("sha256", model.sha256),
        ("calibrated on", model.fitted_on),
        ("temperature", f"{model.temperature:.3f}"),
        ("sampled masks", f"{model.mask_samples}"),
        ("not to be built on", ", ".join(model.not_trusted) or "none"),
        ("test faces", f"{report.all.faces:,} of {report.all.people:,} people whom the model has never seen"),
    ]
    rows += [
        (f"{part.threads} CPU thread{'s' if part.threads > 1 else ''}, one face, {part.samples} masks",)
        + (f"{part.median_ms:.2f} ms, median of {part.runs} runs on ONNX Runtime",)
        for part in report.latency
    ]
    others = [_LABELS[part.source] for part in report.sources if part.source in _LABELS]
    note = "Right is what agrees with the label. " + (
        f"Mind that {' and '.join(others)}; neither is FACS coding by people. " if others else ""
    )
    return section("What was measured", note + "Intervals are 95 %, bootstrapped over people.", table((), rows))


def _means(report: UnitFileReport) -> str:
    columns: list[tuple[str, MeanScores]] = []
    for name, found in [("all", report.all), *((part.source, part.report) for part in report.sources)]:
        if name != "all" and len(report.sources) == 1:
            continue
        columns.append((f"{name}, {len(found.mean.units)} units", found.mean))
        if found.mean_bp4d is not None and len(found.units) > len(found.mean_bp4d.units):
            columns.append((f"{name}, {len(found.mean_bp4d.units)} units of BP4D", found.mean_bp4d))
    rows = [(told, *(_score(column.scores, name) for _, column in columns)) for name, told in _FIGURES.items()]
    left_out = sorted({unit for _, column in columns for unit in column.left_out})
    note = (
        "Means over units. A probability of 0.5 decides in the published protocol; the program decides at the "
        "calibrated threshold of each unit."
    )
    if left_out:
        note += f" Left out where they have no known label, or always the same one: {', '.join(left_out)}."
    return section("Means", note, table(("figure", *(name for name, _ in columns)), rows))


_FIGURES: Final = {
    "f1_half": "F1 at 0.5",
    "accuracy_half": "accuracy at 0.5",
    "balanced_accuracy_half": "balanced accuracy at 0.5",
    "f1": "F1 at the threshold",
    "accuracy": "accuracy at the threshold",
    "balanced_accuracy": "balanced accuracy at the threshold",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "ece": "ECE, 15 bins of equal width",
    "f1_always": 'F1 of always "present"',
}

#: Of them, those whose interval stands in the table of units too; report.json has all.
_WITH_INTERVAL: Final = ("f1_half", "auroc")


def _score(scores: Scores, name: str) -> str:
    value = getattr(scores, name)
    return _number(value) if isinstance(value, float) else figure_text(value)


def _value(scores: Scores, name: str) -> str:
    value = getattr(scores, name)
    return _number(value if isinstance(value, float) else value.value)


def _number(value: float) -> str:
    return "none to measure" if math.isnan(value) else f"{value:.3f}"


def _units(report: UnitFileReport) -> str:
    head = ("unit", "to be built on", "faces", "rate", "threshold", *_FIGURES.values())
    rows = [_unit_row(unit, unit.unit in report.model.not_trusted) for unit in report.all.units]
    note = (
        "All test faces whose label is known. The plot has the units with both labels. A unit that beats always "
        'saying "present" by little has learned little.'
    )
    says = "F1 and AUROC of each unit with intervals; the values stand in the table below."
    parts = [table(head, rows)]
    if report.all.mean.units:
        parts.insert(0, framed(inline_svg(unit_plot(report.all), "units", says)))
    return section("Each unit", note, *parts)


def _unit_row(unit: UnitScores, greyed: bool) -> tuple[str, ...]:
    found = tuple(
        _score(unit.scores, figure) if figure in _WITH_INTERVAL else _value(unit.scores, figure) for figure in _FIGURES
    )
    return (unit.unit, "no" if greyed else "yes", f"{unit.n:,}", _number(unit.rate), f"{unit.threshold:.3f}", *found)


def _uncertainty(report: UnitReport) -> list[str]:
    if not report.mean.units:
        return []
    rows = [(figures.kind, f"{figures.mean_nats:.4f}", figures.gap_points.text(1)) for figures in report.uncertainty]
    epistemic = report.uncertainty[0]
    note = (
        "Do decisions get worse as the model gets less sure? Bins hold equally many faces of one unit. rho is "
        "Spearman's correlation of the number of the bin with its accuracy: -1 where every bin is worse than the one "
        "before."
    )
    first = "Accuracy in twenty bins of rising epistemic uncertainty for each unit: " + ", ".join(
        f"{unit.unit} rho {_number(unit.rho)}" for unit in epistemic.units
    )
    second = "Accuracy by tenth of epistemic, aleatoric and total uncertainty; the distances stand in the table."
    head = ("uncertainty", "mean (nats)", "first less last tenth, accuracy (points)")
    return [
        section(
            "Accuracy by uncertainty",
            note,
            framed(inline_svg(bins_plot(epistemic), "bins", first)),
            framed(inline_svg(deciles_plot(report.uncertainty), "deciles", second)),
            table(head, rows),
        )
    ]


def _reliability(report: UnitReport) -> str:
    rows = [(f"{part.confidence:.3f}", f"{part.agreement:.3f}", f"{part.n:,}") for part in report.reliability]
    says = "How often units occur by the probability that they are given; the values stand in the table."
    return section(
        "Reliability",
        "All units and faces with a known label together, in ten bins of equal width. Bars are over people.",
        framed(inline_svg(occurrence_plot(report.reliability), "reliability", says)),
        table(("mean probability", "share where the unit occurs", "labels"), rows),
    )


def _samples(report: UnitFileReport) -> str:
    rows = [(f"{part.samples}", part.f1_half.text(), f"{part.epistemic_nats:.4f}") for part in report.by_samples]
    note = "What more sampled masks are worth; one sample has no epistemic part."
    return section("Number of samples", note, table(("samples", "mean F1 at 0.5", "mean epistemic (nats)"), rows))


def _expressions(check: ExpressionCheck) -> str:
    rows = [
        (f"{' + '.join(tie.units)} on {tie.expression}", figure_text(tie.auroc), f"{tie.positives:,}")
        + (f"{tie.auroc.n - tie.positives:,}",)
        for tie in check.ties
    ]
    counts = ", ".join(f"{name} {count:,}" for name, count in check.agreed.items())
    note = (
        f"A check from outside: {sum(check.agreed.values()):,} of {check.faces:,} faces of FERPlus {check.split} have "
        f"at least {AGREED_VOTES} votes for one expression ({counts}). Does a unit stand out on the expression that "
        "FACS books tie it to? Several units together are the mean of their probabilities. Intervals are over faces; "
        "of a handful of faces they say little."
    )
    head = ("units on expression", "AUROC", "faces of it", "other faces")
    return section("On the expressions that people saw", note, table(head, rows))
