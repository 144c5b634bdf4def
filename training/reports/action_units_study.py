"""Tables of a model card from the report of ``mien-train study au``: do the paper's claims hold on these faces?"""

from __future__ import annotations

from collections.abc import Sequence

from training.reports.sections import UNDEFINED, Report, Section, Table, figure_text, number_text


def study_sections(report: Report) -> list[Section]:
    """The five variants, each pair of them, less data, and flipped labels.

    Raises:
        ValueError: the report lacks the point with all people and no flipped label.
    """
    points = report["points"]
    whole = next((point for point in points if (point["share"], point["flipped"]) == (1, 0)), None)
    if whole is None:
        raise ValueError("the study has no point with all people and no flipped label: run mien-train study au again")
    sections = [_variants(report, whole), _pairs(whole["compared"])]
    shares = [point for point in points if point["flipped"] == 0]
    flips = [point for point in points if point["share"] == 1]
    if any(cell.get("curves") for point in points for cell in point["cells"]):
        sections.append(_curves(points))
    if len(shares) > 1:
        note = (
            "F1 at probability 0.5 by the share of the training people, labels unchanged. Small shares are trained for "
            f"more epochs, none for fewer than {report['config']['steps']} steps, so the differences are of data and "
            "of steps. Intervals over test people."
        )
        sections.append(Section("With less data", note, (_series("people", "share", shares),)))
    if len(flips) > 1:
        note = (
            "F1 at probability 0.5 by the share of the training labels that were flipped, all people; test labels are "
            "unchanged. Intervals over test people."
        )
        sections.append(Section("With flipped labels", note, (_series("flipped labels", "flipped", flips),)))
    return sections


def _variants(report: Report, whole: Report) -> Section:
    cells, compared = whole["cells"], whole["compared"]
    tested = sum(cell["test_people"] for cell in cells)
    rows = tuple(
        (
            scores["variant"],
            figure_text(scores["f1"]),
            _by_fold(scores["f1_by_fold"]),
            figure_text(scores["accuracy"]),
            _by_fold(scores["accuracy_by_fold"]),
        )
        for scores in compared["variants"]
    )
    folds = "1 test fold" if len(cells) == 1 else f"{len(cells)} test folds"
    note = (
        f"The paper's five models on {' and '.join(report['sources'])}, {len(report['units'])} units, trained and "
        f"measured anew for {folds} of people ({tested:,} test people), one seed each, {report['config']['samples']} "
        f"masks at test, code {report['code']}. Decided at probability 0.5 without calibration; mean over units, then "
        "folds; intervals over test people."
    )
    head = ("model", "F1", "each fold", "accuracy", "each fold")
    return Section("The five variants of the paper", note, (Table(head, rows),))


def _by_fold(values: Sequence[float | None]) -> str:
    return ", ".join(map(number_text, values))


def _pairs(compared: Report) -> Section:
    rows = []
    for pair in compared["comparisons"]:
        name = f"{pair['first']} minus {pair['second']}" + (" (adjacent in the order)" if pair["neighbours"] else "")
        people, folds = pair["over_people"], pair["over_folds"]
        intervals = (_ends(people), people["verdict"], _ends(folds), folds["verdict"])
        rows.append((name, number_text(pair["difference"]), _by_fold(pair["by_fold"]), *intervals))
    expected = " > ".join(scores["variant"] for scores in compared["variants"])
    note = (
        f"The paper's order of F1, {expected}, {'appears' if compared['order_appears'] else 'does not appear'}; the "
        f"order found is {' > '.join(compared['found_order'])}. A step of the order counts only where its interval "
        "over people lies above 0. Over people: these trained networks on other test people. Over folds: Student's "
        "interval, which includes the randomness of training and has little power. Differences of F1 at 0.5."
    )
    head = ("pair", "difference", "each fold", "over people", "verdict", "over folds", "verdict")
    return Section("Pairs of variants", note, (Table(head, tuple(rows)),))


def _curves(points: Sequence[Report]) -> Section:
    """Average precision at each quarter of the trainings, means over folds."""
    rows = []
    for point in points:
        setting = f"{100 * point['share']:.3g} %, {100 * point['flipped']:.3g} % flipped"
        curves = [curve for cell in point["cells"] for curve in cell["curves"]]
        for scores in point["compared"]["variants"]:
            own = [_quarters(curve["average_precision"]) for curve in curves if curve["variant"] == scores["variant"]]
            if own:
                means = [sum(values) / len(own) for values in zip(*own, strict=True)]
                rows.append((setting, scores["variant"], *map(number_text, means), f"{means[3] - means[2]:+.3f}"))
    note = (
        "Average precision on validation people (their labels are flipped like the others) after each quarter of a "
        "training, mean over units and folds, and the change over the last quarter: near 0, a longer training would "
        "change little."
    )
    head = ("people, labels", "model", "1/4", "1/2", "3/4", "end", "last quarter")
    return Section("Learning curves", note, (Table(head, tuple(rows)),))


def _quarters(values: Sequence[float]) -> list[float]:
    """The values after each quarter of a training."""
    return [values[max(0, round(len(values) * quarter / 4) - 1)] for quarter in (1, 2, 3, 4)]


def _ends(interval: Report) -> str:
    if interval["low"] is None:  # a single fold
        return UNDEFINED
    return f"{interval['low']:.3f} to {interval['high']:.3f}"


def _series(name: str, key: str, points: Sequence[Report]) -> Table:
    rows = tuple(
        (
            f"{100 * point[key]:.3g} %",
            *(figure_text(scores["f1"]) for scores in point["compared"]["variants"]),
            "yes" if point["compared"]["order_appears"] else "no",
        )
        for point in points
    )
    variants = [scores["variant"] for scores in points[0]["compared"]["variants"]]
    return Table((name, *variants, "paper's order"), rows)
