"""Shows and writes the results of a benchmark: table, JSON, plot."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.bench.figures import AnnotateRun, BenchReport, CaseFigures, Spread
from app.export.plots import Bar, bars
from app.remedies import output_errors
from engine.files import write_text

#: Share of a core that other programs may take before the table says so.
_QUIET_CORES: Final = 0.1
_COLOUR: Final = (66, 120, 190)
_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mien bench</title>
<style>body {{ font: 15px sans-serif; max-width: 900px; margin: 2em auto }} h2 {{ font-size: 1em }}</style></head>
<body>{body}</body></html>
"""


def show(report: BenchReport, console: Console) -> None:
    """Print the figures: medians, and the lowest and highest of several runs."""
    here = report.machine
    load = "" if here.load_1m is None else f"; load before the first run {here.load_1m:.2f}"
    console.print(Text(f"{here.processor}, {here.cores} cores, {here.system}, Python {here.python}{load}"))
    for case in report.cases:
        console.print()
        console.print(Text(f"{case.clip.name}, {case.clip.width_px}x{case.clip.height_px}, {case.choice.label}"))
        table = Table(show_edge=False, show_header=False)
        for name, value in _rows(case, report):
            table.add_row(name, Text(value))
        console.print(table)


def write_json(report: BenchReport, path: Path) -> None:
    """Write every run, and for each case its medians and processor time by stage.

    Raises:
        OutputError: the file cannot be written.
    """
    content = dataclasses.asdict(report)
    for case, entry in zip(report.cases, content["cases"], strict=True):
        entry["stage_cpu_ms"] = case.stage_cpu_ms()
        entry["summary"] = {name: dataclasses.asdict(value) for name, value in summary(case).items()}
    with output_errors(path):
        write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_plot(report: BenchReport, path: Path) -> None:
    """Write a page with bars: frames per second of the whole run, then processor time by stage of each case.

    Raises:
        OutputError: the file cannot be written.
    """
    parts = []
    speeds = [(_title(case), case.of_annotate("fps")) for case in report.cases]
    parts.append(_bars("frames per second, whole run", [(name, it.median) for name, it in speeds if it], "{:.1f}"))
    for case in report.cases:
        stages = list(case.stage_cpu_ms().items())
        parts.append(_bars(f"{_title(case)}: processor milliseconds per frame", stages, "{:.2f} ms"))
    with output_errors(path):
        write_text(path, _PAGE.format(body="\n".join(parts)))


def summary(case: CaseFigures) -> dict[str, Spread]:
    """Median, lowest and highest of every figure of a case."""
    named: dict[str, Spread | None] = {}
    for field in dataclasses.fields(AnnotateRun):
        if field.name not in ("stage_wall_ms", "models"):
            named[field.name] = case.of_annotate(field.name)
    live: Sequence[tuple[str, Callable[[str], Spread | None]]] = (("paced", case.of_paced), ("fast", case.of_fast))
    for prefix, of in live:
        for name in ("fps_in", "fps_out", "dropped", "recorder_dropped", "faces_per_frame", "cpu_ms", "cores"):
            named[f"{prefix}_{name}"] = of(name)
        for name in ("p50_ms", "p95_ms", "p99_ms", "first_result_s", "rss_mb", "rss_growth_mb"):
            named[f"{prefix}_{name}"] = of(name)
    return {name: value for name, value in named.items() if value is not None}


def _rows(case: CaseFigures, report: BenchReport) -> list[tuple[str, str]]:
    figures = summary(case)

    def text(name: str, form: str = "{:.1f}") -> str:
        return _text(figures[name], form)

    rows = []
    if case.annotate:
        rows = [
            ("frames", f"{case.annotate[0].frames}, {text('faces_per_frame', '{:.2f}')} faces in each"),
            (
                "whole run",
                f"{text('fps')} frames per second, {text('cpu_ms', '{:.2f}')} ms of processor time per frame",
            ),
            ("after warm-up", f"{text('steady_fps')} frames per second" + _cpu(figures, "steady_cpu_ms")),
            ("first result", f"{text('first_result_s', '{:.2f}')} s after the start"),
            ("peak memory", f"{text('peak_rss_mb', '{:.0f}')} MB"),
        ]
    for prefix, name in (("paced", f"{report.paced_fps:g} frames per second"), ("fast", "as fast as possible")):
        if f"{prefix}_p50_ms" in figures:
            rows.append((f"capture to result, {name}", _latency(figures, prefix)))
    if "paced_rss_growth_mb" in figures:
        rows.append(
            ("growth of memory", f"{text('paced_rss_growth_mb', '{:+.1f}')} MB in {case.paced[0].measured_s:.0f} s")
        )
    for name, value in case.stage_cpu_ms().items():
        rows.append((name.replace("_", " "), f"{value:.2f} ms of processor time"))
    if case.annotate:
        rows += [("model", model) for model in case.annotate[0].models]
    return rows + _surroundings(case)


def _cpu(figures: dict[str, Spread], name: str) -> str:
    cpu = figures.get(name)
    return "" if cpu is None else f", {_text(cpu, '{:.2f}')} ms of processor time per frame"


def _latency(figures: dict[str, Spread], prefix: str) -> str:
    def of(name: str) -> Spread:
        return figures[f"{prefix}_{name}"]

    p50, p95, p99 = (_text(of(f"{name}_ms"), "{:.1f}") for name in ("p50", "p95", "p99"))
    rates = f"{of('fps_in').median:.1f} in, {of('fps_out').median:.1f} out"
    lost = f"{of('dropped').high:.0f} dropped, {of('recorder_dropped').high:.0f} not recorded"
    return f"p50 {p50}, p95 {p95}, p99 {p99} ms; {rates}, {lost}; {of('faces_per_frame').median:.2f} faces"


def _surroundings(case: CaseFigures) -> list[tuple[str, str]]:
    rows = []
    around = [*case.surroundings, *case.paced_surroundings]
    foreign = max((each.foreign_cores for each in around if each.foreign_cores is not None), default=0.0)
    if foreign > _QUIET_CORES:
        rows.append(("other programs", f"took up to {foreign:.1f} cores: wall times are too long"))
    gpus = [each.gpu for each in around if each.gpu is not None]
    if gpus:
        power = "" if gpus[-1].power_w is None else f", {gpus[-1].power_w:.1f} W"
        rows.append(("GPU", f"{gpus[-1].utilisation_percent:.0f} %, {gpus[-1].memory_mb:.0f} MB{power}"))
    for run, each in zip(case.paced, case.paced_surroundings, strict=True):
        if each.energy is not None:
            per_frame = 1000 * each.energy.energy_j / max(run.processed, 1)
            rows.append(("power", f"{each.energy.power_w:.2f} W, {per_frame:.0f} mJ per frame ({each.energy.rails})"))
    return rows


def _text(value: Spread, form: str) -> str:
    middle, low, high = (form.format(number) for number in (value.median, value.low, value.high))
    return middle if low == high else f"{middle} ({low} to {high})"


def _title(case: CaseFigures) -> str:
    return f"{case.clip.name} {case.choice.label}"


def _bars(title: str, items: Sequence[tuple[str, float]], form: str) -> str:
    if not items:
        return ""
    longest = max(max(value for _, value in items), 1e-9)
    drawn = [Bar(name.replace("_", " "), value / longest, form.format(value), _COLOUR) for name, value in items]
    return f"<h2>{escape(title)}</h2>\n{bars(title, drawn)}"
