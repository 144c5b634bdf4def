"""Metrics in the text format of Prometheus (version 0.0.4); names follow Frigate's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from app.serve.state import LiveFigures, LiveOutput, ServiceState, ServiceStatus, not_ready

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_THERMAL: Final = Path("/sys/class/thermal")

_Sample = tuple[dict[str, str], float]


def metrics_text(status: ServiceStatus, figures: LiveFigures, outputs: Sequence[LiveOutput]) -> str:
    """All metrics of the service."""
    camera = {"camera": status.camera}
    performance = figures.performance
    counters = [({"output": output.name}, output.counters()) for output in outputs]
    return "".join(
        (
            _metric(
                "mien_up", "gauge", "1 while the source is running.", [(camera, status.state is ServiceState.RUNNING)]
            ),
            _metric(
                "mien_ready", "gauge", "1 while results are fresh.", [(camera, not_ready(status, figures) is None)]
            ),
            _metric("mien_camera_fps", "gauge", "Frames per second of the source.", [(camera, performance.fps_in)]),
            _metric("mien_process_fps", "gauge", "Frames per second with a result.", [(camera, performance.fps_out)]),
            _metric(
                "mien_skipped_fps",
                "gauge",
                "Frames per second without a result.",
                [(camera, max(0.0, performance.fps_in - performance.fps_out))],
            ),
            _metric(
                "mien_inference_seconds",
                "gauge",
                "Time per frame and stage over the last 300 frames.",
                [
                    ({**camera, "stage": stage.name, "quantile": quantile}, value_ms / 1000.0)
                    for stage in performance.stages
                    for quantile, value_ms in (("0.5", stage.p50_ms), ("0.95", stage.p95_ms))
                ],
            ),
            _metric("mien_reconnects_total", "counter", "Sources opened again.", [(camera, status.reconnects)]),
            _metric("mien_stalls_total", "counter", "Runs ended because nothing arrived.", [(camera, status.stalls)]),
            _metric(
                "mien_late_results_total",
                "counter",
                "Results that the outputs were too slow for.",
                [(camera, figures.late_results)],
            ),
            _metric(
                "mien_faces_total",
                "counter",
                "Faces by decision.",
                [({**camera, "decision": name}, count) for name, count in sorted(figures.decisions.items())],
            ),
            _metric("mien_rejected_ratio", "gauge", "Of the last 900 faces.", _share(camera, figures, "reject")),
            _metric("mien_ambiguous_ratio", "gauge", "Of the last 900 faces.", _share(camera, figures, "ambiguous")),
            _metric("mien_sent_total", "counter", "Messages sent.", [(name, each.sent) for name, each in counters]),
            _metric(
                "mien_dropped_total",
                "counter",
                "Messages dropped for slow or absent subscribers.",
                [(name, each.dropped) for name, each in counters],
            ),
            _metric("mien_subscribers", "gauge", "Connected.", [(name, each.subscribers) for name, each in counters]),
            _metric("mien_uptime_seconds", "gauge", "Since the start of the service.", [({}, figures.uptime_s)]),
            _metric("mien_device_temperature", "gauge", "Degrees Celsius.", list(_temperatures())),
        )
    )


def _share(camera: dict[str, str], figures: LiveFigures, decision: str) -> list[_Sample]:
    return [(camera, figures.recent.get(decision, 0.0))] if figures.recent else []


def _metric(name: str, kind: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> str:
    lines = [f"{name}{_labels(labels)} {float(value):.9g}\n" for labels, value in samples]
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{''.join(lines)}" if lines else ""


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _temperatures() -> Iterable[_Sample]:
    """Thermal zones of Linux; none elsewhere."""
    for zone in sorted(_THERMAL.glob("thermal_zone*")):
        try:
            name = (zone / "type").read_text(encoding="ascii").strip()
            yield (
                {"device": f"{name}-{zone.name.removeprefix('thermal_zone')}"},
                int((zone / "temp").read_text(encoding="ascii")) / 1000.0,
            )
        except (OSError, ValueError):  # a zone that is switched off
            continue
