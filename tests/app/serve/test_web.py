"""The server: what it sends, whom it refuses, and that slow subscribers cost nothing. A real server and client."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="needs the extra serve")

from app.serve.access import PROTOCOL  # noqa: E402
from app.serve.config import WebConfig  # noqa: E402
from app.serve.metrics import metrics_text  # noqa: E402
from app.serve.service import LiveService  # noqa: E402
from app.serve.web import QUEUE_FRAMES, ServiceView, WebOutput  # noqa: E402
from engine.errors import ConfigError  # noqa: E402
from tests.app.serve.conftest import WAIT_S, Collector, fake_service, live_frame, running  # noqa: E402
from tests.fakes.faces import fake_face, fake_frame, fake_result  # noqa: E402

TOKEN = "0123456789abcdefghij"


def server(service: LiveService, **options: Any) -> WebOutput:
    view = ServiceView(service.status, service.figures, service.outputs)
    return WebOutput(WebConfig(port=0, **options), view)


@contextmanager
def serving(**options: Any) -> Iterator[tuple[WebOutput, LiveService, Collector]]:
    """A running service whose results go to a server."""
    service = fake_service()
    output = server(service, **options)
    with running(service, output) as collector:
        collector.wait_for(lambda: "running" in collector.states)
        yield output, service, collector


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def client(work: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run a coroutine function with a client session."""

    async def main() -> Any:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_S)) as session:
            return await work(session)

    return asyncio.run(main())


def get(output: WebOutput, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    async def work(session: Any) -> tuple[int, str, dict[str, str]]:
        async with session.get(f"http://127.0.0.1:{output.port}{path}", headers=headers) as response:
            return response.status, await response.text(), dict(response.headers)

    return client(work)


def receive(output: WebOutput, count: int, path: str = "/ws", **options: Any) -> list[Any]:
    """The first messages of a subscription, as text or bytes."""

    async def work(session: Any) -> list[Any]:
        async with session.ws_connect(f"http://127.0.0.1:{output.port}{path}", **options) as connection:
            return [(await connection.receive(WAIT_S)).data for _ in range(count)]

    return client(work)


def test_a_subscriber_receives_the_state_and_then_every_face(check_message) -> None:
    with serving() as (output, _, _):
        first, *messages = map(check_message, receive(output, 60))
    assert first["state"] == "running"
    assert {message["decision"] for message in messages} >= {"accept", "ambiguous", "reject", "low_quality", "no_face"}
    in_frame = Counter(message["frame"] for message in messages if message["face_id"])
    last = messages[-1]["frame"]  # whose other faces may not have been received
    assert all(in_frame[message["frame"]] == message["faces"] for message in messages if message["frame"] != last)


def test_no_images_unless_the_server_allows_and_the_subscriber_asks() -> None:
    with serving() as (output, _, _):
        assert all(isinstance(data, str) for data in receive(output, 20, "/ws?images=1"))
    with serving(images=True) as (output, _, _):
        assert all(isinstance(data, str) for data in receive(output, 20))
        images = [data for data in receive(output, 20, "/ws?images=1") if isinstance(data, bytes)]
    assert images[0].startswith(b"\xff\xd8")  # JPEG


def test_health_readiness_and_metrics() -> None:
    with serving() as (output, service, _):
        assert get(output, "/healthz")[:2] == (200, "ok\n")
        assert get(output, "/readyz")[:2] == (200, "ready\n")
        status, text, headers = get(output, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'mien_up{camera="cam0"} 1\n' in text
    assert 'mien_faces_total{camera="cam0",decision="accept"}' in text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(float(line.rpartition(" ")[2]) >= 0 for line in lines)
    assert "mien_up 0" not in text
    assert 'mien_up{camera="cam0"} 0\n' in metrics_text(service.status(), service.figures(), ())


def test_not_ready_without_a_source() -> None:
    def opener(spec: str) -> Any:
        from engine.errors import SourceError

        raise SourceError("no camera 0")

    service = fake_service(opener=opener)
    output = server(service)
    with running(service, output) as collector:
        collector.wait_for(lambda: "lost" in collector.states)
        assert get(output, "/readyz")[:2] == (503, "the source is lost\n")
        assert get(output, "/healthz")[0] == 200


def test_the_page_loads_nothing_from_elsewhere() -> None:
    with serving() as (output, _, _):
        status, page, headers = get(output, "/")
    assert status == 200
    assert "://" not in page.replace("http://www.w3.org", "")
    assert "src=" not in page
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert headers["Server"] == "mien"


@pytest.mark.parametrize("path", ["/ws", "/readyz", "/metrics", "/other"])
def test_without_the_token_everything_with_data_is_refused(path: str, token_file: Path) -> None:
    with serving(token_file=token_file) as (output, _, _):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            assert get(output, path, **headers)[0] == 401
        assert get(output, f"{path}?token={TOKEN}")[0] == 401  # addresses end up in logs
        assert get(output, "/healthz")[0] == get(output, "/")[0] == 200


def test_the_token_is_taken_from_the_header_or_the_subprotocol(token_file: Path) -> None:
    with serving(token_file=token_file) as (output, _, _):
        assert get(output, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert len(receive(output, 2, headers={"Authorization": f"Bearer {TOKEN}"})) == 2
        assert len(receive(output, 2, protocols=(PROTOCOL, f"bearer.{TOKEN}"))) == 2
        with pytest.raises(aiohttp.WSServerHandshakeError):
            receive(output, 1, protocols=(PROTOCOL, f"bearer.{TOKEN}x"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://panel.example"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "kiosk.lab"}, 200),
        ({"Host": "[::1"}, 421),
    ],
)
def test_foreign_pages_and_names_are_refused(headers: dict[str, str], status: int) -> None:
    with serving(origins=("https://panel.example",), hosts=("kiosk.lab",)) as (output, _, _):
        assert get(output, "/readyz", **headers)[0] == status


def test_the_page_of_this_server_may_connect() -> None:
    with serving() as (output, _, _):
        origin = f"http://127.0.0.1:{output.port}"
        assert len(receive(output, 1, headers={"Origin": origin})) == 1
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            receive(output, 1, headers={"Origin": "http://127.0.0.1:1"})


def test_other_addresses_than_loopback_need_a_token(token_file: Path) -> None:
    service = fake_service()
    with pytest.raises(ConfigError, match="which other machines can reach: set web.token_file"):
        server(service, listen="0.0.0.0")
    server(service, listen="0.0.0.0", token_file=token_file)
    token_file.write_text("short\n")
    with pytest.raises(ConfigError, match="holds 5 characters") as caught:
        server(service, token_file=token_file)
    assert "short" not in str(caught.value)


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = fake_service()
        output = WebOutput(
            WebConfig(port=taken.getsockname()[1]), ServiceView(service.status, service.figures, service.outputs)
        )
        with pytest.raises(ConfigError, match="choose another web.port"):
            output.open()


def test_large_requests_and_talking_subscribers_are_cut_off() -> None:
    async def talk(session: Any) -> int | None:
        async with session.ws_connect(f"http://127.0.0.1:{output.port}/ws") as connection:
            await connection.send_str("hello")
            async for _ in connection:
                pass
            return connection.close_code

    async def flood(session: Any) -> int | None:
        async with session.ws_connect(f"http://127.0.0.1:{output.port}/ws") as connection:
            await connection.send_str("x" * 5000)
            async for _ in connection:
                pass
            return connection.close_code

    with serving() as (output, _, _):
        assert client(talk) == 1008
        assert client(flood) == 1009
        with socket.create_connection(("127.0.0.1", output.port)) as raw:
            raw.settimeout(WAIT_S)
            raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20000 + b"\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.0 400") or raw.recv(100) == b""


def test_more_subscribers_than_allowed_are_refused() -> None:
    async def work(session: Any) -> int:
        address = f"http://127.0.0.1:{output.port}/ws"
        async with session.ws_connect(address), session.ws_connect(address):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(address)
            return caught.value.status

    with serving(max_subscribers=2) as (output, _, _):
        assert client(work) == 503


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@contextmanager
def dead_subscriber(output: WebOutput) -> Iterator[None]:
    """A subscriber that never reads."""
    with socket.create_connection(("127.0.0.1", output.port)) as dead:
        dead.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        dead.sendall(HANDSHAKE)
        assert dead.recv(12) == b"HTTP/1.1 101"
        yield


def test_a_dead_subscriber_slows_nobody_and_its_memory_is_bounded(header) -> None:
    """One subscriber never reads; 800 large frames later its queue is full, and the other one is up to date."""
    frame = live_frame(header, fake_result(fake_frame(0), *(fake_face(track_id=number) for number in range(8))))
    last = live_frame(header, fake_result(fake_frame(1), fake_face()))
    output = server(fake_service())
    output.open()

    def publish() -> None:
        for _ in range(800):
            output.send(frame)
            time.sleep(0.0005)
        output.send(last)

    async def work(session: Any) -> int:
        async with session.ws_connect(f"http://127.0.0.1:{output.port}/ws") as connection:
            await connection.receive(WAIT_S)
            sending = asyncio.get_running_loop().run_in_executor(None, publish)
            received = 0
            while json.loads((await connection.receive(WAIT_S)).data)["frame"] != 1:
                received += 1
            await sending
            return received

    try:
        with dead_subscriber(output):
            assert client(work) > 100
            counters = output.counters()
            assert max(len(subscriber._packets) for subscriber in tuple(output._subscribers)) == QUEUE_FRAMES
            assert counters.dropped > 100
    finally:
        output.close()


def test_a_subscriber_that_takes_nothing_is_disconnected(header, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serve.web._SEND_S", 0.3)
    output = server(fake_service())
    output.open()
    try:
        with dead_subscriber(output):
            deadline_s = time.monotonic() + WAIT_S
            frame = live_frame(header, fake_result(fake_frame(), *(fake_face(track_id=n) for n in range(8))))
            while not output.counters().subscribers and time.monotonic() < deadline_s:
                time.sleep(0.01)
            while output.counters().subscribers and time.monotonic() < deadline_s:
                output.send(frame)
                time.sleep(0.001)
            assert output.counters().subscribers == 0
    finally:
        output.close()


def test_a_server_that_has_ended_is_noticed(header) -> None:
    output = server(fake_service())
    output.open()
    frame = live_frame(header, fake_result(fake_frame()))
    output.send(frame)
    output.close()
    with pytest.raises(RuntimeError, match="has ended"):
        output.send(frame)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_page_draws_faces_in_a_browser(tmp_path: Path, token_file: Path) -> None:
    """Headless Chromium opens the page with a token and draws boxes; its DevTools tell what is on it."""
    with serving(token_file=token_file) as (output, _, _):
        address = f"http://127.0.0.1:{output.port}/#token={TOKEN}"
        command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        command += ["--remote-allow-origins=*", f"--user-data-dir={tmp_path / 'profile'}", "--disable-dev-shm-usage"]
        with subprocess.Popen([*command, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                shown = client(lambda session: look_at_page(session, tmp_path / "profile" / "DevToolsActivePort"))
            finally:
                browser.terminate()
                browser.wait(WAIT_S)
    assert shown["frames"] > 5
    assert shown["state"] == "cam0: running"
    assert shown["coloured"] > 100  # pixels of boxes and captions
    assert "does not show what a person feels" in shown["note"]
    assert any("happiness 82 %" in text for text in shown["captions"])
    assert any(" or " in text for text in shown["captions"])
    assert any("not assessed: unlike the training data" in text for text in shown["captions"])
    assert "token" not in shown["address"]


async def look_at_page(session: Any, port_file: Path) -> dict[str, Any]:
    """Wait for the page of a browser, then evaluate what it shows over two seconds."""
    deadline_s = time.monotonic() + WAIT_S
    while not (port_file.exists() and port_file.read_text().count("\n")) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.1)
    port = port_file.read_text().splitlines()[0]
    pages: list[Any] = []
    while not pages and time.monotonic() < deadline_s:
        async with session.get(f"http://127.0.0.1:{port}/json") as response:
            pages = [page for page in await response.json(content_type=None) if page["type"] == "page"]
    script = """new Promise((resolve) => {
        const captions = new Set();
        const timer = setInterval(() => {
            document.querySelectorAll("#faces h2").forEach((head) => captions.add(head.textContent));
            if (captions.size < 4 || shown.frames < 6) return;
            clearInterval(timer);
            const pixels = pen.getImageData(0, 0, view.width, view.height).data;
            let coloured = 0;
            for (let at = 0; at < pixels.length; at += 4) coloured += pixels[at] + pixels[at + 1] + pixels[at + 2] > 60;
            resolve({frames: shown.frames, state: find("state").textContent, coloured, captions: [...captions],
                note: find("note").textContent, address: location.href});
        }, 20);
    })"""
    async with session.ws_connect(pages[0]["webSocketDebuggerUrl"]) as tools:
        parameters = {"expression": script, "awaitPromise": True, "returnByValue": True}
        while True:
            await tools.send_json({"id": 1, "method": "Runtime.evaluate", "params": parameters})
            answer = json.loads((await tools.receive(WAIT_S)).data)
            value = answer.get("result", {}).get("result", {}).get("value")
            if value is not None:
                return value
            await asyncio.sleep(0.2)  # the page is still being loaded
