"""WebSocket, page, health and metrics over HTTP (aiohttp), on a thread with its own event loop.

A subscriber has a queue of a few frames; when it is full, the oldest frame is dropped and counted. So a slow or dead
subscriber costs the others and the pipeline nothing, and its memory is bounded.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
from aiohttp import WSCloseCode, WSMsgType, web

from app.serve.access import PROTOCOL, Access
from app.serve.config import WebConfig, web_token
from app.serve.messages import LiveFrame
from app.serve.metrics import CONTENT_TYPE, metrics_text
from app.serve.state import LiveFigures, LiveOutput, OutputCounters, ServiceStatus, not_ready
from engine.errors import ConfigError, ThreadStuckError
from engine.types import UInt8

#: Frames waiting for one subscriber, and for the event loop.
QUEUE_FRAMES: Final = 8
#: A subscriber that takes nothing for so long is disconnected.
_SEND_S: Final = 10.0
_PING_S: Final = 15.0
#: Requests carry no content, and subscribers send nothing.
_MAX_BODY_BYTES: Final = 1024
_MAX_IMAGE_PX: Final = 640
_STOP_S: Final = 2.0
_PAGE: Final = Path(__file__).with_name("page.html")
_HEADERS: Final = {
    "Server": "mien",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What the HTTP endpoints show of the service; each function is callable from any thread."""

    status: Callable[[], ServiceStatus]
    figures: Callable[[], LiveFigures]
    outputs: Callable[[], Sequence[LiveOutput]]


@dataclass(frozen=True, slots=True)
class _Packet:
    """Messages that are sent or dropped together."""

    texts: tuple[str, ...]
    image: bytes | None = None  # JPEG


class _Subscriber:
    """A connection and its queue; used in the event loop only."""

    def __init__(self, images: bool) -> None:
        self.images = images
        self._packets: deque[_Packet] = deque(maxlen=QUEUE_FRAMES)
        self._filled = asyncio.Event()

    def put(self, packet: _Packet) -> bool:
        """Queue a packet; False if the oldest one was dropped for it."""
        fits = len(self._packets) < QUEUE_FRAMES
        self._packets.append(packet)
        self._filled.set()
        return fits

    async def get(self) -> _Packet:
        """Wait for the next packet."""
        await self._filled.wait()
        packet = self._packets.popleft()
        if not self._packets:
            self._filled.clear()
        return packet


class WebOutput:
    """The server; see `app.serve.state.LiveOutput`."""

    name = "websocket"

    def __init__(self, config: WebConfig, view: ServiceView) -> None:
        """Prepare; nothing listens before `open`.

        Raises:
            ConfigError: the token is missing or unusable.
        """
        self._config = config
        self._view = view
        self._access = Access(config, web_token(config))
        self._page = _PAGE.read_text(encoding="utf-8")
        self._page_headers = {"Content-Security-Policy": _content_policy(self._page)}
        self._lock = threading.Lock()
        self._pending: deque[_Packet] = deque(maxlen=QUEUE_FRAMES)
        self._scheduled = False
        self._subscribers: set[_Subscriber] = set()  # changed in the event loop only
        self._wants_images = False
        self._sent = self._dropped = 0
        self._loop: asyncio.AbstractEventLoop | None = None  # from `open` on
        self._ended: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="mien-web")
        self._socket: socket.socket | None = None
        self.port = config.port  # the one in use, after `open`

    def open(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address or port is not available.
        """
        listen, port = self._config.listen, self._config.port
        try:
            self._socket = socket.create_server(
                (listen, port), family=socket.AF_INET6 if ":" in listen else socket.AF_INET, backlog=64
            )
        except OSError as error:
            raise ConfigError(
                f"{listen} port {port} is not available ({error.strerror}): choose another web.port"
            ) from None
        self.port = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    @property
    def address(self) -> str:
        """Address of the page."""
        listen = self._config.listen
        host = f"[{listen}]" if ":" in listen else listen
        return f"http://{host}:{self.port}/"

    def send(self, frame: LiveFrame) -> None:
        """Publish a frame; never waits.

        Raises:
            RuntimeError: the server has ended by a fault, so that the service must be started again.
        """
        if not self._thread.is_alive():
            raise RuntimeError("the server has ended")
        if not self._subscribers:
            return
        texts = tuple(message.json() for message in frame.messages)
        self._put(_Packet(texts, _jpeg(frame.result.frame.image) if self._wants_images else None))

    def report(self, status: ServiceStatus) -> None:
        """Publish a change of state."""
        self._put(_Packet((status.json(),)))

    def counters(self) -> OutputCounters:
        """Messages so far."""
        return OutputCounters(self._sent, self._dropped, len(self._subscribers))

    def close(self) -> None:
        """Close all connections and stop.

        Raises:
            ThreadStuckError: the event loop does not end.
        """
        loop = self._loop
        if loop is None or not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):  # the loop ended just now
            loop.call_soon_threadsafe(self._end)
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            raise ThreadStuckError(f"{self._thread.name} did not end within {_STOP_S:g} s: end the program")

    def _put(self, packet: _Packet) -> None:
        loop = self._loop
        if loop is None:
            return
        with self._lock:
            self._dropped += len(self._pending) == QUEUE_FRAMES
            self._pending.append(packet)
            if self._scheduled:
                return
            self._scheduled = True
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._distribute)

    # Everything below runs in the event loop.

    def _run(self) -> None:
        loop = self._loop
        if loop is None:
            raise AssertionError("open() creates the loop")
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._serve())
        finally:
            loop.close()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        application = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[self._guard])
        application.router.add_get("/", self._get_page)
        application.router.add_get("/ws", self._websocket)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        # no log of requests: addresses and headers may hold secrets
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5, handle_signals=False)
        await runner.setup()
        try:
            await web.SockSite(runner, self._listening()).start()
            await self._ended.wait()
        finally:
            await runner.cleanup()

    def _listening(self) -> socket.socket:
        if self._socket is None:
            raise AssertionError("open() creates the socket")
        return self._socket

    def _end(self) -> None:
        if self._ended is not None:
            self._ended.set()

    def _distribute(self) -> None:
        with self._lock:
            packets = tuple(self._pending)
            self._pending.clear()
            self._scheduled = False
        for subscriber in self._subscribers:
            for packet in packets:
                self._dropped += not subscriber.put(packet)

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        refusal = self._access.refusal(request)
        if refusal is not None:
            return web.Response(status=refusal.status, text=refusal.text + "\n", headers=_HEADERS | refusal.headers)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            return web.Response(status=error.status, text=f"{error.reason}\n", headers=_HEADERS)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    async def _get_page(self, request: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html", headers=self._page_headers)

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reason = not_ready(self._view.status(), self._view.figures())
        return web.Response(status=200 if reason is None else 503, text=f"{reason or 'ready'}\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        text = metrics_text(self._view.status(), self._view.figures(), self._view.outputs())
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if len(self._subscribers) >= self._config.max_subscribers:
            return web.Response(status=503, text="too many subscribers: raise web.max_subscribers\n")
        connection = web.WebSocketResponse(
            heartbeat=_PING_S, max_msg_size=_MAX_BODY_BYTES, protocols=(PROTOCOL,), compress=False
        )
        subscriber = _Subscriber(self._config.images and request.query.get("images") == "1")
        self._subscribers.add(subscriber)
        sender: asyncio.Task[None] | None = None
        try:
            await connection.prepare(request)
            subscriber.put(_Packet((self._view.status().json(),)))
            self._update_images()
            sender = asyncio.ensure_future(self._send_all(request, connection, subscriber))
            stop = asyncio.ensure_future(self._close_at_end(connection))
            sender.add_done_callback(lambda _: stop.cancel())
            async for message in connection:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await connection.close(code=WSCloseCode.POLICY_VIOLATION, message=b"subscribers send nothing")
        finally:
            self._subscribers.discard(subscriber)
            self._update_images()
            if sender is not None:
                sender.cancel()
        return connection

    async def _close_at_end(self, connection: web.WebSocketResponse) -> None:
        if self._ended is not None:
            await self._ended.wait()
            await connection.close(code=WSCloseCode.GOING_AWAY)

    async def _send_all(self, request: web.Request, connection: web.WebSocketResponse, subscriber: _Subscriber) -> None:
        """Send packets until the connection closes; cut it off if the subscriber takes nothing for _SEND_S."""
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            while not connection.closed:
                packet = await subscriber.get()
                await asyncio.wait_for(self._send(connection, packet, subscriber.images), _SEND_S)
        if request.transport is not None and not connection.closed:
            request.transport.abort()

    async def _send(self, connection: web.WebSocketResponse, packet: _Packet, images: bool) -> None:
        if images and packet.image is not None:
            await connection.send_bytes(packet.image)
        for text in packet.texts:
            await connection.send_str(text)
            self._sent += 1

    def _update_images(self) -> None:
        self._wants_images = any(subscriber.images for subscriber in self._subscribers)


def _content_policy(page: str) -> str:
    """Allow the page its own script and style, by hash, and connections to this server; nothing else."""
    hashes = {}
    for tag in ("script", "style"):
        content = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        hashes[tag] = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'; "
        "connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def _jpeg(image: UInt8) -> bytes | None:
    """The image (H, W, 3) RGB as JPEG, at most _MAX_IMAGE_PX wide."""
    height_px, width_px = image.shape[:2]
    if width_px > _MAX_IMAGE_PX:
        size = (_MAX_IMAGE_PX, max(1, round(height_px * _MAX_IMAGE_PX / width_px)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 80))
    return data.tobytes() if done else None
