"""Measure the latency that live outputs add on loopback: from a result to a subscriber in another process.

    python packaging/measure_streams.py [--messages 1000] [--fps 25] [--runs 2] [--json docs/results/outputs.json]

Each output runs alone. One result of the demo with a face is published again and again, at even intervals; the time of
a message is from before its record is made until the subscriber has parsed it, both on the monotonic clock of the
machine. MQTT needs mosquitto, which is started on loopback.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from app.serve.config import LslConfig, MqttConfig, ServeConfig, WebConfig
from app.serve.messages import MessageMaker
from app.serve.service import LiveService
from app.serve.state import LiveOutput
from app.session.metadata import session_header
from engine import Engine, open_source
from engine.types import FrameResult

#: Messages at the start that are not counted: connections and caches warm up.
WARM_UP = 100
NAMES = {"websocket": "websocket_latency_p95_ms", "mqtt": "mqtt_latency_p95_ms", "lsl": "lsl_latency_p95_ms"}


def real_result() -> tuple[FrameResult, MessageMaker]:
    """A result with an accepted face, from the demo, and what makes its messages."""
    with Engine.open() as engine, open_source("demo") as source:
        header = session_header("demo", source, engine, "measured")
        maker = MessageMaker("cam0", header, engine.action_units.sha256, lambda frame: time.monotonic())
        for frame in source:
            result = engine.process(frame)
            if any(face.decision.labels for face in result.faces):
                return result, maker
    raise SystemExit("the demo has no face: something is broken")


def make_output(name: str, port: int) -> LiveOutput:
    """One output, as `mien serve` has it."""
    if name == "mqtt":
        from app.serve.mqtt import MqttOutput

        return MqttOutput(MqttConfig("127.0.0.1", port, max_hz=60.0), "cam0")
    if name == "lsl":
        from app.serve.lsl import LslOutput

        return LslOutput(LslConfig(enabled=True), "cam0")
    from app.engine_cache import EngineCache
    from app.serve.web import ServiceView, WebOutput

    service = LiveService(ServeConfig(), EngineCache(), open_source, "measured")
    return WebOutput(WebConfig(port=port), ServiceView(service.status, service.figures, service.outputs))


def subscribe(name: str, port: int, count: int) -> None:
    """The other process: print the frame and the time of each message."""
    received = {"websocket": from_websocket, "mqtt": from_mqtt, "lsl": from_lsl}[name](port, count)
    print(json.dumps(received))  # noqa: T201 (read by the process that started this one)


def from_websocket(port: int, count: int) -> list[tuple[int, float]]:
    """Subscribe to the WebSocket."""
    import asyncio

    import aiohttp

    async def work() -> list[tuple[int, float]]:
        received: list[tuple[int, float]] = []
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws") as connection:
            async for message in connection:
                parsed = json.loads(message.data)
                if "frame" in parsed:
                    received.append((parsed["frame"], time.monotonic()))
                if received and received[-1][0] >= count - 1:
                    break
        return received

    return asyncio.run(work())


def from_mqtt(port: int, count: int) -> list[tuple[int, float]]:
    """Subscribe to the faces at the broker."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    received: list[tuple[int, float]] = []

    def keep(client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        frame = json.loads(message.payload)["frame"]
        received.append((frame, time.monotonic()))
        if frame >= count - 1:
            client.disconnect()

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = keep
    client.on_connect = lambda *_: client.subscribe("mien/cam0/faces/#")
    client.connect("127.0.0.1", port)
    client.loop_forever()
    return received


def from_lsl(port: int, count: int) -> list[tuple[int, float]]:
    """Open an inlet; a sample has no frame, but none is lost, so they are counted from the last one backwards."""
    import pylsl

    pylsl.set_config_content("[multicast]\nResolveScope = machine\n[log]\nlevel = -2\n")
    (found,) = pylsl.resolve_byprop("name", "mien-cam0-Expression", 1, 30)
    inlet = pylsl.StreamInlet(found)
    times_s = []
    while True:
        sample, _ = inlet.pull_sample(timeout=5.0)
        if sample is None:  # the end
            return [(count - len(times_s) + place, at_s) for place, at_s in enumerate(times_s)]
        times_s.append(time.monotonic())


def measure(name: str, result: FrameResult, maker: MessageMaker, messages: int, fps: float) -> list[float]:
    """Latencies in milliseconds of one run."""
    with broker_port() if name == "mqtt" else free_port() as port:
        output = make_output(name, port)
        output.open()
        count = messages + WARM_UP
        command = [sys.executable, __file__, "--subscribe", name, str(port), str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            try:
                wait_for_subscriber(name, output, result, maker)
                sent_s = publish(output, result, maker, count, fps)
                if name == "websocket":
                    time.sleep(1.0)
                text, _ = other.communicate(timeout=60)
            finally:
                other.kill()
                output.close()
    return [(at_s - sent_s[frame]) * 1000.0 for frame, at_s in json.loads(text) if WARM_UP <= frame < count]


def wait_for_subscriber(name: str, output: LiveOutput, result: FrameResult, maker: MessageMaker) -> None:
    """Wait until the other process has subscribed; a broker does not say so."""
    deadline_s = time.monotonic() + 60
    while output.counters().subscribers < 1 and time.monotonic() < deadline_s:
        time.sleep(0.1)
    if name == "mqtt":
        time.sleep(5.0)


def publish(output: LiveOutput, result: FrameResult, maker: MessageMaker, count: int, fps: float) -> list[float]:
    """Publish at even intervals; returns when each result was ready."""
    start_s, ready_s = time.monotonic(), []
    for index in range(count):
        time.sleep(max(0.0, start_s + index / fps - time.monotonic()))
        frame = dataclasses.replace(result.frame, index=index)
        ready = dataclasses.replace(result, frame=frame)
        ready_s.append(time.monotonic())
        output.send(maker.frame(ready))
    return ready_s


@contextmanager
def free_port() -> Iterator[int]:
    """A port of this machine that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield port


@contextmanager
def broker_port() -> Iterator[int]:
    """The port of a mosquitto on loopback."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("MQTT needs mosquitto: install it, or measure the others with --only")
    with free_port() as port, tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "mosquitto.conf")
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
        with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(1.0)
                yield port
            finally:
                process.terminate()


def figures(latencies_ms: dict[str, list[list[float]]], command: str) -> list[dict[str, object]]:
    """Per output: 95th percentile over all runs; low and high are those of the single runs."""
    load = os.getloadavg()[2]
    machine = (
        f"{os.cpu_count()} virtual cores, {platform.machine()} {platform.system()}, "
        f"Python {platform.python_version()}, shared with other work (load {load:.0f} over 15 minutes)"
    )
    found = []
    for name, runs in latencies_ms.items():
        each = [float(np.percentile(run, 95)) for run in runs]
        found.append(
            {
                "name": NAMES[name],
                "value": round(float(np.percentile(np.concatenate(runs), 95)), 2),
                "low": round(min(each), 2),
                "high": round(max(each), 2),
                "n": sum(map(len, runs)),
                "command": f"{command} (p95 of {len(runs)} runs together, of the best and of the worst run; "
                f"median {np.median(np.concatenate(runs)):.2f} ms)",
                "machine": machine,
                "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
            }
        )
    return found


def main() -> None:
    """Measure, print, and merge the figures into the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--subscribe", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.subscribe:
        subscribe(given.subscribe[0], int(given.subscribe[1]), int(given.subscribe[2]))
        return
    show: Callable[[str], object] = sys.stderr.write
    result, maker = real_result()
    latencies_ms: dict[str, list[list[float]]] = {}
    for run in range(given.runs):
        for name in given.only:
            found = measure(name, result, maker, given.messages, given.fps)
            latencies_ms.setdefault(name, []).append(found)
            p50, p95, p99 = np.percentile(found, (50, 95, 99))
            show(f"run {run + 1}, {name}: n {len(found)}, p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f} ms\n")
    report = figures(latencies_ms, f"python packaging/measure_streams.py --messages {given.messages}")
    if given.json:
        kept = json.loads(given.json.read_text())["figures"] if given.json.exists() else []
        names = {figure["name"] for figure in report}
        kept = [figure for figure in kept if figure["name"] not in names]
        given.json.write_text(json.dumps({"figures": [*kept, *report]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
