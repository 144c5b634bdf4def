"""Streams from a server on this machine, and the hiding of passwords."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.capture import stream
from engine.capture.redaction import redact_url
from engine.capture.source import SourceKind
from engine.capture.stream import StreamSource
from engine.errors import SourceError
from engine.types import UInt8

SECRET = "s3cr3t"


class CameraServer:
    """A camera that sends JPEG pictures over HTTP; ``hold`` makes it fall silent after some pictures."""

    def __init__(self, pictures: list[UInt8]) -> None:
        self.pictures = pictures
        self.hold_after: int | None = None
        self.connections = 0
        self.stop = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.connections += 1
                if self.path.startswith("/forbidden"):
                    self.send_error(403)
                    return
                if self.path.startswith("/moved"):
                    self.send_response(302)
                    self.send_header("Location", camera.url())
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                with contextlib.suppress(OSError):  # the reader hung up
                    camera.send(self.wfile.write)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = False
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), name="camera server")
        self.thread.start()

    def send(self, write: Callable[[bytes], object]) -> None:
        for number, picture in enumerate(self.pictures):
            if number == self.hold_after and self.connections == 1:
                self.stop.wait(20)
                return
            done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            assert done
            data = jpeg.tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            write(head.encode() + data + b"\r\n")
            self.stop.wait(0.005)

    def url(self, path: str = "live", login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.server.server_port}/{path}"

    def close(self) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()  # joins the threads of the connections
        self.thread.join()


@pytest.fixture
def server(pictures) -> Iterator[CameraServer]:
    camera = CameraServer(pictures[:20])
    yield camera
    camera.close()


def test_pictures_come_with_their_time_of_arrival(server, pictures):
    with StreamSource(server.url(login=f"me:{SECRET}@")) as source:
        info = source.info
        frames = [frame for frame in (source.read() for _ in range(19)) if frame]
    assert (info.kind, info.is_live, info.width_px, info.height_px) == (SourceKind.STREAM, True, 96, 64)
    assert (info.frame_count, info.duration_s) == (None, None)
    assert info.source_id == server.url(login="***@")
    assert [frame.index for frame in frames] == list(range(19))
    assert source.fault() is None
    times = [frame.timestamp_s for frame in frames]
    assert times[0] == 0
    assert times == sorted(times)
    assert all(frame.pts_s is None for frame in frames)
    for frame, picture in zip(frames, pictures[:19], strict=True):
        assert np.abs(frame.image.astype(int) - picture).mean() < 12


def test_a_silent_sender_is_asked_again_and_the_numbers_go_on(server, monkeypatch):
    monkeypatch.setattr(stream, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(stream, "_RETRY_PAUSE_S", 0.01)
    server.hold_after = 12
    with StreamSource(server.url()) as source:
        frames = [source.read() for _ in range(25)]
        fault = source.fault()
    assert server.connections == 2
    assert [frame.index for frame in frames if frame] == list(range(25))
    assert fault == f"{server.url()} lost its connection 1 x: frames are missing"


def test_a_lost_sender_is_an_error_without_the_password(server, monkeypatch):
    monkeypatch.setattr(stream, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(stream, "LOST_S", 0.5)
    server.hold_after = 12
    source = StreamSource(server.url(f"live?token={SECRET}", login=f"me:{SECRET}@"))
    server.server.socket.close()  # nobody answers a second call
    with source, pytest.raises(SourceError, match=r"http://\*\*\*@127.*live\?\*\*\* sent nothing for") as caught:
        list(iter(source.read, None))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_interrupt_ends_a_blocked_read(server, monkeypatch):
    monkeypatch.setattr(stream, "READ_TIMEOUT_S", 0.5)
    server.hold_after = 8
    with StreamSource(server.url()) as source:
        timer = threading.Timer(0.2, source.interrupt)
        timer.start()
        while source.read() is not None:
            pass
        timer.join()
        assert source.read() is None
    assert server.connections == 1


@pytest.mark.parametrize("path", ["forbidden", f"forbidden?password={SECRET}"])
def test_a_refusal_is_one_line_without_the_password(server, path):
    with pytest.raises(SourceError, match="cannot be read .*403.*: check the address and the network") as caught:
        StreamSource(server.url(path, login=f"me:{SECRET}@"))
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_redirect_is_not_followed(server):
    with pytest.raises(SourceError, match="moved cannot be read"):
        StreamSource(server.url("moved"))
    assert server.connections == 1


def test_pictures_that_cannot_be_decoded_end_at_a_deadline(server, monkeypatch):
    monkeypatch.setattr(stream, "LOST_S", 0.3)
    with StreamSource(server.url()) as source:
        assert source.read() is not None
        monkeypatch.setattr(stream, "decoded", lambda packet: time.sleep(0.05))  # None: damaged
        server.pictures *= 1000
        with pytest.raises(SourceError, match="sent no picture that can be decoded for 0 s: check camera"):
            source.read()


def test_a_playlist_is_not_a_stream(server):
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.2:9/a.ts\n"
    server.send = lambda write: write(playlist)
    with pytest.raises(SourceError, match="cannot be read"):
        StreamSource(server.url("list.m3u8"))


def test_nobody_there_is_an_error():
    with pytest.raises(
        SourceError, match=r"rtsp://\*\*\*@127.0.0.1:9/live cannot be read \(Connection refused\)"
    ) as caught:
        StreamSource(f"rtsp://me:{SECRET}@127.0.0.1:9/live")
    assert SECRET not in str(caught.value)


def test_a_recording_is_no_live_stream(write_clip, pictures):
    data = write_clip("clip.mp4", pictures, options={"movflags": "faststart"}).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with pytest.raises(SourceError, match="is a recording of 2 s, not live: download it"):
            StreamSource(f"http://127.0.0.1:{server.server_port}/clip.mp4")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://10.0.0.7:554/live", "rtsp://10.0.0.7:554/live"),
        ("rtsp://me:pw@10.0.0.7/live", "rtsp://***@10.0.0.7/live"),
        ("rtsp://me:p@w@10.0.0.7/live", "rtsp://***@10.0.0.7/live"),
        ("http://me:p/w?x#y@10.0.0.7/live", "http://***"),
        ("http://host/a?token=pw&x=1#part", "http://host/a?***"),
        ("rtsp://host/user=me&password=pw&channel=1.sdp", "rtsp://host/user=me&password=***&channel=1.sdp"),
    ],
)
def test_addresses_are_shown_without_secrets(url, shown):
    assert redact_url(url) == shown


WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@given(user=WORD, tail=WORD)
def test_no_password_survives(user, tail):
    password = f"<{SECRET}>{tail}"
    shown = redact_url(f"rtsp://{user}:{password}@10.0.0.7/live?key={password}")
    assert SECRET not in shown
