"""The tables of a card from the report of ``mien-train study au``: do the paper's claims hold on these faces?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.reports.model_card import Report, table, told, under


def study_tables(report: Report) -> str:
    """The tables as Markdown: the five variants, each pair, less data, labels turned over.

    Raises:
        ValueError: the report lacks the point with all people and no label turned over.
    """
    points = report["points"]
    whole = next((point for point in points if (point["share"], point["flipped"]) == (1, 0)), None)
    if whole is None:
        raise ValueError("the study has no point with all people and no flipped label: run mien-train study au again")
    parts = [_variants(report, whole), _pairs(whole["compared"])]
    shares = [point for point in points if point["flipped"] == 0]
    flips = [point for point in points if point["share"] == 1]
    if len(shares) > 1:
        note = (
            "F1 at probability 0.5 by the share of the training people, labels as they are. Small shares are trained "
            f"for more epochs, none with fewer than {report['config']['steps']} steps, so these are differences of "
            "data and of steps. Intervals over test people."
        )
        parts.append(under(note, _series("people", "share", shares)))
    if len(flips) > 1:
        note = (
            "F1 at probability 0.5 by the share of the training labels that were turned over, all people; test labels "
            "stay as they are. Intervals over test people."
        )
        parts.append(under(note, _series("labels turned over", "flipped", flips)))
    return "\n\n".join(parts)


def _variants(report: Report, whole: dict[str, Any]) -> str:
    cells, compared = whole["cells"], whole["compared"]
    tested = sum(cell["test_people"] for cell in cells)
    rows = [
        (
            scores["variant"],
            told(scores["f1"]),
            _each(scores["f1_by_fold"]),
            told(scores["accuracy"]),
            _each(scores["accuracy_by_fold"]),
        )
        for scores in compared["variants"]
    ]
    note = (
        f"The paper's five models on {' and '.join(report['sources'])}, {len(report['units'])} units, trained and "
        f"measured anew for {_count(len(cells), 'test fold')} of people ({tested:,} test people), one seed each, "
        f"{report['config']['samples']} masks at test, code {report['code']}. Decided at probability 0.5 without "
        "calibration; mean over units, then folds; intervals over test people."
    )
    return under(note, table(("model", "F1", "each fold", "accuracy", "each fold"), rows))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _each(values: Sequence[float | None]) -> str:
    return ", ".join("-" if value is None else f"{value:.3f}" for value in values)


def _pairs(compared: dict[str, Any]) -> str:
    rows = []
    for pair in compared["comparisons"]:
        name = f"{pair['first']} less {pair['second']}" + (" (next in the order)" if pair["neighbours"] else "")
        people, folds = pair["over_people"], pair["over_folds"]
        intervals = (_ends(people), people["verdict"], _ends(folds), folds["verdict"])
        rows.append((name, _each([pair["difference"]]), _each(pair["by_fold"]), *intervals))
    asked = " > ".join(scores["variant"] for scores in compared["variants"])
    note = (
        f"The paper's order of F1, {asked}, {'appears' if compared['order_appears'] else 'does not appear'}; found was "
        f"{' > '.join(compared['found_order'])}. A step of the order counts only where its interval over people lies "
        "above 0. Over people: these trained networks on other test people. Over folds: Student's interval, which "
        "holds the chance of training too and has little power. Differences of F1 at probability 0.5."
    )
    head = ("pair", "difference", "each fold", "over people", "verdict", "over folds", "verdict")
    return under(note, table(head, rows))


def _ends(interval: dict[str, Any]) -> str:
    if interval["low"] is None:  # of a single fold
        return "-"
    return f"{interval['low']:.3f} to {interval['high']:.3f}"


def _series(what: str, key: str, points: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            f"{100 * point[key]:.3g} %",
            *(told(scores["f1"]) for scores in point["compared"]["variants"]),
            "yes" if point["compared"]["order_appears"] else "no",
        )
        for point in points
    ]
    variants = [scores["variant"] for scores in points[0]["compared"]["variants"]]
    return table((what, *variants, "paper's order"), rows)
