"""One live run without its window: source, engine and threads, pictures to show, and recorders that come and go.

Opening and ending block for seconds and are called off the main thread; everything else is quick and belongs to the
thread of the window.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.engine_cache import EngineCache
from app.overlay.overlay import Overlay, OverlayParts, bgrx, present
from app.session.metadata import session_header
from app.session.rows import FaceRow, SessionHeader, rows_of
from app.settings.limits import Limits, recalibrated
from engine.backends.contract import ExpressionCalibration
from engine.capture.opening import open_source
from engine.capture.pacing import PacedSource
from engine.capture.source import FrameSource, SourceInfo
from engine.engine import Engine
from engine.runtime import Attachment, Runtime
from engine.sink import FrameSink
from engine.types import FrameResult, UInt8

#: A recorder may take so long for the tables of hours; one that takes longer waits for a disk that is gone.
_CLOSE_S: Final = 90.0

SourceOpener = Callable[[str], FrameSource]


def open_live_source(spec: str) -> FrameSource:
    """Open a source to be watched: files play in real time.

    Raises:
        SourceError: there is no such source, or it cannot be read.
    """
    source = open_source(spec, live=True)
    return source if source.info.is_live else PacedSource(source)


@dataclass(frozen=True, slots=True, eq=False)
class Presented:
    """A picture to show, and the result that it belongs to: both are of one frame."""

    result: FrameResult
    rows: tuple[FaceRow, ...]
    picture: UInt8  # (h, w, 4) BGRX, fitted into the space asked for, with the overlay


class PresentingSink:
    """Makes the pictures on its own thread, so that the window only has to paint them. It keeps the newest."""

    def __init__(self, header: SessionHeader, parts: OverlayParts, space_px: tuple[int, int]) -> None:
        self.header = header  # these three may be replaced at any time, from any thread
        self.parts = parts
        self.space_px = space_px
        self.newest: Presented | None = None
        self.failed = False  # it ended before the last result, or the run failed
        self._overlay = Overlay(header, parts)
        self._drawn_with = (header, parts)

    def open(self) -> None:
        """Nothing to open."""

    def write(self, result: FrameResult) -> None:
        """Make the picture of a result."""
        wanted = (self.header, self.parts)
        if wanted != self._drawn_with:
            self._overlay, self._drawn_with = Overlay(*wanted), wanted
        rows = rows_of(result)
        picture = present(result.frame.image, rows, self._overlay, self.space_px)
        self.newest = Presented(result, rows, bgrx(picture))

    def close(self, completed: bool) -> None:
        """The last picture stays."""
        self.failed = not completed


class LiveRun:
    """A run from `open_run` on; one start, one end."""

    def __init__(
        self, spec: str, source: FrameSource, engine: Engine, runtime: Runtime, presenting: PresentingSink
    ) -> None:
        """Made by `open_run`."""
        self.spec = spec
        self.info: SourceInfo = source.info
        self.engine = engine
        self.runtime = runtime
        self.presenting = presenting
        self._source = source
        self._attachments: list[Attachment] = []

    @property
    def header(self) -> SessionHeader:
        """With the limits that are in force."""
        return self.presenting.header

    def start(self) -> None:
        """Start the threads."""
        # attached first, so that a run that fails at once ends its pictures as any other
        self._attachments.append(self.runtime.attach(self.presenting, newest_only=True))
        self.runtime.start()

    def set_limits(self, limits: Limits) -> ExpressionCalibration:
        """Route by these limits from the next frame on; the calibration that stands for them.

        Raises:
            ValueError: see app/settings/limits.py.
        """
        calibration = recalibrated(self.calibration, limits)
        self.engine.recalibrate(calibration)
        self.presenting.header = dataclasses.replace(
            self.header, aleatoric_limit=limits.aleatoric_limit, ood_limit=limits.ood_limit
        )
        return calibration

    def damaged(self) -> int:
        """Packets or pictures that could not be decoded so far."""
        return self._source.damaged

    @property
    def calibration(self) -> ExpressionCalibration:
        """The model's own."""
        return self.engine.expression.calibration

    @property
    def presented_all(self) -> bool:
        """Whether no further picture will be made."""
        return bool(self._attachments) and self._attachments[0].ended

    def attach(self, sink: FrameSink) -> Attachment:
        """Let a recorder join; detach it before `end`, so that it counts as complete.

        Raises:
            RuntimeStateError: the run has ended.
        """
        attachment = self.runtime.attach(sink)
        self._attachments.append(attachment)
        return attachment

    def end(self) -> None:
        """End the run and all that was attached. Blocks until recorders have written their tables.

        Raises:
            ThreadStuckError: a thread does not end.
            Exception: the error that the run, or the making of its pictures, ended with.
        """
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
            self.presenting.newest = None  # behind the last one that could be made
        self._attachments[0].join()  # raises what the pictures failed with


def open_run(
    spec: str,
    open_it: SourceOpener,
    engines: EngineCache,
    app_version: str,
    limits: Limits | None,
    parts: OverlayParts,
    space_px: tuple[int, int],
) -> LiveRun:
    """Open source and engine; nothing runs yet. Blocks for up to several seconds.

    Raises:
        SourceError: the source cannot be opened.
        FaceModelError, ModelError, BackendError: the engine cannot be opened.
    """
    source = open_it(spec)
    try:
        engine = engines.engine_for(source)
        engine.reset()
        header = session_header(spec, source, engine, app_version, limits)
        presenting = PresentingSink(header, parts, space_px)
        runtime = Runtime(source, engine, (), engine.config.runtime)
        run = LiveRun(spec, source, engine, runtime, presenting)
        run.set_limits(limits or Limits(header.aleatoric_limit, header.ood_limit))
    except BaseException:
        source.close()
        raise
    return run
