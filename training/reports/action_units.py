"""The report of an action-unit model: ``report.json``, the page ``report.html``, and the tables of its model card.

Decisions of the published protocol are made at probability 0.5, those of the program at the calibrated thresholds; each
table says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.facs import UNIT_NAMES
from training.action_units.expression_check import AGREED_VOTES
from training.evaluation.action_units_file import UnitFileReport
from training.loop.json_report import plain, write_report
from training.reports.action_units_study import study_sections
from training.reports.action_units_trust import CLIPS_KEYS, EVIDENCE_KEYS, trust_section
from training.reports.plots import bins_plot, deciles_plot, inline_svg, occurrence_plot, unit_plot
from training.reports.sections import (
    UNDEFINED,
    Report,
    Section,
    Table,
    figure_text,
    number_text,
    read_report,
    render_page,
    score_text,
    write_card,
)

_KEYS: Final = ("model", "test", "all", "sources", "by_samples", "fer", "noise", "latency")
_GROWTH_KEYS: Final = ("units", "occurrence", "intensity", "gain", "left_out")
_STUDY_KEYS: Final = ("sources", "units", "config", "code", "points")
#: Head of the column of `training.evaluation.unit_growth.NeutralScores`.
_WITH_NEUTRAL: Final = "intensity: Spearman with a neutral image of the face"
#: Columns of the table of units for each source: heading, and the key of the scores.
_COLUMNS: Final = (("F1 at 0.5", "f1_half"), ("F1", "f1"), ("AUROC", "auroc"), ("ECE", "ece"))
#: Rows of the table of means.
_MEANS: Final = {
    "F1 at 0.5": "f1_half",
    "accuracy at 0.5": "accuracy_half",
    "balanced accuracy at 0.5": "balanced_accuracy_half",
    "F1 at the thresholds": "f1",
    "accuracy at the thresholds": "accuracy",
    "balanced accuracy at the thresholds": "balanced_accuracy",
    "AUROC": "auroc",
    "average precision": "average_precision",
    "ECE (15 bins)": "ece",
    'F1 of always "present"': "f1_always",
}
#: Where the labels of a data set come from, if not from people.
_LABEL_SOURCES: Final = {
    "open": "the labels of open are the parameters its faces were rendered with",
    "faces128": "the labels of faces128 are the scores of another network",
}


def write_action_units_report(report: UnitFileReport, folder: Path) -> None:
    """Write ``report.json`` and ``report.html`` into a folder, which is created."""
    write_report(report, folder / "report.json")
    (folder / "report.html").write_text(action_units_page(report), encoding="utf-8")


def action_units_page(report: UnitFileReport) -> str:
    """The report as an HTML page with plots; units whose figures are not defined are not plotted."""
    whole = report.all
    plots: dict[str, tuple[str, ...]] = {
        "Reliability": (
            inline_svg(occurrence_plot(whole.reliability), "reliability", "Share where a unit occurs by probability."),
        )
    }
    if whole.mean.units:
        plots["Each unit"] = (inline_svg(unit_plot(whole), "units", "F1 and AUROC of each unit with intervals."),)
        plots["Accuracy by uncertainty"] = (
            inline_svg(bins_plot(whole.uncertainty[0]), "bins", "Accuracy in twenty bins of epistemic uncertainty."),
            inline_svg(deciles_plot(whole.uncertainty), "deciles", "Accuracy by tenth of each kind of uncertainty."),
        )
    return render_page(f"{report.model.name}: action units, {report.test}", action_units_sections(plain(report)), plots)


@dataclass(frozen=True, slots=True)
class CardReports:
    """Reports besides that of ``evaluate au``, each for more tables of the card."""

    study: Path | None = None  # report.json of `study au`: the paper's five variants
    growth: Path | None = None  # of `evaluate au-growth`: sequences in which a unit grows
    evidence: Path | None = None  # of `export au-calibration`, with `clips`: why a unit is trusted
    clips: Path | None = None  # of `evaluate au-reference`


def write_action_units_card(card: Path, report: Path, others: CardReports | None = None) -> None:
    """Write the measured part of a model card.

    Args:
        card: the Markdown file with the two marks.
        report: ``report.json`` of ``evaluate au``.
        others: further reports.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the card lacks a mark, or a report is of another kind.
    """
    others = others or CardReports()
    sections = action_units_sections(read_report(report, "evaluate au", _KEYS))
    if others.evidence is not None and others.clips is not None:
        evidence = read_report(others.evidence, "export au-calibration --evidence", EVIDENCE_KEYS)
        sections.append(trust_section(evidence, read_report(others.clips, "evaluate au-reference", CLIPS_KEYS)))
    if others.growth is not None:
        sections.append(growth_section(read_report(others.growth, "evaluate au-growth", _GROWTH_KEYS)))
    if others.study is not None:
        sections += study_sections(read_report(others.study, "study au", _STUDY_KEYS))
    write_card(card, sections)


def action_units_sections(report: Report) -> list[Section]:
    """All sections; the check against expressions only where the report has it."""
    sections = [_model(report), _units(report), _means(report)]
    if report["fer"] is not None:
        sections.append(_expressions(report["fer"]))
    if report.get("intensity") is not None:
        sections.append(_intensity(report["intensity"]))
    sections += [_uncertainty(report), _reliability(report), _samples(report)]
    if report["noise"] is not None:
        sections.append(_noise(report["noise"]))
    return [*sections, _latency(report)]


def _sets(report: Report) -> list[tuple[str, Report]]:
    """Name and figures of all faces together, and of each source where there are several."""
    sources = [(str(part["source"]), part["report"]) for part in report["sources"]]
    return sources if len(sources) == 1 else [("all", report["all"]), *sources]


def _model(report: Report) -> Section:
    model = report["model"]
    sizes = "; ".join(
        f"{name}, {found['faces']:,} faces of {found['people']:,} people" for name, found in _sets(report)
    )
    rows = (
        ("sha256", model["sha256"]),
        ("trained", model["trained"]),
        ("data", "; ".join(model["data"])),
        ("calibrated on", model["fitted_on"]),
        ("temperature", f"{model['temperature']:.3f}"),
        ("sampled masks", f"{model['mask_samples']}"),
        ("not trusted", ", ".join(model["not_trusted"]) or "none"),
        ("test people, none of them in training", sizes),
    )
    machine_made = [_LABEL_SOURCES[str(name)] for name, _ in _sets(report) if name in _LABEL_SOURCES]
    note = "Correct means in agreement with the label. "
    if machine_made:
        note += f"Note that {' and '.join(machine_made)}; this is not FACS coding by people. "
    note += "Intervals are 95 %, bootstrapped over people unless a note says otherwise."
    return Section("What was measured", note, (Table((), rows),))


def _units(report: Report) -> Section:
    sources = report["sources"]
    head = [f"{part['source']}: {head}" for part in sources for head in ("rate", *(head for head, _ in _COLUMNS))]
    rows = []
    for place, unit in enumerate(report["all"]["units"]):
        code = str(unit["unit"])
        trusted = "no" if code in report["model"]["not_trusted"] else "yes"
        cells = [cell for part in sources for cell in _unit_cells(part["report"]["units"][place])]
        name = f"{code} {UNIT_NAMES[int(code.removeprefix('AU'))]}"
        rows.append((name, trusted, number_text(unit["threshold"]), *cells))
    note = (
        '"F1 at 0.5" is decided at probability 0.5, as published, "F1" at the calibrated threshold of the unit, as in '
        "the program; AUROC and ECE (15 bins) need no threshold. Rate: share of the faces with a known label that show "
        f'the unit. "{UNDEFINED}": the source does not label the unit, or always gives it the same label.'
    )
    return Section("Each unit", note, (Table(("unit", "trusted", "threshold", *head), tuple(rows)),))


def _unit_cells(unit: Report) -> list[str]:
    if not unit["n"]:
        return [UNDEFINED] * (1 + len(_COLUMNS))
    return [number_text(unit["rate"]), *(number_text(unit["scores"][key]) for _, key in _COLUMNS)]


def _means(report: Report) -> Section:
    columns: list[tuple[str, dict[str, Any]]] = []
    left_out = []
    for name, found in _sets(report):
        mean, bp4d = found["mean"], found["mean_bp4d"]
        columns.append((f"{name}: {len(mean['units'])} units", mean["scores"]))
        if bp4d is not None and len(bp4d["units"]) < len(mean["units"]):
            columns.append((f"{name}: {len(bp4d['units'])} of BP4D", bp4d["scores"]))
        if mean["left_out"]:
            left_out.append(f"{name} {', '.join(mean['left_out'])}")
    note = "Means over all units, and over those of the 12 of BP4D, the paper's, that are labelled."
    if left_out:
        note += f" Left out, because they have no known label or always the same one: {'; '.join(left_out)}."
    rows = tuple((head, *(score_text(scores[key]) for _, scores in columns)) for head, key in _MEANS.items())
    return Section("Means", note, (Table(("", *(name for name, _ in columns)), rows),))


def _expressions(check: Report) -> Section:
    rows = tuple(
        (
            f"{' + '.join(tie['units'])} on {tie['expression']}",
            figure_text(tie["auroc"]),
            f"{tie['positives']:,}",
            f"{tie['auroc']['n'] - tie['positives']:,}",
        )
        for tie in check["ties"]
    )
    counts = ", ".join(f"{name} {count:,}" for name, count in check["agreed"].items())
    note = (
        f"An outside check: {sum(check['agreed'].values()):,} of {check['faces']:,} faces of FERPlus {check['split']} "
        f"have at least {AGREED_VOTES} of 10 votes for one expression ({counts}). AUROC of the unit, or of the mean "
        "probability of several, for the faces of the expression that FACS ties it to against all others; no "
        "threshold. Intervals are over faces; over a handful of faces they say little."
    )
    head = ("units on expression", "AUROC", "faces of it", "other faces")
    return Section("On the expressions that people saw", note, (Table(head, rows),))


def _intensity(graded: Report) -> Section:
    rows = tuple(
        (unit["unit"], f"{unit['spearman']['n']:,}", figure_text(unit["spearman"]), number_text(unit["mean_error"]))
        for unit in graded["units"]
    )
    note = (
        f"Intensity 0-5 against its label on {graded['faces']:,} test faces that have one: Spearman's correlation over "
        f"the faces that show the unit, mean over units {figure_text(graded['mean'])}, and the mean absolute error "
        "over all. Intervals are over people."
    )
    return Section("Intensity", note, (Table(("unit", "faces that show it", "Spearman", "mean error"), rows),))


def growth_section(report: Report) -> Section:
    """Table of a report of ``evaluate au-growth``: each unit, the means, and what intensity adds to occurrence."""
    kinds = [kind for kind in ("intensity", "occurrence") if report[kind] is not None]
    neutral = report.get("neutral")  # absent from reports of earlier versions
    rows = []
    for name, scores in (*((str(unit["unit"]), unit) for unit in report["units"]), ("mean", report)):
        last = [] if neutral is None else [figure_text(scores["neutral"]["pooled"])]
        cells = (cell for kind in kinds for cell in _growth_cells(scores[kind]))
        rows.append((name, f"{scores['sequences']}", *cells, *last))
    note = (
        f"{report['sequences']:,} rendered sequences of {report['people']:,} held-out people, {report['images']:,} "
        f"images, {report['left_out']:,} more without a reliable face; in each sequence one unit grows from 0 to 1. "
        "Spearman: correlation of the output with the renderer's intensity over all images of the unit's sequences. "
        "Within: mean of the correlations in each sequence; a curve that does not move has 0. Not falling: share of "
        "the steps. Occurrence is the mean probability over the masks. Intervals are over people."
    )
    if report["gain"] is not None:
        note += (
            f" Intensity minus occurrence, means: Spearman {figure_text(report['gain']['pooled'])}, within "
            f"{figure_text(report['gain']['within'])}, not falling {figure_text(report['gain']['not_falling'])}."
        )
    head = [f"{kind}: {name}" for kind in kinds for name in ("Spearman", "within", "not falling")]
    if neutral is not None:
        head.append(_WITH_NEUTRAL)
        note += (
            " With a neutral image of the face: of the intensity above that of the sequence's first image, which is "
            "what the neutral baseline does, with a single frame that counts in full. These first images have 0 by "
            f"definition; without them the mean is {figure_text(neutral['later'])}."
        )
    return Section("A unit that grows", note, (Table(("unit", "sequences", *head), tuple(rows)),))


def _growth_cells(scores: Report) -> tuple[str, str, str]:
    return figure_text(scores["pooled"]), figure_text(scores["within"]), number_text(scores["not_falling"])


def _uncertainty(report: Report) -> Section:
    rows = tuple(
        (
            f"{kind['kind']}, {name}",
            number_text(kind["mean_nats"], 4),
            *(number_text(value) for value in kind["deciles"]),
            figure_text(kind["gap_points"], 1),
        )
        for name, found in _sets(report)
        for kind in found["uncertainty"]
    )
    note = (
        "Accuracy at probability 0.5 by tenth of uncertainty, the most certain first: tenths of each unit's faces, "
        "mean over all units. rho in the plot is Spearman's correlation of a bin's number with its accuracy."
    )
    head = ("uncertainty", "mean (nats)", *(str(tenth) for tenth in range(1, 11)), "first minus last (points)")
    return Section("Accuracy by uncertainty", note, (Table(head, rows),))


def _reliability(report: Report) -> Section:
    rows = tuple(
        (f"{part['confidence']:.3f}", f"{part['agreement']:.3f}", f"{part['n']:,}")
        for part in report["all"]["reliability"]
    )
    note = "All units and faces with a known label, in ten equal-width bins. Bars in the plot are over people."
    head = ("mean probability", "share where the unit occurs", "labels")
    return Section("Reliability", note, (Table(head, rows),))


def _samples(report: Report) -> Section:
    rows = tuple(
        (f"{part['samples']}", figure_text(part["f1_half"]), number_text(part["epistemic_nats"], 4))
        for part in report["by_samples"]
    )
    note = "Means over all units, F1 at probability 0.5. A single sample has no epistemic part."
    head = ("sampled masks", "F1 at 0.5", "mean epistemic (nats)")
    return Section("Number of sampled masks", note, (Table(head, rows),))


def _noise(noise: Report) -> Section:
    rows = (
        ("correlation of a face's mean mask, edges between units", figure_text(noise["mask_correlation"])),
        ("error of the occurrence", figure_text(noise["occurrence_error"], 4)),
        ("decisions that differ", figure_text(noise["decisions_that_differ"], 4)),
        ("spread of the mean mask over edges", number_text(noise["mask_spread_over_edges"], 4)),
        ("spread of the mean mask over faces", number_text(noise["mask_spread_over_faces"], 4)),
        ("epistemic with noise on edges between units alone (nats)", number_text(noise["epistemic_edges_nats"], 4)),
        ("epistemic with noise on the units' own loops alone (nats)", number_text(noise["epistemic_self_nats"], 4)),
        ("share of the edges in the epistemic part", figure_text(noise["epistemic_share_of_edges"])),
    )
    note = (
        f"The bank of {noise['samples']} samples against 2,000 samples of another seed, on {noise['faces']:,} test "
        "faces. Intervals are over faces."
    )
    return Section("The noise bank", note, (Table((), rows),))


def _latency(report: Report) -> Section:
    rows = tuple(
        (f"{part['threads']}", f"{part['samples']}", f"{part['median_ms']:.2f}", f"{part['runs']:,}")
        for part in report["latency"]
    )
    note = "One face on ONNX Runtime, from grey levels to outputs."
    return Section("Time", note, (Table(("CPU threads", "sampled masks", "median (ms)", "runs"), rows),))
