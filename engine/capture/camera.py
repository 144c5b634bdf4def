"""A camera of this machine through OpenCV, stamped at arrival.

OpenCV does not tell reliably that a camera was unplugged: depending on the driver `read` fails, blocks for ten seconds,
or repeats the last picture for ever (opencv issues 5221, 14044, 10927). So a camera counts as lost when no picture has
come for LOST_S, or none that differs from the one before for ``frozen_s``, or would have when another read ended. The
noise of a sensor changes some value of every picture, also in the dark; virtual cameras and test signals, which may be
still, need ``frozen_s = 0``.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Final

import cv2
import numpy as np

from engine.capture.camera_list import why_not
from engine.capture.opencv_log import quiet_opencv
from engine.capture.source import FrameSource, SourceInfo, SourceKind, check_size
from engine.errors import SourceError
from engine.types import Frame, UInt8

#: A camera without a new picture for so long is lost, which leaves time to find it within 2 s.
LOST_S: Final = 1.5
#: The first picture may take longer: the sensor starts up.
START_S: Final = 5.0
#: Pause after a failed read, so that a missing camera costs no processor time.
_PAUSE_S: Final = 0.05
#: Seconds for which OpenCV's V4L2 reader blocks at most (its default is 10); it bounds how long `interrupt` takes.
_V4L_TIMEOUT: Final = ("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")


class CameraSource(FrameSource):
    """A camera by number or device path. Its pictures come in the camera's default size and rate."""

    def __init__(self, device: int | str, frozen_s: float = LOST_S) -> None:
        """Open the camera and wait for its first picture, which is dropped (it tends to be dark or torn).

        Args:
            device: number or path.
            frozen_s: a camera that repeats one picture for so long is lost; 0: never.

        Raises:
            SourceError: there is no such camera, it may not be used, it is in use, or it sends nothing.
        """
        super().__init__()
        self._device = device
        self._frozen_s = frozen_s
        os.environ.setdefault(*_V4L_TIMEOUT)
        with quiet_opencv():
            self._capture = cv2.VideoCapture(device, cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY)
        if not self._capture.isOpened():
            raise SourceError(why_not(device))
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._picture: UInt8 | None = None  # BGR, the last one
        self._index = 0
        self._first_s: float | None = None
        self._arrived_s = self._changed_s = time.monotonic()
        self._size: tuple[int, int] | None = None  # width and height of the first picture
        try:
            height_px, width_px = self._wait_for_picture(START_S).shape[:2]
            check_size(f"camera {device}", width_px, height_px)
            self._size = width_px, height_px
        except SourceError:
            self.close()
            raise
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.info = SourceInfo(
            f"camera:{device}",
            SourceKind.CAMERA,
            width_px,
            height_px,
            frame_count=None,
            duration_s=None,
            fps=fps if fps > 0 else None,
            is_live=True,
        )

    def read(self) -> Frame | None:
        """The next picture, scaled to the size of the first; None after `interrupt`, at most a second later.

        Raises:
            SourceError: no picture for LOST_S, or no new one for ``frozen_s``.
        """
        if time.monotonic() - self._arrived_s > LOST_S:
            self._arrived_s = self._changed_s = time.monotonic()  # the reader paused; the camera was not silent
        picture = self._wait_for_picture(LOST_S)
        if self._interrupted.is_set():
            return None
        if self._first_s is None:
            self._first_s = self._arrived_s
        self._index += 1
        if self._size is not None and picture.shape[1::-1] != self._size:
            picture = np.asarray(cv2.resize(picture, self._size), np.uint8)
        image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        return Frame(image, self._index - 1, self._arrived_s - self._first_s, self.info.source_id)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()

    def _wait_for_picture(self, limit_s: float) -> UInt8:
        """The next picture (H, W, 3) BGR, its arrival noted; an empty one after `interrupt`."""
        while not self._interrupted.is_set():
            start_s = time.monotonic()
            with quiet_opencv():
                arrived, picture = self._capture.read()
            now_s = time.monotonic()
            next_s = 2 * now_s - start_s  # when another read would end
            is_repeated = arrived and self._picture is not None and np.array_equal(picture, self._picture)
            if arrived:
                self._arrived_s = now_s
            if arrived and not is_repeated:
                self._changed_s = now_s
            is_frozen = is_repeated and 0 < self._frozen_s < next_s - self._changed_s
            if is_frozen or (not arrived and next_s - self._arrived_s > limit_s):
                silent_s = self._frozen_s if is_frozen else limit_s
                raise SourceError(
                    f"camera {self._device} gave no new picture for {silent_s:g} s: "
                    "plug it in again, or open its shutter"
                )
            if arrived:
                self._picture = np.asarray(picture, np.uint8)
                return self._picture
            self._interrupted.wait(_PAUSE_S)
        return np.empty((0, 0, 3), np.uint8)
