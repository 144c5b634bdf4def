"""``mien-train figures``: docs/results/expression.json and action_units.json, copied from reports of other commands.

Each figure is stored with the command that measured it; nothing is measured here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeAlias

from engine.files import write_text
from training.evaluation.unit_baseline import WHOLE
from training.studies.student_comparison import TIMED_RUNS

_OVER_FACES: Final = "95 %, bootstrap over faces"
_OVER_PEOPLE: Final = "95 %, bootstrap over people"
_OVER_CLIPS: Final = "95 %, bootstrap over clips"
#: Sets of natural shift that may be half-covered news photographs.
_NEWS_HALVES: Final = "faces128 few: "
#: Rejected share of the corrupted faces at which the retention ratio is quoted.
_RATE: Final = 0.8
#: The only split of FERPlus whose figures are quoted: no choice is made on it.
_QUOTED_SPLIT: Final = "PrivateTest"
#: Figures of the check on FERPlus, by expression and units.
_TIES: Final = {
    "au12_happiness_auroc_ferplus": ("happiness", ("AU12",)),
    "au6_happiness_auroc_ferplus": ("happiness", ("AU6",)),
    "au4_anger_auroc_ferplus": ("anger", ("AU4",)),
    "au15_17_sadness_auroc_ferplus": ("sadness", ("AU15", "AU17")),
    "au25_26_surprise_auroc_ferplus": ("surprise", ("AU25", "AU26")),
}


#: A report, or a part of one, as read from JSON.
Report: TypeAlias = dict[str, Any]
#: A figure of docs/results: name, value, low and high with what they are (interval), n, command, note.
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reports:
    """Reports of the expression model, each written by the ``mien-train evaluate`` command of its name."""

    expression: Path
    uncertainty: Path
    landmarks: Path
    rlps: Path
    members: Path | None = None  # of the student's run: its branches one by one
    teacher: Path | None = None
    student: Path | None = None
    fer2013: Path | None = None


def expression_figures(reports: Reports) -> tuple[Row, ...]:
    """The figures of docs/results/expression.json; those of a report that is not given are left out.

    Raises:
        FileNotFoundError: a report is missing.
        ValueError: a report was written by another command.
    """
    return (
        *_accuracies(_read(reports.expression, "majority")),
        *_uncertainties(_read(reports.uncertainty, "tables")),
        *_if_given(reports.members, "distributions", _members),
        *_if_given(reports.teacher, "ensemble_mirror", _teachers),
        *_if_given(reports.student, "times_one_teacher", _student),
        *_landmarks(_read(reports.landmarks, "lost_points")),
        *_if_given(reports.fer2013, "ensemble", _fer2013),
        *_rlps(_read(reports.rlps, "synthetic_noise")),
    )


def action_unit_figures(report: Path, reference: Path | None = None, growth: Path | None = None) -> tuple[Row, ...]:
    """The figures of docs/results/action_units.json, from report.json of `evaluate au` on PrivateTest and the open set.

    ``reference`` is the report of `evaluate au-reference`, ``growth`` that of `evaluate au-growth` on a model with
    intensities.

    Raises:
        FileNotFoundError: the report is missing.
        ValueError: it was written by another command, or lacks the open set, PrivateTest of FERPlus, or a unit,
            intensity or timing that is quoted.
    """
    found = _read(report, "by_samples")
    if found["fer"] is None:
        raise ValueError(f"{report} has no check on FERPlus: evaluate with --fer")
    if "noise" not in found:
        raise ValueError(f"{report} is of an earlier version: run 'mien-train evaluate au' again")
    split = found["fer"]["split"]
    if split != _QUOTED_SPLIT:
        raise ValueError(f"{report} is of {split} of FERPlus: evaluate with --split {_QUOTED_SPLIT}")
    sources = " ".join(f"--data {part['source']}={part['source'].upper()}" for part in found["sources"])
    command = (
        f"mien-train evaluate au assets/models/action_units.onnx {sources} --test-fold {found['test_fold']} --fer FER "
        f"--split {split} --out DIR"
    )
    return (
        *_unit_scores(found, report, command),
        *_unit_ties(found["fer"], report, command),
        *_mask_noise(found, command),
        *_if_given(growth, "gain", _growth),
        *_if_given(reference, "within_clip_r_mean7", _unit_reference),
    )


def baseline_figures(report: Path) -> tuple[Row, ...]:
    """The figures of docs/results/action_unit_baseline.json, from a report of ``mien-train evaluate au-baseline``.

    Raises:
        ValueError: it is the report of another command.
    """
    read = _read(report, "stills")
    data = "--data open=OPEN --data faces128=FACES128 --test-fold 1"
    options = f"{data} --media MEDIA --reference REFERENCE --out FILE"
    command = f"mien-train evaluate au-baseline assets/models/action_units.onnx {options}"
    file = f"of the file with sha256 {read['clips']['model_sha256'][:8]}"
    rows = []
    for stills in read["stills"]:
        units = ", ".join(f"{each['unit']} {each['auroc_change']['value']:+.3f}" for each in stills["units"])
        note = f"{stills['people']} people of fold 1; change of the mean AUROC over units; {file}; each: {units}"
        name = f"au_baseline_auroc_change_{stills['name']}"
        rows.append(_copied(name, stills["auroc_change"], command, note, _OVER_PEOPLE))
        if stills["f1_change"] is not None:
            name = f"au_baseline_f1_change_{stills['name']}"
            note = f"change of the mean F1 at the model's thresholds; {file}"
            rows.append(_copied(name, stills["f1_change"], command, note, _OVER_PEOPLE))
    clips = read["clips"]
    arm = next(each for each in clips["arms"] if each["arm"] == WHOLE)
    note = (
        f"{clips['clips']} clips, {arm['tracks']} of {clips['tracks']} tracks with a baseline; mean of 7 units; {file}"
    )
    for key in ("auroc_change", "f1_change", "rate_error_change"):
        rows.append(_copied(f"au_baseline_{key}_clips", arm[key], command, note, _OVER_CLIPS))
    return tuple(rows)


def write_figures(rows: Sequence[Row], out: Path) -> None:
    """Write the figures as JSON with today's date."""
    day = {"date": date.today().isoformat()}
    write_text(out, json.dumps({"figures": [row | day for row in rows]}, indent=1) + "\n")


def _read(path: Path, key: str) -> Report:
    report: Report = json.loads(path.read_text(encoding="utf-8"))
    if key not in report:
        raise ValueError(f"{path} is the report of another command: it has no {key!r}")
    return report


def _if_given(path: Path | None, key: str, rows: Callable[[Report], tuple[Row, ...]]) -> tuple[Row, ...]:
    return () if path is None else rows(_read(path, key))


def _figure(name: str, value: float, n: int, command: str, note: str = "", interval: Row | None = None) -> Row:
    """A row of docs/results; ``interval`` has the keys low, high and interval."""
    row = {"name": name, "value": value} | (interval or {}) | {"n": n, "command": command}
    return row | {"note": note} if note else row


def _copied(name: str, figure: Report, command: str, note: str = "", kind: str = _OVER_FACES) -> Row:
    interval = {"low": figure["low"], "high": figure["high"], "interval": kind}
    return _figure(name, figure["value"], figure["n"], command, note, interval)


def _over_seeds(name: str, figure: Report, n: int, command: str, note: str, scale: float = 1) -> Row:
    """Mean plus and minus one standard deviation."""
    mean, deviation = scale * figure["mean"], scale * figure["deviation"]
    kind = f"one standard deviation over {len(figure['each'])} seeds"
    interval = {"low": round(mean - deviation, 4), "high": round(mean + deviation, 4), "interval": kind}
    return _figure(name, round(mean, 4), n, command, note, interval)


def _accuracies(report: Report) -> tuple[Row, ...]:
    command = "mien-train evaluate expression assets/models/expression.onnx --data FER --split PrivateTest --out DIR"
    return (
        _copied("ferplus_majority_accuracy_edge", report["majority"]["accuracy"], command),
        _copied("ferplus_majority_macro_f1_edge", report["majority"]["macro_f1"], command),
        _copied("ece_calibrated_edge_votes", report["raters"]["after"]["ece"], command, "15 equal-width bins"),
    )


def _uncertainties(report: Report) -> tuple[Row, ...]:
    command = (
        "mien-train evaluate uncertainty assets/models/expression.onnx --data FER --split PrivateTest --out FILE "
        "--faces128 FACES128 --media MEDIA"
    )
    settings = report["tables"]["config"]
    if settings["severe_faces"] is not None:
        command += f" --faces {settings['severe_faces']} --graded {settings['graded_faces']}"
    votes = report["tables"]["disagreement"]["votes"]["rho"]
    parts = {part["strength"]: part for part in report["tables"]["strengths"]}
    aurocs = [
        _copied(
            f"auroc_epistemic_corruptions_sev5_{name}",
            parts[strength]["shift"]["mean"]["epistemic"],
            command,
            f"mean of 15 corruptions, {strength} constants at 48 px",
        )
        for name, strength in (("native", "cifar_c"), ("imagenetc", "imagenet_c"))
    ]
    curve = parts["imagenet_c"]["retention"][0]
    ratio = next(row["ratio"] for row in curve["rows"] if abs(row["rejected"] - _RATE) < 1e-6)
    note = f"{curve['ambiguous']}, imagenet_c constants at 48 px; the whole curve is in the report"
    routes, natural = report["tables"]["routes"], report["natural_shift"]
    strong = next(row for row in routes["rows"] if row["name"] == "imagenet_c")
    halves = [item for item in natural["sets"] if item["name"].startswith(_NEWS_HALVES) and "half" in item["name"]]
    least = min(halves, key=lambda item: float(item["auroc_epistemic"]["value"]))
    limits = "at the limits of the file"
    ambiguous = f"called {routes['ambiguity']['called']['value']:.3f} of the faces {limits}"
    return (
        _copied("auroc_epistemic_half_covered_least", least["auroc_epistemic"], command, least["name"], _OVER_PEOPLE),
        _copied("accepted_accuracy_imagenetc", strong["accepted_right"], command, f"severity 5, {limits}"),
        _copied("ambiguous_precision_at_recall_75", routes["ambiguity"]["precision_at_recall_75"], command, ambiguous),
        _copied("spearman_aleatoric_vote_entropy", votes, command, "votes for the eight expressions as counted"),
        *aurocs,
        _copied("retention_ratio_at_r08", ratio, command, note),
    )


def _members(report: Report) -> tuple[Row, ...]:
    command = "mien-train evaluate members --run RUN --data FER --split PrivateTest --out FILE"
    note = f"points; {report['repaired']} predictions repaired, {report['broken']} broken over all branches"
    name, n = "arbex_fused_minus_primary_accuracy", report["majority_n"]
    gain = _over_seeds(name, report["accuracy_gain"], n, command, note, scale=100)
    return (gain | {"interval": f"one standard deviation over {len(report['accuracy_gain']['each'])} branches"},)


def _teachers(report: Report) -> tuple[Row, ...]:
    command = f"mien-train evaluate teacher --run RUN --data FER --split {report['split']} --out FILE"
    note = f"mean of {len(report['members'])} teachers with the mirror image; not shipped"
    return (
        _copied("ferplus_majority_accuracy_teacher", report["ensemble_mirror"]["majority"]["accuracy"], command, note),
    )


def _student(report: Report) -> tuple[Row, ...]:
    corrupted = report["table"][0]["auroc_epistemic"]["n"]
    command = (
        "mien-train evaluate student assets/models/expression.onnx --data FER --teacher RUN "
        f"--split {report['split']} --faces {corrupted} --out FILE"
    )
    note = (
        "least of the shares of (AUROC - 0.5) of epistemic at both strengths, n clean and corrupted faces, and of the "
        f"rank correlation, {report['faces']} faces; against {len(report['teachers'])} teachers; no interval"
    )
    separation = _figure("edge_separation_vs_ensemble", report["separation"], corrupted, command, note)
    note = "ONNX Runtime, one face, one thread, processor time, medians of n runs in turn"
    times = _figure("edge_time_vs_one_member", report["times_one_teacher"], TIMED_RUNS, command, note)
    return separation, times, _figure("edge_ms_per_face_1core", report["student_ms"], TIMED_RUNS, command, note)


def _landmarks(report: Report) -> tuple[Row, ...]:
    command = (
        f"mien-train evaluate landmarks assets/models/expression.onnx --data FER --split {report['split']} --out FILE"
    )
    note = f"points of accuracy; {100 * report['labels_changed']['value']:.1f} % of the labels change"
    return (_copied("landmarks_swapped_accuracy_loss", report["lost_points"], command, note),)


def _fer2013(report: Report) -> tuple[Row, ...]:
    command = f"mien-train evaluate fer2013 --run RUN --data FER --split {report['split']} --out FILE"
    note = "teachers fine-tuned on these labels, with the mirror image; not shipped"
    single, ensemble = report["single"], report["ensemble"]["accuracy"]
    kind = f"one standard deviation over {len(single['each'])} networks"
    return (
        _over_seeds("fer2013_private_accuracy_single", single, report["faces"], command, note) | {"interval": kind},
        _copied("fer2013_private_accuracy_ensemble", ensemble, command, note),
    )


def _rlps(report: Report) -> tuple[Row, ...]:
    command = "mien-train evaluate rlps --data FER --clip CLIP_WITHOUT_FACE --run RUN --out FILE"
    figures = []
    for kind, name in (("full", "full"), ("half", "half"), ("none", "no")):
        kept = [trial[f"kept_{kind}"] for trial in report["synthetic_noise"]["quarter_noise_each"]]
        mean = round(sum(kept) / len(kept), 4)
        note = f"25 % noise added, mean of {len(kept)} seeds: " + ", ".join(f"{value:.3f}" for value in kept)
        figures.append(_figure(f"rlps_keep_{name}_face", mean, len(kept), command, note))
    return tuple(figures)


def _unit_scores(report: Report, path: Path, command: str) -> tuple[Row, ...]:
    sources = {part["source"]: part["report"] for part in report["sources"]}
    if "open" not in sources or sources["open"]["mean_bp4d"] is None:
        raise ValueError(f"{path} has no figures of the open set: evaluate with --data open=FOLDER")
    timed = next((part for part in report["latency"] if (part["threads"], part["samples"]) == (2, 20)), None)
    if timed is None:
        raise ValueError(f"{path} has no timing of 20 samples on 2 threads: evaluate again with this version")
    f1 = sources["open"]["mean_bp4d"]["scores"]["f1_half"]
    each = ", ".join(f"{name} {_gap(part)['value']:.1f}" for name, part in sources.items())
    note = f"accuracy at 0.5, tenths per unit, mean over units, all sources together; alone: {each}"
    time = "ONNX Runtime, one face, grey levels to outputs, two threads, median of n runs"
    return (
        _copied("open_au_f1_average_12", f1, command, f"{report['test']}; decided at 0.5", _OVER_PEOPLE),
        _copied("epistemic_decile_accuracy_gap", _gap(report["all"]), command, note, _OVER_PEOPLE),
        _figure("au_edge_ms_s20_cpu2", timed["median_ms"], timed["runs"], command, time),
    )


def _mask_noise(report: Report, command: str) -> tuple[Row, ...]:
    """What the noise bank does, where masks are sampled, and the number of trusted units."""
    model, noise = report["model"], report["noise"]
    trusted = len(model["units"]) - len(model["not_trusted"])
    counted = _figure("units_trusted_of_18", trusted, len(model["units"]), command, model["fitted_on"])
    if noise is None:
        return (counted,)
    against = f"{noise['samples']} samples against 2,000 of another seed, edges between units, mean over faces"
    edges, own = noise["epistemic_edges_nats"], noise["epistemic_self_nats"]
    parts = f"{edges:.5f} nats with noise on edges between units alone, {own:.5f} on the units' own loops alone"
    return (
        counted,
        _copied("mask_correlation_with_s2000", noise["mask_correlation"], command, against),
        _copied("epistemic_share_of_edges", noise["epistemic_share_of_edges"], command, parts),
    )


def _growth(report: Report) -> tuple[Row, ...]:
    if report["intensity"] is None:
        raise ValueError(f"{report['model']} grades no intensity, so it has no such figure: leave --growth out")
    scores, gain = report["intensity"], report["gain"]["pooled"]
    each = ", ".join(f"{unit['unit']} {unit['intensity']['pooled']['value']:.2f}" for unit in report["units"])
    note = (
        f"{report['sequences']} rendered sequences of {report['people']} people of fold {report['test_fold']} in which "
        f"a unit grows, mean of {len(report['units'])} units; of the probability of occurrence "
        f"{report['occurrence']['pooled']['value']:.3f}, difference {gain['value']:+.3f} ({gain['low']:.3f} to "
        f"{gain['high']:.3f}); within sequences {scores['within']['value']:.3f}, "
        f"{100 * scores['not_falling']['value']:.0f} % of the steps do not fall; {_with_neutral(report)}each: {each}"
    )
    command = (
        "mien-train evaluate au-growth assets/models/action_units.onnx --sequences SEQUENCES "
        f"--test-fold {report['test_fold']} --out FILE"
    )
    return (_copied("au_intensity_spearman_open", scores["pooled"], command, note, _OVER_PEOPLE),)


def _with_neutral(report: Report) -> str:
    """What the neutral baseline does for it; nothing for a report of an earlier version."""
    if report.get("neutral") is None:
        return ""
    pooled, later = report["neutral"]["pooled"], report["neutral"]["later"]
    return (
        f"with a neutral image of the face {pooled['value']:.3f} ({pooled['low']:.3f} to {pooled['high']:.3f}), "
        f"without that image {later['value']:.3f}; "
    )


def _unit_reference(report: Report) -> tuple[Row, ...]:
    options = "--media MEDIA --reference REFERENCE --out FILE"
    command = f"mien-train evaluate au-reference assets/models/action_units.onnx {options}"
    each = ", ".join(f"{unit['unit']} {unit['within_clip_r']['value']:.2f}" for unit in report["units"])
    note = f"mean of AU1 2 4 6 12 25 26, {report['clips']} clips; each: {each}"
    return (_copied("au_reference_within_clip_r_mean7", report["within_clip_r_mean7"], command, note, _OVER_CLIPS),)


def _gap(part: Report) -> Report:
    """Accuracy of the least minus that of the most uncertain tenth, in points, by epistemic uncertainty."""
    gap: Report = next(kind for kind in part["uncertainty"] if kind["kind"] == "epistemic")["gap_points"]
    return gap


def _unit_ties(check: Report, path: Path, command: str) -> tuple[Row, ...]:
    ties = {(tie["expression"], tuple(tie["units"])): tie for tie in check["ties"]}
    figures = []
    for name, key in _TIES.items():
        if key not in ties:
            raise ValueError(f"{path} has no check of {' and '.join(key[1])} on {key[0]}: the model lacks a unit")
        note = f"{ties[key]['positives']} faces of {key[0]} against all others with 8 votes for one expression"
        figures.append(_copied(name, ties[key]["auroc"], command, note))
    return tuple(figures)
