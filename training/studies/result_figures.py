"""``mien-train figures``: docs/results/expression.json and action_units.json, from reports of ``mien-train evaluate``.

Nothing is measured here: every figure is copied from the report that the command beside it wrote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from training.studies.rivals import TIMED_RUNS

_STRENGTHS: Final = {"native": "cifar_c", "imagenetc": "imagenet_c"}
#: Rejected share of the corrupted faces at which the retention ratio is quoted.
_RATE: Final = 0.8
#: Split of FERPlus that chooses nothing, so that its figures may be quoted.
_QUOTED_SPLIT: Final = "PrivateTest"
#: Figures of the check on FERPlus, by expression and units.
_TIES: Final = {
    "au12_happiness_auroc_ferplus": ("happiness", ("AU12",)),
    "au4_anger_auroc_ferplus": ("anger", ("AU4",)),
    "au25_26_surprise_auroc_ferplus": ("surprise", ("AU25", "AU26")),
}


@dataclass(frozen=True, slots=True)
class Reported:
    """One figure with what it rests on."""

    name: str
    value: float
    n: int
    command: str
    low: float | None = None  # 95 % interval, or mean less and plus one deviation over seeds; see ``interval``
    high: float | None = None
    interval: str = "95 %, bootstrap over faces"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reports:
    """Folders and files that the commands wrote, all of PrivateTest."""

    expression: Path  # report.json of `evaluate expression`
    uncertainty: Path
    members: Path
    rivals: Path
    rlps: Path


def expression_figures(reports: Reports) -> tuple[Reported, ...]:
    """The figures of docs/results/expression.json.

    Raises:
        FileNotFoundError: a report is missing.
        ValueError: a report is of another kind.
    """
    return (
        *_accuracies(_read(reports.expression, "majority")),
        *_uncertainties(_read(reports.uncertainty, "tables")),
        *_members(_read(reports.members, "distributions")),
        *_rivals(_read(reports.rivals, "rivals")),
        *_rlps(_read(reports.rlps, "made_noise")),
    )


def action_unit_figures(report: Path) -> tuple[Reported, ...]:
    """The figures of docs/results/action_units.json, from report.json of `evaluate au` on PrivateTest and the open set.

    Raises:
        FileNotFoundError: the report is missing.
        ValueError: it is of another kind, or was made without the open set, PrivateTest of FERPlus, or a unit or time
            that is quoted.
    """
    found = _read(report, "by_samples")
    if found["fer"] is None:
        raise ValueError(f"{report} has no check on FERPlus: evaluate with --fer")
    split = found["fer"]["split"]
    if split != _QUOTED_SPLIT:
        raise ValueError(f"{report} was made on {split} of FERPlus: evaluate with --split {_QUOTED_SPLIT}")
    command = (
        "mien-train evaluate au assets/models/action_units.onnx "
        + " ".join(f"--data {part['source']}={part['source'].upper()}" for part in found["sources"])
        + f" --test-fold {found['test_fold']} --fer FER --split {split} --out DIR"
    )
    return (*_unit_scores(found, report, command), *_unit_ties(found["fer"], report, command))


def write_figures(figures: Sequence[Reported], out: Path) -> None:
    """Write them as JSON with the day."""
    day = date.today().isoformat()
    rows = [
        {key: value for key, value in _row(figure).items() if value not in (None, "")} | {"date": day}
        for figure in figures
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"figures": rows}, indent=1) + "\n", encoding="utf-8")


def _row(figure: Reported) -> dict[str, Any]:
    row: dict[str, Any] = {"name": figure.name, "value": figure.value, "low": figure.low, "high": figure.high}
    interval = figure.interval if figure.low is not None else ""
    return row | {"interval": interval, "n": figure.n, "command": figure.command, "note": figure.note}


def _read(path: Path, key: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if key not in report:
        raise ValueError(f"{path} is not the report that is needed here: it has no {key!r}")
    return report


def _figure(name: str, found: dict[str, Any], command: str, note: str = "") -> Reported:
    return Reported(name, found["value"], found["n"], command, found["low"], found["high"], note=note)


def _over_seeds(name: str, found: dict[str, Any], n: int, command: str, note: str = "", scale: float = 1) -> Reported:
    mean, deviation = scale * found["mean"], scale * found["deviation"]
    interval = f"one standard deviation over {len(found['each'])} seeds"
    low, high = round(mean - deviation, 4), round(mean + deviation, 4)
    return Reported(name, round(mean, 4), n, command, low, high, interval, note)


def _accuracies(report: dict[str, Any]) -> tuple[Reported, ...]:
    command = "mien-train evaluate expression assets/models/expression.onnx --data FER --split PrivateTest --out DIR"
    return (
        _figure("ferplus_majority_accuracy_edge", report["majority"]["accuracy"], command),
        _figure("ferplus_majority_macro_f1_edge", report["majority"]["macro_f1"], command),
        _figure("ece_calibrated_edge_votes", report["raters"]["after"]["ece"], command, "15 equal-width bins"),
    )


def _uncertainties(report: dict[str, Any]) -> tuple[Reported, ...]:
    command = (
        "mien-train evaluate uncertainty assets/models/expression.onnx --data FER --split PrivateTest --out FILE "
        "--faces128 FACES128 --media MEDIA"
    )
    parts = {part["strength"]: part for part in report["tables"]["strengths"]}
    figures = [
        _figure(
            "spearman_aleatoric_vote_entropy",
            report["tables"]["disagreement"]["votes"]["rho"],
            command,
            "votes for the eight expressions as counted",
        )
    ]
    for name, strength in _STRENGTHS.items():
        found = parts[strength]["shift"]["mean"]["epistemic"]
        note = f"mean of 15 corruptions, {strength} constants at 48 px"
        figures.append(_figure(f"auroc_epistemic_corruptions_sev5_{name}", found, command, note))
    curve = parts[_STRENGTHS["imagenetc"]]["retention"][0]
    row = next(row for row in curve["rows"] if abs(row["rejected"] - _RATE) < 1e-6)
    note = f"{curve['ambiguous']}, imagenet_c constants at 48 px; the whole curve is in the report"
    return (*figures, _figure("retention_ratio_at_r08", row["ratio"], command, note))


def _members(report: dict[str, Any]) -> tuple[Reported, ...]:
    command = "mien-train evaluate members --run RUN --data FER --split PrivateTest --out FILE"
    figures = [
        _over_seeds(
            "arbex_fused_minus_primary_accuracy",
            report["accuracy_gain"],
            report["majority_n"],
            command,
            f"points; {report['repaired']} predictions repaired, {report['broken']} broken over all members",
            scale=100,
        )
    ]
    if report["fer2013_single"] is not None:
        second = "second head of the members, trained beside the votes"
        n = report["fer2013_n"]
        figures.append(_over_seeds("fer2013_private_accuracy_single", report["fer2013_single"], n, command, second))
        accuracy = report["fer2013_ensemble"]["accuracy"]
        figures.append(_figure("fer2013_private_accuracy_ensemble", accuracy, command, second))
    return tuple(figures)


def _rivals(report: dict[str, Any]) -> tuple[Reported, ...]:
    shipped = next(rival for rival in report["rivals"] if rival["method"] == "distilled")
    corrupted = next(row for row in report["table"] if row["method"] == "distilled")["auroc_epistemic"]["n"]
    command = (
        "mien-train evaluate rivals --members RUN --student UAR --data FER --split PrivateTest "
        f"--faces {corrupted} --out FILE"
    )
    separation = (
        "least of the shares of (AUROC - 0.5) of epistemic at both strengths, n clean and corrupted faces, and of the "
        f"rank correlation, {report['faces']} faces; no interval"
    )
    time = "ONNX Runtime, one face, one thread, medians of n runs in turn"
    return (
        Reported("edge_separation_vs_ensemble", shipped["separation"], corrupted, command, note=separation),
        Reported("edge_time_vs_one_member", shipped["times_one_member"], TIMED_RUNS, command, note=time),
    )


def _rlps(report: dict[str, Any]) -> tuple[Reported, ...]:
    command = "mien-train evaluate rlps --data FER --clip CLIP_WITHOUT_FACE --run RUN --out FILE"
    trials = report["made_noise"]["quarter_noise_each"]
    figures = []
    for kind in ("full", "half", "none"):
        kept = [trial[f"kept_{kind}"] for trial in trials]
        name = f"rlps_keep_{'no' if kind == 'none' else kind}_face"
        note = f"25 % noise added, mean of {len(kept)} seeds: " + ", ".join(f"{value:.3f}" for value in kept)
        figures.append(Reported(name, round(sum(kept) / len(kept), 4), len(kept), command, note=note))
    return tuple(figures)


def _unit_scores(report: dict[str, Any], path: Path, command: str) -> tuple[Reported, ...]:
    sources = {part["source"]: part["report"] for part in report["sources"]}
    if "open" not in sources or sources["open"]["mean_bp4d"] is None:
        raise ValueError(f"{path} has no figures of the open set: evaluate with --data open=FOLDER")
    over = "95 %, bootstrap over people"
    scores = sources["open"]["mean_bp4d"]["scores"]
    gaps = {
        name: next(kind for kind in part["uncertainty"] if kind["kind"] == "epistemic")["gap_points"]
        for name, part in {"all": report["all"], **sources}.items()
    }
    each = ", ".join(f"{name} {gap['value']:.1f}" for name, gap in gaps.items() if name != "all")
    timed = next((part for part in report["latency"] if (part["threads"], part["samples"]) == (2, 20)), None)
    if timed is None:
        raise ValueError(f"{path} has no time of 20 samples on 2 threads: evaluate again with this version")
    f1 = _figure("open_au_f1_average_12", scores["f1_half"], command, f"{report['test']}; decided at 0.5")
    gap_note = f"accuracy at 0.5, tenths per unit, mean over units, all sources together; alone: {each}"
    gap = _figure("epistemic_decile_accuracy_gap", gaps["all"], command, gap_note)
    time = "ONNX Runtime, one face, grey levels to outputs, two threads, median of n runs"
    return (
        replace(f1, interval=over),
        replace(gap, interval=over),
        Reported("au_edge_ms_s20_cpu2", timed["median_ms"], timed["runs"], command, note=time),
    )


def _unit_ties(check: dict[str, Any], path: Path, command: str) -> tuple[Reported, ...]:
    ties = {(tie["expression"], tuple(tie["units"])): tie for tie in check["ties"]}
    figures = []
    for name, key in _TIES.items():
        if key not in ties:
            raise ValueError(f"{path} has no check of {' and '.join(key[1])} on {key[0]}: the model lacks a unit")
        tie = ties[key]
        note = f"{tie['positives']} faces of {key[0]} against all others with 8 votes for one expression"
        figures.append(_figure(name, tie["auroc"], command, note))
    return tuple(figures)
