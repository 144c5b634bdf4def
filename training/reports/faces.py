"""The report of ``mien-train evaluate faces``: report.json, and one plot of what is found and of the rule's curve."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.evaluation.face_rule import Rule
from training.evaluation.faces import FacesReport, Share
from training.evaluation.head_pose import HeadPoseAgreement
from training.loop.json_report import write_report
from training.reports.plots import BLUE, GREY, ORANGE

_LABELS: Final = {"presence": "mesh presence", "check": "near check"}


def write_faces_report(
    faces: FacesReport, rule: Rule | None, head_pose: HeadPoseAgreement | None, folder: Path
) -> None:
    """Write report.json and faces.svg; the parts that were not measured are null and left out of the plot."""
    write_report({"faces": faces, "rule": rule, "head_pose": head_pose}, folder / "report.json")
    plot = Figure(figsize=(13 if rule else 9, 5), layout="constrained")
    axes = plot.subplots(1, 3 if rule else 2, squeeze=False)[0]
    _draw_sizes(axes[0], faces)
    _draw_conditions(axes[1], faces.conditions)
    if rule:
        _draw_curve(axes[2], rule)
    plot.savefig(folder / "faces.svg")


def _draw_sizes(axes: Axes, faces: FacesReport) -> None:
    sizes = [float(size) for size in faces.by_size]
    shares = list(faces.by_size.values())
    axes.errorbar(sizes, [share.value for share in shares], yerr=_bars(shares), color=BLUE, marker="o", capsize=3)
    axes.set(xscale="log", xlabel="size of the face, px", ylabel="found", ylim=(0, 1.02), title="Upright faces, stills")
    axes.set_xticks([16, 32, 64, 128, 256, 512, 1000], labels=["16", "32", "64", "128", "256", "512", "1000"])


def _draw_conditions(axes: Axes, conditions: dict[str, Share]) -> None:
    shares = list(conditions.values())
    places = list(range(len(shares)))
    axes.barh(places, [share.value for share in shares], xerr=_bars(shares), color=BLUE, ecolor=GREY)
    axes.set_yticks(places, labels=[name.replace("_", " ") for name in conditions])
    axes.invert_yaxis()
    axes.set(xlabel="found", xlim=(0, 1.02), title="Conditions, stills")


def _draw_curve(axes: Axes, rule: Rule) -> None:
    for name, points in rule.single.items():
        axes.plot([p.false for p in points], [p.found for p in points], "--", label=f"{_LABELS[name]} alone")
    axes.plot(
        [p.false for p in rule.curve], [p.found for p in rule.curve], "-o", color=ORANGE, label="rule of evidence"
    )
    axes.set(
        xlabel=f"candidates without a face that pass, of {rule.without_face}",
        ylabel="faces found",
        ylim=(0, 1.02),
        title="Choice of the rule",
    )
    axes.legend(frameon=False)


def _bars(shares: list[Share]) -> list[list[float]]:
    """Lengths of the error bars below and above each value."""
    lower = [max(share.value - share.low, 0.0) for share in shares]
    return [lower, [max(share.high - share.value, 0.0) for share in shares]]
