"""Films made on the spot: the demo's moving portrait, encoded once and repeated by copying its packets."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2

from engine.capture.synthetic import SyntheticSource


def make_film(path: Path, frames: int, width: int, height: int, fps: int, repeat: int = 1) -> Path:
    """Write an H.264 film of ``frames`` frames of the demo, ``repeat`` times one after the other."""
    once = path.with_name(f"once-{path.name}") if repeat > 1 else path
    source = SyntheticSource()
    total = source.info.frame_count or frames
    with av.open(str(once), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "g": str(fps), "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            image = cv2.resize(source.draw(index * total // frames), (width, height))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    source.close()
    if repeat > 1:
        _repeat(once, path, repeat, Fraction(frames, fps))
        once.unlink()
    return path


def _repeat(once: Path, path: Path, repeat: int, length_s: Fraction) -> None:
    with av.open(str(path), "w") as container:
        target = None
        for place in range(repeat):
            with av.open(str(once)) as source:
                stream = source.streams.video[0]
                target = target or container.add_stream_from_template(stream)
                shift = int(place * length_s / stream.time_base)
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, target
                    container.mux(packet)
