"""An expression report as one HTML page: no script, nothing from elsewhere, plots inside, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.facs import EXPRESSIONS
from engine.types import Route
from training.evaluation.expression_report import CalibrationFigures, ExpressionReport, Scores
from training.reports.html_page import figure_row, figure_text, framed, page, section, table
from training.reports.plots import class_plot, confusion_plot, inline_svg, reliability_diagram, risk_coverage_plot
from training.reports.strip_chart import Strip
from training.reports.strip_plot import draw_strip

ROUTE_NAMES: Final = {
    Route.ACCEPT.value: "accepted: one label",
    Route.AMBIGUOUS.value: "ambiguous: competing labels",
    Route.REJECT.value: "not assessed",
}


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
    return page(title, sections)


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
    return section("What was measured", note, table((), rows))


def _accuracy(report: ExpressionReport) -> str:
    majority = report.majority
    rows = [
        figure_row("accuracy", majority.accuracy),
        figure_row(
            "accuracy without pictures that also stand in another split", report.majority_accuracy_without_copies
        ),
        (
            "accuracy of always naming the commonest class",
            f"{majority.always_commonest:.3f}",
            f"{report.majority_faces:,}",
        ),
        figure_row("macro-F1", majority.macro_f1),
        figure_row("balanced accuracy", majority.balanced_accuracy),
    ]
    if report.members is not None:
        spread = "" if report.members.accuracy_sd is None else f", standard deviation {report.members.accuracy_sd:.3f}"
        told = f"{report.members.accuracy_mean:.3f}{spread}"
        rows.append(
            (f"accuracy of one member alone, mean of {report.members.count}", told, f"{report.majority_faces:,}")
        )
    note = "Against the majority label of the raters. Intervals by bootstrap over faces."
    return section("Accuracy", note, table(("figure", "value", "n"), rows))


def _classes(report: ExpressionReport) -> str:
    rows = [
        (part.name, f"{part.n:,}", f"{part.named:,}", *map(figure_text, (part.precision, part.recall, part.f1)))
        for part in report.majority.classes
    ]
    says = "Precision, recall and F1 of each expression with intervals; the values stand in the table below."
    counts = "Faces by label and prediction; most lie where both agree."
    return section(
        "Each expression",
        "Majority labels. Intervals are Wilson's, so that they also speak for rare classes that are never hit.",
        framed(inline_svg(class_plot(report.majority), "classes", says)),
        table(("expression", "faces", "named so", "precision", "recall", "F1"), rows),
        framed(inline_svg(confusion_plot(report.majority), "confusion", counts)),
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
    return section("Calibration", note, table(head, [*rows, sizes]), framed(inline_svg(diagram, "reliability", says)))


def _score(scores: Scores | None, name: str) -> str:
    return "" if scores is None else figure_text(getattr(scores, name))


def _count(figures: CalibrationFigures) -> int:
    return figures.after.ece.n


def _selective(report: ExpressionReport) -> str:
    found = report.selective
    rows = [
        figure_row("AURC (area under the curve)", found.aurc),
        figure_row("E-AURC (above the best order)", found.excess_aurc),
        figure_row("AUGRC (area under the generalised curve)", found.augrc),
        figure_row("AUROC of confidence for right against wrong", found.error_auroc),
        figure_row("FPR95 (errors that pass where 95 % of the right answers do)", found.error_fpr95),
        figure_row("coverage at 5 % risk", found.coverage_at_5_risk),
        figure_row("risk at 80 % coverage", found.risk_at_80_coverage),
    ]
    note = "If only the surest faces are answered: how many errors are left? Confidence is the top probability."
    says = "Risk by coverage: few errors among the surest faces, rising to the error rate of all."
    plot = risk_coverage_plot(found, 1 - report.majority.accuracy.value)
    return section(
        "Risk and coverage", note, table(("figure", "value", "n"), rows), framed(inline_svg(plot, "risk", says))
    )


def _votes(report: ExpressionReport) -> str:
    rows = [
        figure_row("KL divergence from votes to probabilities (nats)", report.votes.kl),
        figure_row("total variation", report.votes.total_variation),
        figure_row("Spearman of the aleatoric part with the entropy of the votes", report.votes.spearman_aleatoric),
        figure_row("Spearman of the epistemic part with the same", report.votes.spearman_epistemic),
    ]
    note = "Do the probabilities look like the votes, and is the model unsure where the raters disagree?"
    return section("Against the votes", note, table(("figure", "value", "n"), rows))


def _routes(report: ExpressionReport) -> str:
    rows = [
        (
            ROUTE_NAMES[part.route],
            part.share.text(),
            figure_text(part.accuracy),
            "" if part.accuracy is None else f"{part.accuracy.n:,}",
            figure_text(part.vote_entropy),
        )
        for part in report.routes
    ]
    note = (
        "As single pictures; in a video both uncertainties are averaged over half a second first. Accuracy is that of "
        "the top label on the faces of the route that have a majority label."
    )
    head = ("route", f"share of {report.faces:,} faces", "accuracy", "n", "entropy of the votes (nats)")
    return section("Routes", note, table(head, rows))


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
    return section("With the mirror image", note, table(("figure", "plain", "with mirror image"), rows))


def _clip(strip: Strip) -> str:
    note = (
        "A clip through the program's own stages. Shares are averaged as the program averages them; the band shows "
        "what a user sees: one label, the labels that compete, or not assessed."
    )
    top = strip.shares.mean(0)
    said = ", ".join(f"{name} {share:.0%}" for name, share in zip(EXPRESSIONS, top, strict=True) if share >= 0.05)
    says = f"Strip chart over time. Mean shares over the clip: {said}."
    return section("Over time", note, framed(inline_svg(draw_strip(strip), "strip", says)))
