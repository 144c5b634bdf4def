"""Medians, stages and what is left over; table, JSON and page."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from app.bench.figures import (
    AnnotateRun,
    BenchReport,
    CaseFigures,
    Clip,
    Energy,
    EngineChoice,
    LiveRun,
    Machine,
    Percentiles,
    StageRun,
    Surroundings,
    spread,
)
from app.bench.report import show, summary, write_json, write_plot

CLIP = Clip("720p-1", "720p-1", 1280, 720, 30.0, 1)


def annotated(fps: float, steady_cpu_ms: float | None) -> AnnotateRun:
    wall = {"tracking": Percentiles(1.0, 2.0, 3.0)}
    return AnnotateRun(300, 0.99, fps, fps + 20, 300 / fps, 0.6, 12.0, steady_cpu_ms, 260.0, wall, ["a on b CPU"])


def live(p95_ms: float, growth_mb: float | None = None) -> LiveRun:
    latency = Percentiles(5.0, p95_ms, 20.0)
    return LiveRun(30.0, 29.9, 300, 299, 1, 0, 1.0, latency, 11.0, 0.33, 0.9, 250.0, growth_mb, 10.0)


def case(foreign: float = 0.0, energy: Energy | None = None) -> CaseFigures:
    return CaseFigures(
        CLIP,
        EngineChoice("onnxruntime"),
        annotate=[annotated(60.0, 10.0), annotated(80.0, 12.0), annotated(70.0, 11.0)],
        paced=[live(10.0, 0.5), live(14.0, 1.5)],
        fast=[live(30.0)],
        stages=[
            StageRun(100, 1.0, {"decode": 2.0, "tracking": 3.0}),
            StageRun(100, 1.0, {"decode": 4.0, "tracking": 3.0}),
        ],
        surroundings=[Surroundings(foreign)] * 3,
        paced_surroundings=[Surroundings(foreign, None, energy)] * 2,
    )


def report(*cases: CaseFigures) -> BenchReport:
    return BenchReport(
        "0.1.0", "2026-11-29", Machine("CPU", 2, "x86_64 Linux", "3.11", 0.1), 30.0, 10.0, 2.0, True, [*cases]
    )


def shown(*cases: CaseFigures) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    show(report(*cases), console)
    return console.export_text()


def test_repeats_give_median_lowest_and_highest() -> None:
    figures = summary(case())
    assert (figures["fps"].median, figures["fps"].low, figures["fps"].high, figures["fps"].runs) == (
        70.0,
        60.0,
        80.0,
        3,
    )
    assert figures["paced_p95_ms"].median == 12.0
    assert figures["paced_rss_growth_mb"].median == 1.0
    assert "fast_rss_growth_mb" not in figures
    assert spread([None, None]) is None


def test_what_the_stages_do_not_explain_is_other() -> None:
    assert case().stage_cpu_ms() == {"decode": 3.0, "tracking": 3.0, "other": 11.0 - 6.0}


def test_the_table_states_faces_repeats_and_other_programs() -> None:
    text = shown(case(foreign=0.6))
    assert "0.99 faces in each" in text
    assert "70.0 (60.0 to 80.0) frames per second" in text
    assert "1 dropped" in text
    assert "took up to 0.6 cores" in text
    assert "other programs" not in shown(case())


def test_power_is_stated_per_frame() -> None:
    assert "6.00 W, 200 mJ per frame (VDD_IN)" in shown(case(energy=Energy(6.0, 59.8, "VDD_IN")))


def test_json_has_every_run_and_the_summary(tmp_path: Path) -> None:
    write_json(report(case()), tmp_path / "bench.json")
    content = json.loads((tmp_path / "bench.json").read_text())
    (entry,) = content["cases"]
    assert [run["fps"] for run in entry["annotate"]] == [60.0, 80.0, 70.0]
    assert entry["summary"]["fps"] == {"median": 70.0, "low": 60.0, "high": 80.0, "runs": 3}
    assert entry["stage_cpu_ms"]["other"] == 5.0
    assert content["machine"]["cores"] == 2


def test_the_page_has_bars_for_speed_and_stages(tmp_path: Path) -> None:
    write_plot(report(case(), case()), tmp_path / "bench.html")
    page = (tmp_path / "bench.html").read_text()
    assert page.count("<svg") == 3
    assert "720p-1 onnxruntime" in page
    assert "3.00 ms" in page


def test_a_run_without_parts_has_no_figures() -> None:
    empty = CaseFigures(CLIP, EngineChoice(), [], [], [], [], [], [])
    assert summary(empty) == {}
    assert empty.stage_cpu_ms() == {}


@pytest.mark.parametrize(
    ("backend", "precision", "label"), [(None, None, "default"), ("tensorrt", "fp16", "tensorrt fp16")]
)
def test_labels_of_runtimes(backend: str | None, precision: str | None, label: str) -> None:
    assert EngineChoice(backend, precision).label == label  # type: ignore[arg-type]
