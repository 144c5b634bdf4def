"""The report of `mien-train study au` as one HTML page (training/reports/html_page.py)."""

from __future__ import annotations

import math
from pathlib import Path

from training.reports.action_units_plots import noise_plot, order_plot, share_plot
from training.reports.html_page import figure_text, framed, page, section, table
from training.reports.plots import inline_svg
from training.studies.action_units import PAPER_ORDER, StudyPoint, StudyReport
from training.studies.comparison import Comparison, Interval


def write_study_html(report: StudyReport, path: Path) -> None:
    """Write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(study_page(report), encoding="utf-8")


def study_page(report: StudyReport) -> str:
    """The page as text."""
    sections = [_answer(report), _shares(report), _noise(report), _units(report), _cells(report)]
    return page(f"Five variants of UGN on {', '.join(report.sources)}", sections)


def _whole(report: StudyReport) -> StudyPoint:
    """The point with all people and no label turned over."""
    return next(point for point in report.points if point.share == 1 and point.flipped == 0)


def _answer(report: StudyReport) -> str:
    compared = _whole(report).compared
    asked = " > ".join(variant.value for variant in PAPER_ORDER)
    found = " > ".join(compared.found_order)
    note = (
        f"The paper's order of mean F1 is {asked}. It {'appears' if compared.order_appears else 'does not appear'}: "
        f"found was {found}, and a step of the order counts only if its interval over people lies above 0. "
        "Over people: these trained networks on other test people. Over folds: Student's interval of three trainings "
        "on other people, one seed each, which has little power but holds the chance of training too."
    )
    rows = [_pair(pair) for pair in compared.comparisons]
    head = ("pair", "points", "each fold", "over people", "verdict", "over folds", "verdict")
    says = "Differences of mean F1 of all pairs with intervals; the values stand in the table."
    svg = inline_svg(order_plot(compared.comparisons), "order", says)
    return section("Does the paper's order appear?", note, framed(svg), table(head, rows))


def _pair(pair: Comparison) -> tuple[str, ...]:
    name = f"{pair.first} less {pair.second}" + (" (next in the order)" if pair.neighbours else "")
    each = ", ".join(f"{100 * value:.2f}" for value in pair.by_fold)
    people, folds = pair.over_people, pair.over_folds
    return name, f"{100 * pair.difference:.2f}", each, _ends(people), people.verdict, _ends(folds), folds.verdict


def _ends(interval: Interval) -> str:
    if math.isnan(interval.low):  # of a single fold
        return "none"
    return f"{100 * interval.low:.2f} to {100 * interval.high:.2f}"


def _shares(report: StudyReport) -> str:
    points = [point for point in report.points if point.flipped == 0]
    note = (
        "Each share holds the people of the smaller ones. With few faces the stages are trained for more epochs, so "
        f"that none has fewer than {report.config.steps} steps; what each was trained for stands in the last table. "
        "Differences between shares are therefore of data and of steps. Intervals are over test people."
    )
    says = "F1 of the five variants by the share of the training people; the values stand in the table."
    return section(
        "With less data", note, framed(inline_svg(share_plot(points), "shares", says)), _scores(points, "people", True)
    )


def _noise(report: StudyReport) -> str:
    points = [point for point in report.points if point.share == 1]
    note = (
        "A share of the known labels of each unit is turned over for training; test labels stay as they are. "
        "Intervals are over test people."
    )
    says = "F1 of the five variants by the share of labels turned over; the values stand in the table."
    return section(
        "With wrong labels",
        note,
        framed(inline_svg(noise_plot(points), "noise", says)),
        _scores(points, "labels", False),
    )


def _scores(points: list[StudyPoint], what: str, by_share: bool) -> str:
    rows = []
    for point in points:
        share = point.share if by_share else point.flipped
        texts = {scores.variant: figure_text(scores.f1) for scores in point.compared.variants}
        order = "yes" if point.compared.order_appears else "no"
        rows.append((f"{100 * share:.3g} %", *(texts[variant.value] for variant in PAPER_ORDER), order))
    return table((what, *(variant.value for variant in PAPER_ORDER), "paper's order"), rows)


def _units(report: StudyReport) -> str:
    variants = _whole(report).compared.variants
    rows: list[tuple[str, ...]] = [
        (unit.unit, *(f"{100 * scores.units[place].f1:.1f}" for scores in variants))
        for place, unit in enumerate(variants[0].units)
    ]
    rows.append(("mean F1", *(f"{100 * scores.f1.value:.1f}" for scores in variants)))
    rows.append(("mean accuracy", *(f"{100 * scores.accuracy.value:.1f}" for scores in variants)))
    note = (
        "All people, labels as they are: F1 in per cent at probability 0.5, over all faces of a fold, mean over the "
        "folds in which the unit has both labels. On BP4D and DISFA this is the published table."
    )
    return section("Each unit", note, table(("unit", *(scores.variant for scores in variants)), rows))


def _cells(report: StudyReport) -> str:
    rows = [
        (
            f"{100 * point.share:.3g} % of the people, {100 * point.flipped:.3g} % turned over",
            f"{cell.fold}",
            f"{cell.training_people:,}",
            f"{cell.training_faces:,}",
            f"{cell.steps_features:,}",
            f"{cell.steps_head:,}",
            f"{cell.test_people:,}",
            f"{cell.test_faces:,}",
        )
        for point in report.points
        for cell in point.cells
    ]
    head = ("setting", "test fold", "people", "faces", "steps, stage 1", "steps, stage 2", "test people", "test faces")
    note = f"Trained by code {report.code}, one seed each; {report.config.samples} masks at test."
    return section("What was trained", note, table(head, rows))
