"""RTSP and HTTP(S) addresses through PyAV (FFmpeg): live pictures, stamped at arrival. Passwords are never shown."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Final

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from engine.capture.decoding import CONTAINERS, UprightRgb, decoded, mean_rate, reason_of, video_stream
from engine.capture.redaction import redact_url
from engine.capture.source import FrameSource, SourceInfo, SourceKind
from engine.errors import SourceError
from engine.types import Frame

#: Schemes that are read.
STREAM_SCHEMES: Final = frozenset({"rtsp", "http", "https"})
#: Time for the first connection, and again for finding out what it carries.
OPEN_TIMEOUT_S: Final = 10.0
#: A read blocks for at most this long; so long `interrupt` may take, which must fit in the 2 s for stopping.
READ_TIMEOUT_S: Final = 1.5
#: Time for each of the two steps of a later connection: together they, too, must fit in the time for stopping.
REOPEN_TIMEOUT_S: Final = 0.9
#: A stream without a picture for so long is lost; until then it is opened again and again.
LOST_S: Final = 10.0
#: Pause after a failed connection, doubled after each further one up to the second value.
_RETRY_PAUSE_S: Final = 0.25
_MAX_PAUSE_S: Final = 2.0
#: FFmpeg's options: no pictures held back, RTSP over TCP (UDP loses packets in most homes), short look at the start.
_OPTIONS: Final = {
    "fflags": "nobuffer",
    "flags": "low_delay",
    "rtsp_transport": "tcp",
    "analyzeduration": "500000",  # microseconds
    # No address may lead to a file of this machine, to another host (HTTP redirects, playlists), or to a format that
    # opens further addresses.
    "protocol_whitelist": "http,https,httpproxy,rtsp,rtp,rtcp,srtp,tcp,tls,udp,crypto",
    "format_whitelist": ",".join((*CONTAINERS, "rtsp", "rtp")),
    "max_redirects": "0",
}


class StreamSource(FrameSource):
    """A live stream. A short loss of the connection leaves a gap in the times, not an error."""

    def __init__(self, url: str) -> None:
        """Connect and decode the first picture.

        Raises:
            SourceError: no connection, refused, no live video, or too large.
        """
        super().__init__()
        self._url = url
        self._name = redact_url(url)
        self._container: InputContainer | None = None
        self._pictures: Iterator[VideoFrame] = iter(())
        self._heard_s = time.monotonic()  # of the last picture
        try:
            stream = self._connect(OPEN_TIMEOUT_S)
            first = next(self._pictures, None)
            if first is None:
                raise SourceError(f"{self._name} sends no picture that can be decoded: check the address")
            self._rgb = UprightRgb(self._name, first, stream)
        except av.FFmpegError as error:
            self.close()
            raise SourceError(
                f"{self._name} cannot be read ({reason_of(error)}): check the address and the network"
            ) from None
        except SourceError:
            self.close()
            raise
        self._pictures = itertools.chain((first,), self._pictures)
        self._index = 0
        self._losses = 0
        self._first_s: float | None = None
        self.info = SourceInfo(
            self._name,
            SourceKind.STREAM,
            *self._rgb.size,
            frame_count=None,
            duration_s=None,
            fps=mean_rate(stream),
            is_live=True,
        )

    def read(self) -> Frame | None:
        """The next picture; None when the sender ends the stream, or after `interrupt`, at most 1.8 s later.

        Raises:
            SourceError: no picture for LOST_S, in spite of new connections.
        """
        self._heard_s, pause_s = time.monotonic(), _RETRY_PAUSE_S
        while not self._interrupted.is_set():
            try:
                if self._container is None:
                    self._connect(REOPEN_TIMEOUT_S)
                    self._losses += 1
                picture = next(self._pictures, None)
            except av.FFmpegError as error:
                self._disconnect()
                if time.monotonic() - self._heard_s > LOST_S:
                    raise SourceError(
                        f"{self._name} sent nothing for {LOST_S:.0f} s ({reason_of(error)}): check camera and network"
                    ) from None
                self._interrupted.wait(pause_s)
                pause_s = min(2 * pause_s, _MAX_PAUSE_S)
            else:
                return None if picture is None else self._frame(picture)
        return None

    def fault(self) -> str | None:
        """What was lost; see the base."""
        return f"{self._name} lost its connection {self._losses} x: frames are missing" if self._losses else None

    def close(self) -> None:
        """Close the connection."""
        self.interrupt()  # so that no later read connects again
        self._disconnect()

    def _frame(self, picture: VideoFrame) -> Frame:
        now_s = time.monotonic()  # the stream's own times are often made up
        if self._first_s is None:
            self._first_s = now_s
        self._index += 1
        return Frame(self._rgb.convert(picture), self._index - 1, now_s - self._first_s, self.info.source_id)

    def _connect(self, open_timeout_s: float) -> VideoStream:
        self._container = av.open(
            self._url, options=_OPTIONS, timeout=(open_timeout_s, READ_TIMEOUT_S), metadata_errors="replace"
        )
        if self._container.duration and not self._url.lower().startswith("rtsp:"):
            length_s = self._container.duration / av.time_base
            raise SourceError(
                f"{self._name} is a recording of {length_s:.0f} s, not live: download it and give the file"
            )
        stream = video_stream(self._container, self._name)
        stream.thread_type = "SLICE"  # threads over frames would hold pictures back
        self._pictures = self._decode(self._container, stream)
        return stream

    def _disconnect(self) -> None:
        self._pictures = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        for packet in container.demux(stream):
            if self._interrupted.is_set():
                return
            if time.monotonic() - self._heard_s > LOST_S:  # bytes come, but nothing that can be decoded
                raise SourceError(
                    f"{self._name} sent no picture that can be decoded for {LOST_S:.0f} s: check camera and network"
                )
            pictures = decoded(packet)
            if pictures is None:
                self.damaged += 1
            else:
                yield from pictures
