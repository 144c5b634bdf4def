"""Videos of an export: the original with the overlay, or with blurred faces."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.export.job import ExportJob, Progress
from app.overlay.blur import FaceCover, blur_faces
from app.review.clip import ClipReader
from app.session.rows import SessionHeader
from app.session.video import VideoSink
from engine.errors import OutputError
from engine.types import Frame

#: Share of the progress that reading the boxes takes.
_PLANNING: Final = 0.1


def write_overlay(job: ExportJob, path: Path, report: Progress) -> None:
    """Draw the overlay on the original video; over a range left out, its last frame before stays."""
    with _sink(path, job.header) as sink, _clip(job) as clip:
        for position in job.positions(report):
            sink.write_rows(_frame(job, clip, position), job.rows_shown_at(position))


def write_blurred(job: ExportJob, path: Path, report: Progress) -> None:
    """Blur every face found in the analysed frames; there is no sound."""
    cover = FaceCover(job.session.times_s)
    for shown in job.frames(lambda share: report(_PLANNING * share)):
        cover.add(shown.position, shown.rows)
    cover.link()
    with _sink(path, None) as sink, _clip(job) as clip:
        for position in job.positions(lambda share: report(_PLANNING + (1.0 - _PLANNING) * share)):
            frame = _frame(job, clip, position)
            image = blur_faces(frame.image, cover.boxes_at(position))
            sink.write_rows(dataclasses.replace(frame, image=image), ())


def _frame(job: ExportJob, clip: ClipReader, position: int) -> Frame:
    session = job.session
    image = clip.image_at(session.video_time_at(position))
    return Frame(image, int(session.frames[position]), float(session.times_s[position]), job.header.source_id)


@contextlib.contextmanager
def _clip(job: ExportJob) -> Iterator[ClipReader]:
    """Open the video without overlay, whose existence the export has checked.

    Raises:
        OutputError: there is none.
        SourceError: it cannot be read.
    """
    video = job.session.video
    if video is None or video.annotated:
        raise OutputError(f"{job.header.source_id} has no video without overlay")
    with contextlib.closing(ClipReader(video.path)) as clip:
        yield clip


@contextlib.contextmanager
def _sink(path: Path, header: SessionHeader | None) -> Iterator[VideoSink]:
    """A video that gets its name if the block succeeds, and is deleted otherwise."""
    sink = VideoSink(path, header)
    try:
        sink.open()
        yield sink
        sink.close(completed=True)
        sink.publish()
    finally:
        sink.discard()  # does not affect a published file
