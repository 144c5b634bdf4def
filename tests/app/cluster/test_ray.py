"""A real Ray cluster of two nodes on this machine, and a worker killed on the way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.annotate import JobControl
from app.batch import ItemState
from app.cluster.dispatch import dispatch
from tests.app.cluster.conftest import ROOT, Killer, Recorder, items_of, setup_of, table_of, write_face_clips

pytest.importorskip("ray", reason="needs the extra cluster")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # those of Ray itself


def node() -> dict[str, int]:
    """Arguments of a node; with given ports, it does not wait for its agents, which a busy machine starts late."""
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    sockets = [socket.socket() for _ in names]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = dict(zip(names, (each.getsockname()[1] for each in sockets), strict=True))
    for each in sockets:
        each.close()
    return {"num_cpus": 1, "object_store_memory": 80 << 20, **ports}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one CPU each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**node(), "include_dashboard": False})
    cluster.add_node(**node())
    yield cluster
    cluster.shutdown()


def test_a_killed_worker_costs_nothing_but_time(
    cluster: Any, tmp_path: Path, models: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.cluster import ray_actors
    from app.cluster.ray_actors import RayCrew

    monkeypatch.setattr(ray_actors, "_PROGRESS_S", 0.1)
    clips = write_face_clips(tmp_path / "in", 5, frames=100)
    (tmp_path / "in" / "bad.mp4").write_bytes(b"not a video")
    items = items_of([*clips, tmp_path / "in" / "bad.mp4"], tmp_path / "out")
    killer = Killer()
    listener = Recorder(killer)
    crew = RayCrew(None, setup_of(resume=True), cluster.address, 0.0)
    try:
        assert crew.size == 2
        reports = dispatch(items, crew, JobControl(), listener, retry_failed=True)
    finally:
        crew.close()
    assert killer.killed is not None
    assert listener.losses == [killer.killed]
    assert sorted(report.place for report in listener.reports) == list(range(6))  # each exactly once
    assert [report.state for report in reports] == [ItemState.DONE] * 5 + [ItemState.FAILED]
    assert "bad.mp4 is no video" in reports[5].problem
    for item in items[:5]:
        assert [int(row["frame"]) for row in table_of(item.folder)] == list(range(100))


def test_done_sources_are_skipped_and_nothing_is_reported(tmp_path: Path, models: None) -> None:
    """The command, with a Ray that it starts itself, from addresses to an address."""
    write_face_clips(tmp_path / "in", 2)
    out = f"file://{tmp_path / 'out'}"
    command = [sys.executable, "-m", "app", "annotate", f"file://{tmp_path / 'in'}", "--out", out]
    command += ["--on", "ray", "--workers", "1", "--no-video"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_USAGE_STATS_ENABLED"}
    for state in ("done", "finished before"):
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count(f"{state}  ") == 2, ended.stdout
    assert len(list((tmp_path / "out").glob("clip000?-*/metadata.json"))) == 2


def test_usage_reports_are_off() -> None:
    from app.cluster.ray_actors import _ray

    _ray()
    from ray._common.usage import usage_lib

    assert not usage_lib.usage_stats_enabled()
