"""Lab Streaming Layer with a real inlet on this machine."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.app.serve.conftest import ROOT, WAIT_S, fake_service, live_frame, maker, running
from tests.fakes.faces import fake_face, fake_frame, fake_result

try:
    import pylsl
except (ImportError, RuntimeError) as error:
    pytest.skip(f"needs the extra lsl: {error}", allow_module_level=True)

from app.serve.config import LslConfig, ServeConfig  # noqa: E402
from app.serve.lsl import (  # noqa: E402
    DECISION_CODES,
    LslOutput,
    expression_channels,
    expression_sample,
    unit_channels,
    unit_sample,
)
from engine.types import Reason, Route  # noqa: E402


def inlet(name: str) -> Any:
    (found,) = pylsl.resolve_byprop("name", name, 1, WAIT_S)
    opened = pylsl.StreamInlet(found)
    opened.open_stream(WAIT_S)
    return opened


def labels(opened: Any) -> list[str]:
    channel = opened.info(WAIT_S).desc().child("channels").child("channel")
    names = []
    while not channel.empty():
        names.append(channel.child_value("label"))
        channel = channel.next_sibling("channel")
    return names


def test_a_real_inlet_receives_faces_units_and_events() -> None:
    output = LslOutput(LslConfig(enabled=True, slots=2), "test")
    with running(fake_service(ServeConfig(camera="test")), output) as collector:
        expression, second, units, events = map(
            inlet, ("mien-test-Expression", "mien-test-Expression-1", "mien-test-AU", "mien-test-Events")
        )
        assert labels(expression) == [label for label, _ in expression_channels()]
        assert labels(units) == [label for label, _ in unit_channels()]
        assert expression.info().type() == "Expression"
        assert expression.info().nominal_srate() == 0.0
        samples = [expression.pull_sample(WAIT_S) for _ in range(20)]
        assert len(units.pull_sample(WAIT_S)[0]) == len(unit_channels())
        assert math.isnan(second.pull_sample(WAIT_S)[0][1]) or second.info().type() == "Expression"
        event = json.loads(events.pull_sample(WAIT_S)[0][0])
        assert event["event"] in {"new", "update", "end", "running"}
        frames = list(collector.frames)
        offset_s = pylsl.local_clock() - time.monotonic()
        for opened in (expression, second, units, events):
            opened.close_stream()
    captured = {round(frame.captured_s + offset_s, 2) for frame in frames}
    received = [at_s for _, at_s in samples]
    assert received == sorted(received)
    near = [any(abs(at_s - capture_s) < 0.02 for capture_s in captured) for at_s in received]
    assert all(near[:-3])  # stamped with the capture time; the last frames may not have been collected yet
    assert {int(values[2]) for values, _ in samples} >= {DECISION_CODES["no_face"], DECISION_CODES["accept"]}


def test_samples_have_nan_for_what_was_not_assessed(header) -> None:
    names = [label for label, _ in expression_channels()]
    (accepted,) = live_frame(header, fake_result(fake_frame(), fake_face())).messages
    sample = dict(zip(names, expression_sample(accepted, 0), strict=True))
    assert sample["p_happy"] == 0.5
    assert sum(sample[name] for name in names if name.startswith("p_")) == pytest.approx(1.0, abs=1e-5)
    assert (sample["confidence"], sample["aleatoric"], sample["epistemic"]) == (0.82, 0.4, 0.1)
    assert math.isnan(sample["valence"])
    rejected = fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ())
    (message,) = live_frame(header, fake_result(fake_frame(), rejected)).messages
    sample = dict(zip(names, expression_sample(message, 0), strict=True))
    assert sample["decision_code"] == DECISION_CODES["reject"]
    assert all(math.isnan(sample[name]) for name in names if name.startswith("p_"))
    assert all(map(math.isnan, unit_sample(message)))
    assert expression_sample(None, 1)[:1] == [1.0]
    assert len(expression_sample(None, 1)) == len(names)


def test_units_are_in_their_channels(header) -> None:
    (message,) = maker(header).frame(fake_result(fake_frame(), fake_face())).messages
    sample = dict(zip([label for label, _ in unit_channels()], unit_sample(message), strict=True))
    assert (sample["AU12"], sample["AU12_sd"]) == message.au["AU12"]
    assert math.isnan(sample["AU05"])  # not a unit of this model


def joined_groups(environment: dict[str, str]) -> str:
    """Multicast groups of a process with outlets, as the kernel prints them."""
    code = (
        "from app.serve.config import LslConfig; from app.serve.lsl import LslOutput; import pathlib; "
        "output = LslOutput(LslConfig(enabled=True), 'quiet'); output.open(); "
        "print(pathlib.Path('/proc/net/igmp').read_text()); output.close()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "LSLAPICFG"} | environment
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment, timeout=120)
    return done.stdout


@pytest.mark.skipif(not Path("/proc/net/igmp").exists(), reason="needs Linux")
def test_streams_are_announced_on_this_machine_only_unless_liblsl_is_configured(tmp_path: Path) -> None:
    link = "B70000E0"  # 224.0.0.183, the group of the scope link; bytes reversed
    assert link not in joined_groups({})
    if [name for _, name in socket.if_nameindex()] == ["lo"]:
        pytest.skip("liblsl joins no group without a network device")
    (tmp_path / "lsl.cfg").write_text("[multicast]\nResolveScope = link\n")
    assert link in joined_groups({"LSLAPICFG": str(tmp_path / "lsl.cfg")})
