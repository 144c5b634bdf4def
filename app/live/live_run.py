"""A live run without its window: source, engine, threads, rendering, and recorders that attach and detach.

`open_run` and `LiveRun.end` block for seconds and are called from a worker; all other calls are fast and come from the
thread of the window.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from app.engine_cache import EngineCache
from app.overlay.overlay import Overlay, OverlayParts, bgrx, present
from app.overlay.region import WHOLE
from app.overlay.thumbnails import face_thumbnails
from app.session.metadata import session_header
from app.session.rows import FaceRow, SessionHeader, rows_of
from app.settings.limits import Limits, recalibrated
from engine.backends.contract import ExpressionCalibration
from engine.baseline import BaselineBook
from engine.capture.opening import open_source
from engine.capture.pacing import PacedSource
from engine.capture.source import FrameSource, SourceInfo, SourceKind
from engine.config import CaptureConfig
from engine.engine import Engine
from engine.errors import ThreadStuckError
from engine.runtime import Attachment, FrameSink, Runtime
from engine.types import Float32, Frame, FrameResult, UInt8

#: Time limit for a recorder to write the tables of a session of hours; a slower one waits for a disk that is gone.
_CLOSE_S: Final = 90.0
#: Seconds between two pictures of a face, and their side in pixels.
_THUMBNAIL_S: Final = 0.5
THUMBNAIL_PX: Final = 96

SourceOpener = Callable[[str], FrameSource]
_LIMITS: Final = CaptureConfig()


def open_live_source(spec: str, limits: CaptureConfig = _LIMITS) -> FrameSource:
    """Open a source for live viewing; files play in real time.

    Raises:
        SourceError: the source does not exist or cannot be read.
    """
    source = open_source(spec, live=True, limits=limits)
    return source if source.info.is_live else PacedSource(source)


@dataclass(frozen=True, slots=True, eq=False)
class RenderedFrame:
    """A result with its image for the window."""

    result: FrameResult
    rows: tuple[FaceRow, ...]
    image: UInt8  # (h, w, 4) BGRX, scaled to the view, with the overlay
    thumbnails: dict[int, UInt8] = field(default_factory=dict)  # by face id, see app/overlay/thumbnails.py


class RenderSink:
    """Renders frames on its own thread, so that the window only paints them. Keeps the newest."""

    def __init__(self, header: SessionHeader, parts: OverlayParts, space_px: tuple[int, int]) -> None:
        self.header = header  # these four may be replaced at any time, from any thread
        self.parts = parts
        self.space_px = space_px  # width and height of the view
        self.region = WHOLE
        self.newest: RenderedFrame | None = None
        self.failed = False  # closed before the last result
        self._lock = threading.Lock()  # while paused, the window renders on its own thread
        self._newest_lock = threading.Lock()
        self._overlay = Overlay(header, parts)
        self._overlay_of = (header, parts)
        self._thumbnails: dict[int, UInt8] = {}
        self._cut_s = -math.inf  # time of the frame that the thumbnails come from

    def open(self) -> None:
        """Do nothing."""

    def write(self, result: FrameResult) -> None:
        """Render a result, and again if it is wanted otherwise meanwhile: while paused, no other may follow."""
        rendered_for, own = None, None
        while rendered_for != (wanted := (self.header, self.parts, self.space_px, self.region)):
            rendered = self.render(result)
            rendered_for = wanted
            with self._newest_lock:
                if own is not None and self.newest is not own:
                    return  # the window has rendered it again itself, maybe with other decisions
                self.newest = own = rendered

    def render_again(self, shown: RenderedFrame, result: FrameResult) -> RenderedFrame:
        """Render ``result`` in place of the frame ``shown``; a frame that has come since then stays the newest."""
        rendered = self.render(result)
        with self._newest_lock:
            if self.newest is shown:
                self.newest = rendered
        return rendered

    def render(self, result: FrameResult) -> RenderedFrame:
        """Render a result as the window wants it now."""
        rows = tuple(row.units_shown() for row in rows_of(result, repeat=True))
        with self._lock:
            wanted = (self.header, self.parts)
            if wanted != self._overlay_of:
                self._overlay.change(*wanted)
                self._overlay_of = wanted
            meshes = meshes_of(result) if self.parts.landmarks else ()
            image = present(result.frame.image, rows, self._overlay, self.space_px, self.region, meshes)
            return RenderedFrame(result, rows, bgrx(image), self._pictures(result, rows))

    def covered(self, result: FrameResult) -> Frame:
        """The frame shown, with its faces blurred if they are in the view."""
        with self._lock:
            image = self._overlay.blurred(result.frame.image, rows_of(result, repeat=True))
        return dataclasses.replace(result.frame, image=image)

    def _pictures(self, result: FrameResult, rows: tuple[FaceRow, ...]) -> dict[int, UInt8]:
        """Pictures of the faces, renewed twice a second, and at once for another face; none while blurred."""
        if self.parts.blur:
            self._thumbnails, self._cut_s = {}, -math.inf
            return {}
        now_s = result.frame.timestamp_s
        ids = {row.face_id for row in rows if row.face_id is not None}
        if not ids <= set(self._thumbnails) or not 0 <= now_s - self._cut_s < _THUMBNAIL_S:
            self._thumbnails, self._cut_s = face_thumbnails(result.frame.image, rows, THUMBNAIL_PX), now_s
        return self._thumbnails

    def close(self, completed: bool) -> None:
        """Keep the newest frame."""
        self.failed = not completed


def meshes_of(result: FrameResult) -> tuple[Float32, ...]:
    """The points (468, 2) of each face in pixels of the frame."""
    return tuple(face.track.mesh[:, :2] for face in result.faces)


class LiveRun:
    """A run made by `open_run`; started once and ended once."""

    def __init__(
        self,
        spec: str,
        source: FrameSource,
        engine: Engine,
        engines: EngineCache,
        renderer: RenderSink,
    ) -> None:
        """Use `open_run`."""
        self.spec = spec
        self.info: SourceInfo = source.info
        self.engine = engine
        self.renderer = renderer
        self._source = source
        self._engines = engines
        self._limits: Limits | None = None
        self.runtime = Runtime(source, engine, (), engine.config.runtime, self._rebuild)
        self._attachments: list[Attachment] = []

    @property
    def header(self) -> SessionHeader:
        """Header with the limits in use."""
        return self.renderer.header

    def start(self) -> None:
        """Start the threads."""
        # attached first, so that rendering ends in the usual way if the run fails immediately
        self._attachments.append(self.runtime.attach(self.renderer, newest_only=True))
        self.runtime.start()

    def set_limits(self, limits: Limits) -> ExpressionCalibration:
        """Route by these limits from the next frame on; return the resulting calibration.

        Raises:
            ValueError: see app/settings/limits.py.
        """
        self._limits = limits
        calibration = recalibrated(self.calibration, limits)
        self.engine.recalibrate(calibration)
        self.renderer.header = dataclasses.replace(
            self.header, aleatoric_limit=limits.aleatoric_limit, ood_limit=limits.ood_limit
        )
        return calibration

    @property
    def baselines(self) -> BaselineBook | None:
        """Neutral baselines of the faces; None for unrelated images, and where the model has no usual one."""
        return self.engine.baselines

    @property
    def duration_s(self) -> float | None:
        """Length of a file that `open_run` can start at any time; None for other sources."""
        return None if self.info.is_live or self.info.kind is not SourceKind.VIDEO else self.info.duration_s

    def set_speed(self, speed: float) -> None:
        """Play a file faster or slower; ignored for other sources."""
        if isinstance(self._source, PacedSource):
            self._source.set_speed(speed)

    def damaged(self) -> int:
        """Number of packets or frames that could not be decoded so far."""
        return self._source.damaged

    @property
    def calibration(self) -> ExpressionCalibration:
        """The calibration of the model, with its own limits."""
        return self.engine.expression.calibration

    @property
    def rendering_ended(self) -> bool:
        """Whether no further frame will be rendered."""
        return bool(self._attachments) and self._attachments[0].ended

    def attach(self, sink: FrameSink) -> Attachment:
        """Attach a recorder; detach it before `end`, otherwise its session counts as broken off.

        Raises:
            RuntimeStateError: the run has ended.
        """
        attachment = self.runtime.attach(sink)
        self._attachments.append(attachment)
        return attachment

    def end(self) -> None:
        """End the run and its recorders. Blocks until recorders have written their tables.

        Raises:
            ThreadStuckError: a thread does not end; the engine that it uses is not closed.
            Exception: the error that ended the run or its rendering.
        """
        try:
            self._end()
        except ThreadStuckError:
            self._engines.abandon()
            raise

    def _end(self) -> None:
        if not self._attachments:  # never started
            self._source.close()
            return
        try:
            self.runtime.stop()
        finally:
            for attachment in self._attachments:
                attachment.detach()
                if not attachment.wait(_CLOSE_S):
                    attachment.join(0)  # raises ThreadStuckError with its name
            self.renderer.newest = None  # no more can follow
        self._attachments[0].join()  # raises the error of the rendering, if any

    def _rebuild(self) -> Engine:
        """A new engine with the same limits, in place of one that is stuck; on the inference thread."""
        self.engine = self._engines.reopen(self._source)
        if self._limits is not None:
            self.engine.recalibrate(recalibrated(self.calibration, self._limits))
        return self.engine


def open_run(
    spec: str,
    open_it: SourceOpener,
    engines: EngineCache,
    app_version: str,
    limits: Limits | None,
    parts: OverlayParts,
    space_px: tuple[int, int],
    start_s: float = 0.0,
) -> LiveRun:
    """Open source and engine without starting threads. Blocks for up to several seconds.

    ``start_s``: where to start in a video file.

    Raises:
        SourceError: the source cannot be opened.
        FaceModelError, ModelError, BackendError: the engine cannot be opened.
    """
    source = open_it(spec)
    try:
        if start_s > 0:
            source.jump_to_time(start_s)
        engine = engines.engine_for(source)
        engine.reset()
        header = session_header(spec, source, engine, app_version, limits)
        renderer = RenderSink(header, parts, space_px)
        run = LiveRun(spec, source, engine, engines, renderer)
        run.set_limits(limits or Limits(header.aleatoric_limit, header.ood_limit))
    except BaseException:
        source.close()
        raise
    return run
