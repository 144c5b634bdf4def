"""The table of a model card that says why a unit is trusted: validation people, expressions, and clips."""

from __future__ import annotations

from typing import Final

from training.reports.sections import Report, Section, Table, figure_text, number_text

EVIDENCE_KEYS: Final = ("units",)
CLIPS_KEYS: Final = ("units", "clips", "frames", "within_clip_r_mean7")
_SOURCES: Final = {"open": "rendered", "faces128": "machine labels"}


def trust_section(evidence: Report, clips: Report) -> Section:
    """One row per unit.

    Args:
        evidence: what ``export au-calibration --evidence`` wrote.
        clips: report of ``evaluate au-reference``.
    """
    agreement = {unit["unit"]: unit for unit in clips["units"]}
    rows = tuple(_row(unit, agreement.get(unit["unit"])) for unit in evidence["units"])
    note = (
        "AUROC on validation people of the rendered and of the machine-labelled set, and on FERPlus PublicTest for the "
        "expression of the unit; then agreement with an independent, FACS-trained program (OpenFace 0.4.2) on "
        f"{clips['clips']} clips, {clips['frames']:,} frames: correlation of the probability with its intensity, each "
        "clip centred (intervals over clips), AUROC for its occurrences, and the shares of frames in which this file "
        "and the program see the unit. The mean correlation of AU1, 2, 4, 6, 12, 25 and 26 is "
        f"{figure_text(clips['within_clip_r_mean7'], 2)}."
    )
    head = ("unit", "threshold", *_SOURCES.values(), "expression", "r within clips", "AUROC", "present here / there")
    return Section("Evidence for trust", note, (Table((*head, "trusted"), rows),))


def _row(unit: Report, clips: Report | None) -> tuple[str, ...]:
    found = {source["source"]: source["auroc"] for source in unit["sources"]}
    agreement = ("-", "-", "-")
    if clips is not None:
        rates = f"{number_text(clips['rate'], 2)} / {number_text(clips['reference_rate'], 2)}"
        agreement = figure_text(clips["within_clip_r"], 2), number_text(clips["auroc"], 2), rates
    return (
        str(unit["unit"]),
        number_text(unit["threshold"]),
        *(number_text(found.get(source), 2) for source in _SOURCES),
        number_text(unit["expression"], 2),
        *agreement,
        "yes" if unit["trusted"] else "no",
    )
