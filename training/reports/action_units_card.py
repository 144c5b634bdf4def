"""``mien-train card au``: the tables of an action-unit model's card (training/reports/model_card.py).

Nothing is measured: every figure is one of the reports of ``mien-train evaluate au`` and ``mien-train study au``.
Decisions of the published protocol are made at probability 0.5, those of the program at the calibrated thresholds; the
line above each table says which.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from engine.facs import UNIT_NAMES
from training.action_units.expression_check import AGREED_VOTES
from training.reports.model_card import Report, read_report, table, told, under, write_tables
from training.studies.study_tables import study_tables

_KEYS: Final = ("model", "test", "all", "sources", "by_samples", "fer", "latency")
_STUDY_KEYS: Final = ("sources", "units", "config", "code", "points")
#: Columns of the table of units for each source: heading, and the key of the scores.
_COLUMNS: Final = (("F1 at 0.5", "f1_half"), ("F1", "f1"), ("AUROC", "auroc"), ("ECE", "ece"))
#: Rows of the table of means.
_MEANS: Final = (
    ("F1 at 0.5", "f1_half"),
    ("accuracy at 0.5", "accuracy_half"),
    ("F1 at the thresholds", "f1"),
    ("accuracy at the thresholds", "accuracy"),
    ("AUROC", "auroc"),
    ("average precision", "average_precision"),
    ("ECE (15 bins)", "ece"),
    ('F1 of always "present"', "f1_always"),
)
#: What stands where there is nothing to measure.
_NONE: Final = "-"


def write_unit_card(card: Path, report: Path, study: Path | None = None) -> None:
    """Write the tables anew.

    Args:
        card: the Markdown file.
        report: report.json of ``evaluate au``.
        study: report.json of ``study au``, for the paper's five variants.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the card lacks a mark, or a report is of another kind.
    """
    parts = [unit_tables(read_report(report, "evaluate au", _KEYS))]
    if study is not None:
        parts.append(study_tables(read_report(study, "study au", _STUDY_KEYS)))
    write_tables(card, "\n\n".join(parts))


def unit_tables(report: Report) -> str:
    """The tables of a model file as Markdown; that of FERPlus only where the report has it."""
    parts = [_faces(report), _units(report), _means(report)]
    if report["fer"] is not None:
        parts.append(_expressions(report["fer"]))
    return "\n\n".join([*parts, _tenths(report), _samples(report), _times(report)])


def _sets(report: Report) -> list[tuple[str, Report]]:
    """Name and figures of all faces together, and of each source where there are several."""
    sources = [(str(part["source"]), part["report"]) for part in report["sources"]]
    return sources if len(sources) == 1 else [("all", report["all"]), *sources]


def _faces(report: Report) -> str:
    model = report["model"]
    sizes = "; ".join(
        f"{name}, {found['faces']:,} faces of {found['people']:,} people" for name, found in _sets(report)
    )
    return under(
        f"Measured: sha256 `{model['sha256'][:16]}...`, {model['trained']}, temperature {model['temperature']:.3f}, "
        f"{model['mask_samples']} sampled masks. Test people, whom the model has never seen: {sizes}. Right is what "
        "agrees with the labels of the source. Intervals are 95 %, bootstrapped over people where nothing else is said."
    )


def _units(report: Report) -> str:
    sources = report["sources"]
    heads = [f"{part['source']}: {head}" for part in sources for head in ("rate", *(head for head, _ in _COLUMNS))]
    rows = []
    for place, unit in enumerate(report["all"]["units"]):
        code = str(unit["unit"])
        trusted = "no" if code in report["model"]["not_trusted"] else "yes"
        cells = [cell for part in sources for cell in _unit_cells(part["report"]["units"][place])]
        rows.append([f"{code} {UNIT_NAMES[int(code.removeprefix('AU'))]}", trusted, *cells])
    note = (
        'Each unit. "F1 at 0.5" is decided at probability 0.5, as published, "F1" at the calibrated threshold of the '
        "unit, as in the program; AUROC and ECE (15 bins) need no threshold. Rate: the share of the faces with a known "
        f'label that show the unit. "{_NONE}": the source does not know the unit, or always gives it the same label.'
    )
    return under(note, table(["unit", "trusted", *heads], rows))


def _unit_cells(unit: dict[str, Any]) -> list[str]:
    if not unit["n"]:
        return [_NONE] * (1 + len(_COLUMNS))
    return [_number(unit["rate"]), *(_number(_value(unit["scores"][key])) for _, key in _COLUMNS)]


def _value(raw: Any) -> float | None:
    """The value of a figure, or the number itself; None where it is not defined."""
    value: float | None = raw["value"] if isinstance(raw, dict) else raw
    return value


def _number(value: float | None, places: int = 3) -> str:
    return _NONE if value is None else f"{value:.{places}f}"


def _means(report: Report) -> str:
    columns, left_out = [], []
    for name, found in _sets(report):
        mean, bp4d = found["mean"], found["mean_bp4d"]
        columns.append((f"{name}: {len(mean['units'])} units", mean["scores"]))
        if bp4d is not None and len(bp4d["units"]) < len(mean["units"]):
            columns.append((f"{name}: {len(bp4d['units'])} of BP4D", bp4d["scores"]))
        if mean["left_out"]:
            left_out.append(f"{name} {', '.join(mean['left_out'])}")
    note = (
        "Means over units: over all, and over those of the 12 of BP4D, which the paper has; decided at probability 0.5 "
        "or at the calibrated thresholds, as the rows say."
    )
    if left_out:
        note += f" Left out, without a known label or always with the same: {'; '.join(left_out)}."
    rows = [[head, *(_mean(scores[key]) for _, scores in columns)] for head, key in _MEANS]
    return under(note, table(["", *(head for head, _ in columns)], rows))


def _mean(raw: Any) -> str:
    return told(raw) if isinstance(raw, dict) else _number(raw)


def _expressions(check: dict[str, Any]) -> str:
    rows = [
        (
            " + ".join(tie["units"]),
            tie["expression"],
            told(tie["auroc"]),
            f"{tie['positives']:,}",
            f"{tie['auroc']['n'] - tie['positives']:,}",
        )
        for tie in check["ties"]
    ]
    note = (
        "A check from outside, without labels of training: the "
        f"{sum(check['agreed'].values()):,} of {check['faces']:,} faces of FERPlus {check['split']} with at least "
        f"{AGREED_VOTES} of 10 votes for one expression. AUROC of the unit (of several: of their mean probability) for "
        "the faces of the expression that FACS books tie it to, against all others; no threshold. Intervals are over "
        "faces; of a handful of faces they say little."
    )
    return under(note, table(("units", "expression", "AUROC", "faces of it", "other faces"), rows))


def _tenths(report: Report) -> str:
    rows = [
        [
            f"{kind['kind']}, {name}",
            _number(kind["mean_nats"], 4),
            *(_number(value) for value in kind["deciles"]),
            told(kind["gap_points"], 1),
        ]
        for name, found in _sets(report)
        for kind in found["uncertainty"]
    ]
    head = ["uncertainty", "mean (nats)", *(str(tenth) for tenth in range(1, 11)), "first less last (points)"]
    note = (
        "Accuracy at probability 0.5 by tenth of uncertainty, the surest first: tenths of each unit's faces, mean over "
        "all units."
    )
    return under(note, table(head, rows))


def _samples(report: Report) -> str:
    rows = [
        (f"{part['samples']}", told(part["f1_half"]), _number(part["epistemic_nats"], 4))
        for part in report["by_samples"]
    ]
    head = ("sampled masks", "F1 at 0.5", "mean epistemic (nats)")
    note = "What more sampled masks are worth: means over all units, F1 decided at probability 0.5."
    return under(note, table(head, rows))


def _times(report: Report) -> str:
    rows = [
        (f"{part['threads']}", f"{part['samples']}", f"{part['median_ms']:.2f}", f"{part['runs']:,}")
        for part in report["latency"]
    ]
    head = ("CPU threads", "sampled masks", "median (ms)", "runs")
    return under("Time for one face on ONNX Runtime, from grey levels to outputs.", table(head, rows))
