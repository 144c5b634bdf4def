"""Frame rates and stage times of a live run."""

from __future__ import annotations

import pytest

from app.live.performance import PerformanceMeter
from app.session.journal_lines import STAGES
from engine.runtime import RuntimeCounters
from engine.types import StageTimes


def test_there_are_no_figures_before_the_first_frame():
    figures = PerformanceMeter().figures()
    assert (figures.fps_in, figures.fps_out, figures.dropped, figures.stages) == (0, 0, 0, ())


def test_rates_are_those_of_the_last_three_seconds():
    meter = PerformanceMeter()
    for tenth in range(101):  # ten seconds: 30 per second in; out 10 per second, in the last three seconds 20
        out = tenth if tenth <= 70 else 70 + 2 * (tenth - 70)
        meter.sample(tenth / 10, RuntimeCounters(3 * tenth, out, 3 * tenth - out, ()))
    figures = meter.figures()
    assert figures.fps_in == pytest.approx(30)
    assert figures.fps_out == pytest.approx(20)
    assert figures.dropped == 300 - 130


def test_stage_times_are_percentiles_in_the_order_of_the_stages():
    meter = PerformanceMeter()
    for value in range(1, 101):
        meter.add(StageTimes(value, 2 * value, 3 * value, 4 * value, 5 * value))
    stages = meter.figures().stages
    assert tuple(stage.name for stage in stages) == STAGES
    assert [stage.p50_ms for stage in stages] == pytest.approx([factor * 50.5 for factor in range(1, 6)])
    assert stages[0].p95_ms == pytest.approx(95.05)
