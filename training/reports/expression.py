"""The report of an expression model: ``report.json``, the page ``report.html``, and the tables of its model card.

Page and card have the same sections; a card shows several splits side by side, and may add the report of
``mien-train evaluate uncertainty``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from engine.types import Route
from training.evaluation.expression_report import ExpressionReport
from training.loop.json_report import plain, write_report
from training.reports.plots import class_plot, confusion_plot, inline_svg, reliability_diagram, risk_coverage_plot
from training.reports.sections import (
    UNDEFINED,
    Report,
    Section,
    Table,
    at,
    figure_text,
    read_report,
    render_page,
    write_card,
)

_KEYS: Final = ("model", "majority", "raters", "hard", "selective", "votes", "routes", "flip")
_SHIFT_KEYS: Final = ("sha256", "split", "tables", "natural_shift")
#: Rows of each table: what the figure is, and where it is in the report.
_ACCURACY: Final = {
    "accuracy": "majority.accuracy",
    "accuracy without images that also occur in another split": "majority_accuracy_without_copies",
    "macro-F1": "majority.macro_f1",
    "balanced accuracy": "majority.balanced_accuracy",
    "accuracy with the mirror image averaged in": "flip.accuracy",
    "macro-F1 with the mirror image averaged in": "flip.macro_f1",
}
_CALIBRATION: Final = {
    "nll": "NLL (nats)",
    "brier": "Brier score (0-2)",
    "ece": "ECE, 15 equal-width bins",
    "adaptive_ece": "adaptive ECE, 15 equal-mass bins",
    "classwise_ece": "class-wise ECE, 15 equal-width bins",
}
_SELECTIVE: Final = {
    "AURC": "selective.aurc",
    "E-AURC (excess over the optimal order)": "selective.excess_aurc",
    "AUGRC": "selective.augrc",
    "AUROC of confidence for correct against wrong": "selective.error_auroc",
    "FPR95 (errors kept where 95 % of the correct answers are kept)": "selective.error_fpr95",
    "coverage at 5 % risk": "selective.coverage_at_5_risk",
    "risk at 80 % coverage": "selective.risk_at_80_coverage",
}
_VOTES: Final = {
    "KL divergence from votes to probabilities (nats)": "votes.kl",
    "total variation distance": "votes.total_variation",
    "Spearman, aleatoric against the entropy of the votes": "votes.spearman_aleatoric",
    "Spearman, epistemic against the same": "votes.spearman_epistemic",
}
_ROUTES: Final = {
    Route.ACCEPT.value: "accepted (one label)",
    Route.AMBIGUOUS.value: "ambiguous (competing labels)",
    Route.REJECT.value: "not assessed",
}


def write_expression_report(report: ExpressionReport, folder: Path) -> None:
    """Write ``report.json`` and ``report.html`` into a folder, which is created."""
    write_report(report, folder / "report.json")
    (folder / "report.html").write_text(expression_page(report), encoding="utf-8")


def expression_page(report: ExpressionReport) -> str:
    """The report as an HTML page with plots."""
    plots = {
        "Each expression": (
            inline_svg(class_plot(report.majority), "classes", "Precision, recall and F1 of each expression."),
            inline_svg(confusion_plot(report.majority), "confusion", "Faces by label and prediction."),
        ),
        "Calibration": (
            inline_svg(reliability_diagram(report.raters, report.hard), "reliability", "Agreement by confidence."),
        ),
        "Risk and coverage": (
            inline_svg(
                risk_coverage_plot(report.selective, 1 - report.majority.accuracy.value), "risk", "Risk by coverage."
            ),
        ),
    }
    title = f"{report.model.name} on FERPlus {report.split}"
    return render_page(title, expression_sections([plain(report)]), plots)


def write_expression_card(card: Path, reports: Sequence[Path], uncertainty: Path | None = None) -> None:
    """Write the measured part of a model card.

    Args:
        card: the Markdown file with the two marks.
        reports: ``report.json`` of each split, one column each; the classes are those of the last one.
        uncertainty: report of ``evaluate uncertainty``, for the table of changed images.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the card lacks a mark, a report is of another kind, or the reports are of different models.
    """
    found = [read_report(path, "evaluate expression", _KEYS) for path in reports]
    shift = None if uncertainty is None else read_report(uncertainty, "evaluate uncertainty", _SHIFT_KEYS)
    write_card(card, expression_sections(found, shift))


def expression_sections(reports: Sequence[Report], shift: Report | None = None) -> list[Section]:
    """All sections, with a column per report.

    Raises:
        ValueError: no report, or reports of different models.
    """
    models = {report["model"]["sha256"] for report in reports} | ({shift["sha256"]} if shift else set())
    if len(models) != 1:
        raise ValueError(f"the reports are of {len(models)} models, not of one: measure the same file on each split")
    sections = [
        _model(reports),
        _accuracy(reports),
        _classes(reports[-1]),
        _calibration(reports),
        _selective(reports),
        _votes(reports),
        _routes(reports),
    ]
    return [*sections, _shift(shift)] if shift else sections


def _columns(reports: Sequence[Report]) -> tuple[str, ...]:
    return ("", *(report["split"] for report in reports))


def _figures(reports: Sequence[Report], paths: dict[str, str], places: int = 3) -> tuple[tuple[str, ...], ...]:
    return tuple((name, *(figure_text(at(report, path), places) for report in reports)) for name, path in paths.items())


def _row(name: str, reports: Sequence[Report], text: Callable[[Report], str]) -> tuple[str, ...]:
    return (name, *map(text, reports))


def _model(reports: Sequence[Report]) -> Section:
    model, last = reports[0]["model"], reports[-1]
    limits = (
        f"aleatoric {model['aleatoric_limit']:.3f} nats, epistemic {model['epistemic_limit']:.4f} nats "
        f"(rejects {100 * _route(last, 'reject')['share']['value']:.1f} % of {last['split']})"
    )
    rows: tuple[tuple[str, ...], ...] = (
        ("sha256", model["sha256"]),
        ("trained", model["trained"]),
        ("data", "; ".join(model["data"])),
        ("calibrated on", model["fitted_on"]),
        ("temperature", f"{model['temperature']:.3f}"),
        ("limits", limits),
    )
    note = (
        "Labels are the votes of ten people per image: what a face looks like to people, not what anyone feels, means "
        "or intends. Intervals are 95 %, bootstrapped over faces unless a note says otherwise."
    )
    sizes = (
        _row("faces with an emotion vote", reports, lambda report: f"{report['faces']:,}"),
        _row("of them with a majority label", reports, lambda report: f"{report['majority_faces']:,}"),
        _row("mesh found (the others keep their own framing)", reports, lambda r: figure_text(r["mesh_found"])),
    )
    return Section("What was measured", note, (Table((), rows), Table(_columns(reports), sizes)))


def _accuracy(reports: Sequence[Report]) -> Section:
    rows = (
        *_figures(reports, _ACCURACY),
        *_figures(reports, {"gain in accuracy by the mirror image, paired": "flip.accuracy_gain"}, 4),
        _row("accuracy of always the most common class", reports, lambda r: f"{r['majority']['always_commonest']:.3f}"),
        _row("accuracy of single members, mean and standard deviation", reports, _members),
    )
    note = "Against the majority label of the raters. The program does not average in the mirror image."
    return Section("Accuracy", note, (Table(_columns(reports), rows),))


def _members(report: Report) -> str:
    members = report["members"]
    if members is None:
        return UNDEFINED
    deviation = "" if members["accuracy_sd"] is None else f", {members['accuracy_sd']:.3f}"
    return f"{members['accuracy_mean']:.3f}{deviation} of {members['count']}"


def _classes(report: Report) -> Section:
    classes, matrix = report["majority"]["classes"], report["majority"]["confusion_matrix"]
    names = [part["name"] for part in classes]
    rows = tuple(
        (
            part["name"],
            f"{part['n']:,}",
            f"{part['named']:,}",
            *(figure_text(part[kind]) for kind in ("precision", "recall", "f1")),
            _confused_with(matrix[place], place, names),
        )
        for place, part in enumerate(classes)
    )
    note = f"Majority labels of {report['split']}. Wilson intervals, which also hold for rare classes with no hit."
    head = ("expression", "faces", "predicted", "precision", "recall", "F1", "most often confused with")
    return Section("Each expression", note, (Table(head, rows),))


def _confused_with(counts: Sequence[int], place: int, names: Sequence[str]) -> str:
    wrong = [0 if column == place else count for column, count in enumerate(counts)]
    worst = max(range(len(wrong)), key=wrong.__getitem__)
    return f"{names[worst]}, {100 * wrong[worst] / sum(counts):.0f} %" if wrong[worst] else ""


def _calibration(reports: Sequence[Report]) -> Section:
    rows = tuple(
        (f"{name}, {target}, {when} the temperature",)
        + tuple(figure_text(at(report, f"{key}.{when}.{score}")) for report in reports)
        for score, name in _CALIBRATION.items()
        for key, target in (("raters", "raters"), ("hard", "majority label"))
        for when in ("before", "after")
    )
    note = (
        "Against the raters, the agreement of a face is the share of its votes for the predicted class, which is what "
        "the probabilities are trained and calibrated to; against the majority label it is 1 or 0."
    )
    return Section("Calibration", note, (Table(_columns(reports), rows),))


def _selective(reports: Sequence[Report]) -> Section:
    note = "Risk is the error rate among the most confident faces. Confidence is the top probability."
    return Section("Risk and coverage", note, (Table(_columns(reports), _figures(reports, _SELECTIVE)),))


def _votes(reports: Sequence[Report]) -> Section:
    note = "How close the probabilities are to the votes, and whether uncertainty follows the raters' disagreement."
    return Section("Against the votes", note, (Table(_columns(reports), _figures(reports, _VOTES)),))


def _route(report: Report, route: str) -> Report:
    return next(dict(part) for part in report["routes"] if part["route"] == route)


def _routes(reports: Sequence[Report]) -> Section:
    rows = tuple(
        (f"{name}: {what}", *(figure_text(_route(report, route)[key]) for report in reports))
        for route, name in _ROUTES.items()
        for key, what in (
            ("share", "share of all faces"),
            ("accuracy", "accuracy of the top label"),
            ("vote_entropy", "entropy of the votes (nats)"),
        )
    )
    note = (
        "Single images; in a video both uncertainties are averaged over half a second first. Accuracy is over the "
        "faces of the route that have a majority label."
    )
    return Section("Routes", note, (Table(_columns(reports), rows),))


def _shift(report: Report) -> Section:
    rows = [
        (
            f"15 corruptions, severity 5, {part['strength']} (mean)",
            f"{part['n']:,}",
            figure_text(part["shift"]["mean"]["epistemic"]),
            figure_text(part["shift"]["mean"]["aleatoric"]),
        )
        for part in report["tables"]["strengths"]
    ]
    natural = report["natural_shift"] or {"sets": []}
    rows += [
        (part["name"], f"{part['n']:,}", figure_text(part["auroc_epistemic"]), figure_text(part["auroc_aleatoric"]))
        for part in natural["sets"]
    ]
    note = f"AUROC for telling changed or foreign images from clean ones of {report['split']}."
    return Section(
        "Changed and foreign images", note, (Table(("change", "faces", "epistemic", "aleatoric"), tuple(rows)),)
    )
