"""The sound of a source in its annotated video: copied where MP4 can hold it, otherwise encoded as AAC."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from engine.errors import SourceError

#: Codecs that MP4 holds and players know; of the second group, MP4 also needs the decoder's settings.
_COPIED: Final = frozenset({"mp3", "mp3float", "ac3", "eac3"})
_COPIED_WITH_SETTINGS: Final = frozenset({"aac", "alac", "flac", "opus"})
_AAC_RATES: Final = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
_DEFAULT_RATE: Final = 48_000
#: A seek may land this much late in files with coarse indices, so it starts earlier; what is early is left out.
_SEEK_EARLY_S: Final = 2.0


class SoundTrack:
    """Adds the sound of a file to a video while that is written, packet by packet; for one thread."""

    def __init__(self, path: Path) -> None:
        """``path``: of the source. Nothing is opened yet."""
        self._path = path
        self._source: Any = None  # av.container.InputContainer
        self._output: Any = None
        self._stream: Any = None  # of the output
        self._packets: Iterator[Any] = iter(())  # for the output, without their stream
        self._next: Any = None
        self.fault: str | None = None  # why the sound ends early; None = it does not

    def start(self, output: Any, origin_s: float) -> None:
        """Add a stream to a video to which nothing was written yet; without sound in the source, add none.

        Args:
            output: av.container.OutputContainer.
            origin_s: presentation time in the source at which the video has its time 0.
        """
        import av

        from engine.capture.decoding import open_video

        self._output = output
        try:
            self._source = open_video(self._path)
            found = self._source.streams.best("audio")
            if found is None or getattr(found, "codec_context", None) is None:
                return
            if origin_s > _SEEK_EARLY_S:
                with contextlib.suppress(av.FFmpegError):
                    self._source.seek(round((origin_s - _SEEK_EARLY_S) * av.time_base))
            if _can_be_copied(found.codec_context):
                self._stream = output.add_stream_from_template(found)
                packets = self._copied(found, origin_s)
            else:
                rate = found.rate if found.rate in _AAC_RATES else _DEFAULT_RATE
                layout = "mono" if found.codec_context.channels == 1 else "stereo"
                self._stream = output.add_stream("aac", rate=rate, layout=layout)
                packets = self._encoded(found, origin_s)
        except (av.FFmpegError, SourceError, ValueError) as error:
            self.fault = f"the sound could not be copied ({error})"
            return
        self._packets = self._until_damaged(packets)
        self._next = next(self._packets, None)

    def write_until(self, time_s: float) -> None:
        """Write the packets that start before this time of the video.

        Raises:
            OSError: the disk is full or gone (`av.FFmpegError` is one).
        """
        while self._next is not None:
            packet = self._next
            if packet.pts is not None and packet.pts * packet.time_base >= time_s:
                return
            packet.stream = self._stream
            self._output.mux(packet)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the source. A second call does nothing."""
        source, self._source = self._source, None
        self._packets, self._next = iter(()), None
        if source is not None:
            source.close()

    def _until_damaged(self, packets: Iterator[Any]) -> Iterator[Any]:
        import av

        try:
            yield from packets
        except av.FFmpegError as error:
            self.fault = f"the sound ends early ({error.strerror or type(error).__name__})"

    def _copied(self, stream: Any, origin_s: float) -> Iterator[Any]:
        shift = round(origin_s / stream.time_base)
        last = -1
        for packet in self._source.demux(stream):
            if packet.pts is None or packet.dts is None or packet.pts < shift or packet.dts - shift <= last:
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            last = packet.dts
            yield packet

    def _encoded(self, stream: Any, origin_s: float) -> Iterator[Any]:
        shift = round(origin_s / stream.time_base)
        for frame in self._source.decode(stream):
            if frame.pts is None or frame.pts < shift:
                continue
            frame.pts -= shift
            yield from self._stream.encode(frame)
        yield from self._stream.encode(None)


def _can_be_copied(context: Any) -> bool:
    """Whether MP4 holds this sound as it is; transport streams, for example, carry AAC without settings."""
    return context.name in _COPIED or (context.name in _COPIED_WITH_SETTINGS and bool(context.extradata))
