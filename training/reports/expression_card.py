"""``mien-train card expression``: the tables of an expression model's card (training/reports/model_card.py).

Nothing is measured: every figure is one of the reports of ``mien-train evaluate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from training.reports.model_card import Report, read_report, table, told, write_tables


def write_expression_card(card: Path, reports: Sequence[Path], uncertainty: Path | None = None) -> None:
    """Write the tables anew.

    Args:
        card: the Markdown file.
        reports: report.json of ``evaluate expression``, a column each; the classes are those of the last one.
        uncertainty: report of ``evaluate uncertainty``, for the table of changed pictures.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the card lacks a mark, a report is of another kind, or the reports are of different models.
    """
    shift = None if uncertainty is None else _read_shift(uncertainty)
    write_tables(card, expression_tables([_read(path) for path in reports], shift))


def _read(path: Path) -> Report:
    keys = ("model", "majority", "raters", "hard", "selective", "votes", "routes", "flip")
    return read_report(path, "evaluate expression", keys)


def _read_shift(path: Path) -> Report:
    return read_report(path, "evaluate uncertainty", ("sha256", "split", "tables", "natural_shift"))


def expression_tables(reports: Sequence[Report], shift: Report | None = None) -> str:
    """The tables as Markdown.

    Raises:
        ValueError: no report, or reports of different models.
    """
    models = {report["model"]["sha256"] for report in reports} | ({shift["sha256"]} if shift else set())
    if len(models) != 1:
        raise ValueError(f"the reports are of {len(models)} models, not of one: measure the same file on each split")
    last = reports[-1]
    tables = [_figures(reports), _limits(last), _classes(last)]
    return "\n\n".join([*tables, _shift(shift)] if shift else tables)


def _figures(reports: Sequence[Report]) -> str:
    def row(name: str, tell: Callable[[Report], str]) -> list[str]:
        return [name, *map(tell, reports)]

    def figures(name: str, *keys: str) -> list[str]:
        return row(name, lambda report: told(_at(report, keys)))

    rows = [
        row("faces with a majority label, with an emotion vote", _sizes),
        figures("accuracy, majority labels", "majority", "accuracy"),
        figures("the same without pictures that also stand in another split", "majority_accuracy_without_copies"),
        figures("accuracy with the mirror image (flip)", "flip", "accuracy"),
        figures("macro-F1", "majority", "macro_f1"),
        figures("balanced accuracy", "majority", "balanced_accuracy"),
        row("always the commonest class (accuracy)", lambda report: f"{report['majority']['always_commonest']:.3f}"),
        row("one member alone, accuracy (mean, deviation)", _members),
        figures("ECE against the raters (15 bins)", "raters", "after", "ece"),
        figures("the same before calibration", "raters", "before", "ece"),
        figures("adaptive ECE against the raters", "raters", "after", "adaptive_ece"),
        figures("class-wise ECE against the raters", "raters", "after", "classwise_ece"),
        figures("ECE against the majority label", "hard", "after", "ece"),
        figures("NLL against the votes", "raters", "after", "nll"),
        figures("Brier score against the votes", "raters", "after", "brier"),
        figures("KL divergence from the votes", "votes", "kl"),
        figures("total variation to the votes", "votes", "total_variation"),
        figures("AURC", "selective", "aurc"),
        figures("E-AURC", "selective", "excess_aurc"),
        figures("AUGRC", "selective", "augrc"),
        figures("errors that pass where 95 % of the right answers do (FPR95)", "selective", "error_fpr95"),
        figures("coverage at 5 % risk", "selective", "coverage_at_5_risk"),
        figures("risk at 80 % coverage", "selective", "risk_at_80_coverage"),
        figures("Spearman of aleatoric with the entropy of the votes", "votes", "spearman_aleatoric"),
        figures("Spearman of epistemic with the same", "votes", "spearman_epistemic"),
        row("accepted", lambda report: told(_route(report, "accept")["share"])),
        row("ambiguous", lambda report: told(_route(report, "ambiguous")["share"])),
        row("not assessed", lambda report: told(_route(report, "reject")["share"])),
        row("accuracy of what is accepted", lambda report: told(_route(report, "accept")["accuracy"])),
    ]
    return table(["", *(report["split"] for report in reports)], rows)


def _at(report: Report, keys: Sequence[str]) -> Any:
    """The part of a report under a path of keys; None where a part on the way is None."""
    part: Any = report
    for key in keys:
        part = None if part is None else part[key]
    return part


def _sizes(report: Report) -> str:
    return f"{report['majority_faces']:,}, {report['faces']:,}"


def _members(report: Report) -> str:
    members = report["members"]
    if members is None:
        return "no members"
    spread = "" if members["accuracy_sd"] is None else f", {members['accuracy_sd']:.3f}"
    return f"{members['accuracy_mean']:.3f}{spread} of {members['count']}"


def _route(report: Report, route: str) -> dict[str, Any]:
    return next(dict(part) for part in report["routes"] if part["route"] == route)


def _limits(report: Report) -> str:
    model, rejected = report["model"], _route(report, "reject")["share"]["value"]
    found = report["mesh_found"]["value"]
    return (
        "Routes are those of single pictures; in a video both uncertainties are averaged over half a second first.\n"
        f"Limits in force: temperature {model['temperature']:.3f}, aleatoric {model['max_aleatoric']:.3f} nats, "
        f"epistemic {model['max_epistemic']:.4f} nats\n(rejects {100 * rejected:.1f} % of {report['split']}). "
        f"The mesh network finds a face on {100 * found:.1f} % of the pictures;\n"
        "the others keep their own framing and a mean mesh."
    )


def _classes(report: Report) -> str:
    classes, matrix = report["majority"]["classes"], report["majority"]["confusion_matrix"]
    rows = [
        [
            part["name"],
            f"{part['n']:,}",
            *(told(part[kind]) for kind in ("precision", "recall", "f1")),
            _taken_for(matrix[place], place, [other["name"] for other in classes]),
        ]
        for place, part in enumerate(classes)
    ]
    head = ["expression", f"faces ({report['split']})", "precision", "recall", "F1", "most often taken for"]
    return table(head, rows)


def _taken_for(counts: Sequence[int], place: int, names: Sequence[str]) -> str:
    wrong = [0 if column == place else count for column, count in enumerate(counts)]
    worst = max(range(len(wrong)), key=wrong.__getitem__)
    return f"{names[worst]}, {100 * wrong[worst] / sum(counts):.0f} %" if wrong[worst] else ""


def _shift(report: Report) -> str:
    rows = [
        (
            f"15 corruptions, severity 5, {part['strength']} (mean)",
            f"{part['n']:,}",
            told(part["shift"]["mean"]["epistemic"]),
            told(part["shift"]["mean"]["aleatoric"]),
        )
        for part in report["tables"]["strengths"]
    ]
    natural = report["natural_shift"] or {"sets": []}
    rows += [
        (part["name"], f"{part['n']:,}", told(part["auroc_epistemic"]), told(part["auroc_aleatoric"]))
        for part in natural["sets"]
    ]
    found = table(("change", "faces", "epistemic", "aleatoric"), rows)
    return f"AUROC for telling changed or strange pictures from clean ones of {report['split']}:\n\n{found}"
