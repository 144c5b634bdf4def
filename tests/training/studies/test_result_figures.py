"""Figures of docs/results are copied from reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.fakes.action_unit_reports import UNITS, fake_file_report
from tests.training.fakes.action_units import faulty_faces
from training.evaluation.action_units_file import UnitFileReport
from training.loop.json_report import plain
from training.studies.result_figures import (
    Reports,
    action_unit_figures,
    baseline_figures,
    expression_figures,
    write_figures,
)


def figure(value: float, n: int = 100) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "n": n}


def seeds(*values: float) -> dict[str, Any]:
    return {"mean": sum(values) / len(values), "deviation": 0.002, "each": list(values)}


def strength(name: str, auroc: float, ratio: float) -> dict[str, Any]:
    rows = [{"rejected": rate / 10, "ratio": figure(ratio + rate)} for rate in range(1, 10)]
    curve = {"ambiguous": "top vote share <= 0.5", "rows": rows}
    return {"strength": name, "shift": {"mean": {"epistemic": figure(auroc)}}, "retention": [curve]}


REPORTS: dict[str, dict[str, Any]] = {
    "expression": {
        "majority": {"accuracy": figure(0.86), "macro_f1": figure(0.6)},
        "raters": {"after": {"ece": figure(0.012)}},
    },
    "uncertainty": {
        "tables": {
            "config": {"severe_faces": 1000, "graded_faces": 100},
            "disagreement": {"votes": {"rho": figure(0.68)}},
            "strengths": [strength("cifar_c", 0.71, 1.0), strength("imagenet_c", 0.86, 2.0)],
            "routes": {
                "ambiguity": {"called": figure(0.2), "precision_at_recall_75": figure(0.41)},
                "rows": [{"name": "clean"}, {"name": "imagenet_c", "accepted_right": figure(0.9)}],
            },
        },
        "natural_shift": {
            "sets": [
                {"name": "faces128 few: lower half covered", "auroc_epistemic": figure(0.9)},
                {"name": "faces128 few: upper half covered", "auroc_epistemic": figure(0.8)},
                {"name": "faces128 few: cartoon", "auroc_epistemic": figure(0.5)},
                {"name": "media: upper half covered", "auroc_epistemic": figure(0.4)},
            ]
        },
    },
    "members": {
        "distributions": [],
        "accuracy_gain": seeds(0.004, 0.006),
        "majority_n": 3152,
        "repaired": 40,
        "broken": 10,
    },
    "teacher": {
        "split": "PrivateTest",
        "members": [0, 1],
        "ensemble_mirror": {"majority": {"accuracy": figure(0.88)}},
    },
    "student": {
        "split": "PrivateTest",
        "faces": 3572,
        "teachers": [0, 1],
        "table": [{"method": "teachers", "auroc_epistemic": figure(0.8, 400)}],
        "separation": 0.97,
        "student_ms": 2.5,
        "times_one_teacher": 0.7,
    },
    "landmarks": {"split": "PrivateTest", "lost_points": figure(1.5), "labels_changed": figure(0.05)},
    "fer2013": {
        "split": "PrivateTest",
        "faces": 3573,
        "single": seeds(0.66, 0.68),
        "ensemble": {"accuracy": figure(0.69)},
    },
    "rlps": {
        "synthetic_noise": {
            "quarter_noise_each": [
                {"kept_full": 0.97, "kept_half": 0.9, "kept_none": 0.05},
                {"kept_full": 0.99, "kept_half": 0.8, "kept_none": 0.03},
            ]
        }
    },
}


def written(folder: Path, changed: dict[str, dict[str, Any]] | None = None) -> Reports:
    for name, report in {**REPORTS, **(changed or {})}.items():
        (folder / f"{name}.json").write_text(json.dumps(report))
    return Reports(**{name: folder / f"{name}.json" for name in REPORTS})


def test_figures_are_copied_from_their_reports(tmp_path: Path) -> None:
    found = {item["name"]: item for item in expression_figures(written(tmp_path))}
    assert found["ferplus_majority_accuracy_edge"]["value"] == 0.86
    assert found["auroc_epistemic_corruptions_sev5_native"]["value"] == 0.71
    assert found["auroc_epistemic_corruptions_sev5_imagenetc"]["value"] == 0.86
    assert found["auroc_epistemic_half_covered_least"]["command"].endswith("--faces 1000 --graded 100")
    assert found["retention_ratio_at_r08"]["value"] == 2.0 + 8
    assert found["arbex_fused_minus_primary_accuracy"]["value"] == pytest.approx(100 * (0.004 + 0.006) / 2)
    assert found["edge_time_vs_one_member"]["value"] == 0.7
    assert found["edge_ms_per_face_1core"]["value"] == 2.5
    assert found["ferplus_majority_accuracy_teacher"]["value"] == 0.88
    assert found["landmarks_swapped_accuracy_loss"]["value"] == 1.5
    assert found["auroc_epistemic_half_covered_least"]["value"] == 0.8  # of the halves of the news photographs
    assert found["accepted_accuracy_imagenetc"]["value"] == 0.9
    assert found["ambiguous_precision_at_recall_75"]["value"] == 0.41
    assert found["fer2013_private_accuracy_single"]["value"] == pytest.approx(0.67)
    separation = found["edge_separation_vs_ensemble"]
    assert separation["n"] == 400  # the corrupted faces, not the whole split
    assert "--faces 400" in separation["command"]
    assert found["rlps_keep_full_face"]["value"] == pytest.approx((0.97 + 0.99) / 2)
    assert found["rlps_keep_no_face"]["value"] == pytest.approx((0.05 + 0.03) / 2)


def test_every_written_figure_has_a_command_and_a_count(tmp_path: Path) -> None:
    out = tmp_path / "results" / "expression.json"
    write_figures(expression_figures(written(tmp_path)), out)
    rows = json.loads(out.read_text())["figures"]
    assert all(row["command"].startswith("mien-train ") and row["n"] > 0 for row in rows)
    assert all("interval" in row for row in rows if "low" in row)


def test_a_report_that_is_not_given_is_left_out(tmp_path: Path) -> None:
    reports = replace(written(tmp_path), members=None, teacher=None, student=None, fer2013=None)
    names = {item["name"] for item in expression_figures(reports)}
    assert "ferplus_majority_accuracy_edge" in names
    assert not any("teacher" in name or "fer2013" in name or name.startswith("edge") for name in names)


def test_report_of_another_command_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no 'times_one_teacher'"):
        expression_figures(written(tmp_path, {"student": REPORTS["members"]}))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> UnitFileReport:
    return fake_file_report(tmp_path_factory.mktemp("model"), faulty_faces(units=UNITS), split="PrivateTest")


def test_action_unit_figures_are_those_of_the_report(report: UnitFileReport, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(plain(report)))
    found = {item["name"]: item for item in action_unit_figures(path)}
    of_open = next(part.report for part in report.sources if part.source == "open")
    assert of_open.mean_bp4d is not None
    f1 = found["open_au_f1_average_12"]
    assert f1["value"] == pytest.approx(of_open.mean_bp4d.scores.f1_half.value, abs=1e-4)
    assert f1["interval"] == "95 %, bootstrap over people"
    gap = report.all.uncertainty[0].gap_points
    assert found["epistemic_decile_accuracy_gap"]["value"] == pytest.approx(gap.value, abs=1e-4)
    assert found["au_edge_ms_s20_cpu2"]["value"] == pytest.approx(report.latency[1].median_ms, abs=1e-4)
    assert report.fer is not None
    ties = {tie.units: tie.auroc.value for tie in report.fer.ties}
    quoted = {
        "au12_happiness": ("AU12",),
        "au6_happiness": ("AU6",),
        "au4_anger": ("AU4",),
        "au15_17_sadness": ("AU15", "AU17"),
        "au25_26_surprise": ("AU25", "AU26"),
    }
    for name, units in quoted.items():
        assert found[f"{name}_auroc_ferplus"]["value"] == pytest.approx(ties[units], abs=1e-4)
    assert found["units_trusted_of_18"]["value"] == 2
    assert report.noise is not None
    wanted = report.noise.mask_correlation.value
    assert found["mask_correlation_with_s2000"]["value"] == pytest.approx(wanted, abs=1e-4, nan_ok=True)
    assert len(found) == 11
    fold = report.test_fold
    assert (
        f"--data faces128=FACES128 --data open=OPEN --test-fold {fold} --fer FER --split PrivateTest" in f1["command"]
    )


def test_agreement_with_the_reference_is_added_where_given(report: UnitFileReport, tmp_path: Path) -> None:
    path, clips = tmp_path / "report.json", tmp_path / "clips.json"
    path.write_text(json.dumps(plain(report)))
    units = [{"unit": "AU1", "within_clip_r": figure(0.23)}, {"unit": "AU12", "within_clip_r": figure(0.85)}]
    clips.write_text(json.dumps({"within_clip_r_mean7": figure(0.49, 1132), "clips": 12, "units": units}))
    found = {item["name"]: item for item in action_unit_figures(path, clips)}
    row = found["au_reference_within_clip_r_mean7"]
    assert (row["value"], row["n"], row["interval"]) == (0.49, 1132, "95 %, bootstrap over clips")
    assert row["note"].endswith("12 clips; each: AU1 0.23, AU12 0.85")


def test_intensity_of_growing_units_is_added_where_given(report: UnitFileReport, tmp_path: Path) -> None:
    path, growth = tmp_path / "report.json", tmp_path / "growth.json"
    path.write_text(json.dumps(plain(report)))
    scores = {"pooled": figure(0.81, 4860), "within": figure(0.9), "not_falling": figure(0.93)}
    others = {"pooled": figure(0.75), "within": figure(0.85), "not_falling": figure(0.9)}
    found = {
        "model": "made",
        "test_fold": 1,
        "sequences": 540,
        "people": 300,
        "units": [{"unit": "AU1", "intensity": scores}, {"unit": "AU12", "intensity": others}],
        "occurrence": others,
        "intensity": scores,
        "gain": {"pooled": figure(0.06)},
    }
    growth.write_text(json.dumps(found))
    row = {item["name"]: item for item in action_unit_figures(path, None, growth)}["au_intensity_spearman_open"]
    assert (row["value"], row["n"], row["interval"]) == (0.81, 4860, "95 %, bootstrap over people")
    assert "540 rendered sequences of 300 people of fold 1" in row["note"]
    assert "occurrence 0.750, difference +0.060 (0.050 to 0.070)" in row["note"]
    assert row["note"].endswith("within sequences 0.900, 93 % of the steps do not fall; each: AU1 0.81, AU12 0.75")
    growth.write_text(json.dumps(found | {"neutral": {"pooled": figure(0.88), "later": figure(0.85)}}))
    row = {item["name"]: item for item in action_unit_figures(path, None, growth)}["au_intensity_spearman_open"]
    assert "with a neutral image of the face 0.880 (0.870 to 0.890), without that image 0.850; each: " in row["note"]
    growth.write_text(json.dumps(found | {"intensity": None, "gain": None}))
    with pytest.raises(ValueError, match="made grades no intensity, .*: leave --growth out"):
        action_unit_figures(path, None, growth)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"fer": None}, "--fer"), ({"sources": []}, "--data open"), ({"latency": []}, "no timing")],
)
def test_action_unit_report_without_a_quoted_part_is_rejected(
    report: UnitFileReport, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(plain(report) | change))
    with pytest.raises(ValueError, match=message):
        action_unit_figures(path)


def test_action_unit_report_of_the_selection_split_is_rejected(report: UnitFileReport, tmp_path: Path) -> None:
    assert report.fer is not None
    path = tmp_path / "report.json"
    path.write_text(json.dumps(plain(replace(report, fer=replace(report.fer, split="PublicTest")))))
    with pytest.raises(ValueError, match=r"report\.json is of PublicTest of FERPlus: evaluate with --split Priv"):
        action_unit_figures(path)


def test_action_unit_report_of_another_command_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match="has no 'by_samples'"):
        action_unit_figures(path)


def test_baseline_figures_are_those_of_stills_and_of_whole_tracks(tmp_path: Path) -> None:
    units = [{"unit": "AU12", "auroc_change": figure(0.02)}]
    stills = [
        {"name": "rendered", "people": 9, "units": units, "auroc_change": figure(0.01), "f1_change": figure(0.03)},
        {"name": "photographs", "people": 8, "units": units, "auroc_change": figure(-0.02), "f1_change": None},
    ]
    changes = {"auroc_change": figure(-0.1), "f1_change": figure(0.2), "rate_error_change": figure(0.3)}
    other = {key: figure(9.0) for key in changes}
    arms = [{"arm": "auto, live", "tracks": 1, **other}, {"arm": "auto, whole track", "tracks": 3, **changes}]
    path = tmp_path / "baseline.json"
    clips = {"model_sha256": "0123456789", "clips": 5, "tracks": 4, "arms": arms}
    path.write_text(json.dumps({"stills": stills, "clips": clips}))
    found = {item["name"]: item for item in baseline_figures(path)}
    assert {name: item["value"] for name, item in found.items()} == {
        "au_baseline_auroc_change_rendered": 0.01,
        "au_baseline_f1_change_rendered": 0.03,
        "au_baseline_auroc_change_photographs": -0.02,
        "au_baseline_auroc_change_clips": -0.1,
        "au_baseline_f1_change_clips": 0.2,
        "au_baseline_rate_error_change_clips": 0.3,
    }
    assert "3 of 4 tracks" in found["au_baseline_f1_change_clips"]["note"]
    assert all("sha256 01234567" in item["note"] for item in found.values()), "the released file may be another"
