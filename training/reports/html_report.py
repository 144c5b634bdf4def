"""An expression report as one HTML page: no script, nothing from elsewhere, plots inside, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from engine.facs import EXPRESSIONS
from engine.types import Route
from training.evaluation.expression_report import CalibrationFigures, ExpressionReport, Scores
from training.metrics.multiclass import Figure
from training.reports.plots import class_plot, confusion_plot, inline_svg, reliability_diagram, risk_coverage_plot
from training.reports.strip_chart import Strip
from training.reports.strip_plot import draw_strip

ROUTE_NAMES: Final = {
    Route.ACCEPT.value: "accepted: one label",
    Route.AMBIGUOUS.value: "ambiguous: competing labels",
    Route.REJECT.value: "not assessed",
}
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1b1f; --page: #ffffff; --line: #c9c9d0; --quiet: #5b5b66; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --page: #16161a; --line: #44444d; --quiet: #a6a6b2; }
}
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; margin: 0.8rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.9rem 0.25rem 0; text-align: left;
  vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; }
tbody th { font-weight: 400; }
.scroll { overflow-x: auto; }
.scroll svg { max-width: 100%; min-width: 34rem; height: auto; }
p.quiet { color: var(--quiet); max-width: 48rem; }
code { overflow-wrap: anywhere; }
"""


def write_html(report: ExpressionReport, path: Path, strip: Strip | None = None) -> None:
    """Write the page; with a strip, the chart of a clip stands at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html_page(report, strip), encoding="utf-8")


def html_page(report: ExpressionReport, strip: Strip | None = None) -> str:
    """The page as text."""
    title = f"{report.model.name} on FERPlus {report.split}"
    sections = [
        _facts(report),
        _accuracy(report),
        _classes(report),
        _calibration(report),
        _selective(report),
        _votes(report),
        _routes(report),
        _flip(report),
    ]
    if strip is not None:
        sections.append(_clip(strip))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _section(title: str, note: str, *parts: str) -> str:
    return (
        f'<section>\n<h2>{escape(title)}</h2>\n<p class="quiet">{escape(note)}</p>\n'
        + "\n".join(parts)
        + "\n</section>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells_of_head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    top = f"<thead><tr>{cells_of_head}</tr></thead>\n" if head else ""
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    body = "\n".join(lines)
    return f'<div class="scroll"><table>\n{top}<tbody>\n{body}\n</tbody>\n</table></div>'


def _plot(svg: str) -> str:
    return f'<div class="scroll">{svg}</div>'


def _told(figure: Figure | None) -> str:
    return "none to measure" if figure is None else figure.text()


def _row(name: str, figure: Figure | None) -> tuple[str, str, str]:
    return name, _told(figure), "" if figure is None else f"{figure.n:,}"


def _facts(report: ExpressionReport) -> str:
    model = report.model
    rows = [
        ("trained", model.trained),
        ("data", "; ".join(model.data)),
        ("sha256", model.sha256),
        ("calibrated on", model.fitted_on),
        ("temperature", f"{model.temperature:.3f}"),
        ("limits", f"aleatoric {model.max_aleatoric:.3f} nats, epistemic {model.max_epistemic:.4f} nats"),
        ("faces", f"{report.faces:,} with an emotion vote, {report.majority_faces:,} of them with a majority label"),
        ("mesh found", f"{report.mesh_found.text()}; the other pictures keep their own framing and a mean mesh"),
    ]
    note = (
        "The labels are votes of ten people per picture: what a face looks like to people. They do not tell what "
        "anyone feels, means or intends. Values stand with 95 % intervals; n is the number of faces that they rest on."
    )
    return _section("What was measured", note, _table((), rows))


def _accuracy(report: ExpressionReport) -> str:
    majority = report.majority
    rows = [
        _row("accuracy", majority.accuracy),
        _row("accuracy without pictures that also stand in another split", report.majority_accuracy_without_copies),
        (
            "accuracy of always naming the commonest class",
            f"{majority.always_commonest:.3f}",
            f"{report.majority_faces:,}",
        ),
        _row("macro-F1", majority.macro_f1),
        _row("balanced accuracy", majority.balanced_accuracy),
    ]
    if report.members is not None:
        spread = "" if report.members.accuracy_sd is None else f", standard deviation {report.members.accuracy_sd:.3f}"
        told = f"{report.members.accuracy_mean:.3f}{spread}"
        rows.append(
            (f"accuracy of one member alone, mean of {report.members.count}", told, f"{report.majority_faces:,}")
        )
    note = "Against the majority label of the raters. Intervals by bootstrap over faces."
    return _section("Accuracy", note, _table(("figure", "value", "n"), rows))


def _classes(report: ExpressionReport) -> str:
    rows = [
        (part.name, f"{part.n:,}", f"{part.named:,}", *map(_told, (part.precision, part.recall, part.f1)))
        for part in report.majority.classes
    ]
    says = "Precision, recall and F1 of each expression with intervals; the values stand in the table below."
    counts = "Faces by label and prediction; most lie where both agree."
    return _section(
        "Each expression",
        "Majority labels. Intervals are Wilson's, so that they also speak for rare classes that are never hit.",
        _plot(inline_svg(class_plot(report.majority), "classes", says)),
        _table(("expression", "faces", "named so", "precision", "recall", "F1"), rows),
        _plot(inline_svg(confusion_plot(report.majority), "confusion", counts)),
    )


def _calibration(report: ExpressionReport) -> str:
    head = ("figure", "raters, before", "raters, after", "majority, before", "majority, after")
    names = {
        "nll": "NLL (nats)",
        "brier": "Brier score (0-2)",
        "ece": "ECE, 15 bins of equal width",
        "adaptive_ece": "adaptive ECE, 15 bins of equally many faces",
        "classwise_ece": "class-wise ECE, 15 bins of equal width",
    }
    columns = [scores for figures in (report.raters, report.hard) for scores in (figures.before, figures.after)]
    rows = [(told, *(_score(scores, name) for scores in columns)) for name, told in names.items()]
    sizes = ("n", *(f"{_count(figures):,}" for figures in (report.raters, report.raters, report.hard, report.hard)))
    note = (
        "Before and after the one temperature that divides all logits. Against the raters, the agreement of a face is "
        "the share of its votes for the predicted class, which is what the probabilities are trained and calibrated to "
        "tell; against the majority label it is 1 or 0. Bars in the diagram are 95 % intervals."
    )
    says = "Agreement rises with confidence, once against the raters and once against the majority label."
    diagram = reliability_diagram(report.raters, report.hard)
    return _section("Calibration", note, _table(head, [*rows, sizes]), _plot(inline_svg(diagram, "reliability", says)))


def _score(scores: Scores | None, name: str) -> str:
    return "" if scores is None else _told(getattr(scores, name))


def _count(figures: CalibrationFigures) -> int:
    return figures.after.ece.n


def _selective(report: ExpressionReport) -> str:
    found = report.selective
    rows = [
        _row("AURC (area under the curve)", found.aurc),
        _row("E-AURC (above the best order)", found.excess_aurc),
        _row("AUGRC (area under the generalised curve)", found.augrc),
        _row("AUROC of confidence for right against wrong", found.error_auroc),
        _row("FPR95 (errors that pass where 95 % of the right answers do)", found.error_fpr95),
        _row("coverage at 5 % risk", found.coverage_at_5_risk),
        _row("risk at 80 % coverage", found.risk_at_80_coverage),
    ]
    note = "If only the surest faces are answered: how many errors are left? Confidence is the top probability."
    says = "Risk by coverage: few errors among the surest faces, rising to the error rate of all."
    plot = risk_coverage_plot(found, 1 - report.majority.accuracy.value)
    return _section(
        "Risk and coverage", note, _table(("figure", "value", "n"), rows), _plot(inline_svg(plot, "risk", says))
    )


def _votes(report: ExpressionReport) -> str:
    rows = [
        _row("KL divergence from votes to probabilities (nats)", report.votes.kl),
        _row("total variation", report.votes.total_variation),
        _row("Spearman of the aleatoric part with the entropy of the votes", report.votes.spearman_aleatoric),
        _row("Spearman of the epistemic part with the same", report.votes.spearman_epistemic),
    ]
    note = "Do the probabilities look like the votes, and is the model unsure where the raters disagree?"
    return _section("Against the votes", note, _table(("figure", "value", "n"), rows))


def _routes(report: ExpressionReport) -> str:
    rows = [
        (
            ROUTE_NAMES[part.route],
            part.share.text(),
            _told(part.accuracy),
            "" if part.accuracy is None else f"{part.accuracy.n:,}",
            _told(part.vote_entropy),
        )
        for part in report.routes
    ]
    note = (
        "As single pictures; in a video both uncertainties are averaged over half a second first. Accuracy is that of "
        "the top label on the faces of the route that have a majority label."
    )
    head = ("route", f"share of {report.faces:,} faces", "accuracy", "n", "entropy of the votes (nats)")
    return _section("Routes", note, _table(head, rows))


def _flip(report: ExpressionReport) -> str:
    flip = report.flip
    rows = [
        ("accuracy", report.majority.accuracy.text(), flip.accuracy.text()),
        ("gain in accuracy, paired", "", flip.accuracy_gain.text(4)),
        ("macro-F1", report.majority.macro_f1.text(), flip.macro_f1.text()),
        ("NLL against the votes (nats)", report.raters.after.nll.text(), flip.nll_votes.text()),
        ("ECE against the raters", report.raters.after.ece.text(), flip.ece_raters.text()),
    ]
    note = (
        "Mean of the probabilities of a face and of its mirror image, at twice the time. The program shows the plain "
        f"one. n = {flip.accuracy.n:,} for accuracy and macro-F1, {flip.nll_votes.n:,} for the others."
    )
    return _section("With the mirror image", note, _table(("figure", "plain", "with mirror image"), rows))


def _clip(strip: Strip) -> str:
    note = (
        "A clip through the program's own stages. Shares are averaged as the program averages them; the band shows "
        "what a user sees: one label, the labels that compete, or not assessed."
    )
    top = strip.shares.mean(0)
    said = ", ".join(f"{name} {share:.0%}" for name, share in zip(EXPRESSIONS, top, strict=True) if share >= 0.05)
    says = f"Strip chart over time. Mean shares over the clip: {said}."
    return _section("Over time", note, _plot(inline_svg(draw_strip(strip), "strip", says)))
